/** A follower catches up over slow links, and the leader does not send the same entries repeatedly. */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type AppendEntries,
  type AppendEntriesReply,
  type Message,
  type RaftConfig,
  RaftNode,
} from "../src/raft/mod.ts";
import { Outstanding } from "../src/raft/outstanding.ts";
import { Cluster } from "./raft_cluster.ts";
import { LinkedCluster } from "./raft_links.ts";

/** 100 ms of round trip, 100 Mbit/s. */
const SLOW = { delay: 50, bandwidth: 12_500, tick: 50 };
const CONFIG = { checkQuorum: true, noOp: true, maxBatch: 256, maxBatchBytes: 1024 * 1024 };
const command = new Uint8Array(1000);

test("a follower catches up within 5 s of an outage, at 1.3 times the bytes at most", () => {
  const cluster = new LinkedCluster([1n, 2n, 3n], CONFIG, SLOW);
  const { id } = cluster.elect();
  const [away, other] = [...cluster.nodes.keys()].filter((one) => one !== id) as [bigint, bigint];
  // 2,000 writes a second.
  const write = () => {
    for (let i = 0; i < 2; i++) cluster.step(id, { type: "propose", command });
  };
  cluster.run(1000, write);
  const before = { away: cluster.link(id, away).bytes, other: cluster.link(id, other).bytes };
  cluster.setCut(id, away, true);
  cluster.run(1000, write);
  cluster.setCut(id, away, false);
  const mended = cluster.now;
  const isLevel = () => cluster.applied(away) >= cluster.applied(other);
  cluster.run(1000, write);
  while (!isLevel() && cluster.now - mended < 5000) cluster.run(10, write);
  assert.ok(isLevel(), `it lacks ${cluster.applied(other) - cluster.applied(away)} entries`);
  cluster.run(mended + 5000 - cluster.now, write);
  const ratio = (cluster.link(id, away).bytes - before.away) / (cluster.link(id, other).bytes - before.other);
  assert.ok(ratio <= 1.3, `it took ${ratio} times the bytes`);
  assert.equal(cluster.nodes.get(id)!.isLeader, true);
});

/** A leader of three nodes that knows that node 2 accepts entries. */
function leading(config: Partial<RaftConfig> = {}): { leader: RaftNode; next: number } {
  const leader = new RaftNode({ ...CONFIG, ...config, id: 1n, peers: [2n, 3n] });
  while (leader.role !== "candidate") {
    leader.step({ type: "tick" });
    leader.step({ type: "message", message: { type: "preVoteReply", term: leader.term, voteGranted: true, from: 2n } });
  }
  leader.step({ type: "message", message: { type: "requestVoteReply", term: 1, voteGranted: true, from: 2n } });
  leader.step({ type: "message", message: answer({ matchIndex: 1 }) });
  return { leader, next: leader.log.lastIndex + 1 };
}

function answer(more: Partial<AppendEntriesReply>): AppendEntriesReply {
  const conflict = { matchIndex: 0, conflictIndex: 0, conflictTerm: 0 };
  return { type: "appendEntriesReply", term: 1, success: true, from: 2n, ...conflict, ...more };
}

const rejection = (rejectedIndex: number, conflictIndex: number): AppendEntriesReply =>
  answer({ success: false, conflictIndex, rejectedIndex });

/** The messages from a leader to node 2 after an event: the previous index and the number of entries of each. */
function sent(leader: RaftNode, event: "tick" | "propose" | Message): [prevLogIndex: number, entries: number][] {
  const actions = typeof event === "object"
    ? leader.step({ type: "message", message: event })
    : leader.step(event === "tick" ? { type: "tick" } : { type: "propose", command });
  return actions.flatMap((action) => {
    if (action.type !== "send" || action.to !== 2n) return [];
    const { prevLogIndex, entries } = action.message as AppendEntries;
    return [[prevLogIndex, entries.length]];
  });
}

/** Ticks until the leader sends a heartbeat, and returns it. */
function heartbeat(leader: RaftNode): [prevLogIndex: number, entries: number][] {
  for (;;) {
    const messages = sent(leader, "tick");
    if (messages.length > 0) return messages;
  }
}

test("one loss is repaired once, even after many rejections", () => {
  const { leader } = leading();
  for (let i = 0; i < 100; i++) sent(leader, "propose");
  // The first was lost: the node rejects the 99 others.
  const repairs = Array.from({ length: 99 }, (_, i) => sent(leader, rejection(2 + i, 2))).flat();
  assert.deepEqual(repairs, [[1, 100]]);
  assert.deepEqual(sent(leader, answer({ matchIndex: 101 })), []);
  assert.deepEqual(sent(leader, "propose"), [[101, 1]]);
});

test("a rejection of entries that were acknowledged or resent since is ignored", () => {
  const { leader } = leading({ strictMembership: false });
  for (let i = 0; i < 10; i++) sent(leader, "propose");
  sent(leader, answer({ matchIndex: 8 }));
  assert.deepEqual(sent(leader, rejection(8, 2)), []);
  assert.deepEqual(sent(leader, rejection(12, 2)), []);
  assert.deepEqual(sent(leader, rejection(10, 9)), [[8, 3]]);
});

