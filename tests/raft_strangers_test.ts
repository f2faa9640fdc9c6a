/** Messages of non-members, and messages that no correct node sends. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Message, type RaftConfig, RaftNode, type SendAction } from "../src/raft/mod.ts";
import { MemoryLog, WalLogError } from "../mod.ts";
import { Cluster } from "./raft_cluster.ts";

const IDS = [1n, 2n, 3n];
const STRICT: Partial<RaftConfig> = { strictMembership: true };
const ABSURD = 2 ** 53 - 1;
const STRANGER = 9n;
const COMMAND = new TextEncoder().encode("x = 1");

const deliver = (message: Message) => ({ type: "message", message }) as const;

/** The visible state of a node. */
const seen = ({ role, term, leader, commitIndex, lastApplied, log }: RaftNode): unknown => [
  ...[role, term, leader, commitIndex, lastApplied],
  ...[log.lastIndex, log.lastTerm, log.snapshotIndex, log.hardState],
];

/** Every message that can bring a term into a log. */
function messagesOf(from: bigint, term: number): Message[] {
  const vote = { term, lastLogIndex: 99, lastLogTerm: 99 };
  const snapshot = { index: 50, term: 1, config: IDS, data: new Uint8Array(3) };
  const append = { type: "appendEntries", leader: from, prevLogIndex: 0, prevLogTerm: 0, leaderCommit: 0 } as const;
  return [
    { type: "preVote", candidate: from, ...vote },
    { type: "requestVote", candidate: from, force: true, ...vote },
    { type: "preVoteReply", from, term, voteGranted: true },
    { type: "requestVoteReply", from, term, voteGranted: false },
    { ...append, term, entries: [] },
    { ...append, term: 1, entries: [{ term, index: 1, kind: "normal", command: COMMAND }] },
    { ...append, term: 1, prevLogIndex: term, entries: [] },
    {
      ...{ type: "appendEntriesReply", from, term, success: false },
      ...{ matchIndex: 0, conflictIndex: 1, conflictTerm: 0 },
    },
    { type: "installSnapshot", leader: from, term, snapshot },
    { type: "installSnapshot", leader: from, term: 1, snapshot: { ...snapshot, term } },
    { type: "installSnapshot", leader: from, term: 1, snapshot: { ...snapshot, index: term } },
    { type: "installSnapshotReply", from, term, lastIndex: 0 },
    { type: "timeoutNow", leader: from, term },
    {
      ...{ type: "repairReply", from, term, request: 1, leads: true },
      ...{ commitIndex: 0, lastIndex: 0, members: [], prevTerm: 0, entries: [] },
    },
  ];
}

for (const from of [2n, STRANGER]) {
  const who = from === 2n ? "a member" : "a node that is no member";
  test(`a message of ${who} cannot bring an absurd term or index into the log`, () => {
    for (const message of messagesOf(from, ABSURD)) {
      const cluster = new Cluster(IDS);
      const leader = cluster.elect(1n);
      const follower = cluster.node(2n);
      for (const node of [leader, follower]) {
        const before = seen(node);
        assert.throws(() => node.step(deliver(message)), { code: "INVALID_ARGUMENT" }, message.type);
        assert.deepEqual(seen(node), before, message.type);
      }
      cluster.propose(1n, "x = 1");
      assert.equal(leader.commitIndex, 1, message.type);
    }
  });
}

test("a node accepts a term far above its own", () => {
  const cluster = new Cluster(IDS);
  cluster.elect(1n);
  const away = cluster.node(3n);
  const term = away.term + 2 ** 32;
  away.step(deliver({ type: "requestVote", candidate: 2n, term, lastLogIndex: 9, lastLogTerm: 9, force: true }));
  assert.deepEqual([away.term, away.log.hardState], [term, { term, votedFor: 2n }]);
  const message = { type: "timeoutNow", leader: 2n } as const;
  assert.throws(() => away.step(deliver({ ...message, term: term + 2 ** 32 + 1 })), { code: "INVALID_ARGUMENT" });
});

