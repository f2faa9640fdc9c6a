/**
 * The consensus core for the log: leader election, replication, snapshots and membership changes, as a state machine
 * without a clock or a socket.
 *
 * **Memory.** Entries stay in the log. The entries in a step's actions stay in memory as long as the application keeps
 * the actions. A step returns at most `maxApplyBytes` of committed commands, and reports if there are more. No node
 * holds a whole snapshot: a leader reads each piece from its log when it sends it, and a follower writes it to its own
 * log. The leader keeps a snapshot open until the last transfer of it ends. A transfer that began with an older
 * snapshot finishes with it. A follower discards the pieces if a new term begins, or if no further piece arrives.
 * `maxSnapshotBytes` limits the snapshot that it stores. Each snapshot that is read or written takes a piece of 512 KiB
 * in memory. Messages take memory as well: without `snapshotChunkBytes`, a message has as much of a snapshot as fits
 * into it. An application with a state that does not fit into memory writes and reads it in pieces as well: see
 * `SnapshotEvent.data` and `RestoreSnapshotAction.data`.
 *
 * @example Three nodes. The program passes the messages itself.
 * ```ts
 * import { type Action, RaftNode } from "@wallog/wallog/raft";
 * import assert from "node:assert/strict";
 *
 * const ids = [1n, 2n, 3n];
 * const nodes = new Map(ids.map((id) => [id, new RaftNode({ id, peers: ids.filter((peer) => peer !== id) })]));
 * const applied: string[] = [];
 *
 * function carryOut(actions: Action[]) {
 *   for (const action of actions) {
 *     if (action.type === "send") {
 *       carryOut(nodes.get(action.to)!.step({ type: "message", message: action.message }));
 *     } else if (action.type === "apply") {
 *       applied.push(new TextDecoder().decode(action.command));
 *     }
 *   }
 * }
 *
 * const [first] = nodes.values();
 * while (!first!.isLeader) carryOut(first!.step({ type: "tick" }));
 * carryOut(first!.step({ type: "propose", command: new TextEncoder().encode("x = 1") }));
 * for (let tick = 0; tick < 3; tick++) carryOut(first!.step({ type: "tick" }));
 * assert.deepEqual(applied, ["x = 1", "x = 1", "x = 1"]);
 * ```
 *
 * @module
 */

export { decodeMessage } from "./codec/decode.ts";
export { encodeMessage } from "./codec/encode.ts";
export type {
  AppendEntries,
  AppendEntriesReply,
  InstallSnapshot,
  InstallSnapshotReply,
  Message,
  PreVote,
  PreVoteReply,
  ProposalRefusal,
  ProposeReply,
  ProposeRequest,
  ReadReply,
  ReadRequest,
  RepairReply,
  RepairRequest,
  RequestVote,
  RequestVoteReply,
  SnapshotReply,
  SnapshotRequest,
  TimeoutNow,
} from "./messages.ts";
export { senderOf } from "./messages.ts";
export type { Flow } from "./progress.ts";
export type { Origin } from "./origin.ts";
export type { RaftConfig } from "./raft_config.ts";
export { RaftNode } from "./raft_node.ts";
export { recoverCluster } from "./recover_cluster.ts";
export type { RecoverClusterOptions, RecoveredCluster } from "./recover_cluster.ts";
export type { CopyProgress } from "../maintain/write_anew.ts";
export type { PeerStatus, RaftStatus } from "./status.ts";
export { MemoryNetwork, MemoryTransport } from "./transport/memory_transport.ts";
export type { PeerStats } from "./transport/outgoing.ts";
export type { Address, TcpTransportOptions, TransportEvent, TransportTls } from "./transport/tcp_options.ts";
export { TcpTransport } from "./transport/tcp_transport.ts";
export type { RaftTransport, Receive } from "./transport/transport.ts";
export type {
  Action,
  ApplyAction,
  LeaderChangedAction,
  LogFailedAction,
  MemberLostAction,
  MembershipChangedAction,
  MoreToApplyAction,
  ProposalFailedAction,
  ProposedAction,
  ReadFailedAction,
  ReadReadyAction,
  RefusedAction,
  RestoreSnapshotAction,
  Role,
  SendAction,
  SnapshotAction,
  TransferFailedAction,
} from "./actions.ts";
export type {
  AddLearnerEvent,
  AddServerEvent,
  ApplyMoreEvent,
  HeartbeatEvent,
  MessageEvent,
  Proposal,
  ProposeEvent,
  RaftEvent,
  ReadIndexEvent,
  RemoveServerEvent,
  ReplaceServerEvent,
  SnapshotEvent,
  TickEvent,
  TransferLeadershipEvent,
} from "./types.ts";
