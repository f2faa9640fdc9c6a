/**
 * The active segment, which gets new frames.
 *
 * @module
 */

import { sharedCodec } from "../codec/pool.ts";
import { CHECKPOINT_BYTES } from "../format/checkpoint.ts";
import type { PlacedSlot } from "../format/durable_slot.ts";
import { NEXT_POINTER_OFFSETS } from "../format/header_block.ts";
import type { File } from "../io/file_system.ts";
import { readFull } from "../io/full.ts";
import type { Segment } from "../log/segment.ts";
import { DropTracker } from "./drops.ts";
import { requireUnnamed } from "./name_next.ts";
import { Preallocation } from "./preallocation.ts";
import { SlotWriter } from "./slot_writer.ts";

/** The active segment, with the writer's state for it. */
export class ActiveSegment {
  readonly segment: Segment;
  readonly file: File;
  readonly slots: SlotWriter;
  readonly drops: DropTracker;
  readonly preallocation: Preallocation;
  /** LSN up to which a flush has succeeded. Only `Flusher.flushed` moves it. */
  durableLsn: number;
  /** Whether the last frame is a checkpoint. Then another checkpoint would add nothing. */
  endsWithCheckpoint: boolean;
  /** Buffer for the first byte of the next-segment pointer. */
  private readonly probe = new Uint8Array(1);

  /**
   * @param segment The segment. It must be durable as a whole.
   * @param file Its file, open for writing.
   * @param endsWithCheckpoint Whether its last frame is a checkpoint.
   * @param slot Its durable slot with the highest LSN; `undefined` if it has none.
   */
  constructor(segment: Segment, file: File, endsWithCheckpoint: boolean, slot: PlacedSlot | undefined) {
    this.segment = segment;
    this.file = file;
    this.endsWithCheckpoint = endsWithCheckpoint;
    this.slots = new SlotWriter(file, sharedCodec(), segment.header, slot);
    this.drops = new DropTracker(segment);
    this.preallocation = new Preallocation(segment.endOffset);
    this.durableLsn = segment.endLsn;
  }

  /** Whether there are frames that no flush covers. A checkpoint alone does not count. */
  get isDirty(): boolean {
    return this.durableLsn < this.segment.endLsn - (this.endsWithCheckpoint ? CHECKPOINT_BYTES : 0);
  }

  /**
   * Fails if another writer has continued the log. Such a writer sets the next-segment pointer of this segment. That
   * shows even if the lock did not help: because the lock file was moved away and put back, or because the segment is a
   * hard link in a copy of the folder.
   *
   * @throws {WalLogError} `LOCK_LOST`.
   */
  requireActive(): void {
    const { probe } = this;
    readFull(this.file, probe, NEXT_POINTER_OFFSETS[0]);
    if (probe[0] !== 0) requireUnnamed(this.file, sharedCodec(), this.segment, undefined);
  }
}
