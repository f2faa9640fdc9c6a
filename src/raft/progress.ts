/**
 * A leader's record of another node's log.
 *
 * @module
 */

import type { Index, SnapshotSource } from "../api/types.ts";
import { Outstanding } from "./outstanding.ts";

/**
 * The way of sending entries. `probe`: one message at a time, until the last common entry is known. `stream`: without
 * waiting for answers. `snapshot`: only a snapshot, until the node has it.
 */
export type Flow = "probe" | "stream" | "snapshot";

/** A leader's record of another node's log. */
export interface Progress {
  /** The way of sending entries to the node. */
  flow: Flow;
  /** Whether the leader waits for an answer before it sends more entries. Heartbeats do not wait. */
  isPaused: boolean;
  /** The match index: the last index up to which the logs are known to agree. */
  match: Index;
  /** The next index to send. */
  next: Index;
  /** Messages in flight while streaming. Empty if the configuration sets no limit. */
  readonly inflights: Outstanding;
  /** The number of answers since the last heartbeat that deny an earlier acknowledgement. */
  denials: number;
  /** The acknowledgement that the node has denied; `null` if there is none, or the node has confirmed it again. */
  denied: Denied | null;
  /** Whether the node has answered since the last check of the quorum. */
  isActive: boolean;
  /** The time of the node's last answer, in ticks of the leader; `undefined` if there was none. */
  heardAt: number | undefined;
  /** The greatest heartbeat round that the node has answered. */
  round: number;
  /** The snapshot in transfer to the node; `null` if there is none. */
  outgoing: OutgoingSnapshot | null;
  /** Of a learner: the last index of the leader's log when the learner's lap began. */
  lapEnd: Index;
  /** Of a learner: the time when its lap began, in ticks of the leader. */
  lapStart: number;
  /** Of a learner: whether its last lap was short enough. */
  isLevel: boolean;
}

/** An acknowledgement that the node has denied. */
export interface Denied {
  /** The acknowledged index. */
  readonly match: Index;
  /** The round of the heartbeat that asks the node to confirm the denial. */
  readonly round: number;
  /** The time when that heartbeat was last sent, in ticks of the leader. */
  askedAt: number;
}

/** A snapshot in transfer to a node. */
export interface OutgoingSnapshot {
  /** The open snapshot. */
  readonly source: SnapshotSource;
  /** The size of its pieces, in bytes; 0 for one message. */
  readonly pieceBytes: number;
  /** The number of bytes that the node has acknowledged. */
  acknowledged: number;
  /** The offset of the next piece to send; `null` after the last piece. */
  next: number | null;
  /** The round of an unanswered heartbeat, and the end of the pieces sent before it; `null` if there is none. */
  checkpoint: { readonly round: number; readonly end: number } | null;
  /** The number of requests from a damaged node since it last acknowledged a piece. */
  requests: number;
}

/** Records that the node has answered. */
export function hear(progress: Progress, now: number): void {
  progress.isActive = true;
  progress.heardAt = now;
}

/** Ends the transfer of a snapshot: it has arrived, or is no longer needed. */
export function endSnapshot(progress: Progress): void {
  progress.outgoing = null;
  if (progress.flow === "snapshot") progress.flow = "probe";
}

/**
 * Makes a leader's first record of a node.
 *
 * @param lastIndex The last index of the leader's log.
 * @param tick The leader's time.
 * @returns The record.
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
