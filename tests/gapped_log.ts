/** Closed logs on a disk in memory, and ranges of their files zeroed. */

import { WalLog } from "../mod.ts";
import { DURABLE_SLOT_OFFSETS, SECTOR_BYTES } from "../src/format/header_block.ts";
import { type FrameAt, framesOf } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";

const PATH = MemoryDisk.PATH;
/** The file of the first segment. */
export const FIRST = "000000000001.seg";

/** A closed log on a disk, written by a function. */
export function closedLog(write: (log: WalLog) => void, segmentBytes?: number): MemoryDisk {
  const disk = new MemoryDisk();
  const log = WalLog.openSync(PATH, { fileSystem: disk, segmentBytes });
  write(log);
  log.closeSync();
  return disk;
}

/** The disk with a range of a file zeroed. */
export function zeroed(disk: MemoryDisk, name: string, from: number, to: number): MemoryDisk {
  const contents = new Map(disk.contents());
  contents.set(name, contents.get(name)!.slice().fill(0, from, to));
  return new MemoryDisk(contents);
}

/**
 * The disk without the frames from the first match to the last match, except the closing checkpoint. The durable slots
 * are lost too, so that only the frames show the state after the gap.
 */
export function without(disk: MemoryDisk, first: (frame: FrameAt) => boolean, last = first): MemoryDisk {
  const frames = framesOf(disk.contents().get(FIRST)!).slice(0, -1);
  return withoutSlots(zeroed(disk, FIRST, frames.find(first)!.offset, frames.findLast(last)!.end));
}

/** The disk without the durable slots of its segments. */
export function withoutSlots(disk: MemoryDisk): MemoryDisk {
  return [...disk.contents().keys()].filter((name) => name.endsWith(".seg")).reduce(
    (all, name) =>
      DURABLE_SLOT_OFFSETS.reduce((rest, offset) => zeroed(rest, name, offset, offset + SECTOR_BYTES), all),
    disk,
  );
}
