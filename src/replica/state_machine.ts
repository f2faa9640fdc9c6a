/**
 * The part of a replicated service that the application writes.
 *
 * @module
 */

import type { Index, SnapshotStream, Term } from "../api/types.ts";

/** A committed command. */
export interface Applied {
  /** Its index in the log. Indexes grow, with gaps. */
  readonly index: Index;
  /** Its term. */
  readonly term: Term;
  /** The bytes that were given to `Replica.propose`. */
  readonly command: Uint8Array<ArrayBuffer>;
}

/**
 * The state of a service, changed only by committed commands. Every replica applies the same commands in the same order,
 * so the result of a command must depend only on the state and the command: not on the time, a random number or the
 * runtime.
 *
 * The replica makes one call at a time, with one exception: the promise of {@link StateMachine.snapshot} may be pending
 * while commands are applied.
 */
export interface StateMachine<R> {
  /**
   * Applies commands. They are durable on a majority of the replicas. After a restart, the replica restores the latest
   * snapshot and applies the commands after it again.
   *
   * A state machine that throws or rejects ends the replica with `STATE_MACHINE`, because the replica must not skip a
   * command.
   *
   * @param entries The next commands, at least one, in their order.
   * @returns One answer for each command, in the same order. `Replica.propose` returns it to its caller. The answer to a
   * command with an id must be a JSON value, bytes, or `undefined`, because it is kept.
   */
  apply(entries: readonly Applied[]): readonly R[] | Promise<readonly R[]>;

  /**
   * Writes the whole state. No command is applied before this method returns its promise. By then it must have captured
   * the state: commands are applied while it writes, and the snapshot must not include them.
   *
   * @param to Takes the bytes. The stream goes into a file, and waiting for each `write` keeps memory small. The method
   * may close the stream, and must release its lock otherwise.
   * @param signal Aborts if the snapshot is no longer needed: stop writing, and reject.
   * @returns Resolves when everything is written. If it rejects, the snapshot is discarded and tried again later.
   */
  snapshot(to: WritableStream<Uint8Array>, signal: AbortSignal): Promise<void>;

  /**
   * Replaces the whole state by a snapshot. A state machine that rejects ends the replica with `STATE_MACHINE`.
   *
   * @param from The bytes that {@link StateMachine.snapshot} has written, on this replica or on another one.
   * @returns Resolves when the state is restored.
   */
  restore(from: SnapshotStream): Promise<void>;
}
