/**
 * Messages of every type, at random.
 *
 * @module
 */

import fc from "fast-check";
import type { Message } from "../src/raft/mod.ts";
import type { LogEntry, NodeId } from "../src/api/types.ts";

/** Any index, term or other number, small ones and the largest among them. */
const NUMBER: fc.Arbitrary<number> = fc.oneof(fc.nat(300), fc.maxSafeNat(), fc.constant(Number.MAX_SAFE_INTEGER));
/** Half of all numbers, so that indexes and terms have room to grow. */
const LOWER: fc.Arbitrary<number> = fc.oneof(fc.nat(300), fc.maxSafeNat().map((number) => Math.floor(number / 2)));
const ID: fc.Arbitrary<NodeId> = fc.oneof(fc.bigInt(0n, 9n), fc.bigInt(0n, 2n ** 64n - 1n));
const IDS = fc.array(ID, { maxLength: 6 });
const BYTES = fc.uint8Array({ maxLength: 40 });

/** The fields of an entry that the previous entry does not imply. */
const STEP = fc.record({
  gap: fc.oneof(fc.nat(3), fc.nat()),
  termStep: fc.oneof(fc.constant(0), fc.nat(3), fc.nat()),
  kind: fc.constantFrom("normal" as const, "config" as const),
  command: BYTES,
});
const STEPS = fc.array(STEP, { maxLength: 8 });

function entriesAfter(
  index: number,
  term: number,
  steps: readonly { gap: number; termStep: number; kind: LogEntry["kind"]; command: Uint8Array<ArrayBuffer> }[],
  hasGaps: boolean,
): LogEntry[] {
  return steps.map(({ gap, termStep, kind, command }) => {
    index += 1 + (hasGaps ? gap : 0);
    term += termStep;
    return { term, index, kind, command };
  });
}

const VOTE = { term: NUMBER, candidate: ID, lastLogIndex: NUMBER, lastLogTerm: NUMBER };
const VOTE_REPLY = { term: NUMBER, voteGranted: fc.boolean(), from: ID };
const ROUND = fc.oneof(fc.constant({}), NUMBER.map((round) => ({ round })));
const REJECTED = fc.oneof(fc.constant({}), NUMBER.map((rejectedIndex) => ({ rejectedIndex })));

/** The meta of a snapshot. Only a whole snapshot or its last piece has one. */
const META: fc.Arbitrary<{ meta?: Uint8Array<ArrayBuffer> }> = fc.oneof(
  fc.constant({}),
  fc.uint8Array({ minLength: 1, maxLength: 40 }).map((meta) => ({ meta })),
);

/** A piece of a snapshot, with meta only if it is the last. */
const PIECE = fc.tuple(
  fc.record({ index: NUMBER, term: NUMBER, config: IDS, data: BYTES }),
  META,
  NUMBER,
  fc.boolean(),
).map(([snapshot, meta, offset, done]) => ({ snapshot: { ...snapshot, ...done ? meta : {} }, offset, done }));

