/** The entries that a node keeps below a snapshot, and the nodes that get them. */

import assert from "node:assert/strict";
import { resolve } from "node:path";
import { test } from "node:test";
import { type Action, type Message, type RaftConfig, RaftNode } from "../src/raft/mod.ts";
import { MemoryLog, type NewSnapshot, type NodeId, type RaftLog, WalLog, WalLogError } from "../mod.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { Cluster } from "./raft_cluster.ts";
import { LinkedCluster } from "./raft_links.ts";

const IDS: readonly NodeId[] = [1n, 2n, 3n];
const FOLDER = resolve("/raft.wal");
const snapshotAt = (index: number) => ({ type: "snapshot", index, data: new Uint8Array(8) }) as const;
const openOn = ({ fileSystem }: SimulatedDisk): WalLog => WalLog.openSync(FOLDER, { fileSystem, segmentBytes: 4096 });

/** A node that is the only member, and has applied commands of 10 bytes. */
function alone(entries: number, config: Partial<RaftConfig>, log: RaftLog = new MemoryLog()): RaftNode {
  const node = RaftNode.withLog({ id: 1n, ...config }, log);
  lead(node, entries);
  return node;
}

function lead(node: RaftNode, entries: number, bytes = 10): void {
  while (!node.isLeader) node.step({ type: "tick" });
  for (let i = 0; i < entries; i++) node.step({ type: "propose", command: new Uint8Array(bytes) });
}

/** Three nodes. The third lacks entries that the snapshot of the first then includes. */
function withAway(entries: number, config: Partial<RaftConfig>): Cluster {
  const cluster = new Cluster(IDS, { maxBatch: 4, ...config });
  cluster.elect(1n);
  for (let i = 0; i < 5; i++) cluster.propose(1n, `before ${i}`);
  cluster.tick(6, [1n]);
  const { passes } = cluster;
  cluster.passes = ({ from, to }) => from !== 3n && to !== 3n;
  for (let i = 0; i < entries; i++) cluster.propose(1n, `missed ${i}`);
  cluster.tick(6, [1n]);
  for (const id of [1n, 2n]) cluster.step(id, snapshotAt(5 + entries));
  cluster.passes = passes;
  cluster.sent.length = 0;
  return cluster;
}

const snapshotsSent = ({ sent }: Cluster): number =>
  sent.filter(({ message }) => message.type === "installSnapshot").length;

for (const [mode, flow] of [["with", { maxInflightMessages: 8 }], ["without", {}]] as const) {
  test(`a node that lacks no more than is kept gets entries, ${mode} flow control`, () => {
    const cluster = withAway(10, { trailingEntries: 10, ...flow });
    cluster.tick(12, [1n]);
    assert.equal(snapshotsSent(cluster), 0);
    assert.deepEqual([...cluster.applied.get(3n)!], [...cluster.applied.get(1n)!]);
    assert.equal(cluster.applied.get(3n)!.size, 15);
  });

  test(`a node that lacks one entry more gets the snapshot, ${mode} flow control`, () => {
    const cluster = withAway(11, { trailingEntries: 10, ...flow });
    cluster.tick(12, [1n]);
    assert.ok(snapshotsSent(cluster) > 0);
    assert.equal(cluster.node(3n).log.snapshotIndex, 16);
    cluster.propose(1n, "later");
    cluster.tick(6, [1n]);
    assert.equal(cluster.node(3n).lastApplied, 17);
  });
}

test("a follower keeps entries too, and sends them when it leads", () => {
  const cluster = withAway(10, { trailingEntries: 10 });
  cluster.step(1n, { type: "transferLeadership", target: 2n });
  assert.equal(cluster.node(2n).isLeader, true);
  cluster.propose(2n, "later");
  cluster.tick(12, [2n]);
  assert.equal(snapshotsSent(cluster), 0);
  assert.equal(cluster.node(3n).lastApplied, 16);
});

for (const kind of ["MemoryLog", "WalLog"]) {
  const make = () => kind === "WalLog" ? openOn(new SimulatedDisk({ seed: 1 })) : new MemoryLog();

  test(`keeps as many entries as trailingEntries, in a ${kind}`, () => {
    const node = alone(20, { trailingEntries: 6 }, make());
    assert.deepEqual(node.log.retentions, []);
    node.step(snapshotAt(20));
    assert.deepEqual([node.log.firstIndex, node.log.snapshotIndex], [15, 20]);
    assert.equal(node.log.entries(1, 20).length, 6);
    assert.equal(node.log.termAt(14), 1);
    lead(node, 3);
    assert.equal(node.log.firstIndex, 15);
    node.step(snapshotAt(23));
    assert.deepEqual([node.log.firstIndex, node.log.snapshotIndex], [18, 23]);
    assert.deepEqual(node.log.retentions, [{ name: "raft", from: 18, clearedAt: 0 }]);
  });

  test(`keeps as many bytes as trailingBytes, in a ${kind}`, () => {
    const node = alone(20, { trailingEntries: 100, trailingBytes: 40 }, make());
    node.step(snapshotAt(20));
    assert.equal(node.log.firstIndex, 17);
    lead(node, 1, 41);
    node.step(snapshotAt(21));
    assert.equal(node.log.firstIndex, 22);
    lead(node, 4);
    node.step(snapshotAt(25));
    assert.equal(node.log.firstIndex, 22);
  });
}

