/**
 * Scrubbing: verifies a whole log on disk in the background, while the log is in use.
 *
 * @module
 */

import { setTimeout } from "node:timers/promises";
import type { Codec } from "../codec/codec.ts";
import { leaseCodec, returnCodec } from "../codec/pool.ts";
import type { Durability } from "../write/durability.ts";
import { WalLogError } from "../api/errors.ts";
import type { LiveState } from "../log/live_state.ts";
import type { Opened } from "../recovery/open.ts";
import { checkNames } from "../api/option_names.ts";
import type { Progress } from "../api/options.ts";
import type { Damage } from "../api/report.ts";
import { readIndexPages, readTrailer } from "../recovery/read_index.ts";
import { damagedCopies } from "../format/next_pointer.ts";
import { HEADER_OFFSETS, SECTOR_BYTES, SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import { decodeSegmentHeader } from "../format/segment_header.ts";
import type { LogIndex } from "../log/log_index.ts";
import { liveIndexes, placeDamage } from "../log/live.ts";
import { goneFromReader } from "../log/reader.ts";
import { endingOf, scanSegment } from "../recovery/scan_segment.ts";
import type { Segment } from "../log/segment.ts";
import { SnapshotReader } from "../snapshots/snapshot_file.ts";
import { snapshotName } from "../format/snapshot_name.ts";
import type { FileSystem } from "../io/file_system.ts";
import { errorCode, ioError, readFull } from "../io/full.ts";
import { openSized, type SizedFile } from "../io/sized_file.ts";

/** The longest single pause of scrubbing, so that it soon notices an abort or a close. In milliseconds. */
const SCRUB_PAUSE_MS_MAX = 250;

/** Options of scrubbing. */
export interface ScrubOptions {
  /** Limits the bytes read per second, so that scrubbing does not slow down the log's own work. Default: no limit. */
  readonly bytesPerSecond?: number;
  /** Called with the progress, about once per MiB. */
  readonly onProgress?: (progress: Progress) => void;
  /** Aborts scrubbing, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** The result of scrubbing. */
export interface ScrubReport {
  /** `corrupt` if something is damaged that the log needs. */
  readonly verdict: "clean" | "corrupt";
  /** The number of segments read. */
  readonly segments: number;
  /** The number of bytes read. */
  readonly bytes: number;
  /** The duration, in milliseconds. */
  readonly milliseconds: number;
  /** The damage to data that the log needs. */
  readonly damage: readonly Damage[];
  /** Harmless damage: the log no longer needs the data, or has a second copy of it. */
  readonly harmless: readonly Damage[];
}

/**
 * Verifies a log in use at a limited speed, and adds to its known damage.
 *
 * @param opened The log.
 * @param state The log's state in memory.
 * @param durability Shows whether the log is open.
 * @param options Speed, progress and signal.
 * @returns The verified amounts and the damage.
 * @throws {WalLogError} `IO`, `CLOSED`, `INVALID_ARGUMENT`; `COMPACTED` if the log is a reader's, and the writer has
 * deleted a file. Or the reason of the signal.
 */
export async function scrubInBackground(
  { fileSystem, folder, index, writer, report }: Opened,
  state: LiveState,
  durability: Durability,
  options: ScrubOptions,
): Promise<ScrubReport> {
  durability.requireOpen("scrub");
  checkNames("Cannot scrub", options, ["bytesPerSecond", "onProgress", "signal"]);
  const { bytesPerSecond = Infinity, onProgress, signal } = options;
  if (!(bytesPerSecond > 0)) {
    throw new WalLogError(
      "INVALID_ARGUMENT",
      `Cannot scrub: bytesPerSecond must be a number above 0, found ${String(bytesPerSecond)}`,
    );
  }
  // If the reader reported no damage when it opened the log, all files existed then. A file that is missing now was
  // deleted by the writer.
  const gone = writer === undefined && report.damage.length === 0 ? goneFromReader : undefined;
  const begin = () =>
    scrubLog({
      fileSystem,
      folder,
      uuid: state.uuid,
      index,
      active: writer?.segment,
      changes: writer?.changes ?? state.changes,
      gone,
    });
  let scrubbing = begin();
  let { repairs } = state;
  let started = performance.now();
  try {
    for (;;) {
      signal?.throwIfAborted();
      durability.requireOpen("continue scrubbing");
      const step = scrubbing.next();
      if (step.done && state.repairs !== repairs) {
        // The found damage may have been repaired meanwhile.
        ({ repairs } = state);
        scrubbing = begin();
        started = performance.now();
        continue;
      }
      if (step.done) {
        state.addDamage(step.value.damage);
        return step.value;
      }
      onProgress?.(step.value);
      const due = started + step.value.bytesDone / bytesPerSecond * 1000;
      do {
        await setTimeout(Math.max(0, Math.min(due - performance.now(), SCRUB_PAUSE_MS_MAX)));
      } while (performance.now() < due && signal?.aborted !== true && !durability.isClosed);
    }
  } catch (error) {
    throw signal?.aborted === true ? error : ioError("Cannot scrub the log", folder, error);
  } finally {
    scrubbing.return(undefined as never);
  }
}

/** The log to scrub. */
export interface ScrubSubject {
  readonly fileSystem: FileSystem;
  readonly folder: string;
  readonly uuid: Uint8Array;
  readonly index: LogIndex;
  /** The segment that is being written; `undefined` if none is. */
  readonly active: Segment | undefined;
  /** The number of truncations, snapshots and hard states so far. */
  readonly changes: number;
  /** The error of a missing file that the log's writer has deleted; left out if a missing file is damage. */
  readonly gone?: (path: string, cause: unknown) => WalLogError;
}

/**
 * Verifies a log. Yields the bytes done after each chunk. Data appended meanwhile is not verified. The data of the
 * beginning is verified unless it is truncated or deleted meanwhile.
 *
 * @param subject The log.
 * @returns The verified amounts and the damage.
 */
export function* scrubLog(subject: ScrubSubject): Generator<Progress, ScrubReport> {
  const codec = leaseCodec();
  try {
    return yield* scrubWith(codec, subject);
  } finally {
    returnCodec(codec);
  }
}

function* scrubWith(codec: Codec, subject: ScrubSubject): Generator<Progress, ScrubReport> {
  const started = performance.now();
  const { index, active, fileSystem } = subject;
  const found: Damage[] = [];
  const spare: Damage[] = [];
  const needed: Damage[] = [];
  const segments = [...index.segments];
  const ends = segments.map((segment) => segment.endOffset);
  const endings = segments.map((segment) => endingOf(index, segment, subject.changes));
  const bytesTotal = ends.reduce((sum, end) => sum + end, 0);
  let bytesDone = 0;
  for (const [i, segment] of segments.entries()) {
    let file: SizedFile;
    try {
      file = openSized(fileSystem, segment.path);
    } catch (error) {
      if (errorCode(error) !== "ENOENT") throw error;
      if (subject.gone !== undefined) throw subject.gone(segment.path, error);
      // Compaction deletes a segment and removes it from the index without yielding to other tasks.
      if (index.segments.includes(segment)) found.push(wholeSegment(segment, "the file is missing"));
      continue;
    }
    try {
      spare.push(...checkHeader(codec, segment, file));
      const next = segments[i + 1];
      const scanning = scanSegment(codec, segment, file, ends[i]!, endings[i]!);
      let step = scanning.next();
      for (; !step.done; step = scanning.next()) yield { bytesDone: bytesDone + step.value, bytesTotal };
      const { replay } = step.value;
      found.push(...replay.damage.map((one) => placeDamage(segment, one)));
      // The header of the next segment repeats the hard state of a sealed segment. Nothing repeats that of the active
      // one.
      if (segment === active && replay.hardStateLost) {
        needed.push(...replay.damage.filter((one) => one.kind === "frames"));
      }
      if (next !== undefined && wasSealed(segment, next, ends[i + 1]!)) {
        spare.push(...checkSegmentIndex(codec, segment, file));
      }
    } finally {
      file.close();
    }
    bytesDone += ends[i]!;
    yield { bytesDone: Math.min(bytesDone, bytesTotal), bytesTotal };
  }
  found.push(...yield* checkSnapshot(subject, codec, bytesTotal));

  const { damage, harmless } = sortDamage(index, found, needed, spare);
  return {
    verdict: damage.length > 0 ? "corrupt" : "clean",
    segments: segments.length,
    bytes: bytesTotal,
    milliseconds: performance.now() - started,
    damage,
    harmless,
  };
}

/** Separates damage to data that the log needs from harmless damage. */
function sortDamage(
  index: LogIndex,
  found: readonly Damage[],
  needed: readonly Damage[],
  spare: readonly Damage[],
): Pick<ScrubReport, "damage" | "harmless"> {
  const damage: Damage[] = [];
  const harmless: Damage[] = [...spare];
  for (const one of found) {
    const live = liveIndexes(index, one);
    if (live !== undefined) damage.push({ ...one, ...live });
    else if (one.kind === "snapshot" || one.kind === "segment") damage.push(one);
    else if (needed.some(({ path, offset }) => path === one.path && offset === one.offset)) damage.push(one);
    else harmless.push(one);
  }
  return { damage, harmless };
}

/** Damage to copies in the header block. The loss of one copy of each part is harmless. */
function checkHeader(codec: Codec, segment: Segment, file: SizedFile): Damage[] {
  const block = new Uint8Array(SEGMENT_HEADER_BYTES);
  readFull(file, block, 0);
  const sum = (bytes: Uint8Array, seed: bigint) => codec.hash(bytes, seed);
  const at = (offset: number, reason: string): Damage => ({
    ...wholeSegment(segment, reason),
    kind: "segment header",
    offset,
    bytes: SECTOR_BYTES,
  });
  const headers = HEADER_OFFSETS.filter((offset) => decodeSegmentHeader(block, offset, sum) === undefined);
  return [
    ...headers.map((offset) => at(offset, "one of two copies is damaged")),
    ...damagedCopies(block, segment.header.salt, sum).map((offset) =>
      at(offset, "the next-segment pointer is damaged")
    ),
  ];
}

/**
 * Whether the flush that sealed a segment returned, so that its segment index is durable. The writer writes no frame into the
 * next segment before that. A crash during the flush can leave any part of the segment index. Then the next segment has no
 * frame, or the log continued in another segment, with a higher number.
 */
function wasSealed({ header }: Segment, next: Segment, nextEnd: number): boolean {
  return next.header.number === header.number + 1 && nextEnd > SEGMENT_HEADER_BYTES;
}

function checkSegmentIndex(codec: Codec, segment: Segment, file: SizedFile): Damage[] {
  const size = file.size();
  // A segment that ended with a crash has no segment index.
  if (size <= segment.endOffset) return [];
  const segmentIndex = readTrailer(codec, file, size, segment.header);
  if (segmentIndex === undefined || segmentIndex.trailer.indexOffset !== segment.endOffset) return [];
  if (readIndexPages(codec, file, segmentIndex.trailer) !== undefined) return [];
  const reason = "its pages are damaged; the segment is scanned instead";
  return [{
    ...wholeSegment(segment, reason),
    kind: "segment index",
    offset: segment.endOffset,
    bytes: size - segment.endOffset,
  }];
}

function* checkSnapshot(
  { fileSystem, folder, uuid, index, gone }: ScrubSubject,
  codec: Codec,
  bytesTotal: number,
): Generator<Progress, readonly Damage[]> {
  const { snapshotIndex, snapshotTerm } = index;
  if (snapshotIndex === 0) return [];
  try {
    const reader = new SnapshotReader(fileSystem, folder, codec, uuid, snapshotIndex, snapshotTerm);
    for (const _ of reader.pieces()) yield { bytesDone: bytesTotal, bytesTotal };
    return [];
  } catch (error) {
    if (!(error instanceof WalLogError) || error.code !== "CORRUPT") throw error;
    const name = snapshotName(snapshotIndex, snapshotTerm);
    if (gone !== undefined && !fileSystem.list(folder).includes(name)) throw gone(`${folder}/${name}`, error);
    // A later snapshot may have taken its place meanwhile.
    return index.snapshotIndex === snapshotIndex ? error.damage : [];
  }
}

function wholeSegment(segment: Segment, reason: string): Damage {
  return {
    kind: "segment",
    path: segment.path,
    offset: 0,
    bytes: segment.endOffset,
    firstIndex: segment.count > 0 ? segment.firstIndex : undefined,
    lastIndex: segment.count > 0 ? segment.firstIndex + segment.count - 1 : undefined,
    term: undefined,
    reason,
  };
}
