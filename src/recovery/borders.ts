/**
 * The borders between segments: each header repeats the state that the segments before it left, so that replay can be
 * held against it, and what is missing or lost before it shows.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { type Damage, describeDamage } from "../api/report.ts";
import type { FileSystem } from "../io/file_system.ts";
import { readFull } from "../io/full.ts";
import { openSized } from "../io/sized_file.ts";
import type { Index } from "../api/types.ts";
import type { Chain, Link } from "./chain.ts";
import { decodeFrameHeader, entriesThatFit, FLAG_REPAIRED, FRAME_HEADER_BYTES, frameBytes } from "../format/frame.ts";
import { lowestDroppedSince } from "../format/checkpoint.ts";
import { SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import type { SegmentHeader } from "../format/segment_header.ts";
import { segmentName } from "../format/segment_name.ts";
import { TERM_UNKNOWN } from "../format/numbers.ts";
import type { LogState } from "../format/state.ts";
import type { Replay } from "./replay.ts";
import type { OpenDamage, SegmentEnd } from "./replay_state.ts";
import type { Segment } from "../log/segment.ts";

/** Passes from segment to segment as they are replayed. */
export class Borders {
  private readonly fileSystem: FileSystem;
  private readonly folder: string;
  private readonly replay: Replay;

  constructor(fileSystem: FileSystem, folder: string, replay: Replay) {
    this.fileSystem = fileSystem;
    this.folder = folder;
    this.replay = replay;
  }

  /**
   * Passes from one segment to the next, whose header says what the state must be by now.
   *
   * @param older The segment that was replayed.
   * @param link The next one.
   * @param chain The chain of both.
   */
  follow(older: Link, link: Link, chain: Chain): void {
    const { replay } = this;
    const { index } = replay;
    const { state, floor, previous, previousChecksum } = link.file.header;
    const segment = index.segments.at(-1)!;
    const replacedFrom = older.joined ? Infinity : this.replacedFrom(older, segment, link);
    // A durable slot at the end shows what the segment dropped since its last checkpoints; the header, since its start.
    const { slot } = older.file;
    if (older.joined && slot?.lsn === link.file.header.baseLsn) replay.settle(segment, slot.checkpoint);
    replay.close(segment, older.joined ? endOf(link.file.header) : undefined);
    // How far the log had come, this segment tells, if not what the one before it held at its end.
    for (const one of replay.damage) {
      if (one.firstIndex === undefined || one.lastIndex !== undefined) continue;
      if (state.nextIndex > one.firstIndex) one.lastIndex = state.nextIndex - 1;
      else one.firstIndex = undefined;
    }
    if (!older.joined) {
      const path = `${this.folder}/${segmentName(previous)}`;
      const found = chain.damage.find((one) => one.path === path);
      const missing = { ...(found ?? this.missing(previous, `segment ${link.file.number} follows it, it is missing`)) };
      // Everything from the floor on was the missing segment's. Had it no entries, the state behind it says all.
      index.truncate(Math.min(floor, replacedFrom));
      this.lose(segment, link, missing);
      replay.damage.push(missing);
    } else if (replay.damage.at(-1)?.path === segment.path) {
      this.reconcile(segment, link, replay.damage.at(-1)!);
    } else if (
      !segment.isIndexed &&
      (!sameState(replay.state, state) || (previousChecksum !== 0 && segment.lastChecksum !== previousChecksum)) &&
      // A repair writes what it knows was there, and not in the same bytes; the header says the rest.
      !this.wasRepaired(segment)
    ) {
      // All its frames are valid, and yet it is another segment than the one that was there: an older copy, say. What it
      // holds instead is not to be read.
      const damage: OpenDamage = { ...this.missing(previous, `it is not what segment ${link.file.number} follows on`) };
      replay.damage.push(damage);
      const { firstIndex, count } = segment;
      index.truncate(Math.min(firstIndex, floor));
      segment.clear(index.nextIndex);
      if (count > 0) this.widen(damage, firstIndex, firstIndex + count - 1);
      this.lose(segment, link, damage);
    }
    replay.begin(state);
  }

  /**
   * From where on what was replayed may have been replaced by what is lost between two segments: a gap at the end of
   * the older one, and segments that are missing.
   *
   * @param older The segment that was replayed.
   * @param segment The same, with its entries.
   * @param link The next one that is there.
   * @returns The lowest such index; `Infinity` if nothing was replaced but by a single missing segment: the floor behind
   * it tells.
   */
  private replacedFrom(older: Link, segment: Segment, link: Link): Index {
    const { replay } = this;
    const { number, naming } = older.file;
    const { previous, baseLsn, floor, state } = link.file.header;
    const isOne = previous === number + 1 ||
      (naming.kind === "named" && naming.next.number === previous);
    if (isOne && replay.gapOffset === undefined) return Infinity;
    // If no truncation was counted and no snapshot, then they only added to it.
    if (state.changes === replay.state.changes) return Infinity;
    const knownTo = segment.header.baseLsn + (replay.gapOffset ?? segment.endOffset);
    const lowest = isSure(state) ? lowestDroppedSince(link.file.header.dropped, knownTo) : undefined;
    if (lowest !== undefined) return Math.max(lowest, replay.index.snapshotIndex + 1);
    // What they dropped they held anew, as much as there was room for.
    const [next, end] = isOne ? [floor, segment.endLsn] : [state.nextIndex, baseLsn];
    return Math.max(next - entriesThatFit(end - knownTo), replay.index.snapshotIndex + 1);
  }

