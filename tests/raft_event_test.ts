/** Invalid events are rejected with a message that names the reason, and change nothing. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { inspect } from "node:util";
import { type RaftEvent, RaftNode } from "../src/raft/mod.ts";
import { MemoryLog } from "../src/api/memory_log.ts";

/** A leader of three in term 4, with four entries. */
function leader(): RaftNode {
  const log = new MemoryLog();
  log.setHardState({ term: 3, votedFor: null });
  for (const [i, term] of [1, 1, 2, 3].entries()) {
    log.append([{ term, index: i + 1, kind: "normal", command: new Uint8Array(3) }]);
  }
  const node = RaftNode.withLog({ id: 1n, peers: [2n, 3n] }, log);
  for (let tick = 0; tick < 20; tick++) node.step({ type: "tick" });
  const granted = { voteGranted: true, from: 2n };
  node.step({ type: "message", message: { type: "preVoteReply", term: 3, ...granted } });
  node.step({ type: "message", message: { type: "requestVoteReply", term: 4, ...granted } });
  assert.ok(node.isLeader);
  return node;
}

/** The visible state of a node. */
const seen = ({ role, term, leader, commitIndex, lastApplied, members, learners, log }: RaftNode): unknown => [
  ...[role, term, leader, commitIndex, lastApplied, members, learners],
  ...[log.lastIndex, log.lastTerm, log.snapshotIndex, log.hardState],
];

const NUMBER = [undefined, null, "4", NaN, Infinity, -1, 2.5, 4n, 2 ** 53];
const ID = [undefined, null, 5, "x", -1n, 2n ** 64n];
const COMMAND = new Uint8Array(1);
const ENTRY = { index: 5, term: 3, kind: "normal", command: COMMAND };
const SNAPSHOT = { index: 9, term: 3, config: [1n, 2n, 3n], data: new Uint8Array(5) };

/** Valid messages, and for each field, invalid values. */
const MESSAGES: readonly (readonly [message: { type: string }, wrong: Record<string, readonly unknown[]>])[] = [
  [{ type: "preVote", term: 9, candidate: 2n, lastLogIndex: 9, lastLogTerm: 9 } as { type: string }, {
    ...{ term: NUMBER, candidate: ID, lastLogIndex: NUMBER, lastLogTerm: NUMBER },
  }],
  [{ type: "requestVote", term: 9, candidate: 2n, lastLogIndex: 9, lastLogTerm: 9, force: false } as { type: string }, {
    ...{ term: NUMBER, candidate: ID, lastLogIndex: NUMBER, lastLogTerm: NUMBER },
  }],
  [{ type: "requestVoteReply", term: 9, voteGranted: true, from: 2n } as { type: string }, { term: NUMBER, from: ID }],
  [
    {
      ...{ type: "appendEntries", term: 9, leader: 2n, prevLogIndex: 4, prevLogTerm: 3 },
      ...{ entries: [ENTRY], leaderCommit: 4, round: 1 },
    },
    {
      ...{ term: NUMBER, leader: ID, prevLogIndex: NUMBER, prevLogTerm: NUMBER, leaderCommit: NUMBER },
      round: NUMBER.slice(1),
      entries: [undefined, null, {}, "ab", [null], [1], [{ ...ENTRY, command: "x" }], [{ ...ENTRY, index: 6 }]],
    },
  ],
  [
    {
      ...{ type: "appendEntriesReply", term: 4, success: true, from: 2n },
      ...{ matchIndex: 2, conflictIndex: 0, conflictTerm: 0 },
    },
    {
      term: NUMBER,
      from: ID,
      matchIndex: [...NUMBER, 5],
      conflictIndex: NUMBER,
      conflictTerm: NUMBER,
      rejectedIndex: NUMBER.slice(1),
    },
  ],
  [{ type: "installSnapshot", term: 9, leader: 2n, snapshot: SNAPSHOT } as { type: string }, {
    ...{ term: NUMBER, leader: ID, offset: NUMBER.slice(1) },
    snapshot: [undefined, null, 5].concat(
      Object.entries({ index: NUMBER, term: NUMBER, config: [null, [1]], data: [null, "abc"] })
        .flatMap(([field, wrong]) => wrong.map((value) => ({ ...SNAPSHOT, [field]: value }))) as never[],
    ),
  }],
  [{ type: "installSnapshotReply", term: 4, from: 2n, lastIndex: 1 } as { type: string }, {
    ...{ term: NUMBER, from: ID, lastIndex: [...NUMBER, 5], nextOffset: NUMBER.slice(1) },
  }],
  [{ type: "timeoutNow", term: 9, leader: 2n } as { type: string }, { term: NUMBER, leader: ID }],
  [{ type: "repairRequest", term: 1, from: 2n, request: 1, first: 1, last: 4 } as { type: string }, {
    ...{ term: NUMBER, from: ID, request: NUMBER, first: NUMBER, last: NUMBER },
  }],
  [
    {
      ...{ type: "repairReply", term: 1, from: 2n, request: 1, leads: false, commitIndex: 0, lastIndex: 4 },
      ...{ members: [1n], prevTerm: 0, entries: [ENTRY] },
    },
    {
      ...{ term: NUMBER, from: ID, request: NUMBER, commitIndex: NUMBER, lastIndex: NUMBER, prevTerm: [...NUMBER, 4] },
      ...{ members: [null, [1]], entries: [null, [null], [{ ...ENTRY, index: "5" }], [{ ...ENTRY, term: -1 }]] },
    },
  ],
];

const EVENTS: readonly unknown[] = [
  ...[null, undefined, 5, {}, { type: "nonsense" }, { type: Symbol("tick") }],
  ...[undefined, null, "x", { type: "nonsense", term: 99 }, { type: "toString" }].map((message) => (
    { type: "message", message }
  )),
  ...[undefined, null, "x", [1]].map((command) => ({ type: "propose", command })),
  ...NUMBER.map((index) => ({ type: "snapshot", index, data: COMMAND })),
  { type: "snapshot", index: 1, data: "x" },
  ...[...ID, {}, Symbol("id")].flatMap((id) =>
    ["addServer", "addLearner", "removeServer", "replaceServer", "transferLeadership"].map((
      type,
    ) => ({ type, id, by: id, target: id }))
  ),
  ...MESSAGES.flatMap(([message, wrong]) =>
    Object.entries(wrong).flatMap(([field, values]) =>
      values.map((value) => ({ type: "message", message: { ...message, [field]: value } }))
    )
  ),
];

describe("a node", () => {
  it(`refuses ${EVENTS.length} invalid events, and is unchanged`, () => {
    const node = leader();
    const before = seen(node);
    for (const event of EVENTS) {
      assert.throws(
        () => node.step(event as RaftEvent),
        (error: { code?: string }) => error.code === "INVALID_ARGUMENT" || error.code === "NOT_CONTIGUOUS",
        inspect(event),
      );
      assert.deepEqual(seen(node), before);
    }
  });

  it("accepts their valid forms", () => {
    for (const [message] of MESSAGES) {
      leader().step({ type: "message", message } as RaftEvent);
    }
  });
});