test("keeps nothing by default", () => {
  const node = alone(20, {});
  node.step(snapshotAt(20));
  assert.deepEqual([node.log.firstIndex, node.log.retentions], [21, []]);
});

test("counts the entries below an older snapshot from the last applied one", () => {
  const node = alone(20, { trailingEntries: 10 });
  node.step(snapshotAt(14));
  assert.equal(node.log.firstIndex, 11);
  const far = alone(20, { trailingEntries: 3 });
  far.step(snapshotAt(14));
  assert.equal(far.log.firstIndex, 15);
  far.step(snapshotAt(20));
  assert.equal(far.log.firstIndex, 18);
});

/** A log without space for a snapshot while the test requests it. */
class FullLog extends MemoryLog {
  isFull = false;
  override applySnapshot(snapshot: NewSnapshot): void {
    if (this.isFull) throw new WalLogError("NO_SPACE", "Cannot install a snapshot: the test says so");
    super.applySnapshot(snapshot);
  }
}

test("a snapshot without space releases nothing", () => {
  const log = new FullLog();
  const node = alone(20, { trailingEntries: 5 }, log);
  node.step(snapshotAt(10));
  assert.equal(log.firstIndex, 11);
  log.isFull = true;
  assert.throws(() => node.step(snapshotAt(20)), (error) => error instanceof WalLogError && error.code === "NO_SPACE");
  assert.deepEqual([log.firstIndex, log.snapshotIndex], [11, 10]);
  log.isFull = false;
  node.step(snapshotAt(20));
  assert.equal(log.firstIndex, 16);
  log.isFull = true;
  lead(node, 5);
  assert.throws(() => node.step(snapshotAt(25)), (error) => error instanceof WalLogError && error.code === "NO_SPACE");
  assert.equal(log.firstIndex, 16);
});

test("a new node on an open log releases the entries that the previous one kept", () => {
  const log = new MemoryLog();
  alone(20, { trailingEntries: 5 }, log).step(snapshotAt(20));
  const node = RaftNode.withLog({ id: 1n, trailingEntries: 5 }, log);
  assert.deepEqual([log.firstIndex, log.retentions], [21, []]);
  lead(node, 3);
  node.step(snapshotAt(23));
  assert.equal(log.firstIndex, 21);
});

test("nothing is kept across a restart", () => {
  const disk = new SimulatedDisk({ seed: 1 });
  const log = openOn(disk);
  alone(20, { trailingEntries: 5 }, log).step(snapshotAt(20));
  log.closeSync();
  const node = RaftNode.withLog({ id: 1n, trailingEntries: 5 }, openOn(disk));
  assert.equal(node.log.firstIndex, 21);
  lead(node, 3);
  node.step(snapshotAt(23));
  assert.equal(node.log.firstIndex, 21);
});

/** A follower that has applied entries 1 to 4 of a leader, and also has entries 5 and 6. */
function follower(config: Partial<RaftConfig>): { node: RaftNode; step: (message: Message) => Action[] } {
  const node = new RaftNode({ id: 1n, peers: [2n, 3n], ...config });
  const step = (message: Message) => node.step({ type: "message", message });
  const entries = Array.from({ length: 6 }, (_, i) => (
    { term: 1, index: i + 1, kind: "normal", command: new Uint8Array(1) } as const
  ));
  step({ type: "appendEntries", term: 1, leader: 2n, prevLogIndex: 0, prevLogTerm: 0, entries, leaderCommit: 4 });
  return { node, step };
}

for (const [what, index, first] of [["clears the log", 9, 10], ["leaves entries behind it", 5, 6]] as const) {
  test(`keeps nothing below a leader's snapshot that ${what}`, () => {
    const { node, step } = follower({ trailingEntries: 3 });
    node.step(snapshotAt(4));
    assert.equal(node.log.firstIndex, 2);
    const snapshot = { index, term: 1, config: [...IDS], data: new Uint8Array(1) };
    step({ type: "installSnapshot", term: 1, leader: 2n, snapshot });
    assert.deepEqual([node.log.firstIndex, node.log.snapshotIndex], [first, index]);
    const entries = [{ term: 1, index: node.log.lastIndex + 1, kind: "normal", command: new Uint8Array(1) }] as const;
    const prevLogIndex = node.log.lastIndex;
    const common = { type: "appendEntries", term: 1, leader: 2n, prevLogTerm: 1 } as const;
    step({ ...common, prevLogIndex, entries, leaderCommit: prevLogIndex + 1 });
    assert.equal(node.lastApplied, prevLogIndex + 1);
    node.step(snapshotAt(prevLogIndex + 1));
    assert.equal(node.log.firstIndex, first);
  });
}

