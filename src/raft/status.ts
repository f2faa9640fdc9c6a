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

/** The leader's view of a peer. */
export interface PeerStatus {
  /** The node. */
  readonly id: NodeId;
  /** Whether it has a vote. A learner has none. */
  readonly isMember: boolean;
  /** Its address; `undefined` if the configuration has none. */
  readonly address: string | undefined;
  /** The last index at which its log is known to agree with the leader's; 0 for a member that has lost its log. */
  readonly match: Index;
  /** The number of the leader's entries after `match`. */
  readonly lag: number;
  /** The bytes of these entries in the leader's log, up to a page too many: see `RaftLog.bytesAfter`. */
  readonly lagBytes: number;
  /**
   * How the leader sends entries to it. `probe`: one message at a time, until it is known where the logs agree. `stream`:
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
  /** Whether its log lacks something that it must get from others. */
  readonly isDamaged: boolean;
  /** Bytes of commands that it has accepted as leader and not committed, each counted with 64 bytes more. */
  readonly uncommittedBytes: number;
  /** The node that leadership is being transferred to; `null` if none is. */
  readonly transferTarget: NodeId | null;
  /** The index of the latest configuration; 0 for the initial one. It is committed once `commitIndex` has reached it. */
  readonly membershipIndex: Index;
  /** The member that is being replaced, and by which node; `null` if none is. */
  readonly replacement: { readonly from: NodeId; readonly to: NodeId } | null;
  /** The others, if the node leads: members, then learners. Empty otherwise. */
  readonly peers: readonly PeerStatus[];
}

/**
 * Describes a node.
 *
 * @param s The node.
 * @returns A copy, which later steps do not change.
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
