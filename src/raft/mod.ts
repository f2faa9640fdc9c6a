/**
 * The consensus core that the log is for: leader election, replication, snapshots and changes of membership, as a state
 * machine with no clock and no socket.
 *
 * @example Three nodes; messages are carried by hand.
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
  RepairReply,
  RepairRequest,
  RequestVote,
  RequestVoteReply,
  TimeoutNow,
} from "./messages.ts";
export { senderOf } from "./messages.ts";
export { RaftNode } from "./raft_node.ts";
export { MemoryNetwork, MemoryTransport } from "./transport/memory_transport.ts";
export type { PeerStats } from "./transport/outgoing.ts";
export type { Address, TcpTransportOptions, TransportEvent, TransportTls } from "./transport/tcp_options.ts";
export { TcpTransport } from "./transport/tcp_transport.ts";
export type { RaftTransport, Receive } from "./transport/transport.ts";
export type {
  Action,
  AddLearnerEvent,
  AddServerEvent,
  ApplyAction,
  MembershipChangedAction,
  MessageEvent,
  ProposeEvent,
  RaftConfig,
  RaftEvent,
  ReadFailedAction,
  ReadIndexEvent,
  ReadReadyAction,
  RemoveServerEvent,
  RestoreSnapshotAction,
  Role,
  SendAction,
  SnapshotAction,
  SnapshotEvent,
  TickEvent,
  TransferLeadershipEvent,
} from "./types.ts";
