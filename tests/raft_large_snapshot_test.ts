/**
 * Snapshots that no node holds in memory: they go from the leader's file into the follower's, and from there to the
 * application.
 */

import assert from "node:assert/strict";
import { resolve } from "node:path";
import { test } from "node:test";
import type { Action, RaftConfig } from "../src/raft/mod.ts";
import { type NodeId, WalLog, WalLogError } from "../mod.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { bytesOf } from "./model.ts";
import { Cluster } from "./raft_cluster.ts";
import { CountingLog } from "./raft_open_snapshots.ts";

const FOLDER = resolve("/raft.wal");
const IDS: readonly NodeId[] = [1n, 2n, 3n];
const CONFIG: Partial<RaftConfig> = { noOp: true, checkQuorum: true, snapshotChunkBytes: 100_000 };
const FLOWS: readonly Partial<RaftConfig>[] = [{}, { maxInflightMessages: 4 }];
const DATA = bytesOf(1_500_000);

/** Nodes on disks whose logs reject reading a whole snapshot. */
class DiskCluster extends Cluster {
  readonly disks: Map<NodeId, SimulatedDisk> = new Map(IDS.map((id) => [id, new SimulatedDisk({ seed: Number(id) })]));
  readonly logs: Map<NodeId, WalLog> = new Map();

  constructor(config: Partial<RaftConfig>) {
    super([], { ...CONFIG, ...config });
    for (const id of IDS) this.boot(id);
  }

  boot(id: NodeId): void {
    const log = WalLog.openSync(FOLDER, { fileSystem: this.disks.get(id)!.fileSystem, onDamage: "keep" });
    this.logs.set(id, log);
    log.snapshot = () => {
      throw new WalLogError("IO", "Cannot read the snapshot: the test says so");
    };
    this.start(id, IDS.filter((peer) => peer !== id), log);
  }

  /** The application reads the snapshot in parts. */
  override read(action: Action): Action {
    if (action.type !== "restoreSnapshot") return action;
    const { source } = action;
    for (let at = 0; at < DATA.length; at += 123_456) {
      assert.deepEqual(source.read(at, 123_456), DATA.slice(at, at + 123_456));
    }
    source.close();
    return action;
  }

  /** The snapshot files of a node: complete and incomplete ones. */
  files(id: NodeId): string[] {
    return this.disks.get(id)!.files().filter((path) => path.includes(".snap"));
  }

  /** The data of a node's snapshot. */
  data(id: NodeId): Uint8Array {
    const source = this.logs.get(id)!.openSnapshotSource()!;
    const data = source.read(0, source.dataBytes);
    source.close();
    return data;
  }
}

/** Writes a snapshot of a node's applied state, in pieces. */
function snapshot(cluster: DiskCluster, id: NodeId, data: Uint8Array = DATA): void {
  const node = cluster.node(id);
  const index = node.lastApplied;
  const target = node.log.createSnapshotTarget(node.snapshotMeta(index)!);
  for (let at = 0; at < data.length; at += 70_000) target.write(data.subarray(at, at + 70_000));
  cluster.step(id, { type: "snapshot", index, data: target });
  assert.equal(node.log.snapshotIndex, index);
}

/** A cluster with leader 1. Node 3 needs the leader's snapshot. */
function sending(config: Partial<RaftConfig> = {}): DiskCluster {
  const cluster = new DiskCluster(config);
  cluster.elect(1n);
  cluster.passes = ({ to }) => to !== 3n;
  for (let i = 0; i < 5; i++) cluster.propose(1n, `${i}`);
  snapshot(cluster, 1n);
  return cluster;
}

for (const flow of FLOWS) {
  const how = "maxInflightMessages" in flow ? ", with flow control" : "";

  test(`a snapshot goes from file to file, and no node reads it whole${how}`, () => {
    const cluster = sending(flow);
    cluster.passes = () => true;
    cluster.tick(12);
    assert.deepEqual(cluster.data(3n), DATA);
    assert.deepEqual(cluster.logs.get(3n)!.snapshotMeta(), cluster.logs.get(1n)!.snapshotMeta());
    const restored = cluster.done.filter(({ node, action }) => node === 3n && action.type === "restoreSnapshot");
    assert.equal(restored.length, 1);
    cluster.propose(1n, "on");
    cluster.tick(6, [1n]);
    assert.equal(cluster.applied.get(3n)!.get(cluster.node(3n).commitIndex), "on");
  });

  test(`a piece that cannot be read for a while is sent later${how}`, () => {
    const cluster = sending(flow);
    let left = 0;
    const log = cluster.logs.get(1n)!;
    const open = log.openSnapshotSource.bind(log);
    log.openSnapshotSource = () => {
      const source = open()!;
      const read = source.read.bind(source);
      return Object.assign(source, {
        read: (offset: number, length: number) => {
          if (--left === 0) throw new WalLogError("IO", "Cannot read a piece: the test says so");
          return read(offset, length);
        },
      });
    };
    for (const first of [1, 6]) {
      left = first;
      cluster.passes = () => true;
      cluster.tick(3, [1n]);
    }
    cluster.tick(30, [1n]);
    assert.ok(cluster.done.some(({ node, action }) => node === 1n && action.type === "logFailed"));
    assert.deepEqual(cluster.data(3n), DATA);
  });
}