test("maxInflightMessages bounds the messages in flight, and the rest goes in few", () => {
  const { leader } = leading({ maxInflightMessages: 4 });
  const messages = Array.from({ length: 10 }, () => sent(leader, "propose")).flat();
  assert.deepEqual(messages, [[1, 1], [2, 1], [3, 1], [4, 1]]);
  assert.deepEqual(heartbeat(leader), [[5, 0]]);
  assert.deepEqual(sent(leader, answer({ matchIndex: 2 })), [[5, 6]]);
});

test("maxInflightBytes bounds the bytes in flight, but allows one message", () => {
  const { leader } = leading({ maxInflightBytes: 2500 });
  const messages = Array.from({ length: 10 }, () => sent(leader, "propose")).flat();
  assert.deepEqual(messages, [[1, 1], [2, 1], [3, 1]]);
  const { leader: other } = leading({ maxInflightBytes: 0 });
  assert.deepEqual(sent(other, "propose"), [[1, 1]]);
  assert.deepEqual(sent(other, "propose"), []);
  assert.deepEqual(sent(other, answer({ matchIndex: 2 })), [[2, 1]]);
});

test("a node that accepts no entries gets one message for each heartbeat", () => {
  const { leader } = leading({ checkQuorum: false });
  for (let i = 0; i < 2000; i++) sent(leader, "propose");
  for (let i = 0; i < 10; i++) assert.deepEqual(heartbeat(leader), [[1025, 0]]);
  // The node is back, and has none of the entries.
  assert.deepEqual(sent(leader, rejection(1025, 2)), [[1, 256]]);
  for (let i = 0; i < 3; i++) {
    assert.deepEqual(heartbeat(leader), [[1, 0]]);
    assert.deepEqual(sent(leader, answer({ matchIndex: 1 })), [[1, 256]]);
  }
  // The node has accepted some entries, and gets more up to the limit on messages in flight.
  assert.deepEqual(sent(leader, answer({ matchIndex: 257 })).slice(0, 2), [[257, 256], [513, 256]]);
});

test("a node that denies its acknowledgement gets nothing for it", () => {
  const { leader } = leading({ strictMembership: false });
  for (let i = 0; i < 10; i++) sent(leader, "propose");
  sent(leader, answer({ matchIndex: 11 }));
  assert.deepEqual(heartbeat(leader), [[11, 0]]);
  for (let i = 0; i < 10; i++) assert.deepEqual(sent(leader, rejection(11, 1)), []);
});

test("a leader with flow control and followers without it agree", () => {
  for (const [own, others] of [[CONFIG, {}], [{}, CONFIG]] as const) {
    const cluster = new Cluster([], others);
    for (const id of [1n, 2n, 3n]) cluster.start(id, [1n, 2n, 3n].filter((peer) => peer !== id));
    cluster.nodes.set(1n, RaftNode.withLog({ ...own, id: 1n, peers: [2n, 3n] }, cluster.node(1n).log));
    cluster.elect(1n);
    // Every third message is lost.
    let count = 0;
    cluster.passes = () => ++count % 3 !== 0;
    for (let i = 0; i < 50; i++) cluster.propose(1n, `${i}`);
    cluster.passes = () => true;
    cluster.tick(30);
    for (const id of [1n, 2n, 3n]) assert.deepEqual([...cluster.applied.get(id)!.values()].at(-1), "49");
  }
});

test("a node that got an outdated snapshot gets the latest one", () => {
  const { leader } = leading({ snapshotChunkBytes: 10, strictMembership: false });
  for (let i = 0; i < 10; i++) sent(leader, "propose");
  leader.step({ type: "message", message: answer({ from: 3n, matchIndex: 11 }) });
  const snapshot = (index: number) => leader.step({ type: "snapshot", index, data: new Uint8Array(5) });
  const snapshotsSent = (message: Message) =>
    leader.step({ type: "message", message }).flatMap((action) =>
      action.type === "send" && action.message.type === "installSnapshot"
        ? [[action.message.snapshot.index, action.message.offset]]
        : []
    );
  snapshot(5);
  assert.deepEqual(snapshotsSent(rejection(10, 1)), [[5, 0]]);
  snapshot(9);
  const installed = (lastIndex: number): Message => ({ type: "installSnapshotReply", term: 1, from: 2n, lastIndex });
  assert.deepEqual(snapshotsSent(installed(5)), [[9, 0]]);
  assert.deepEqual(snapshotsSent(installed(5)), [], "an answer to the first that comes twice");
  assert.deepEqual(sent(leader, installed(9)), [[9, 2]]);
});

test("parts are counted until they are acknowledged", () => {
  const inflights = new Outstanding();
  for (let i = 1; i <= 100; i++) inflights.add(i * 2, i);
  assert.deepEqual([inflights.count, inflights.bytes], [100, 5050]);
  inflights.freeTo(1);
  assert.equal(inflights.count, 100);
  inflights.freeTo(21);
  assert.deepEqual([inflights.count, inflights.bytes], [90, 5050 - 55]);
  inflights.freeTo(198);
  assert.deepEqual([inflights.count, inflights.bytes], [1, 100]);
  inflights.clear();
  assert.deepEqual([inflights.count, inflights.bytes], [0, 0]);
  inflights.freeTo(1000);
  assert.deepEqual([inflights.count, inflights.bytes], [0, 0]);
});
