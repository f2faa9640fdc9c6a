/**
 * Linearizable reads without a log entry (dissertation 6.4). A read sees the entries that were committed when it was
 * requested. It is answered after a majority has confirmed that this node is still the leader. The confirmation must
 * follow the request.
 *
 * @module
 */

import type { NodeId } from "../api/types.ts";
import { isBehind } from "./behind.ts";
import type { ReadRequest } from "./messages.ts";
import { askAll } from "./replication.ts";
import { replyToRead } from "./role.ts";
import type { RaftState } from "./state.ts";

/** Adds a read of the application, or of another node. */
export function addRead(s: RaftState, id: number, from: NodeId | null = null): void {
  s.reads.push({ id, from, round: s.round + 1, index: undefined });
}

/**
 * Processes a read request of another node. That node repeats a request until it is answered, and sends one at a time.
 * So its earlier requests are obsolete.
 */
export function onReadRequest(s: RaftState, { term, from, request }: ReadRequest): void {
  const isTaken = s.role === "leader" && term === s.term && s.transfer === null && s.others.includes(from);
  if (!isTaken) return replyToRead(s, from, request, undefined);
  if (s.reads.some((read) => read.from === from && read.id === request)) return;
  s.reads = s.reads.filter((read) => read.from !== from);
  addRead(s, request, from);
}

/** The last round that a majority has answered. */
function answeredRound(s: RaftState): number {
  const rounds = s.members.map((id) => id === s.id ? Infinity : isBehind(s, id) ? 0 : s.progress.get(id)?.round ?? 0);
  rounds.sort((a, b) => b - a);
  return rounds[Math.floor(rounds.length / 2)]!;
}

/** Answers the reads that can be answered, and requests confirmation for the others. */
export function settleReads(s: RaftState): void {
  const { reads } = s;
  // Before a leader has committed an entry of its own term, it does not know the commit index.
  if (reads.length === 0 || s.log.termAt(s.commitIndex) !== s.term) return;
  for (let i = reads.length - 1; i >= 0 && reads[i]!.index === undefined; i--) reads[i]!.index = s.commitIndex;
  const answered = answeredRound(s);
  const waits = reads.findIndex(({ round, index }) => round > answered || index! > s.lastApplied);
  for (const { id, from, index } of reads.splice(0, waits < 0 ? reads.length : waits)) {
    if (from === null) s.actions.push({ type: "readReady", id, index: index! });
    else replyToRead(s, from, id, index);
  }
  if (reads.length > 0 && reads.at(-1)!.round > s.round && answered >= s.round) {
    s.round++;
    askAll(s);
  }
}
