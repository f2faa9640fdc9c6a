/**
 * Linearizable reads without an entry (dissertation 6.4): a read may see what was committed when it was asked for, once
 * a majority has said, after that, that this node still leads.
 *
 * @module
 */

import { askAll } from "./replication.ts";
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
  const { reads } = s;
  // Until it has committed an entry of its own term, a leader does not know what is committed.
  if (reads.length === 0 || s.log.termAt(s.commitIndex) !== s.term) return;
  for (let i = reads.length - 1; i >= 0 && reads[i]!.index === undefined; i--) reads[i]!.index = s.commitIndex;
  const answered = answeredRound(s);
  const waits = reads.findIndex(({ round, index }) => round > answered || index! > s.lastApplied);
  for (const { id, index } of reads.splice(0, waits < 0 ? reads.length : waits)) {
    s.actions.push({ type: "readReady", id, index: index! });
  }
  if (reads.length > 0 && reads.at(-1)!.round > s.round && answered >= s.round) {
    s.round++;
    askAll(s);
  }
}
