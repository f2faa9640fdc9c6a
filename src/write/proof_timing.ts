/**
 * Decides when the writer proves its flushes. No later frame proves the last flush. So an idle log writes a checkpoint.
 * If the checkpoint survives a crash, damage before it cannot be mistaken for a torn write. A log that is never idle
 * writes durable slots.
 *
 * @module
 */

import type { FileSystem } from "../io/file_system.ts";

/**
 * The time that a log must be idle after a flush before it writes a checkpoint, in milliseconds. It is longer than the
 * time between two commits of a busy log, and much shorter than the time between two crashes.
 */
const CHECKPOINT_IDLE_MS = 20;
/** The interval at which a log that is never idle writes a durable slot after a flush, in milliseconds. */
const SLOT_EVERY_MS = 1000;

/** The timing of one log. */
export class ProofTiming {
  private readonly fileSystem: FileSystem;
  /** The time of the last durable slot, or of opening the log. */
  private slotWritten = performance.now();
  private cancelRest: (() => void) | undefined;

  /** @param fileSystem The machine, which has the timer. */
  constructor(fileSystem: FileSystem) {
    this.fileSystem = fileSystem;
  }

  /** Whether a durable slot is due after the next flush. If so, the interval to the next slot starts now. */
  isSlotDue(): boolean {
    const now = performance.now();
    if (now - this.slotWritten < SLOT_EVERY_MS) return false;
    this.slotWritten = now;
    return true;
  }

  /** Calls back when the log has been idle, unless a call is already pending. */
  afterRest(callback: () => void): void {
    this.cancelRest ??= this.fileSystem.after(CHECKPOINT_IDLE_MS, () => {
      this.cancelRest = undefined;
      callback();
    });
  }

  /** Cancels the pending call. */
  cancel(): void {
    this.cancelRest?.();
  }
}