test("terms that grow with every message end well below 2^53", () => {
  const log = new MemoryLog();
  log.setHardState({ term: 2 ** 53 - 2 ** 33, votedFor: null });
  const node = RaftNode.withLog({ id: 1n, peers: [2n, 3n] }, log);
  let refused: unknown;
  for (let i = 0; i < 9 && refused === undefined; i++) {
    try {
      const vote = { candidate: 2n, lastLogIndex: 9, lastLogTerm: 9, force: true };
      node.step(deliver({ type: "requestVote", term: node.term + 2 ** 31, ...vote }));
    } catch (error) {
      refused = error;
    }
  }
  assert.ok(refused instanceof WalLogError);
  assert.ok(node.term <= 2 ** 53 - 2 ** 32, `the term is ${node.term}`);
});

test("a vote of a non-member does not count", () => {
  for (const type of ["preVoteReply", "requestVoteReply"] as const) {
    const node = new RaftNode({ id: 1n, peers: [2n, 3n, 4n, 5n], ...STRICT });
    const vote = (kind: typeof type, from: bigint) =>
      node.step(deliver({ type: kind, term: node.term, voteGranted: true, from }));
    while (node.step({ type: "tick" }).length === 0);
    if (type === "requestVoteReply") { for (const from of [2n, 3n]) vote("preVoteReply", from); }
    const before = seen(node);
    // With its own vote and that of one member, these would be a majority.
    for (const from of [STRANGER, 10n, 1n]) assert.deepEqual(vote(type, from), []);
    vote(type, 2n);
    assert.deepEqual(seen(node), before);
    vote(type, 3n);
    assert.equal(node.role, type === "preVoteReply" ? "candidate" : "leader");
  }
});

test("an answer of a non-member does not end a leadership", () => {
  const cluster = new Cluster(IDS, STRICT);
  const leader = cluster.elect(1n);
  const term = leader.term + 7;
  const replies = messagesOf(STRANGER, term).filter(({ type }) => type.endsWith("Reply") || type === "timeoutNow");
  assert.equal(replies.length, 6);
  for (const message of replies) {
    const before = seen(leader);
    assert.deepEqual(leader.step(deliver(message)), [], message.type);
    assert.deepEqual(seen(leader), before, message.type);
  }
  // The message of a member ends the leadership.
  leader.step(deliver({ type: "requestVoteReply", from: 2n, term, voteGranted: false }));
  assert.deepEqual([leader.role, leader.term], ["follower", term]);
});

test("a learner's answers count, and a removed member's do not", () => {
  const cluster = new Cluster(IDS, STRICT);
  const leader = cluster.elect(1n);
  cluster.propose(1n, "x = 1");
  cluster.join(4n);
  cluster.step(1n, { type: "addLearner", id: 4n });
  assert.ok(cluster.node(4n).lastApplied > 0, "the learner got the entry");
  cluster.step(1n, { type: "removeServer", id: 3n });
  const [reply] = messagesOf(3n, leader.term + 1).filter(({ type }) => type === "appendEntriesReply");
  leader.step(deliver(reply!));
  assert.equal(leader.isLeader, true);
});

test("only a leader or a member hands over", () => {
  const cluster = new Cluster(IDS, STRICT);
  const leader = cluster.elect(1n);
  const follower = cluster.node(2n);
  assert.deepEqual(follower.step(deliver({ type: "timeoutNow", term: leader.term, leader: STRANGER })), []);
  const asked = follower.step(deliver({ type: "timeoutNow", term: leader.term, leader: 1n }));
  assert.deepEqual(asked.map((action) => (action as SendAction).message.type), ["requestVote", "requestVote"]);
});

test("strictMembership must be a boolean", () => {
  assert.throws(() => new RaftNode({ id: 1n, strictMembership: 1 as never }), { code: "INVALID_ARGUMENT" });
});