test("a damaged piece is found out while the snapshot is sent: the leader ends, and nothing is installed", () => {
  const cluster = sending();
  const disk = cluster.disks.get(1n)!;
  disk.flip(cluster.files(1n)[0]!, 1_000_000);
  cluster.passes = () => true;
  assert.throws(
    () => cluster.tick(12, [1n]),
    (error) => {
      assert.ok(error instanceof WalLogError && error.code === "POISONED");
      assert.ok(error.cause instanceof WalLogError && error.cause.code === "CORRUPT");
      return true;
    },
  );
  assert.equal(cluster.node(3n).log.snapshotIndex, 0);
  assert.ok(cluster.sent.some(({ message }) => message.type === "installSnapshot"), "some pieces were sent");
});

test("a node whose snapshot is damaged fetches one from file to file", () => {
  const cluster = new DiskCluster({});
  cluster.elect(1n);
  for (let i = 0; i < 5; i++) cluster.propose(1n, `${i}`);
  cluster.tick(3, [1n]);
  for (const id of IDS) snapshot(cluster, id);
  cluster.logs.get(3n)!.closeSync();
  cluster.nodes.delete(3n);
  cluster.disks.get(3n)!.flip(cluster.files(3n)[0]!, 1_000_000);
  cluster.boot(3n);
  const node = cluster.node(3n);
  assert.ok(node.isDamaged);
  // Each piece comes twice.
  const step = node.step.bind(node);
  node.step = (event) => {
    const actions = step(event);
    if (event.type === "message" && event.message.type === "snapshotReply") step(event);
    return actions;
  };
  cluster.tick(30);
  assert.equal(cluster.node(3n).isDamaged, false);
  assert.deepEqual(cluster.data(3n), DATA);
});

test("the pieces of a snapshot are deleted when the node drops them, and when it starts again", () => {
  const isFirst = (offset: number | undefined) => offset !== undefined && offset < 500_000;
  for (const ends of ["a term begins", "no more arrive", "it starts again"]) {
    const cluster = sending();
    cluster.passes = ({ message }) => message.type !== "installSnapshot" || isFirst(message.offset);
    cluster.tick(12, [1n]);
    assert.equal(cluster.files(3n).length, 1, "some pieces are there");
    cluster.passes = () => false;
    if (ends === "a term begins") {
      const vote = { candidate: 2n, lastLogIndex: 0, lastLogTerm: 0, force: true };
      cluster.step(3n, { type: "message", message: { type: "requestVote", term: 9, ...vote } });
    } else if (ends === "no more arrive") {
      cluster.tick(250, [3n]);
    } else {
      cluster.nodes.delete(3n);
      cluster.disks.get(3n)!.restart();
      cluster.boot(3n);
    }
    assert.deepEqual(cluster.files(3n), [], ends);
  }
});

test("a leader opens its snapshot once for all, and closes it when nobody is sent it, or it leads no more", () => {
  for (const ends of ["all have it", "another leads"]) {
    const ids = [1n, 2n, 3n, 4n, 5n];
    const cluster = new Cluster([], { snapshotChunkBytes: 10 });
    const log = new CountingLog();
    for (const id of ids) cluster.start(id, ids.filter((peer) => peer !== id), id === 1n ? log : undefined);
    const leader = cluster.elect(1n);
    cluster.passes = ({ to }) => to < 4n;
    for (let i = 0; i < 5; i++) cluster.propose(1n, `${i}`);
    cluster.step(1n, { type: "snapshot", index: leader.lastApplied, data: new Uint8Array(100) });
    cluster.passes = ({ message }) => message.type !== "installSnapshot" || message.offset! < 50;
    cluster.tick(12, [1n]);
    assert.deepEqual([log.opened, log.closed], [1, 0]);
    if (ends === "all have it") {
      cluster.passes = () => true;
      cluster.tick(30, [1n]);
      assert.equal(cluster.node(5n).log.snapshotIndex, 5);
    } else {
      const vote = { candidate: 2n, lastLogIndex: 9, lastLogTerm: 9, force: true };
      cluster.step(1n, { type: "message", message: { type: "requestVote", term: 9, ...vote } });
    }
    assert.deepEqual([log.opened, log.closed], [1, 1], ends);
  }
});
