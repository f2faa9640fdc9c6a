/**
 * Decides when the writer proves its flushes. The last flush has no later frame that proves it, so a log that rests writes
 * a checkpoint: if that survives a crash, nothing before it can pass for a torn write. A log that never rests writes durable
 * slots.
 *
 * @module
 */

import type { FileSystem } from "../io/file_system.ts";

/**
 * How long the log must rest after a flush before it writes a checkpoint. In milliseconds: long against the time between
 * two commits of a busy log, short against the time between two crashes.
 */
const CHECKPOINT_IDLE_MS = 20;
/** A log that never rests writes a durable slot after a flush this often. In milliseconds. */
const SLOT_EVERY_MS = 1000;

/** The clock of one log. */
export class ProofTiming {
  private readonly fileSystem: FileSystem;
  /** When the last durable slot was written, or the log was opened. */
  private slotWritten = performance.now();
  private cancelRest: (() => void) | undefined;

  /** @param fileSystem The machine, which has the timer. */
  constructor(fileSystem: FileSystem) {
    this.fileSystem = fileSystem;
  }

  /** Whether a durable slot is to follow the next flush. Asking starts the wait for the one after it. */
  isSlotDue(): boolean {
    const now = performance.now();
    if (now - this.slotWritten < SLOT_EVERY_MS) return false;
    this.slotWritten = now;
    return true;
  }

  /** Calls back once the log has rested, unless a call is pending. */
  afterRest(callback: () => void): void {
    this.cancelRest ??= this.fileSystem.after(CHECKPOINT_IDLE_MS, () => {
      this.cancelRest = undefined;
      callback();
    });
  }

  /** Drops the pending call. */
  cancel(): void {
    this.cancelRest?.();
  }
}
