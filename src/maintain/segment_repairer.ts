/**
 * Repairs a segment: rebuilds its damaged frames from good copies of their entries.
 *
 * It copies the segment's file, puts the frames at their old offsets in the copy, and renames the copy over the file. A
 * crash thus leaves either the damaged file or the repaired one. Positions, salt and checksums do not change: the
 * result is the segment as it was first written, and the next opening finds no damage.
 *
 * @module
 */

import { CHUNK_BYTES, type Codec } from "../codec/codec.ts";
import { WalLogError } from "../api/errors.ts";
import type { Damage } from "../api/report.ts";
import type { File, FileSystem } from "../io/file_system.ts";
import { ioError, isNoSpace, readFull, writeFull } from "../io/full.ts";
import { openSized, SizedFile } from "../io/sized_file.ts";
import { temporaryName } from "../io/temporary.ts";
import type { TakenEntry } from "../api/taken.ts";
import type { Index } from "../api/types.ts";
import { segmentName } from "../format/segment_name.ts";
import type { LogIndex } from "../log/log_index.ts";
import { findGap } from "../log/find_gap.ts";
import { liveIndexes, placeDamage } from "../log/live.ts";
import type { Replay } from "../recovery/replay.ts";
import { endingOf, scanAtOnce, scanSegment } from "../recovery/scan_segment.ts";
import { OFFSET_LOST, type Segment } from "../log/segment.ts";
import { frameOf, liveEntries, misfit, type Patch, planFrame, refuse, type RepairContext } from "./plan_frame.ts";
import { planGap } from "./plan_gap.ts";

const TEMPORARY_NAME = /^\d{12}\.seg\.[0-9a-f]{16}\.tmp$/;

/**
 * Whether a file is the leftover copy of an interrupted repair.
 *
 * @param name The file's name.
 * @returns Whether the file can be removed.
 */
export function isRepairLeftover(name: string): boolean {
  return TEMPORARY_NAME.test(name);
}

/** The plan for the repair of one segment. */
export interface Repair {
  readonly segment: Segment;
  readonly patches: readonly Patch[];
  /** The entries whose frames were laid out again. */
  readonly laid: ReadonlySet<Index>;
  /** The pages that begin among these entries: first index and offset of each page. */
  readonly pages: ReadonlyMap<Index, number>;
  /** The damage that the repair removes. */
  readonly repaired: readonly Damage[];
}

/** A repair whose copy is written and flushed. */
export interface PreparedRepair {
  readonly repair: Repair;
  /** The repaired copy of the segment's file; `undefined` if the file needs none. */
  readonly copy: string | undefined;
}

/** Plans and carries out the repair of segments. */
export class SegmentRepairer implements RepairContext {
  private readonly fileSystem: FileSystem;
  readonly folder: string;
  readonly codec: Codec;
  readonly index: LogIndex;

  constructor(fileSystem: FileSystem, folder: string, codec: Codec, index: LogIndex) {
    this.fileSystem = fileSystem;
    this.folder = folder;
    this.codec = codec;
    this.index = index;
  }

  /**
   * Checks good copies against the surviving parts of the entries' frames, and lays out the frames.
   *
   * @param segment A segment other than the active one.
   * @param damage The known damage in it.
   * @param entries The good copies, by index.
   * @returns The plan; `undefined` if there is nothing to repair in this segment.
   * @throws {WalLogError} `INVALID_ARGUMENT` if a copy cannot be the lost entry.
   */
  plan(
    segment: Segment,
    damage: readonly Damage[],
    entries: ReadonlyMap<Index, TakenEntry>,
  ): Repair | undefined {
    const patches: Patch[] = [];
    const pages = new Map<Index, number>();
    const repaired: Damage[] = [];
    const laid = new Set<Index>();
    const done = new Set<Index>();
    const file = openSized(this.fileSystem, segment.path);
    const lay = (gap: Damage) => {
      const lost = planGap(this, segment, file, gap, entries, patches, pages);
      for (const { index } of lost) {
        laid.add(index);
        done.add(index);
      }
      return lost.length > 0;
    };
    try {
      for (const one of damage) if (one.kind === "frames" && lay(one)) repaired.push(one);
      for (const [index, entry] of entries) {
        if (index < segment.firstIndex || index >= segment.end || done.has(index)) continue;
        const page = segment.pageOf(index);
        if (page.offset === OFFSET_LOST) throw refuse(this, entry, `it was lost from ${segment.path} with no trace`);
        const found = frameOf(this, segment, file, page, index);
        if (found === undefined) {
          const read = (into: Uint8Array, offset: number) => readFull(file, into, offset);
          if (!lay(placeDamage(segment, findGap(this.codec, read, segment, page, index)))) {
            throw refuse(this, entry, `it was lost from ${segment.path} with no trace`);
          }
          continue;
        }
        const live = liveEntries(found, page, this.index.firstIndex);
        for (const at of live.indexes) done.add(at);
        const patch = planFrame(this, segment, file, entry, found, live, entries);
        if (patch === undefined) continue;
        patches.push(patch);
        const known = damage.find((one) => one.kind === "entries" && one.offset === found.offset);
        if (known !== undefined) repaired.push(known);
      }
    } finally {
      file.close();
    }
    return patches.length + repaired.length === 0 ? undefined : { segment, patches, laid, pages, repaired };
  }