/** A message of each type. */
const BY_TYPE: { readonly [T in Message["type"]]: fc.Arbitrary<Extract<Message, { type: T }>> } = {
  preVote: fc.record({ type: fc.constant("preVote"), ...VOTE }),
  preVoteReply: fc.record({ type: fc.constant("preVoteReply"), ...VOTE_REPLY }),
  requestVote: fc.record({ type: fc.constant("requestVote"), ...VOTE, force: fc.boolean() }),
  requestVoteReply: fc.record({ type: fc.constant("requestVoteReply"), ...VOTE_REPLY }),
  appendEntries: fc.tuple(NUMBER, ID, LOWER, LOWER, NUMBER, STEPS, ROUND).map(
    ([term, leader, prevLogIndex, prevLogTerm, leaderCommit, steps, round]) => {
      const entries = entriesAfter(prevLogIndex, prevLogTerm, steps, false);
      return { type: "appendEntries", term, leader, prevLogIndex, prevLogTerm, entries, leaderCommit, ...round };
    },
  ),
  appendEntriesReply: fc.tuple(NUMBER, fc.boolean(), ID, NUMBER, NUMBER, NUMBER, ROUND, REJECTED).map(
    ([term, success, from, matchIndex, conflictIndex, conflictTerm, round, rejected]) => (
      {
        type: "appendEntriesReply",
        term,
        success,
        from,
        matchIndex,
        conflictIndex,
        conflictTerm,
        ...round,
        ...rejected,
      }
    ),
  ),
  installSnapshot: fc.tuple(
    NUMBER,
    ID,
    fc.record({ index: NUMBER, term: NUMBER, config: IDS, data: BYTES }),
    fc.oneof(
      fc.tuple(META, fc.constantFrom({}, { done: true })),
      fc.constant([{}, { done: false }] as [{ meta?: Uint8Array<ArrayBuffer> }, { done?: boolean }]),
    ),
    NUMBER,
  ).map(([term, leader, snapshot, [meta, last], offset]) => ({
    ...{ type: "installSnapshot", term, leader, snapshot: { ...snapshot, ...meta } },
    ...last.done === undefined ? {} : { offset, done: last.done },
  })),
  installSnapshotReply: fc.tuple(
    NUMBER,
    ID,
    NUMBER,
    fc.oneof(fc.constant({}), NUMBER.map((nextOffset) => ({ nextOffset }))),
  ).map(([term, from, lastIndex, next]) => ({ type: "installSnapshotReply", term, from, lastIndex, ...next })),
  timeoutNow: fc.record({ type: fc.constant("timeoutNow"), term: NUMBER, leader: ID }),
  snapshotRequest: fc.record({
    ...{ type: fc.constant("snapshotRequest" as const), term: NUMBER, from: ID, request: NUMBER, least: NUMBER },
    ...{ leastTerm: NUMBER, index: NUMBER, offset: NUMBER },
  }),
  snapshotReply: fc.tuple(NUMBER, ID, NUMBER, PIECE).map(([term, from, request, piece]) => (
    { type: "snapshotReply", term, from, request, ...piece }
  )),
  readRequest: fc.record({ type: fc.constant("readRequest"), term: NUMBER, from: ID, request: NUMBER }),
  readReply: fc.record({
    ...{ type: fc.constant("readReply" as const), term: NUMBER, from: ID, request: NUMBER, index: NUMBER },
    isRefused: fc.boolean(),
  }),
  proposeRequest: fc.record({
    ...{ type: fc.constant("proposeRequest" as const), term: NUMBER, from: ID, session: NUMBER, request: NUMBER },
    command: BYTES,
  }),
  proposeReply: fc.record({
    ...{ type: fc.constant("proposeReply" as const), term: NUMBER, from: ID, request: NUMBER, index: NUMBER },
    refusal: fc.constantFrom(null, "NOT_LEADER", "OVERLOADED", "ENTRY_TOO_LARGE", "NO_SPACE"),
  }),
  repairRequest: fc.record(
    { type: fc.constant("repairRequest"), term: NUMBER, from: ID, request: NUMBER, first: NUMBER, last: NUMBER },
  ),
  repairReply: fc.tuple(NUMBER, ID, NUMBER, fc.boolean(), NUMBER, NUMBER, IDS, LOWER, LOWER, STEPS).map(
    ([term, from, request, leads, commitIndex, lastIndex, members, index, entryTerm, steps]) => {
      const entries = entriesAfter(index, entryTerm, steps, true);
      return {
        type: "repairReply",
        term,
        from,
        request,
        leads,
        commitIndex,
        lastIndex,
        members,
        prevTerm: entryTerm,
        entries,
      };
    },
  ),
};

/** Any message that a node may send, and many that it would not. */
export const MESSAGE: fc.Arbitrary<Message> = fc.oneof(...Object.values(BY_TYPE) as fc.Arbitrary<Message>[])
  // fast-check makes some of its records without a prototype.
  .map((message) => ({ ...message, ..."snapshot" in message ? { snapshot: { ...message.snapshot } } : {} } as Message));
