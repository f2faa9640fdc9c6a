/**
 * The events of a replica, for its application and for subscribers of the channel `wallog:replica` of
 * `node:diagnostics_channel`.
 *
 * @module
 */

import { channel } from "node:diagnostics_channel";
import type { WalLogError } from "../api/errors.ts";
import type { Index, NodeId, Term } from "../api/types.ts";
import type { Role, TransportEvent } from "../raft/mod.ts";

/** An event of a replica. Only `memberLost` and `fatal` require action. */
export type ReplicaEvent =
  /** The role of this replica, or the leader that it knows, has changed. */
  | { readonly type: "leaderChanged"; readonly leader: NodeId | null; readonly term: Term; readonly role: Role }
  /** The membership has changed. The change takes effect at once, and may still be undone. */
  | { readonly type: "membersChanged"; readonly members: readonly NodeId[]; readonly learners: readonly NodeId[] }
  /** A member has lost its log, or has an old copy of it. Remove it, and add a new replica with another id. */
  | { readonly type: "memberLost"; readonly id: NodeId; readonly reason: "incarnation" | "behind" }
  /** Messages of a node are ignored, or its snapshot, which is larger than `maxSnapshotBytes`: raise that here. */
  | { readonly type: "refused"; readonly from: NodeId; readonly reason: string }
  /** A snapshot of the state machine has replaced the log up to an index. `bytes`: its size. */
  | { readonly type: "snapshotMade"; readonly index: Index; readonly bytes: number; readonly milliseconds: number }
  /** A snapshot could not be made. The replica tries again later. */
  | { readonly type: "snapshotFailed"; readonly index: Index; readonly error: unknown }
  /** The state machine was restored from a snapshot: its own at the start, or one of another replica. */
  | { readonly type: "snapshotRestored"; readonly index: Index }
  /** The disk was full, or could not be read. The replica continues, and tries again. */
  | { readonly type: "logFailed"; readonly error: WalLogError }
  /** An event of the transport that the replica has made. */
  | { readonly type: "transport"; readonly event: TransportEvent }
  /** The replica has ended: its state machine or its disk failed. Correct the cause, and start it again. */
  | { readonly type: "fatal"; readonly error: WalLogError };

/** The message of the channel `wallog:replica`. */
export interface ReplicaMessage {
  /** The folder of the replica's log. */
  readonly path: string;
  /** The replica. */
  readonly id: NodeId;
  /** The event. */
  readonly event: ReplicaEvent;
}

const CHANNEL = channel("wallog:replica");

/**
 * Publishes an event. A subscriber that throws does not affect the replica.
 *
 * @param message The event, and the replica.
 */
export function publishEvent(message: ReplicaMessage): void {
  if (CHANNEL.hasSubscribers) CHANNEL.publish(message);
}