  /**
   * Finds the damage in a segment that has not been scanned yet.
   *
   * @param segment The segment.
   * @returns Its damage, with the affected entries according to the log's index.
   */
  find(segment: Segment): Damage[] {
    const file = openSized(this.fileSystem, segment.path);
    try {
      const { damage } = this.scan(segment, file);
      // Entries that were truncated or compacted since are not lost.
      return damage.map((one) => placeDamage(segment, one))
        .filter((one) => one.kind !== "entries" || liveIndexes(this.index, one) !== undefined);
    } finally {
      file.close();
    }
  }

  /** Scans all of a segment. */
  private scan(segment: Segment, file: SizedFile): Replay {
    const end = endingOf(this.index, segment, undefined);
    return scanAtOnce(scanSegment(this.codec, segment, file, segment.endOffset, end)).replay;
  }

  /**
   * Writes the repaired copy of a segment next to it, verifies it, and flushes it.
   *
   * @param repair The plan.
   * @returns The repair, ready to be committed.
   * @throws {WalLogError} `NO_SPACE` if there is not enough space for the copy, `INVALID_ARGUMENT` if the entries do
   * not fit the frames after them. In both cases, the copy is removed.
   */
  prepare(repair: Repair): PreparedRepair {
    const { segment, patches } = repair;
    if (patches.length === 0) return { repair, copy: undefined };
    const { fileSystem } = this;
    const name = temporaryName(fileSystem, segmentName(segment.header.number));
    const path = `${this.folder}/${name}`;
    const old = openSized(fileSystem, segment.path);
    let copy: File | undefined;
    try {
      copy = fileSystem.open(path, "create");
      fileSystem.copyOwner?.(path, segment.path);
      this.copyPatched(old, copy, patches);
      this.requireSound(segment, old, copy, patches);
      copy.sync();
      return { repair, copy: path };
    } catch (error) {
      const isRefusal = error instanceof WalLogError || isNoSpace(error);
      if (isRefusal && copy !== undefined) fileSystem.remove(path);
      throw isRefusal ? ioError("Cannot repair", segment.path, error) : error;
    } finally {
      copy?.close();
      old.close();
    }
  }

  private copyPatched(old: SizedFile, copy: File, patches: readonly Patch[]): void {
    const { chunk } = this.codec;
    for (let at = 0; at < old.size();) {
      const count = readFull(old, chunk.subarray(0, CHUNK_BYTES), at);
      if (count === 0) break;
      writeFull(copy, chunk.subarray(0, count), at);
      at += count;
    }
    for (const { offset, bytes } of patches) writeFull(copy, bytes, offset);
  }

  /** Throws if the copy has damage that the segment does not have, or damage in a patched range. */
  private requireSound(segment: Segment, old: SizedFile, copy: File, patches: readonly Patch[]): void {
    const before = new Set(this.scan(segment, old).damage.map(({ offset }) => offset));
    const left = this.scan(segment, new SizedFile(copy)).damage;
    const isPatched = ({ offset, bytes }: Damage) =>
      patches.some((patch) => patch.offset < offset + bytes && patch.offset + patch.bytes.length > offset);
    const wrong = left.find((one) => !before.has(one.offset) || isPatched(one));
    if (wrong !== undefined) throw misfit(segment, wrong.offset, wrong.bytes, []);
  }

  /** Undoes {@link SegmentRepairer.prepare}: removes the copy. */
  discard({ copy }: PreparedRepair): void {
    if (copy !== undefined) this.fileSystem.remove(copy);
  }

  /** Renames the copy over the segment's file. */
  commit({ repair, copy }: PreparedRepair): void {
    if (copy === undefined) return;
    this.fileSystem.rename(copy, repair.segment.path);
    this.fileSystem.syncDirectory(this.folder);
  }
}
