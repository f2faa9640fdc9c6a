/**
 * Linearizable reads on a node that is not the leader. The leader returns the index that the node must apply first. One
 * request is in progress at a time. It covers all reads that arrived before it was first sent. The node repeats it
 * until the leader answers, so every answer was made after these reads arrived. If the leader changes, the reads fail.
 *
 * @module
 */

import type { ReadReply } from "./messages.ts";
import type { RaftState } from "./state.ts";

/** Adds a read. The node knows the leader. */
export function forwardRead(s: RaftState, id: number): void {
  const reads = s.forwardedReads;
  if (reads.asked.length + reads.waiting.length === 0) {
    reads.leader = s.leader;
    reads.term = s.term;
  }
  reads.waiting.push(id);
}

/**
 * Processes the leader's answer or rejection. Answers to earlier requests, or to those of an earlier process, are
 * ignored.
 */
export function onReadReply(s: RaftState, { from, request, index, isRefused }: ReadReply): void {
  const reads = s.forwardedReads;
  if (from !== reads.leader || request !== reads.request || reads.asked.length === 0) return;
  if (isRefused) return fail(s);
  reads.answered.push({ ids: reads.asked, index });
  reads.asked = [];
}

/** Fails reads whose leader has changed, answers those whose index is applied, and requests an index for the others. */
export function settleForwardedReads(s: RaftState): void {
  const reads = s.forwardedReads;
  if (reads.asked.length + reads.waiting.length + reads.answered.length === 0) return;
  // A learner never starts an election, so it keeps its leader even after a long silence.
  const isGone = s.leader !== reads.leader || s.term !== reads.term || s.elapsed >= s.electionTimeout;
  if (isGone) fail(s);
  while (reads.answered.length > 0 && reads.answered[0]!.index <= s.lastApplied) {
    const { ids, index } = reads.answered.shift()!;
    for (const id of ids) s.actions.push({ type: "readReady", id, index });
  }
  if (reads.asked.length === 0 && reads.waiting.length > 0) {
    reads.asked = reads.waiting;
    reads.waiting = [];
    reads.request++;
    return ask(s);
  }
  if (reads.asked.length > 0 && s.now - reads.sentAt >= s.config.heartbeatInterval) ask(s);
}

function ask(s: RaftState): void {
  const { leader, request } = s.forwardedReads;
  s.forwardedReads.sentAt = s.now;
  s.send(leader!, { type: "readRequest", term: s.term, from: s.id, request });
}

/** Fails the reads without an answer. An answer stays valid after the leader changes. */
function fail(s: RaftState): void {
  const reads = s.forwardedReads;
  for (const id of [...reads.asked, ...reads.waiting]) s.actions.push({ type: "readFailed", id });
  reads.asked = [];
  reads.waiting = [];
}
