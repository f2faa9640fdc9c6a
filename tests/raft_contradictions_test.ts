/** Contradictions within a cluster end a node or are refused. They are never ignored. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Action, type Message, type RaftConfig, RaftNode } from "../src/raft/mod.ts";
import { MemoryLog, WalLogError } from "../mod.ts";
import type { LogEntry } from "../src/api/types.ts";
import { Cluster } from "./raft_cluster.ts";

const IDS = [1n, 2n, 3n];
const deliver = (message: Message) => ({ type: "message", message }) as const;

/** A follower of node 2 in term 2, with six entries of term 1. Four of them are committed. */
function follower(config: Partial<RaftConfig> = {}, snapshot = 0): RaftNode {
  const log = new MemoryLog();
  log.setHardState({ term: 2, votedFor: 2n });
  const entries = Array.from({ length: 6 }, (_, i) => entry(i + 1, 1));
  log.append(entries);
  if (snapshot > 0) log.compact(snapshot, { config: IDS });
  const node = RaftNode.withLog({ id: 1n, peers: [2n, 3n], strictMembership: true, ...config }, log);
  node.step(deliver(append(6, 1, [], { leaderCommit: 4 })));
  assert.equal(node.commitIndex, 4);
  return node;
}

function entry(index: number, term: number): LogEntry {
  return { index, term, kind: "normal", command: Uint8Array.of(index, term) };
}

function append(prevLogIndex: number, prevLogTerm: number, entries: LogEntry[], other: object = {}): Message {
  return { type: "appendEntries", term: 2, leader: 2n, prevLogIndex, prevLogTerm, entries, leaderCommit: 0, ...other };
}

function install(index: number, term: number): Message {
  const snapshot = { index, term, config: IDS, data: new Uint8Array(3) };
  return { type: "installSnapshot", term: 2, leader: 2n, snapshot };
}

test("a contradiction of a committed entry ends the node with its own error code", () => {
  const contradictions: [what: string, message: Message, snapshot?: number][] = [
    ["an entry", append(3, 1, [entry(4, 2)])],
    ["an entry among others", append(2, 1, [entry(3, 1), entry(4, 2), entry(5, 2)])],
    ["the entry before the entries", append(4, 2, [entry(5, 2)])],
    ["the entry before a heartbeat", append(4, 2, [])],
    [
      "an entry after a snapshot, in a message that begins before the snapshot",
      append(1, 1, [entry(2, 1), entry(3, 1), entry(4, 2)]),
      3,
    ],
    ["a snapshot", install(4, 2)],
    ["the snapshot's last entry", append(3, 2, []), 3],
  ];
  for (const [what, message, snapshot] of contradictions) {
    const node = follower({}, snapshot);
    const before = node.log.entries(1, 9);
    let error: unknown;
    try {
      node.step(deliver(message));
    } catch (caught) {
      error = caught;
    }
    assert.ok(error instanceof WalLogError, what);
    assert.deepEqual([error.code, error.isFatal, error.isRetryable], ["DIVERGED", true, false], what);
    assert.match(
      error.message,
      /^Cannot follow the leader: index \d is committed with term 1, and the leader has term 2/,
    );
    assert.throws(() => node.step({ type: "tick" }), (again) => again === error, "and the node takes nothing more");
    assert.deepEqual(node.log.entries(1, 9), before);
  }
});

test("a node that is neither member nor learner cannot end another with a contradiction", () => {
  const reason = "it contradicts what is committed, and is neither a member nor a learner";
  const refused: Action = { type: "refused", from: 9n, reason };
  for (const other of [{}, { strictMembership: false }]) {
    const messages = [append(3, 1, [entry(4, 2)])];
    if (other.strictMembership !== false) messages.push(append(4, 2, []), install(4, 2));
    for (const message of messages) {
      const node = follower(other);
      const before = [node.role, node.term, node.leader, node.log.hardState, node.log.entries(1, 9)];
      const stranger = { ...message, term: 3, leader: 9n } as Message;
      assert.deepEqual([1, 2].flatMap(() => node.step(deliver(stranger))), [refused]);
      assert.deepEqual([node.role, node.term, node.leader, node.log.hardState, node.log.entries(1, 9)], before);
      assert.throws(() => node.step(deliver({ ...stranger, leader: 3n } as Message)), { code: "DIVERGED" });
    }
  }
  const cluster = new Cluster(IDS, { strictMembership: true, noOp: true });
  const leader = cluster.elect(1n);
  cluster.step(1n, { type: "addLearner", id: 4n });
  const contradiction = (from: bigint) => append(1, 9, [], { term: leader.term + 1, leader: from });
  assert.deepEqual(leader.step(deliver(contradiction(9n))), [refused]);
  assert.equal(leader.isLeader, true);
  assert.throws(() => leader.step(deliver(contradiction(4n))), { code: "DIVERGED" });
});

