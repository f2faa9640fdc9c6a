/**
 * Forwards proposals to the leader. A request is sent once. If the request or its answer is lost, the outcome is
 * unknown. Only the application knows whether it is safe to propose the command again. A message can be duplicated, so
 * the leader remembers the requests of each node while it leads, and ignores requests of other terms.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { unshared } from "../api/taken.ts";
import type { NodeId } from "../api/types.ts";
import type { ProposalRefusal, ProposeReply, ProposeRequest } from "./messages.ts";
import { propose, requireFitsMessage } from "./proposals.ts";
import type { RaftState } from "./state.ts";
import type { ProposalFailedAction } from "./actions.ts";
import type { ProposeEvent } from "./types.ts";

/** The maximum distance of a request from its node's newest one. Older requests are ignored. */
const REQUESTS_MAX = 4096;
/** The number of earlier sessions that the leader remembers for each node. Their requests are ignored. */
const SESSIONS_MAX = 64;
/** Codes of errors that leave the log unchanged. */
const REFUSALS: ReadonlySet<string> = new Set<ProposalRefusal>([
  "NOT_LEADER",
  "OVERLOADED",
  "ENTRY_TOO_LARGE",
  "NO_SPACE",
]);

/** Proposes a command, or forwards it to the leader. */
export function onPropose(s: RaftState, { command, id }: ProposeEvent): void {
  const isForwarded = id !== undefined && s.config.forwardProposals && s.role !== "leader" && s.leader !== null;
  if (isForwarded) return forward(s, s.leader!, id, command);
  propose(s, command, () => {
    if (id !== undefined) s.actions.push({ type: "proposed", id, ...s.proposed });
  });
}

function forward(s: RaftState, leader: NodeId, id: number, command: Uint8Array): void {
  requireFitsMessage(s, command);
  const proposals = s.forwardedProposals;
  proposals.leader = leader;
  proposals.term = s.term;
  const { session } = proposals;
  const request = ++proposals.request;
  proposals.pending.set(request, { id, sentAt: s.now });
  // The application may reuse its buffer.
  const copy = unshared(command).slice();
  s.send(leader, { type: "proposeRequest", term: s.term, from: s.id, session, request, command: copy });
}

/** Proposes a command that another node has forwarded. */
export function onProposeRequest(s: RaftState, message: ProposeRequest): void {
  const { term, from, request, command } = message;
  // A node that is no longer the leader does not answer: it may have accepted the first of two such requests. A
  // repeated request must change nothing. The leader does not remember requests of nodes outside the cluster, so it
  // ignores them.
  if (s.role !== "leader" || term !== s.term || !s.others.includes(from) || !isNew(s, message)) return;
  try {
    propose(s, command, () => reply(s, { from, request }, s.proposed.index, null));
  } catch (error) {
    if (!(error instanceof WalLogError) || !REFUSALS.has(error.code) || s.writer.hasFailed) throw error;
    reply(s, message, 0, error.code as ProposalRefusal);
  }
}

function reply(
  s: RaftState,
  { from: to, request }: Pick<ProposeRequest, "from" | "request">,
  index: number,
  refusal: ProposalRefusal | null,
): void {
  s.send(to, { type: "proposeReply", term: s.term, from: s.id, request, index, refusal });
}

/** Records a request. Returns whether it is the first with its number. */
function isNew(s: RaftState, { from, session, request }: ProposeRequest): boolean {
  const known = s.proposers.get(from);
  if (known === undefined || known.session !== session) {
    if (known?.earlier.includes(session)) return false;
    const earlier = known === undefined ? [] : [...known.earlier, known.session].slice(-SESSIONS_MAX);
    s.proposers.set(from, { session, earlier, greatest: request, seen: new Set([request]) });
    return true;
  }
  const { seen } = known;
  if (request <= known.greatest - REQUESTS_MAX || seen.has(request)) return false;
  seen.add(request);
  known.greatest = Math.max(known.greatest, request);
  if (seen.size > 2 * REQUESTS_MAX) {
    for (const one of seen) if (one <= known.greatest - REQUESTS_MAX) seen.delete(one);
  }
  return true;
}

/** Processes the leader's answer to a forwarded command. */
export function onProposeReply(s: RaftState, { term, from, request, index, refusal }: ProposeReply): void {
  const proposals = s.forwardedProposals;
  const pending = proposals.pending.get(request);
  if (pending === undefined || from !== proposals.leader) return;
  proposals.pending.delete(request);
  const { id } = pending;
  if (refusal === null) s.actions.push({ type: "proposed", id, index, term });
  else fail(s, id, "not-applied", refusal);
}

/** Fails the commands whose leader has changed or does not answer. */
export function settleForwardedProposals(s: RaftState): void {
  const { pending, leader, term } = s.forwardedProposals;
  const isGone = s.leader !== leader || s.term !== term;
  for (const [request, { id, sentAt }] of pending) {
    if (!isGone && s.now - sentAt < s.config.electionTimeout[1]) return;
    pending.delete(request);
    fail(s, id, "unknown", null);
  }
}

function fail(s: RaftState, id: number, outcome: ProposalFailedAction["outcome"], code: ProposalRefusal | null): void {
  s.actions.push({ type: "proposalFailed", id, outcome, code });
}
