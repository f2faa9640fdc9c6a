/** A node with a damaged snapshot gets an undamaged one from any node that has one, without a leader. */

import assert from "node:assert/strict";
import { resolve } from "node:path";
import { test } from "node:test";
import type { Action, Message, RaftConfig, SnapshotReply } from "../src/raft/mod.ts";
import { type Index, type NodeId, type SnapshotSource, WalLog } from "../mod.ts";
import { Random, SimulatedDisk } from "../src/testing/mod.ts";
import { Cluster } from "./raft_cluster.ts";

const FOLDER = resolve("/raft.wal");
const IDS: readonly NodeId[] = [1n, 2n, 3n];
const ENTRIES = 60;

/** A state machine's state after an index. */
function stateAt(index: Index): Uint8Array<ArrayBuffer> {
  return Uint8Array.from({ length: 100 }, (_, i) => i + index);
}

/** Three nodes on disks whose applications take a snapshot on request. */
class DiskCluster extends Cluster {
  readonly disks: Map<NodeId, SimulatedDisk> = new Map(IDS.map((id) => [id, new SimulatedDisk({ seed: Number(id) })]));
  readonly logs: Map<NodeId, WalLog> = new Map();
  #seen = 0;

  constructor(config: Partial<RaftConfig>) {
    super([], { checkQuorum: true, noOp: true, ...config });
    for (const id of IDS) this.boot(id);
  }

  boot(id: NodeId): void {
    const { fileSystem } = this.disks.get(id)!;
    const log = WalLog.openSync(FOLDER, { fileSystem, onDamage: "keep" });
    this.logs.set(id, log);
    this.start(id, IDS.filter((peer) => peer !== id), log);
  }

  stop(id: NodeId): void {
    this.logs.get(id)!.closeSync();
    this.nodes.delete(id);
  }

  /** Flips a bit in the snapshot of a stopped node. */
  flip(id: NodeId): void {
    const disk = this.disks.get(id)!;
    disk.flip(disk.files().find((path) => path.endsWith(".snap"))!, 60);
  }

  snapshot(id: NodeId, index: Index): void {
    this.step(id, { type: "snapshot", index, data: stateAt(index) });
    assert.equal(this.node(id).log.snapshotIndex, index);
  }

