/**
 * The boundaries between segments. Each segment header repeats the log's state at that point. Comparing it with the
 * replayed state shows whether anything before it is missing or lost.
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

/** Moves the replay from each segment to the next. */
export class SegmentBoundaries {
  private readonly fileSystem: FileSystem;
  private readonly folder: string;
  private readonly replay: Replay;

  constructor(fileSystem: FileSystem, folder: string, replay: Replay) {
    this.fileSystem = fileSystem;
    this.folder = folder;
    this.replay = replay;
  }

  /**
   * Moves to the next segment. Its header gives the state that the replay must have reached.
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
    if (older.joined && slot?.lsn === link.file.header.baseLsn) replay.endGap(segment, slot.checkpoint);
    replay.close(segment, older.joined ? endOf(link.file.header) : undefined);
    // This header gives the next index, but not the entries that the older segment lost at its end.
    for (const one of replay.damage) {
      if (one.firstIndex === undefined || one.lastIndex !== undefined) continue;
      if (state.nextIndex > one.firstIndex) one.lastIndex = state.nextIndex - 1;
      else one.firstIndex = undefined;
    }
    if (!older.joined) {
      const path = `${this.folder}/${segmentName(previous)}`;
      const found = chain.damage.find((one) => one.path === path);
      const missing = {
        ...(found ?? this.missing(previous, `missing, although segment ${link.file.number} follows it`)),
      };
      // The missing segment replaced everything from the floor on. If it held no entries, the state after it is
      // complete.
      index.truncate(Math.min(floor, replacedFrom));
      this.lose(segment, link, missing);
      replay.damage.push(missing);
    } else if (replay.damage.at(-1)?.path === segment.path) {
      this.reconcile(segment, link, replay.damage.at(-1)!);
    } else if (
      !segment.isIndexed &&
      (!sameState(replay.state, state) || (previousChecksum !== 0 && segment.lastChecksum !== previousChecksum)) &&
      // A repair restores the entries that it knows, but not the same bytes. The header gives the rest.
      !this.wasRepaired(segment)
    ) {
      // All its frames are valid, but the contents differ from those that the next segment follows. It may be an older
      // copy. Its entries must not be read.
      const damage: OpenDamage = {
        ...this.missing(previous, `its contents differ from those that segment ${link.file.number} follows`),
      };
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
   * The first index that may have been replaced by data that is lost between two segments: in a gap at the end of the
   * older one, or in missing segments.
   *
   * @param older The segment that was replayed.
   * @param segment The same segment, with its entries.
   * @param link The next existing segment.
   * @returns The lowest such index; `Infinity` if nothing was replaced, or only by a single missing segment, because
   * then the floor in the next header is exact.
   */
  private replacedFrom(older: Link, segment: Segment, link: Link): Index {
    const { replay } = this;
    const { number, nextPointer } = older.file;
    const { previous, baseLsn, floor, state } = link.file.header;
    const isOne = previous === number + 1 ||
      (nextPointer.kind === "named" && nextPointer.next.number === previous);
    if (isOne && replay.gapOffset === undefined) return Infinity;
    // If the change counter did not move, there was no truncation and no snapshot: entries were only appended.
    if (state.changes === replay.state.changes) return Infinity;
    const knownTo = segment.header.baseLsn + (replay.gapOffset ?? segment.endOffset);
    const lowest = isSure(state) ? lowestDroppedSince(link.file.header.dropped, knownTo) : undefined;
    if (lowest !== undefined) return Math.max(lowest, replay.index.snapshotIndex + 1);
    // The lost frames also held the entries that replaced dropped ones. So the room there limits how many were dropped.
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

  /** Adjusts a damaged segment to the state in the next header, and records missing entries as lost. */
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

  /** Records as lost all entries that the next header implies and that are missing. */
  private lose(segment: Segment, link: Link, damage: OpenDamage): void {
    const { index } = this.replay;
    const { baseLsn, state } = link.file.header;
    // If the index jumped further than entries could fit, a snapshot moved it.
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
   * @param link The segment with the header.
   * @param entries The number of entries that it claims before it.
   * @param bytes The room for them.
   * @throws {WalLogError} `CORRUPT`.
   */
  requirePlausible(link: Link, entries: number, bytes: number): void {
    if (entries <= entriesThatFit(bytes)) return;
    const { path, size } = link.file;
    const reason = `it claims ${entries} entries in the ${bytes} bytes before it`;
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
   * Damage to a whole segment.
   *
   * @param number The segment's number.
   * @param reason The evidence that it existed.
   * @returns The damage, without indexes or term.
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
 * Damage that a segment's header reports: it was lost before the segment was created.
 *
 * @param path The segment's file.
 * @param kind The kind of lost data.
 * @returns The damage, without indexes or term.
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
    reason: "lost with damaged frames before this segment was created, and no hard state was set since",
  };
}

/** The end of the previous segment, according to a segment's header. */
export function endOf({ state, dropped }: SegmentHeader): SegmentEnd {
  const { nextIndex, changes } = state;
  const snapshotIndex = isSure(state) ? state.snapshotIndex : undefined;
  return { nextIndex, changes, lowestDropped: dropped[0]?.lowest, snapshotIndex };
}

/** Whether a state comes from a writer whose log had lost nothing. */
function isSure({ hardStateLost, tailLost, replacementsLost }: LogState): boolean {
  return !hardStateLost && !tailLost && !replacementsLost;
}

/** Whether the replayed state matches the next header, except for values that the header's writer did not know. */
export function sameState(found: LogState, header: LogState): boolean {
  return found.nextIndex === header.nextIndex && found.snapshotIndex === header.snapshotIndex &&
    (found.lastTerm === header.lastTerm || header.lastTerm === TERM_UNKNOWN) &&
    (found.snapshotTerm === header.snapshotTerm || header.snapshotTerm === TERM_UNKNOWN) &&
    (found.changes === header.changes || header.replacementsLost) &&
    (header.hardStateLost ||
      (found.hardState.term === header.hardState.term && found.hardState.votedFor === header.hardState.votedFor));
}
