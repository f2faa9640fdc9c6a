/**
 * Logs with a torn end.
 *
 * @module
 */

import { WalLog } from "../mod.ts";
import { KIND_CHECKPOINT } from "../src/format/frame.ts";
import { DURABLE_SLOT_OFFSETS, SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { entriesAt, entryAt, type FrameAt, framesOf, History } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { WatchedFileSystem } from "./watched_file_system.ts";

/** The log's folder. */
export const PATH = MemoryDisk.PATH;
/** The name of its segment. */
export const SEGMENT = "000000000001.seg";

/** The unit that a disk writes completely or not at all, in bytes. */
export const SECTOR_BYTES = 512;

/** A log that was not closed, and its history. */
export interface Subject {
  readonly history: History;
  readonly segment: Uint8Array;
  readonly frames: readonly FrameAt[];
  /** End of the flushed data in the file. */
  readonly durableEnd: number;
}

/** Writes a log and leaves it unclosed. The steps of `write` are flushed, those of `unsynced` are not. */
export function subject(
  write: (history: History) => void,
  unsynced: (history: History) => void,
  mark = false,
): Subject {
  const disk = new MemoryDisk();
  const fileSystem = new WatchedFileSystem(disk);
  const history = new History(WalLog.openSync(PATH, { fileSystem }));
  write(history);
  const durableEnd = framesOf(disk.contents().get(SEGMENT)!).at(-1)?.end ?? SEGMENT_HEADER_BYTES;
  if (mark) fileSystem.rest();
  unsynced(history);
  const whole = disk.contents().get(SEGMENT)!;
  const frames = framesOf(whole);
  // Keep only some of the preallocated zeros.
  const segment = whole.slice(0, Math.min(whole.length, frames.at(-1)!.end + 4 * SECTOR_BYTES));
  // Cutting data that a durable slot proves would be damage. Here, no flush has covered the slot, so the crash lost it
  // too.
  for (const offset of DURABLE_SLOT_OFFSETS) segment.fill(0, offset, offset + SECTOR_BYTES);
  return { history, segment, frames, durableEnd };
}

/** A few steps of several kinds, flushed. */
export function fewEntries(history: History): void {
  history.append(entryAt(1, 1, 0), entryAt(2, 1, 5));
  history.do((log) => log.setHardState({ term: 2, votedFor: 2n ** 63n }));
  history.append(...entriesAt(3, 5, 2, 40)).sync();
}

/** Opens a disk with one segment on it. */
export function openSegment(segment: Uint8Array, readOnly = false): { log: WalLog; disk: MemoryDisk } {
  const disk = new MemoryDisk(new Map([[SEGMENT, segment]]));
  return { log: WalLog.openSync(PATH, { fileSystem: disk, readOnly }), disk };
}

/** A copy of the disk as after a kill. */
export function crashed(disk: MemoryDisk): MemoryDisk {
  return new MemoryDisk(new Map([...disk.contents()].map(([name, bytes]) => [name, bytes.slice()])));
}

/** The intact frames of a segment: those before the first changed one. */
export function intact(frames: readonly FrameAt[], before: Uint8Array, after: Uint8Array): readonly FrameAt[] {
  const broken = frames.findIndex(({ offset, end }) =>
    after.length < end || before.subarray(offset, end).some((byte, i) => byte !== after[offset + i])
  );
  return broken < 0 ? frames : frames.slice(0, broken);
}

/** The number of steps of a history in these frames, one for each frame. */
export function stepsIn(frames: readonly FrameAt[]): number {
  return frames.filter(({ kind }) => kind !== KIND_CHECKPOINT).length;
}
