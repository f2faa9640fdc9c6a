/**
 * Recovery: rebuilds the index and state of a log from its files, and judges damage.
 *
 * `proven.ts` decides between cut and refuse. `judge.ts` decides which damage matters. `gap.ts` finds out what lost
 * frames can have held.
 *
 * @module
 */

import type { Codec } from "../codec/codec.ts";
import type { Damage } from "../api/report.ts";
import type { FileSystem, Threads } from "../io/file_system.ts";
import { openSized } from "../io/sized_file.ts";
import { SegmentBoundaries } from "./segment_boundaries.ts";
import { assembleChain, type Chain, type Link } from "./chain.ts";
import { SegmentFiles } from "./segment_files.ts";
import type { Identity } from "../format/identity.ts";
import { EMPTY_STATE } from "../format/state.ts";
import { snapshotIndexOf } from "../format/snapshot_name.ts";
import { beginsLikeSnapshot } from "../snapshots/snapshot_file.ts";
import { IDENTITY_NAME, readIdentity } from "./identity.ts";
import { Replay } from "./replay.ts";
import { SealedSegments } from "./sealed.ts";
import { ScanAhead } from "./scan_ahead.ts";
import type { Recovered, RecoveryOptions, RecoveryStep } from "./recovered.ts";
import { type NewestScan, scanNewest } from "./newest.ts";
import { judge } from "./judge.ts";

/** The pause between two checks for another thread's result, in milliseconds. */
const THREAD_WAIT_MS = 1;

/** Recovers a log without writing. Yields its progress after each chunk. */
export class Recovery {
  private readonly fileSystem: FileSystem;
  private readonly folder: string;
  private readonly codec: Codec;
  private readonly replay: Replay;
  private readonly files: SegmentFiles;
  private readonly sealed: SealedSegments;
  private readonly threads: Threads | undefined;
  private readonly isFollowed: boolean;
  private readonly boundaries: SegmentBoundaries;

  constructor(fileSystem: FileSystem, folder: string, codec: Codec, options: RecoveryOptions) {
    this.fileSystem = fileSystem;
    this.folder = folder;
    this.codec = codec;
    this.replay = new Replay(codec);
    this.files = new SegmentFiles(fileSystem, folder, codec);
    this.sealed = new SealedSegments(fileSystem, codec, this.replay, options.verify);
    this.boundaries = new SegmentBoundaries(fileSystem, folder, this.replay);
    this.isFollowed = options.isFollowed;
    // With segment indexes, there is nothing to scan.
    this.threads = options.verify === "full" ? options.threads : undefined;
  }

  /**
   * Recovers the log.
   *
   * @param names The names in the log's folder.
   * @returns The recovered log, including its damage. The caller decides whether damage is an error.
   */
  *run(names: readonly string[]): Generator<RecoveryStep, Recovered> {
    const { replay } = this;
    replay.newestSnapshot = names.reduce((highest, name) => Math.max(highest, snapshotIndexOf(name)), 0);
    const identity = readIdentity(this.fileSystem, this.folder, (bytes, seed) => this.codec.hash(bytes, seed));
    const chain = this.assemble(names, identity);
    const bytesTotal = chain.links.reduce((sum, { file }) => sum + file.size, 0);
    const newest = chain.links.at(-1);
    if (newest === undefined) return this.nothing(chain, identity, names);

    yield* this.takeSealed(chain, newest, bytesTotal);
    const file = openSized(this.fileSystem, newest.file.path);
    try {
      const { codec, files, isFollowed } = this;
      const scanning = scanNewest({ codec, replay, chain, files, isFollowed }, newest, file);
      let step = scanning.next();
      for (; !step.done; step = scanning.next()) yield { bytesDone: replay.bytesRead, bytesTotal };
      return this.judged(step.value, chain, newest, identity === "damaged" ? undefined : identity);
    } finally {
      file.close();
    }
  }

  private assemble(names: readonly string[], identity: Identity | undefined | "damaged"): Chain {
    const { folder, files } = this;
    const hasOwnFrames = files.hasOwnFrames.bind(files);
    const uuid = identity === "damaged" ? undefined : identity?.uuid;
    const isIdentified = identity !== undefined;
    return assembleChain({ folder, files: files.readAll(names, uuid), isIdentified, hasOwnFrames });
  }

  /** Judges the damage, and assembles the result. */
  private judged(scan: NewestScan, chain: Chain, newest: Link, identity: Identity | undefined): Recovered {
    const { replay } = this;
    const { head } = scan;
    const previous = replay.index.segments.at(-2);
    const { damage, harmless, leftovers, lost } = judge(head, chain, replay, this.boundaries);
    const { replacementsLost } = replay;
    const { provenContents } = scan;
    return {
      ...scan,
      provenContents: provenContents &&
        { ...provenContents, state: { ...provenContents.state, ...lost, replacementsLost } },
      index: replay.index,
      state: { ...replay.state, ...lost },
      closed: scan.isClosed,
      previous,
      missingNumber: namedBy(newest),
      isHeadNamed: chain.links.slice(-2, -1).every(namesNext),
      slot: newest.file.slot,
      uuid: head.header.uuid,
      identity,
      provenState: { ...scan.provenState, ...lost, replacementsLost },
      damage,
      harmless,
      bytesRead: replay.bytesRead,
      threads: this.sealed.ahead?.hasHelped ? 2 : 1,
      leftovers: [...leftovers, ...chain.leftovers],
      superseded: chain.superseded,
      numberUsed: chain.numberUsed,
    };
  }

  /** Replays all segments except the newest, and moves to the newest. */
  private *takeSealed(chain: Chain, newest: Link, bytesTotal: number): Generator<RecoveryStep, void> {
    const { replay, sealed, threads } = this;
    const { links } = chain;
    if (threads !== undefined && bytesTotal - newest.file.size >= threads.worthBytes) {
      sealed.ahead = new ScanAhead(threads, this.codec, links);
    }
    replay.begin(links[0]!.file.header.state);
    try {
      for (const [i, link] of links.entries()) {
        if (i > 0) this.boundaries.follow(links[i - 1]!, link, chain);
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
      const reason = `all segments are missing, although ${evidence} shows that there was a log`;
      damage.push({ ...this.boundaries.missing(1, reason), firstIndex: 1 });
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
      provenContents: this.isFollowed && !isLost ? { index: replay.index.copy(), state: replay.state } : undefined,
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
}

/** Whether both copies of a segment's pointer name the next segment. */
function namesNext({ file: { nextPointer }, joined }: Link): boolean {
  return !joined || (nextPointer.kind === "named" && nextPointer.copies === 2);
}

/** The number that a segment's pointer names; `undefined` if no copy of the pointer is valid. */
function namedBy({ file: { nextPointer } }: Link): number | undefined {
  return nextPointer.kind === "named" ? nextPointer.next.number : undefined;
}