test("a node with an entry after the snapshot acknowledges the entries in it", () => {
  const { node, step } = follower({ trailingEntries: 3 });
  node.step(snapshotAt(4));
  const entries = [{ term: 1, index: 3, kind: "normal", command: new Uint8Array(1) }] as const;
  const [reply] = step(
    { type: "appendEntries", term: 1, leader: 2n, prevLogIndex: 2, prevLogTerm: 1, entries, leaderCommit: 4 },
  );
  assert.ok(reply?.type === "send" && reply.message.type === "appendEntriesReply");
  assert.deepEqual([reply.message.success, reply.message.matchIndex], [true, 4]);
});

/** Makes a follower the leader of term 2. Returns its messages to a node without entries. */
function sentToEmpty({ node, step }: ReturnType<typeof follower>): string[] {
  for (let ticks = 0; node.role !== "candidate"; ticks++) {
    assert.ok(ticks < 100);
    node.step({ type: "tick" });
    step({ type: "preVoteReply", term: node.term, voteGranted: true, from: 3n });
  }
  step({ type: "requestVoteReply", term: node.term, voteGranted: true, from: 3n });
  assert.equal(node.isLeader, true);
  const reply = { success: false, from: 2n, matchIndex: 0, conflictIndex: 1, conflictTerm: 0 };
  const actions = step({ type: "appendEntriesReply", term: node.term, ...reply });
  return actions.flatMap((action) => action.type === "send" && action.to === 2n ? [action.message.type] : []);
}

test("a leader sends entries that another retention keeps", () => {
  const one = follower({});
  one.node.log.retain("archive", 1);
  one.node.step(snapshotAt(4));
  assert.deepEqual(sentToEmpty(one), ["appendEntries"]);
  assert.deepEqual(one.node.log.retentions.map(({ name }) => name), ["archive"]);
});

test("a leader sends nothing from below another leader's snapshot, for that may be damaged", () => {
  const one = follower({});
  one.node.log.retain("archive", 1);
  const snapshot = { index: 5, term: 1, config: [...IDS], data: new Uint8Array(1) };
  one.step({ type: "installSnapshot", term: 1, leader: 2n, snapshot });
  assert.equal(one.node.log.firstIndex, 1);
  assert.deepEqual(sentToEmpty(one), ["installSnapshot"]);
});

for (const [trailingEntries, catches] of [[0, "does not catch up"], [10_000, "catches up"]] as const) {
  test(`a node far behind ${catches} under load if the leader keeps ${trailingEntries} entries`, () => {
    const config = { checkQuorum: true, noOp: true, maxBatch: 256, maxBatchBytes: 1024 * 1024, snapshotThreshold: 500 };
    // A snapshot takes 168 ms on the wire, and the cluster takes 100 to write enough for the next one.
    const cluster = new LinkedCluster(
      IDS,
      { ...config, snapshotChunkBytes: 64 * 1024, trailingEntries },
      { delay: 50, bandwidth: 12_500, tick: 50 },
    );
    let installed = 0;
    const { id } = cluster.elect();
    const [away, other] = IDS.filter((one) => one !== id) as [NodeId, NodeId];
    cluster.done = (node, action) => {
      if (node === away && action.type === "restoreSnapshot") installed++;
      if (action.type !== "snapshot") return;
      cluster.step(node, { type: "snapshot", index: action.index, data: new Uint8Array(2 * 1024 * 1024) });
    };
    const write = () => {
      for (let i = 0; i < 5; i++) cluster.step(id, { type: "propose", command: new Uint8Array(100) });
    };
    cluster.setCut(id, away, true);
    cluster.run(3000, write);
    cluster.setCut(id, away, false);
    cluster.run(1000, write);
    const lag = cluster.applied(other) - cluster.applied(away);
    if (trailingEntries === 0) assert.ok(installed > 1 && lag > 500, `${installed} snapshots, it lacks ${lag} entries`);
    else assert.ok(installed === 1 && lag < 50, `${installed} snapshots, it lacks ${lag} entries`);
  });
}

test("refuses bounds that are not numbers", () => {
  for (const config of [{ trailingEntries: -1 }, { trailingEntries: 1.5 }, { trailingBytes: NaN }]) {
    assert.throws(() => new RaftNode({ id: 1n, ...config }), /Cannot make a node: trailing/);
  }
});
