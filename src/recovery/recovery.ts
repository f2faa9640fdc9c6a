/**
 * Recovery: from the files of a log to its index and state, and the verdict on what is not as it was written.
 *
 * `proven.ts` decides between cut and refuse, `gap.ts` what lost frames can have held.
 *
 * @module
 */

import { CHUNK_BYTES, type Codec } from "../codec/codec.ts";
import type { Cut, Damage } from "../api/report.ts";
import type { FileSystem, Threads } from "../io/file_system.ts";
import { readFull } from "../io/full.ts";
import { openSized, type SizedFile } from "../io/sized_file.ts";
import { Borders, lostBefore } from "./borders.ts";
import { type Chain, ChainReader, type Link } from "./chain.ts";
import { CHECKPOINT_BYTES, CHECKPOINT_PAYLOAD_BYTES } from "../format/checkpoint.ts";
import {
  decodeFrameHeader,
  FLAG_CLOSE,
  FRAME_ALIGNMENT,
  FRAME_HEADER_BYTES,
  frameBytes,
  indexBehind,
  KIND_CHECKPOINT,
  KIND_ENTRIES,
} from "../format/frame.ts";
import type { PlacedSlot } from "../format/durable_slot.ts";
import type { Identity } from "../format/identity.ts";
import { SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import { EMPTY_STATE, type LogState } from "../format/state.ts";
import { snapshotIndexOf } from "../format/snapshot_name.ts";
import { beginsLikeSnapshot } from "../snapshots/snapshot_file.ts";
import { IDENTITY_NAME, readIdentity } from "./identity.ts";
import type { LogIndex } from "../log/log_index.ts";
import { provenLsn } from "./proven.ts";
import { judgeDamage } from "./judge.ts";
import { Replay } from "./replay.ts";
import { selectSegment } from "../log/select_segment.ts";
import { replayThroughDamage } from "./scan_segment.ts";
import { SealedSegments } from "./sealed.ts";
import { ScanAhead } from "./scan_ahead.ts";
import { Segment } from "../log/segment.ts";

/** How long to wait for another thread before looking again. In milliseconds. */
const THREAD_WAIT_MS = 1;

/** How to recover. */
export interface RecoveryOptions {
  /** Whether sealed segments are scanned, or taken from their segment indexes. */
  readonly verify: "full" | "tail";
  /** Whether a reader wants to go on from what is recovered. */
  readonly isFollowed: boolean;
  /** Threads that may help; the caller must then be able to wait for them. */
  readonly threads: Threads | undefined;
}

/** How far a recovery has come. */
export interface RecoveryStep {
  readonly bytesDone: number;
  readonly bytesTotal: number;
  /** How long to wait before the next step, if recovery cannot go on yet. In milliseconds. */
  readonly waitMs?: number;
}

/** A log up to its proven LSN, apart from what was recovered behind it: where a reader goes on. */
export interface Settled {
  readonly index: LogIndex;
  readonly state: LogState;
}

/** What was recovered. */
export interface Recovered {
  readonly index: LogIndex;
  /** The log's state, and what of it is lost. */
  readonly state: LogState;
  /** The newest segment; `undefined` if there is no log yet. */
  readonly head: Segment | undefined;
  /** Whether the newest segment ends with the checkpoint that closing leaves, so that writing can go on behind it. */
  readonly closed: boolean;
  /** The segment before the newest one, also if the snapshot covers it; `undefined` if there is none. */
  readonly previous: Segment | undefined;
  /** The number of a segment that the newest one names, and that is missing; `undefined` if it names none. */
  readonly missingNumber: number | undefined;
  /** Whether the segment before the newest names it in both copies of its pointer, if that segment is there. */
  readonly isHeadNamed: boolean;
  /** The durable slot of the newest segment with the highest LSN; `undefined` if it has none. */
  readonly slot: PlacedSlot | undefined;
  /** The log's UUID; `undefined` if there is no log yet. */
  readonly uuid: Uint8Array | undefined;
  /** What `IDENTITY` says; `undefined` if it is missing or damaged. */
  readonly identity: Identity | undefined;
  /** LSN up to which the disk proves that a flush returned. */
  readonly provenLsn: number;
  /** The log up to the proven LSN, if that was asked for; `undefined` too if damage reaches up to there. */
  readonly settled: Settled | undefined;
  /** The log's state at the proven LSN, and the sum of the last frame before it. */
  readonly provenState: LogState;
  readonly provenChecksum: number;
  /** The lowest index that the newest segment had truncated at the proven LSN; `Infinity` if none. */
  readonly provenTruncated: number;
  /** The lowest index that it has truncated since. */
  readonly unprovenTruncated: number;
  readonly provenIndex: number;
  readonly cut: Cut | undefined;
  readonly damage: readonly Damage[];
  /** Damage to what the log no longer needs. */
  readonly harmless: readonly Damage[];
  readonly bytesRead: number;
  /** Threads that took part. */
  readonly threads: 1 | 2;
  /** Files that the log does not need, in the order of their removal. */
  readonly leftovers: readonly string[];
  /** Uncommitted segments. */
  readonly superseded: readonly string[];
  /** The highest number of a segment of this log. */
  readonly numberUsed: number;
}

/** Recovers a log, reading only. Yields the bytes done and to do after each chunk. */
export class Recovery {
  private readonly fileSystem: FileSystem;
  private readonly folder: string;
  private readonly codec: Codec;
  private readonly replay: Replay;
  private readonly chainReader: ChainReader;
  private readonly sealed: SealedSegments;
  private readonly threads: Threads | undefined;
  private readonly isFollowed: boolean;
  private readonly borders: Borders;

  constructor(fileSystem: FileSystem, folder: string, codec: Codec, options: RecoveryOptions) {
    this.fileSystem = fileSystem;
    this.folder = folder;
    this.codec = codec;
    this.replay = new Replay(codec);
    this.chainReader = new ChainReader(fileSystem, folder, codec);
    this.sealed = new SealedSegments(fileSystem, codec, this.replay, options.verify);
    this.borders = new Borders(fileSystem, folder, this.replay);
    this.isFollowed = options.isFollowed;
    // What is taken from segment indexes leaves nothing to scan.
    this.threads = options.verify === "full" ? options.threads : undefined;
  }

  /**
   * Recovers.
   *
   * @param names The names in the log's folder.
   * @returns What was recovered, damage and all; the caller decides whether damage is an error.
   */
  *run(names: readonly string[]): Generator<RecoveryStep, Recovered> {
    const { replay } = this;
    replay.newestSnapshot = names.reduce((highest, name) => Math.max(highest, snapshotIndexOf(name)), 0);
    const identity = readIdentity(this.fileSystem, this.folder, (bytes, seed) => this.codec.hash(bytes, seed));
    const chain = this.chainReader.read(names, identity === "damaged" ? undefined : identity?.uuid);
    const bytesTotal = chain.links.reduce((sum, { file }) => sum + file.size, 0);
    const newest = chain.links.at(-1);
    if (newest === undefined) return this.nothing(chain, identity, names);

    yield* this.takeSealed(chain, newest, bytesTotal);
    const head = new Segment(newest.file.path, newest.file.header, SEGMENT_HEADER_BYTES);
    replay.open(head);
    const file = openSized(this.fileSystem, head.path);
    try {
      const { size } = newest.file;
      const { slot } = newest.file;
      const { baseLsn } = head.header;
      const proven = provenLsn({
        headerEnd: baseLsn + SEGMENT_HEADER_BYTES,
        chain: chain.provenLsn,
        slot: slot?.lsn ?? 0,
        // It proves the frames before it, not itself: its own flush may have failed.
        close: this.isClosed(newest, file) ? baseLsn + size - CHECKPOINT_BYTES : undefined,
        frames: () => this.chainReader.survey(newest.file, size).provenLsn,
      });
      const provenOffset = proven.lsn - baseLsn;
      for (const _ of replayThroughDamage(replay, head, file, provenOffset)) {
        yield { bytesDone: replay.bytesRead, bytesTotal };
      }
      // The last frame may be lost, in which case its checksum is, and a file that is restored has it again.
      const provenChecksum = replay.gapOffset !== undefined ? 0 : head.lastChecksum;
      if (slot?.lsn === proven.lsn) replay.settle(head, slot.checkpoint);
      replay.keepOpenBatch();
      const provenNext = replay.index.nextIndex;
      // What follows may have to move to another segment: a page begins with it.
      head.breakPage();
      let provenState = replay.state;
      replay.settledState = undefined;
      replay.settledTruncated = Infinity;
      let provenTruncated = head.lowestTruncated;
      // A gap that reaches past the proven LSN leaves no frame to go on with: the rest is cut with it.
      head.endOffset = Math.max(head.endOffset, provenOffset);
      const settled = this.isFollowed && replay.gapOffset === undefined
        ? { index: replay.index.copy(), state: provenState }
        : undefined;
      head.lowestTruncated = Infinity;
      const stop = yield* this.unproven(head, file, provenOffset, size, bytesTotal);
      const unprovenTruncated = head.lowestTruncated;
      head.lowestTruncated = Math.min(provenTruncated, unprovenTruncated);
      // What a gap just before the proven LSN held, the first frame behind it told; and what it truncated, that frame did
      // not.
      provenState = replay.settledState ?? provenState;
      provenTruncated = Math.min(provenTruncated, replay.settledTruncated);
      replay.close(head);
      const known = new Set(replay.damage.map((one) => one.path));
      // What else the chain lacks comes behind the newest segment, and how far it went, nothing tells; or it comes before
      // the oldest.
      const firstIndex = replay.index.nextIndex;
      const others = chain.damage.filter((one) => !known.has(one.path));
      const damage = [
        ...replay.damage,
        ...others.map((one) => one.path >= head.path ? { ...one, firstIndex } : one),
      ];
      if (replay.indexOffset !== undefined && !chain.nextBegun && chain.damage.length === 0) {
        const { number } = head.header;
        const reason = `segment ${number} is sealed, so that another follows it, it is missing`;
        damage.push({ ...this.borders.missing(number + 1, reason), firstIndex });
      }
      // Whatever is lost behind the newest segment may have held a hard state too.
      const hardStateLost = replay.hardStateLost || others.some((one) => one.path >= head.path) ||
        damage.some((one) => one.path > head.path);
      const previous = replay.index.segments.at(-2);
      const judged = judgeDamage(damage, chain, replay, this.borders);
      if (replay.tailLost) {
        judged.damage.push({ ...lostBefore(head.path, "frames"), firstIndex: head.header.state.nextIndex });
      }
      if (hardStateLost && judged.damage.length === 0) {
        // It may have been among frames of which nothing else is needed.
        const places = judged.harmless.filter(({ kind, path }) => kind === "frames" && path === head.path);
        judged.harmless.splice(0, Infinity, ...judged.harmless.filter((one) => !places.includes(one)));
        judged.damage.push(...places.length > 0 ? places : [lostBefore(head.path, "hard state")]);
      }
      const tailLost = judged.damage.some((one) => one.firstIndex !== undefined && one.lastIndex === undefined);
      const { replacementsLost } = replay;
      return {
        index: replay.index,
        state: { ...replay.state, hardStateLost, tailLost },
        head,
        closed: proven.isClosed && head.endOffset === size && newest.file.naming.kind === "none",
        previous,
        missingNumber: namedBy(newest),
        isHeadNamed: chain.links.slice(-2, -1).every(namesNext),
        slot,
        uuid: head.header.uuid,
        identity: identity === "damaged" ? undefined : identity,
        provenLsn: proven.lsn,
        settled,
        provenState: { ...provenState, hardStateLost, tailLost, replacementsLost },
        provenChecksum,
        provenTruncated,
        unprovenTruncated,
        // What was truncated since is not what was proven, though there may be entries again.
        provenIndex: Math.max(
          Math.min(provenNext, replay.index.nextIndex, unprovenTruncated) - 1,
          provenState.snapshotIndex,
        ),
        cut: stop === undefined ? undefined : this.describeCut(head, file, stop, size),
        damage: judged.damage,
        harmless: judged.harmless,
        bytesRead: replay.bytesRead,
        threads: this.sealed.ahead?.hasHelped ? 2 : 1,
        leftovers: [...judged.leftovers, ...chain.leftovers],
        superseded: chain.superseded,
        numberUsed: chain.numberUsed,
      };
    } finally {
      file.close();
    }
  }

  /** Replays all segments but the newest, and passes on to that. */
  private *takeSealed(chain: Chain, newest: Link, bytesTotal: number): Generator<RecoveryStep, void> {
    const { replay, sealed, threads } = this;
    const { links } = chain;
    if (threads !== undefined && bytesTotal - newest.file.size >= threads.worthBytes) {
      sealed.ahead = new ScanAhead(threads, this.codec, links);
    }
    replay.begin(links[0]!.file.header.state);
    try {
      for (const [i, link] of links.entries()) {
        if (i > 0) this.borders.follow(links[i - 1]!, link, chain);
        if (link === newest) return;
        for (const why of sealed.take(link, links[i + 1]!)) {
          yield { bytesDone: replay.bytesRead, bytesTotal, waitMs: why === "waiting" ? THREAD_WAIT_MS : undefined };
        }
      }
    } finally {
      sealed.ahead?.close();
    }
  }

  private nothing(chain: Chain, identity: Identity | undefined | "damaged", names: readonly string[]): Recovered {
    const { replay } = this;
    const damage: Damage[] = chain.damage.map((one) => ({ ...one, firstIndex: 1 }));
    const evidence = identity !== undefined ? IDENTITY_NAME : names.find((name) => this.isSnapshot(name));
    if (evidence !== undefined && damage.length === 0) {
      const reason = `${evidence} shows that there was a log, all its segments are missing`;
      damage.push({ ...this.borders.missing(1, reason), firstIndex: 1 });
    }
    const isLost = damage.length > 0;
    replay.begin({ ...EMPTY_STATE, hardStateLost: isLost, tailLost: isLost, replacementsLost: isLost });
    return {
      index: replay.index,
      state: replay.state,
      head: undefined,
      closed: chain.leftovers.length === 0,
      previous: undefined,
      missingNumber: undefined,
      isHeadNamed: true,
      slot: undefined,
      uuid: identity === "damaged" ? undefined : identity?.uuid,
      identity: identity === "damaged" ? undefined : identity,
      provenLsn: 0,
      settled: this.isFollowed && !isLost ? { index: replay.index.copy(), state: replay.state } : undefined,
      provenState: replay.state,
      provenChecksum: 0,
      provenTruncated: Infinity,
      unprovenTruncated: Infinity,
      provenIndex: 0,
      cut: undefined,
      damage,
      harmless: [],
      bytesRead: 0,
      threads: 1,
      leftovers: chain.leftovers,
      superseded: chain.superseded,
      numberUsed: chain.numberUsed,
    };
  }

  private isSnapshot(name: string): boolean {
    return snapshotIndexOf(name) > 0 && beginsLikeSnapshot(this.fileSystem, `${this.folder}/${name}`);
  }

  /** Replays what lies behind the proven LSN; returns where it was torn, if it was. */
  private *unproven(
    head: Segment,
    file: SizedFile,
    from: number,
    size: number,
    bytesTotal: number,
  ): Generator<RecoveryStep, number | undefined> {
    const { replay } = this;
    const frames = replay.run(head, file, from, size);
    for (;;) {
      const step = frames.next();
      if (step.done) return replay.dropOpenBatch(head) ?? step.value?.offset;
      yield { bytesDone: replay.bytesRead, bytesTotal };
    }
  }

  /** Whether the newest segment ends with the checkpoint of a clean close, up to which everything is durable. */
  private isClosed(link: Link, file: SizedFile): boolean {
    const { header, size } = link.file;
    const at = size - CHECKPOINT_BYTES;
    if (at < SEGMENT_HEADER_BYTES || size % FRAME_ALIGNMENT !== 0) return false;
    readFull(file, this.codec.chunk.subarray(0, FRAME_HEADER_BYTES), at);
    selectSegment(this.codec, header);
    if (this.codec.wasm.checkHeader(this.codec.chunkAt, header.baseLsn + at) !== 0) return false;
    const checkpoint = decodeFrameHeader(this.codec.chunk);
    return checkpoint.kind === KIND_CHECKPOINT && (checkpoint.flags & FLAG_CLOSE) !== 0 &&
      checkpoint.length === CHECKPOINT_PAYLOAD_BYTES;
  }

  /** What lies behind the place where the newest segment was torn; `undefined` if it is only zeros. */
  private describeCut(head: Segment, file: SizedFile, from: number, size: number): Cut | undefined {
    const { codec } = this;
    const { wasm, chunkAt } = codec;
    selectSegment(codec, head.header);
    let end = 0;
    let firstIndex: number | undefined;
    let lastIndex: number | undefined;
    for (let at = from; at < size;) {
      const count = readFull(file, codec.chunk.subarray(0, size - at), at);
      const nonZero = wasm.nonZeroEnd(chunkAt, count);
      if (nonZero > 0) end = at + nonZero;
      let frame = 0;
      while (frame + FRAME_HEADER_BYTES <= count) {
        frame += wasm.seek(chunkAt + frame, count - frame, head.header.baseLsn + at + frame);
        if (frame + FRAME_HEADER_BYTES > count) break;
        const header = decodeFrameHeader(codec.chunk.subarray(frame));
        if (header.kind === KIND_ENTRIES) {
          firstIndex = Math.min(firstIndex ?? header.index, header.index);
          lastIndex = Math.max(lastIndex ?? 0, indexBehind(header) - 1);
        }
        frame += frameBytes(header.length);
      }
      if (count < CHUNK_BYTES) break;
      at += Math.max(frame, FRAME_ALIGNMENT);
    }
    return end === 0 ? undefined : { path: head.path, offset: from, bytes: end - from, firstIndex, lastIndex };
  }
}

/** Whether both copies of a segment's pointer name the one that was written to follow it. */
function namesNext({ file: { naming }, joined }: Link): boolean {
  return !joined || (naming.kind === "named" && naming.copies === 2);
}

/** The number of the segment that a segment names as the next one; `undefined` if it names none that can be read. */
function namedBy({ file: { naming } }: Link): number | undefined {
  return naming.kind === "named" ? naming.next.number : undefined;
}