  /** Ticks all nodes, and lets applications take snapshots. */
  pass(ticks: number): void {
    for (let tick = 0; tick < ticks; tick++) {
      this.tick(1);
      for (const { node, action } of this.done.slice(this.#seen)) {
        if (action.type === "snapshot") this.step(node, { ...action, data: stateAt(action.index) });
      }
      this.#seen = this.done.length;
    }
  }

  /** The snapshots that nodes restored. */
  get restored(): [NodeId, Index][] {
    return this.done.flatMap(({ node, action }: { node: NodeId; action: Action }) => {
      if (action.type !== "restoreSnapshot") return [];
      assert.deepEqual(action.data, stateAt(action.index));
      return [[node, action.index]];
    });
  }
}

/** A stopped cluster whose nodes have snapshots at these indexes. Those of nodes 1 and 2 are damaged. */
function damaged(indexes: readonly Index[], config: Partial<RaftConfig> = {}): DiskCluster {
  const cluster = new DiskCluster(config);
  cluster.elect(1n);
  for (let i = 1; i < ENTRIES; i++) cluster.propose(1n, `command ${i}`);
  cluster.tick(6, [1n]);
  IDS.forEach((id, i) => cluster.snapshot(id, indexes[i]!));
  for (const id of IDS) cluster.stop(id);
  for (const id of [1n, 2n]) cluster.flip(id);
  return cluster;
}

/** Checks that no node is damaged, now and after a restart, and that the cluster commits. */
function assertGoesOn(cluster: DiskCluster): void {
  cluster.pass(60);
  assert.deepEqual(IDS.map((id) => cluster.node(id).isDamaged), [false, false, false]);
  const leader = IDS.find((id) => cluster.node(id).isLeader)!;
  cluster.propose(leader, "on");
  cluster.tick(6, [leader]);
  for (const id of IDS) {
    const { log, commitIndex } = cluster.node(id);
    assert.equal(cluster.applied.get(id)!.get(commitIndex), "on");
    assert.deepEqual(log.snapshot()!.data, stateAt(log.snapshotIndex));
    cluster.stop(id);
    const again = WalLog.openSync(FOLDER, { fileSystem: cluster.disks.get(id)!.fileSystem });
    assert.deepEqual(again.damaged, []);
    assert.deepEqual(again.snapshot()!.data, stateAt(again.snapshotIndex));
    assert.equal(again.lastIndex, commitIndex);
    again.closeSync();
  }
}

for (
  const [what, indexes, config] of [
    ["of the same index", [30, 30, 30], {}],
    ["of the same index, in pieces", [30, 30, 30], { snapshotChunkBytes: 7 }],
    ["of a later index", [30, 20, 50], {}],
    ["of an earlier index, by a new one", [30, 40, 20], {}],
    ["of the last index", [ENTRIES, ENTRIES, ENTRIES], {}],
  ] as const
) {
  test(`two damaged snapshots of three are replaced by the third, ${what}`, () => {
    const cluster = damaged(indexes, config);
    for (const id of IDS) cluster.boot(id);
    assert.deepEqual(IDS.map((id) => cluster.node(id).isDamaged), [true, true, false]);
    assertGoesOn(cluster);
    assert.deepEqual(new Set(cluster.restored.map(([id]) => id)), new Set([1n, 2n]));
  });
}

test("a snapshot is fetched although a third of all messages is lost, and from another node if one falls silent", () => {
  const cluster = damaged([30, 30, 30], { snapshotChunkBytes: 7 });
  const random = new Random(5);
  cluster.passes = ({ message }) => !message.type.startsWith("snapshot") || random.chance(0.67);
  for (const id of IDS) cluster.boot(id);
  cluster.pass(200);
  assertGoesOn(cluster);

  const other = damaged([30, 30, 30], { snapshotChunkBytes: 7 });
  // Node 2 also has an undamaged snapshot, and answers only sometimes.
  for (const id of IDS) other.boot(id);
  let pieces = 0;
  other.passes = ({ from, message }) => message.type !== "snapshotReply" || from !== 3n || ++pieces <= 5;
  other.pass(100);
  assert.equal(other.node(1n).isDamaged, true);
  other.passes = () => true;
  assertGoesOn(other);
});

test("a snapshot of another term than the damaged one is refused", () => {
  const cluster = damaged([30, 30, 30]);
  for (const id of IDS) cluster.boot(id);
  cluster.passes = () => false;
  const node = cluster.node(1n);
  const [asked] = [1, 2, 3].flatMap(() => node.step({ type: "tick" })).flatMap((action) =>
    action.type === "send" && action.message.type === "snapshotRequest" ? [action.message] : []
  );
  assert.deepEqual([asked!.least, asked!.leastTerm, asked!.index, asked!.offset], [30, 1, 0, 0]);
  const reply = (index: Index, term: number, request = asked!.request): SnapshotReply => {
    const snapshot = { index, term, config: [...IDS], data: stateAt(index) };
    return { type: "snapshotReply", term: 1, from: 3n, request, snapshot, offset: 0, done: true };
  };
  for (const message of [reply(30, 2), reply(29, 1), reply(30, 1, 7)]) {
    node.step({ type: "message", message });
    assert.equal(node.isDamaged, true);
  }
  const tooLarge = node.step({ type: "message", message: { ...reply(30, 1), offset: 2 ** 40 } });
  assert.deepEqual(tooLarge.map(({ type }) => type), ["refused"]);
  // The bytes of two nodes' snapshots may differ, so all pieces must come from one node.
  const part = (from: NodeId, start: number, end: number): SnapshotReply => {
    const whole = reply(30, 1);
    const data = from === 3n ? whole.snapshot.data.slice(start, end) : new Uint8Array(end - start);
    return { ...whole, from, snapshot: { ...whole.snapshot, data }, offset: start, done: end === 100 };
  };
  for (const message of [part(3n, 0, 50), part(2n, 50, 100)]) node.step({ type: "message", message });
  assert.equal(node.isDamaged, true);
  node.step({ type: "message", message: part(3n, 50, 100) });
  assert.equal(node.isDamaged, false);
  assert.deepEqual(node.log.snapshot()!.data, stateAt(30));
});

const ask = (from: NodeId, least: Index, leastTerm: number): Message => (
  { type: "snapshotRequest", term: 1, from, request: 1, least, leastTerm, index: 0, offset: 0 }
);

test("an entry counts as committed if the members without it in a snapshot are no majority", () => {
  const cluster = damaged([30, 30, 20]);
  cluster.boot(3n);
  const node = cluster.node(3n);
  // Reports that do not count: of a non-member, with another term, without the entry, of the node itself, repeated by
  // one member.
  for (
    const message of [
      ...[ask(9n, 30, 1), ask(1n, 30, 2), ask(1n, 30, 0), ask(1n, ENTRIES + 99, 1), ask(3n, 30, 1)],
      ...[ask(2n, 40, 1), ask(2n, 30, 1), ask(9n, 30, 1), ask(3n, 30, 1), ask(1n, 30, 2)],
    ]
  ) {
    assert.deepEqual(node.step({ type: "message", message }), []);
    assert.equal(node.commitIndex, 20);
  }
  node.step({ type: "message", message: ask(2n, 40, 1) });
  const actions = node.step({ type: "message", message: ask(1n, 30, 1) });
  assert.equal(node.commitIndex, 30);
  assert.deepEqual(actions.at(-1), { type: "snapshot", index: 30, term: 1 });
});

test("a follower uses the leader's commit index, not the members' snapshots", () => {
  const cluster = damaged([30, 30, 20]);
  cluster.boot(3n);
  const node = cluster.node(3n);
  const heartbeat = (leaderCommit: Index): Message => (
    { type: "appendEntries", term: 1, leader: 1n, prevLogIndex: ENTRIES, prevLogTerm: 1, entries: [], leaderCommit }
  );
  node.step({ type: "message", message: heartbeat(0) });
  for (const from of [1n, 2n]) assert.deepEqual(node.step({ type: "message", message: ask(from, 30, 1) }), []);
  assert.equal(node.commitIndex, 20);
  node.step({ type: "message", message: heartbeat(35) });
  const actions = node.step({ type: "message", message: ask(2n, 30, 1) });
  assert.deepEqual(actions, [{ type: "snapshot", index: 35, term: 1 }]);
});

test("the snapshot of a member that has lost its log does not count", () => {
  const cluster = damaged([30, 30, 20]);
  cluster.boot(3n);
  const node = cluster.node(3n);
  const own = { cluster: undefined, incarnation: cluster.logs.get(1n)!.identity.incarnation };
  const other = { cluster: undefined, incarnation: "00000000-0000-4000-8000-000000000007" };
  for (const [from, origin] of [[1n, own], [1n, other], [2n, undefined], [1n, other]] as const) {
    node.step({ type: "message", message: ask(from, 30, 1), ...origin === undefined ? {} : { origin } });
    assert.equal(node.commitIndex, 20);
  }
  node.step({ type: "message", message: ask(1n, 30, 1), origin: own });
  assert.equal(node.commitIndex, 30);
});

test("a snapshot that is no longer requested is closed", () => {
  const cluster = damaged([30, 30, 30], { snapshotChunkBytes: 10 });
  cluster.boot(3n);
  const node = cluster.node(3n);
  const { log } = node;
  const opened: SnapshotSource[] = [];
  const closed = new Set<SnapshotSource>();
  const open = log.openSnapshotSource.bind(log);
  log.openSnapshotSource = () => {
    const source = open()!;
    const close = source.close.bind(source);
    opened.push(source);
    return Object.assign(source, { close: () => (closed.add(source), close()) });
  };
  const message: Message = {
    ...{ type: "snapshotRequest", term: 1, from: 1n, request: 1, least: 30, leastTerm: 1, index: 30, offset: 20 },
  };
  for (let i = 0; i < 3; i++) {
    const [action] = node.step({ type: "message", message });
    const { offset, done, snapshot: { data } } = (action as Extract<Action, { type: "send" }>).message as SnapshotReply;
    assert.deepEqual([offset, done, data], [20, false, stateAt(30).slice(20, 30)]);
  }
  assert.deepEqual([opened.length, closed.size], [1, 0]);
  for (let tick = 0; tick < 50; tick++) node.step({ type: "tick" });
  assert.equal(closed.size, 1);
  node.step({ type: "message", message });
  assert.equal(opened.length, 2);
});
