/**
 * Tracks whether a log is open, and whether it accepts writes.
 *
 * @module
 */

import type { WalLogError } from "../api/errors.ts";
import type { FollowEnd } from "../log/follow.ts";
import type { LiveState } from "../log/live_state.ts";
import { closedError, hardStateLostError, readOnlyError, tailLostError } from "./refusals.ts";
import type { SegmentWriter } from "./writer.ts";

/** Tracks whether a log is open, and whether it accepts writes. */
export class Access {
  /** Whether the log is closed. */
  isClosed = false;
  protected readonly state: LiveState;
  /** Writes the log; `undefined` if it was opened for reading only. */
  protected readonly writer: SegmentWriter | undefined;
  /** The error for every write after the first failure. */
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

  /** Fails with `CLOSED` if the log is closed. */
  requireOpen(attempt: string): void {
    if (this.isClosed) throw closedError(attempt, this.state.path);
  }

  /** Whether the log accepts writes: it is open for writing, and nothing has failed. */
  get canWrite(): boolean {
    return this.writer !== undefined && !this.isClosed && this.poison === undefined;
  }

  /** Whether a write or a flush has failed, so that the log rejects every later change. */
  get hasFailed(): boolean {
    return this.poison !== undefined;
  }

  /**
   * Fails if the log does not accept writes.
   *
   * @param attempt The attempted operation, for the error message.
   * @param evenWithoutHardState Whether to allow a lost hard state.
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

  /** Fails with `CORRUPT` if entries at the log's end may be lost: the operation would hide the loss. */
  requireTail(attempt: string): void {
    if (this.state.tailLost) throw tailLostError(attempt, this.state);
  }
}
