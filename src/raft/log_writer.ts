/**
 * What a node writes, and when that must be durable.
 *
 * @module
 */

import type { HardState, Index, NewEntry, NewSnapshot, RaftLog } from "../types.ts";

/** Passes changes on to the log, and knows whether any of them has yet to be flushed. */
export class LogWriter {
  /** The log. */
  readonly log: RaftLog;
  /** Whether {@link LogWriter.flush} leaves the flush to the end of the step, where steps can share it. */
  isDeferred = false;
  #isDirty = false;

  /**
   * Makes a writer.
   *
   * @param log The log.
   */
  constructor(log: RaftLog) {
    this.log = log;
  }

  /** Whether something was written that no flush has covered. */
  get isDirty(): boolean {
    return this.#isDirty;
  }

  /** See `RaftLog.setHardState`; `force` as `WalLog` has it. */
  setHardState(state: HardState, options?: { readonly force: boolean }): void {
    this.#isDirty = true;
    const log: { setHardState(state: HardState, options?: { readonly force: boolean }): void } = this.log;
    log.setHardState(state, options);
  }

  /** See `RaftLog.append`. */
  append(entries: readonly NewEntry[]): void {
    this.#isDirty = true;
    this.log.append(entries);
  }

  /** See `RaftLog.truncate`. */
  truncate(from: Index): void {
    this.#isDirty = true;
    this.log.truncate(from);
  }

  /** See `RaftLog.applySnapshot`; `force` as `WalLog` has it. */
  applySnapshot(snapshot: NewSnapshot, options?: { readonly force: boolean }): void {
    this.#isDirty = true;
    const log: { applySnapshot(snapshot: NewSnapshot, options?: { readonly force: boolean }): void } = this.log;
    log.applySnapshot(snapshot, options);
  }

  /** Called where what follows depends on what was written. Nothing leaves the node before that is durable. */
  flush(): void {
    if (this.isDeferred || !this.#isDirty) return;
    this.log.syncSync();
    this.#isDirty = false;
  }

  /** Makes durable, without blocking, what was written before the call. */
  async flushAsync(): Promise<void> {
    if (!this.#isDirty) return;
    // Whatever is written while the flush is under way needs another one.
    this.#isDirty = false;
    await this.log.sync();
  }
}
