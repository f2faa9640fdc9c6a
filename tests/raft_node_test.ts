/** Configurations and messages that a node accepts or refuses, and restarts. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Message, RaftNode } from "../src/raft/mod.ts";
import { type LogEntry, WalLog } from "../mod.ts";
import { MemoryLog } from "../src/api/memory_log.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { Cluster } from "./raft_cluster.ts";
import { bytes, propose, refuses, TICK } from "./raft_nodes.ts";

test("a follower refuses proposals and names the leader; the caller can retry", () => {
  const cluster = new Cluster([1n, 2n, 3n]);
  assert.equal(refuses(() => cluster.node(2n).step(propose("x")), "NOT_LEADER").leader, null);
  cluster.elect(1n);
  const error = refuses(() => cluster.node(2n).step(propose("x")), "NOT_LEADER");
  assert.equal(error.leader, 1n);
  assert.equal(error.isRetryable, true);
});

test("a configuration that makes no sense is refused", () => {
  for (
    const config of [
      { id: -1n },
      { id: 1n, peers: [2n ** 64n] },
      { id: 1n, electionTimeout: [0, 5] as const },
      { id: 1n, electionTimeout: [10, 9] as const },
      { id: 1n, heartbeatInterval: 0 },
      { id: 1n, maxBatch: 0 },
      { id: 1n, maxBatchBytes: NaN },
      { id: 1n, maxInflightMessages: 0 },
      { id: 1n, maxInflightMessages: NaN },
      { id: 1n, maxInflightBytes: -1 },
      { id: 1n, snapshotThreshold: -1 },
      { id: 1n, snapshotChunkBytes: 0.5 },
      { id: 1n, transferTimeout: -1 },
      { id: 1n, heartbeatInterval: 21 },
      { id: 1n, maxBatch: 65_537 },
      null,
      5,
      { id: 1 },
      { id: 1n, electionTimeout: 5 },
      { id: 1n, electionTimeout: [] },
      { id: 1n, peers: 3n },
      { id: 1n, maxBatchBytes: "5" },
      ...["joining", "checkQuorum", "noOp", "finishRemoval"].map((name) => ({ id: 1n, [name]: "false" })),
    ]
  ) refuses(() => new RaftNode(config as { id: bigint }), "INVALID_ARGUMENT");
});

test("a restarted node knows its term, its vote and its cluster, and applies again", () => {
  const logs = new Map([1n, 2n, 3n].map((id) => [id, new MemoryLog()]));
  let cluster = new Cluster([]);
  for (const [id, log] of logs) cluster.start(id, [1n, 2n, 3n], log);
  cluster.elect(1n);
  cluster.propose(1n, "x");
  cluster.join(4n);
  cluster.step(1n, { type: "addServer", id: 4n });
  cluster.tick(3);
  cluster = new Cluster([]);
  for (const [id, log] of logs) cluster.start(id, [1n, 2n, 3n], log);
  const node = cluster.node(2n);
  assert.deepEqual([node.role, node.term, node.commitIndex], ["follower", 1, 0]);
  assert.deepEqual(node.log.hardState, { term: 1, votedFor: 1n });
  assert.deepEqual(node.members, [1n, 2n, 3n, 4n]);
});

test("maxBatchBytes bounds the entries of a message, but a single entry always fits", () => {
  const cluster = new Cluster([1n, 2n], { maxBatchBytes: 10 });
  cluster.elect(1n);
  cluster.passes = ({ to }) => to !== 2n;
  for (const text of ["12345", "12345", "1", "123456789012", "1"]) cluster.propose(1n, text);
  cluster.passes = () => true;
  cluster.sent.length = 0;
  cluster.tick(9, [1n]);
  const sizes = cluster.sent.flatMap(({ message }) =>
    message.type === "appendEntries" && message.entries.length > 0
      ? [message.entries.map(({ command }) => command.length)]
      : []
  );
  assert.deepEqual(sizes, [[5, 5], [1], [12], [1]]);
  assert.equal(cluster.applied.get(2n)!.size, 5);
});

test("a message with invalid entries is refused before it changes anything", () => {
  const { fileSystem } = new SimulatedDisk({ seed: 1 });
  const log = WalLog.openSync("/raft.wal", { fileSystem, maxEntryBytes: 100 });
  const node = RaftNode.withLog({ id: 1n, peers: [2n, 3n], noOp: true }, log);
  const answers: Message[] = [
    { type: "preVoteReply", term: 0, voteGranted: true, from: 2n },
    { type: "requestVoteReply", term: 1, voteGranted: true, from: 2n },
  ];
  while (node.role !== "candidate") {
    node.step(TICK);
    node.step({ type: "message", message: answers[0]! });
  }
  node.step({ type: "message", message: answers[1]! });
  assert.ok(node.isLeader);
  // One entry is committed. After it follow a membership change and another entry, which may be truncated.
  const reply = { type: "appendEntriesReply", success: true, conflictIndex: 0, conflictTerm: 0 } as const;
  node.step({ type: "message", message: { ...reply, term: 1, from: 2n, matchIndex: 1 } });
  node.step({ type: "addServer", id: 4n });
  node.step(propose("x"));
  node.step({ type: "readIndex", id: 1 });
  const state = () => {
    const { role, term, leader, members, commitIndex, lastApplied } = node;
    return { role, term, leader, members, commitIndex, lastApplied, hard: log.hardState, all: log.entries(1, 9) };
  };
  const before = state();
  assert.deepEqual([before.role, before.members, before.commitIndex], ["leader", [1n, 2n, 3n, 4n], 1]);

  const entry = (index: number, more: Partial<LogEntry> = {}): LogEntry => (
    { term: 2, index, kind: "normal", command: bytes("y"), ...more }
  );
  const message = (entries: LogEntry[], prevLogIndex = 1, term = 2): Message => (
    { type: "appendEntries", term, leader: 2n, prevLogIndex, prevLogTerm: prevLogIndex, leaderCommit: 0, entries }
  );
  const refused: [code: string, message: Message][] = [
    ["ENTRY_TOO_LARGE", message([entry(2), entry(3, { command: new Uint8Array(101) })])],
    ["INVALID_ARGUMENT", message([entry(2), entry(3, { kind: "config", command: new Uint8Array(7) })])],
    ["INVALID_ARGUMENT", message([entry(2), entry(3, { kind: "other" as "normal" })])],
    ["INVALID_ARGUMENT", message([entry(2), entry(3, { term: 1 })])],
    ["INVALID_ARGUMENT", message([entry(2), entry(4)])],
    ["INVALID_ARGUMENT", message([entry(3)])],
  ];
  const { flushes } = log.stats();
  for (const [code, message] of refused) {
    refuses(() => node.step({ type: "message", message }), code);
    assert.deepEqual(state(), before);
  }
  assert.equal(log.stats().flushes, flushes);

  const largest = entry(3, { command: new Uint8Array(100) });
  const actions = node.step({ type: "message", message: message([entry(2), largest]) });
  assert.deepEqual(actions.map(({ type }) => type), ["readFailed", "membershipChanged", "send"]);
  assert.deepEqual([node.role, node.term, node.members, log.lastIndex], ["follower", 2, [1n, 2n, 3n], 3]);
  log.closeSync();
});

test("a message that makes no sense is refused and changes nothing", () => {
  const log = new MemoryLog();
  const node = RaftNode.withLog({ id: 2n, peers: [1n] }, log);
  const entry: LogEntry = { term: 1, index: 1, kind: "config", command: new Uint8Array(7) };
  const message = {
    type: "appendEntries",
    term: 1,
    leader: 1n,
    prevLogIndex: 0,
    prevLogTerm: 0,
    leaderCommit: 0,
  } as const;
  refuses(() => node.step({ type: "message", message: { ...message, entries: [entry] } }), "INVALID_ARGUMENT");
  assert.equal(log.lastIndex, 0);
  const good: LogEntry = { ...entry, kind: "normal" };
  assert.equal(node.step({ type: "message", message: { ...message, entries: [good] } }).length, 1);
});

test("a follower rejects entries from the leader of an earlier term", () => {
  const log = new MemoryLog();
  log.append([{ term: 1, index: 1, kind: "normal", command: bytes("kept") }]);
  log.setHardState({ term: 3, votedFor: null });
  const node = RaftNode.withLog({ id: 2n, peers: [1n, 3n] }, log);
  const entries: LogEntry[] = [{ term: 2, index: 1, kind: "normal", command: bytes("late") }];
  const message: Message = {
    ...{ type: "appendEntries", term: 2, leader: 1n, prevLogIndex: 0, prevLogTerm: 0 } as const,
    ...{ entries, leaderCommit: 1 },
  };
  const [action] = node.step({ type: "message", message });
  const reply = action?.type === "send" && action.message.type === "appendEntriesReply" ? action.message : undefined;
  assert.deepEqual([reply?.success, reply?.term], [false, 3]);
  assert.deepEqual([node.leader, node.commitIndex, log.lastTerm], [null, 0, 1]);
});

test("a rejection does not revoke acknowledgements of a node", () => {
  const cluster = new Cluster([1n, 2n, 3n]);
  const leader = cluster.elect(1n);
  for (let i = 0; i < 5; i++) cluster.propose(1n, `${i}`);
  const rejection: Message = {
    ...{ type: "appendEntriesReply", term: leader.term, success: false, from: 2n } as const,
    ...{ matchIndex: 0, conflictIndex: 1, conflictTerm: 0 },
  };
  const sent = leader.step({ type: "message", message: rejection });
  assert.deepEqual(
    sent.map((action) => action.type === "send" && (action.message as { prevLogIndex?: number }).prevLogIndex),
    [5],
  );
});
