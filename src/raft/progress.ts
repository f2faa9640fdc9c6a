/**
 * The leader's knowledge of another node's log.
 *
 * @module
 */

import type { Index, SnapshotSource } from "../api/types.ts";
import { Outstanding } from "./outstanding.ts";

/**
 * The way in which entries are sent. `probe`: one message at a time, until it is known where the logs agree. `stream`:
 * without waiting for answers. `snapshot`: nothing but a snapshot, until the node has it.
 */
export type Flow = "probe" | "stream" | "snapshot";

/** The leader's knowledge of another node's log. */
export interface Progress {
  /** The way in which entries are sent. */
  flow: Flow;
  /** Whether an answer is awaited before more is sent; a heartbeat does not wait. */
  isPaused: boolean;
  /** The last index at which the logs are known to agree. */
  match: Index;
  /** The next entry to send. */
  next: Index;
  /** Messages that were streamed and are not acknowledged. Empty if the configuration sets no bound. */
  readonly inflights: Outstanding;
  /** Answers since the last heartbeat that deny an earlier acknowledgement. */
  denials: number;
  /** The acknowledgement that the node has contradicted; `null` if there is none, or if it was acknowledged again. */
  denied: Denied | null;
  /** Whether the node was heard from since the leader last counted. */
  isActive: boolean;
  /** When the node was last heard from, in ticks of the leader; `undefined` if it was not. */
  heardAt: number | undefined;
  /** The greatest round of heartbeats that the node has answered. */
  round: number;
  /** The snapshot that is being sent; `null` if none is held for that. */
  outgoing: OutgoingSnapshot | null;
  /** A learner's lap: where the leader's log ended when it began. */
  lapEnd: Index;
  /** A learner's lap: when it began, in ticks of the leader. */
  lapStart: number;
  /** A learner: whether its last lap was short enough. */
  isLevel: boolean;
}

/** An acknowledgement that a node has contradicted. */
export interface Denied {
  /** The index that it acknowledged. */
  readonly match: Index;
  /** The round of the heartbeat that must confirm the contradiction. */
  readonly round: number;
  /** When that was last sent, in ticks of the leader. */
  askedAt: number;
}

/** A snapshot that is being sent. */
export interface OutgoingSnapshot {
  /** The snapshot, open. */
  readonly source: SnapshotSource;
  /** The size of its pieces; 0 if it is sent whole. */
  readonly pieceBytes: number;
  /** Up to here the node has the data, in bytes. */
  acknowledged: number;
  /** Where the next piece to send begins; `null` once the last was sent. */
  next: number | null;
  /** The round of an unanswered heartbeat, and the end of the pieces sent before it; `null` if there is none. */
  checkpoint: { readonly round: number; readonly end: number } | null;
  /** Requests of a damaged node since it last acknowledged a piece. */
  requests: number;
}

/** The node has answered. */
export function hear(progress: Progress, now: number): void {
  progress.isActive = true;
  progress.heardAt = now;
}

/** The snapshot that is being sent has arrived, or is not wanted any more. */
export function endSnapshot(progress: Progress): void {
  progress.outgoing = null;
  if (progress.flow === "snapshot") progress.flow = "probe";
}

/**
 * The progress of a node about which the leader knows nothing yet.
 *
 * @param lastIndex The last index of the leader's log.
 * @param tick The leader's time, in ticks.
 * @returns The initial progress.
 */
export function newProgress(lastIndex: Index, tick: number): Progress {
  return {
    flow: "probe",
    isPaused: false,
    match: 0,
    next: lastIndex + 1,
    inflights: new Outstanding(),
    denials: 0,
    denied: null,
    isActive: true,
    heardAt: undefined,
    round: 0,
    outgoing: null,
    lapEnd: lastIndex,
    lapStart: tick,
    isLevel: false,
  };
}
