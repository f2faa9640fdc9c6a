/**
 * Linearizable reads without an entry (dissertation 6.4): a read may see what was committed when it was asked for, once
 * a majority has said, after that, that this node still leads.
 *
 * @module
 */

import { broadcast } from "./replication.ts";
import type { RaftState } from "./state.ts";

/** Takes a read. */
export function addRead(s: RaftState, id: number): void {
  s.reads.push({ id, round: s.round + 1, index: undefined });
}

/** The last round that a majority has answered. */
function answeredRound(s: RaftState): number {
  const rounds = s.members.map((id) => id === s.id ? Infinity : s.progress.get(id)?.round ?? 0);
  rounds.sort((a, b) => b - a);
  return rounds[Math.floor(rounds.length / 2)]!;
}

/** Lets those reads go that can be answered, and sees to it that the others will be. */
export function settleReads(s: RaftState): void {
  // Until it has committed an entry of its own term, a leader does not know what is committed.
  if (s.reads.length === 0 || s.log.termAt(s.commitIndex) !== s.term) return;
  for (const read of s.reads) read.index ??= s.commitIndex;
  const answered = answeredRound(s);
  for (const { id, round, index } of s.reads) {
    if (round <= answered) s.actions.push({ type: "readReady", id, index: index! });
  }
  s.reads = s.reads.filter(({ round }) => round > answered);
  if (s.reads.length > 0 && answered >= s.round) {
    s.round++;
    broadcast(s);
  }
}
