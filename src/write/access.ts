/**
 * Who may still use a log, and who may still write to it.
 *
 * @module
 */

import type { WalLogError } from "../api/errors.ts";
import type { FollowEnd } from "../log/follow.ts";
import type { LiveState } from "../log/live_state.ts";
import { closedError, hardStateLostError, readOnlyError, tailLostError } from "./refusals.ts";
import type { SegmentWriter } from "./writer.ts";

/** Whether a log is open, and whether it takes changes. */
export class Access {
  /** Whether the log takes no more calls. */
  isClosed = false;
  protected readonly state: LiveState;
  /** Writes the log; `undefined` if it was opened for reading only. */
  protected readonly writer: SegmentWriter | undefined;
  /** The error of every later write, once one has failed. */
  protected poison: WalLogError | undefined;

  constructor(state: LiveState, writer: SegmentWriter | undefined) {
    this.state = state;
    this.writer = writer;
  }

  /** Why no more entries become durable; `undefined` while they may. */
  get end(): FollowEnd | undefined {
    if (this.isClosed) return { kind: "closed" };
    return this.poison === undefined ? undefined : { kind: "failed", error: this.poison };
  }

  /** Refuses what is asked of a closed log, with `CLOSED`. */
  requireOpen(attempt: string): void {
    if (this.isClosed) throw closedError(attempt, this.state.path);
  }

  /** Whether the log takes changes: it is open for writing, and nothing has failed. */
  get canWrite(): boolean {
    return this.writer !== undefined && !this.isClosed && this.poison === undefined;
  }

  /**
   * Refuses what is asked of a log that cannot be written any more, or not yet.
   *
   * @param attempt What is asked.
   * @param evenWithoutHardState Whether it is fine that the latest hard state is lost.
   * @returns The writer.
   * @throws {WalLogError} `CLOSED`, `POISONED`, `READ_ONLY`, or `CORRUPT` if the hard state is lost.
   */
  requireWriter(attempt: string, evenWithoutHardState = false): SegmentWriter {
    this.requireOpen(attempt);
    if (this.poison !== undefined) throw this.poison;
    if (this.writer === undefined) throw readOnlyError(attempt, this.state.path);
    if (this.state.hardStateLost && !evenWithoutHardState) throw hardStateLostError(attempt, this.state);
    return this.writer;
  }

  /** Refuses what would hide that entries at the log's end may be lost, with `CORRUPT`. */
  requireTail(attempt: string): void {
    if (this.state.tailLost) throw tailLostError(attempt, this.state);
  }
}
