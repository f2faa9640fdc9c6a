/**
 * Describes a node and its peers, for people and monitoring.
 *
 * @module
 */

import type { Index, NodeId, Term } from "../api/types.ts";
import { isBehind } from "./behind.ts";
import type { Flow } from "./progress.ts";
import type { RaftState } from "./state.ts";
import type { Role } from "./actions.ts";

/** The status of a peer, from its leader. */
export interface PeerStatus {
  /** The node. */
  readonly id: NodeId;
  /** Whether it has a vote. A learner has none. */
  readonly isMember: boolean;
  /** Its address; `undefined` if the configuration has none. */
  readonly address: string | undefined;
  /** The match index: the last index at which its log is known to agree with the leader's. */
  readonly match: Index;
  /** The number of the leader's entries after `match`. */
  readonly lag: number;
  /** The bytes of these entries in the leader's log, rounded up to at most one page more: see `RaftLog.bytesAfter`. */
  readonly lagBytes: number;
  /**
   * The way of sending entries to it. `probe`: one message at a time, until the last common entry is known. `stream`:
   * without waiting for answers. `snapshot`: only a snapshot, until the node has it.
   */
  readonly flow: Flow;
  /** Ticks since the leader last heard from it; `undefined` if it has not heard from it in this term. */
  readonly sinceContact: number | undefined;
}

/** The status of a node. */
export interface RaftStatus {
  /** The node. */
  readonly id: NodeId;
  /** Its role. */
  readonly role: Role;
  /** Its latest term. */
  readonly term: Term;
  /** The leader of that term; `null` if the node knows none. */
  readonly leader: NodeId | null;
  /** The last index known to be committed. */
  readonly commitIndex: Index;
  /** The last index that was handed to the application. */
  readonly lastApplied: Index;
  /** The last index of its log. */
  readonly lastIndex: Index;
  /** The index of its snapshot; 0 if it has none. */
  readonly snapshotIndex: Index;
  /** Whether its log is damaged and must be repaired from other nodes. */
  readonly isDamaged: boolean;
  /** The bytes of uncommitted commands that it has accepted as leader. Each command counts 64 bytes more. */
  readonly uncommittedBytes: number;
  /** The target of a leadership transfer in progress; `null` if there is none. */
  readonly transferTarget: NodeId | null;
  /** The index of the latest configuration; 0 for the initial one. It is committed when `commitIndex` reaches it. */
  readonly membershipIndex: Index;
  /** A replacement in progress: the old member and the new one; `null` if there is none. */
  readonly replacement: { readonly from: NodeId; readonly to: NodeId } | null;
  /** The other nodes if this node is the leader: members, then learners. Otherwise empty. */
  readonly peers: readonly PeerStatus[];
}

/**
 * Describes a node.
 *
 * @param s The node.
 * @returns A copy. Later steps do not change it.
 */
export function statusOf(s: RaftState): RaftStatus {
  const { id, role, term, leader, commitIndex, lastApplied, healing, uncommitted, transfer } = s;
  const { lastIndex, snapshotIndex } = s.log;
  return {
    ...{ id, role, term, leader, commitIndex, lastApplied, lastIndex, snapshotIndex },
    isDamaged: healing !== null,
    uncommittedBytes: uncommitted.bytes,
    transferTarget: transfer?.target ?? null,
    membershipIndex: s.membership.latest.index,
    replacement: s.membership.latest.replacement ?? null,
    peers: s.others.flatMap((peer) => peerStatus(s, peer)),
  };
}

function peerStatus(s: RaftState, id: NodeId): PeerStatus[] {
  const progress = s.progress.get(id);
  if (progress === undefined) return [];
  const { flow, heardAt } = progress;
  const match = isBehind(s, id) ? 0 : progress.match;
  return [{
    id,
    isMember: s.members.includes(id),
    address: s.membership.latest.addresses?.get(id),
    match,
    lag: s.log.lastIndex - match,
    lagBytes: s.log.bytesAfter(match),
    flow,
    sinceContact: heardAt === undefined ? undefined : s.now - heardAt,
  }];
}