test("without strictMembership, a replaced committed entry also ends the node", () => {
  const node = follower({ strictMembership: false });
  assert.throws(() => node.step(deliver(append(3, 1, [entry(4, 2)]))), { code: "DIVERGED" });
});

test("a contradiction rejects an asynchronous step with its own code", async () => {
  const node = follower();
  await assert.rejects(node.stepAsync(deliver(append(3, 1, [entry(4, 2)]))), { code: "DIVERGED" });
  await assert.rejects(node.stepAsync({ type: "tick" }), { code: "DIVERGED" });
});

test("uncommitted entries are overwritten, and equal ones are accepted", () => {
  for (const message of [append(4, 1, [entry(5, 2)]), append(5, 2, []), append(2, 1, [entry(3, 1)]), install(4, 1)]) {
    const node = follower();
    node.step(deliver(message));
    assert.equal(node.leader, 2n);
    node.step({ type: "tick" });
  }
  // A message of an old term proves nothing.
  follower().step(deliver(append(3, 1, [entry(4, 2)], { term: 1 })));
});

test("a second leader of a term is refused, and reported to the application once", () => {
  const refusedOf = (actions: Action[]) => actions.filter(({ type }) => type === "refused");
  const node = follower();
  for (const message of [append(6, 1, [entry(7, 2)], { leader: 3n }), { ...install(9, 2), leader: 3n } as Message]) {
    const actions = [1, 2].flatMap(() => node.step(deliver(message)));
    const reason = "it claims to lead in term 2, in which node 2 leads";
    assert.deepEqual(actions, message.type === "installSnapshot" ? [] : [{ type: "refused", from: 3n, reason }]);
    assert.deepEqual([node.leader, node.log.lastIndex], [2n, 6]);
  }
  const cluster = new Cluster(IDS, { strictMembership: true });
  const leader = cluster.elect(1n);
  const actions = leader.step(deliver(append(0, 0, [entry(1, 1)], { term: leader.term, leader: 2n })));
  assert.equal(refusedOf(actions).length, 1);
  assert.equal(leader.isLeader, true);
  // The sender of a later term is the leader.
  leader.step(deliver(append(0, 0, [], { term: leader.term + 1, leader: 2n })));
  assert.deepEqual([leader.role, leader.leader], ["follower", 2n]);
});

test("strictMembership follows checkQuorum by default", () => {
  const node = follower({ strictMembership: undefined, checkQuorum: true });
  assert.throws(() => node.step(deliver(append(4, 2, []))), { code: "DIVERGED" });
  follower({ strictMembership: false, checkQuorum: true }).step(deliver(append(4, 2, [])));
});

test("propose returns the index of a command in the log", async () => {
  const cluster = new Cluster(IDS, { noOp: true });
  const leader = cluster.elect(1n);
  const command = Uint8Array.of(7);
  const { index, term, actions } = leader.propose(command);
  assert.deepEqual([index, term], [2, leader.term]);
  assert.deepEqual(leader.log.entry(index)?.command, command);
  assert.deepEqual(actions.map(({ type }) => type), ["send", "send"]);

  const [first, second] = [leader.proposeAsync(command), leader.proposeAsync(command)];
  assert.deepEqual([first.index, second.index, second.term], [3, 4, leader.term]);
  assert.equal((await first.actions).length, 2);
  await second.actions;

  const alone = new RaftNode({ id: 1n });
  while (!alone.isLeader) alone.step({ type: "tick" });
  const { actions: [applied] } = alone.propose(command);
  assert.deepEqual(applied, { type: "apply", index: 1, term: 1, command });
  assert.throws(() => cluster.node(2n).propose(command), { code: "NOT_LEADER", leader: 1n });
  assert.throws(() => cluster.node(2n).proposeAsync(command), { code: "NOT_LEADER" });
});
