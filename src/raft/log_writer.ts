/**
 * Writes to a node's log, and tracks which writes are durable.
 *
 * @module
 */

import { WalLogError, type WalLogErrorCode } from "../api/errors.ts";
import type { HardState, Index, NewEntry, NewSnapshot, RaftLog, SnapshotTarget } from "../api/types.ts";
import type { IdentifiedLog } from "./origin.ts";

/** Codes of errors after which the log is unchanged. */
const UNCHANGED: ReadonlySet<WalLogErrorCode> = new Set(["ENTRY_TOO_LARGE", "INVALID_ARGUMENT", "NO_SPACE"]);

/** Writes to the log, and records whether a flush is due. */
export class LogWriter {
  /** The log. */
  readonly log: RaftLog;
  /** Whether {@link LogWriter.flush} defers the flush to the end of the step, so that steps can share it. */
  isDeferred = false;
  #isDirty = false;
  #hasFailed = false;
  #durableIndex: Index;
  /** The last index that the flush in progress makes durable. */
  #flushingIndex: Index = 0;
  #written = 0;
  #durable = 0;
  /** The number of writes up to the latest hard state. */
  #stateWritten = 0;

  /**
   * Makes a writer. All contents of the log are durable when this returns.
   *
   * @param log The log.
   */
  constructor(log: RaftLog) {
    this.log = log;
    // Another node may have written to this log while it was open.
    const { durableIndex = log.lastIndex } = log as { durableIndex?: Index };
    if (durableIndex < log.lastIndex) log.syncSync();
    this.#durableIndex = log.lastIndex;
  }

  /** The last index up to which this node's entries are durable. */
  get durableIndex(): Index {
    return this.#durableIndex;
  }

  /** Whether the term and the vote are durable. */
  get isStateDurable(): boolean {
    return this.#stateWritten <= this.#durable;
  }

  /** The number of writes so far. */
  get written(): number {
    return this.#written;
  }

  /** The number of writes that are durable, from the first on. */
  get durable(): number {
    return this.#durable;
  }

  /** Whether there are writes that no flush has covered. */
  get isDirty(): boolean {
    return this.#isDirty;
  }

  /** Whether a write or a flush has failed and left the log in an unknown state. */
  get hasFailed(): boolean {
    return this.#hasFailed;
  }

  /** See `RaftLog.setHardState`, and `WalLog.setHardState` for `force`. */
  setHardState(state: HardState, options?: { readonly force: boolean }): void {
    const log: { setHardState(state: HardState, options?: { readonly force: boolean }): void } = this.log;
    this.#stateWritten = this.#written + 1;
    this.#write(() => log.setHardState(state, options));
  }

  /** See `RaftLog.append`. */
  append(entries: readonly NewEntry[]): void {
    this.#write(() => this.log.append(entries));
  }

  /** See `RaftLog.truncate`. */
  truncate(from: Index): void {
    this.#write(() => this.log.truncate(from));
  }

  /** See `RaftLog.applySnapshot`, and `WalLog.applySnapshot` for `force`. */
  applySnapshot(snapshot: NewSnapshot, options?: { readonly force: boolean }): void {
    const log: { applySnapshot(snapshot: NewSnapshot, options?: { readonly force: boolean }): void } = this.log;
    this.#write(() => log.applySnapshot(snapshot, options));
  }

  /** See `SnapshotTarget.write`. The log does not change, so there is nothing to flush. */
  writePiece(target: SnapshotTarget, piece: Uint8Array): void {
    this.#attempt(() => target.write(piece));
  }

  /** See `SnapshotTarget.install`. */
  installTarget(target: SnapshotTarget, options?: { readonly force: boolean }): void {
    this.#write(() => target.install(options));
  }

  /** See `WalLog.foundCluster`. The log must be an {@link IdentifiedLog}. */
  foundCluster(id: string): void {
    this.#write(() => (this.log as IdentifiedLog).foundCluster(id));
  }

  #write(change: () => void): void {
    this.#isDirty = true;
    this.#written++;
    this.#attempt(change);
  }

  #attempt(change: () => void): void {
    try {
      change();
    } catch (error) {
      this.#hasFailed ||= !(error instanceof WalLogError && UNCHANGED.has(error.code));
      throw error;
    }
    const { lastIndex } = this.log;
    this.#durableIndex = Math.min(this.#durableIndex, lastIndex);
    this.#flushingIndex = Math.min(this.#flushingIndex, lastIndex);
  }

  /** Called before an action that depends on the writes. No action leaves the node before they are durable. */
  flush(): void {
    if (this.isDeferred || !this.#isDirty) return;
    try {
      this.log.syncSync();
    } catch (error) {
      this.#hasFailed = true;
      throw error;
    }
    this.#isDirty = false;
    this.#durableIndex = this.log.lastIndex;
    this.#durable = this.#written;
  }

  /** Makes all writes before the call durable, without blocking. */
  async flushAsync(): Promise<void> {
    if (!this.#isDirty) return;
    // A write during the flush needs another flush.
    this.#isDirty = false;
    this.#flushingIndex = this.log.lastIndex;
    const written = this.#written;
    await this.log.sync();
    this.#durableIndex = this.#flushingIndex;
    this.#durable = written;
  }
}