  /** Whether a valid segment has frames that a repair wrote. */
  private wasRepaired(segment: Segment): boolean {
    const file = openSized(this.fileSystem, segment.path);
    try {
      const header = new Uint8Array(FRAME_HEADER_BYTES);
      for (let at = SEGMENT_HEADER_BYTES; at < segment.endOffset;) {
        if (readFull(file, header, at) < header.length) break;
        const { flags, length } = decodeFrameHeader(header);
        if ((flags & FLAG_REPAIRED) !== 0) return true;
        at += frameBytes(length);
      }
      return false;
    } finally {
      file.close();
    }
  }

  /** Brings a damaged segment in line with what the next one's header says, noting as lost what cannot be found. */
  private reconcile(segment: Segment, link: Link, damage: OpenDamage): void {
    const { index } = this.replay;
    const { floor } = link.file.header;
    const { nextIndex } = link.file.header.state;
    for (const older of index.segments) if (older !== segment) older.cut(floor);
    const first = Math.max(floor, index.snapshotIndex + 1);
    if (segment.firstIndex > first && segment.count > 0) {
      this.requirePlausible(link, segment.firstIndex - first, link.file.header.baseLsn - segment.header.baseLsn);
      this.widen(damage, first, segment.firstIndex - 1);
      segment.prependLost(segment.firstIndex - first);
    } else if (segment.count === 0) {
      index.truncate(floor);
    }
    if (index.nextIndex > nextIndex) index.truncate(nextIndex);
    this.lose(segment, link, damage);
  }

  /** Notes as lost what is missing of what the next segment's header says. */
  private lose(segment: Segment, link: Link, damage: OpenDamage): void {
    const { index } = this.replay;
    const { baseLsn, state } = link.file.header;
    // A jump over entries that there never were room for is a snapshot's.
    if (state.snapshotIndex >= index.nextIndex) index.compact(state.snapshotIndex, state.snapshotTerm, true);
    const first = index.nextIndex;
    if (state.nextIndex <= first) return;
    this.requirePlausible(link, state.nextIndex - first, baseLsn - segment.header.baseLsn);
    this.replay.loseEntries(segment, state.nextIndex);
    this.widen(damage, first, state.nextIndex - 1);
  }

  /**
   * Refuses a header that claims more entries than there was room for: a valid checksum does not prove the claim.
   *
   * @param link The segment whose header it is.
   * @param entries How many entries it says there were before it.
   * @param bytes The room they had.
   * @throws {WalLogError} `CORRUPT`.
   */
  requirePlausible(link: Link, entries: number, bytes: number): void {
    if (entries <= entriesThatFit(bytes)) return;
    const { path, size } = link.file;
    const reason = `it says that ${entries} entries lay in ${bytes} bytes before it`;
    const damage: Damage = { ...lostBefore(path, "segment header"), bytes: size, reason };
    throw new WalLogError("CORRUPT", `Cannot open the log at ${this.folder}: ${describeDamage(damage)}`, {
      path,
      offset: 0,
      damage: [damage],
    });
  }

  private widen(damage: OpenDamage, first: number, last: number): void {
    damage.firstIndex = Math.min(damage.firstIndex ?? first, first);
    damage.lastIndex = Math.max(damage.lastIndex ?? last, last);
  }

  /**
   * Damage that is a whole segment.
   *
   * @param number The segment's number.
   * @param reason What shows that it was there.
   * @returns The damage, of which nothing else is known.
   */
  missing(number: number, reason: string): OpenDamage {
    return {
      kind: "segment",
      path: `${this.folder}/${segmentName(number)}`,
      offset: 0,
      bytes: 0,
      firstIndex: undefined,
      lastIndex: undefined,
      term: undefined,
      reason,
    };
  }
}

/**
 * What was lost before a segment was begun, as its header remembers.
 *
 * @param path The segment's file.
 * @param kind What was lost.
 * @returns The damage, of which nothing else is known.
 */
export function lostBefore(path: string, kind: Damage["kind"]): Damage {
  return {
    kind,
    path,
    offset: 0,
    bytes: 0,
    firstIndex: undefined,
    lastIndex: undefined,
    term: undefined,
    reason: "lost with damaged frames before this segment was begun, and no hard state was set since",
  };
}

/** What a segment's header shows of the end of the segment before it. */
export function endOf({ state, dropped }: SegmentHeader): SegmentEnd {
  const { nextIndex, changes } = state;
  const snapshotIndex = isSure(state) ? state.snapshotIndex : undefined;
  return { nextIndex, changes, lowestDropped: dropped[0]?.lowest, snapshotIndex };
}

/** Whether a state was stored by a writer that had lost nothing. */
function isSure({ hardStateLost, tailLost, replacementsLost }: LogState): boolean {
  return !hardStateLost && !tailLost && !replacementsLost;
}

/** Whether a segment's replay came to what the next header says, as far as that was known when it was written. */
export function sameState(found: LogState, header: LogState): boolean {
  return found.nextIndex === header.nextIndex && found.snapshotIndex === header.snapshotIndex &&
    (found.lastTerm === header.lastTerm || header.lastTerm === TERM_UNKNOWN) &&
    (found.snapshotTerm === header.snapshotTerm || header.snapshotTerm === TERM_UNKNOWN) &&
    (found.changes === header.changes || header.replacementsLost) &&
    (header.hardStateLost ||
      (found.hardState.term === header.hardState.term && found.hardState.votedFor === header.hardState.votedFor));
}
