/** Clusters on simulated disks, whose nodes are stopped, damaged and started again. */

import assert from "node:assert/strict";
import { resolve } from "node:path";
import type { Action, Message } from "../src/raft/mod.ts";
import { type NodeId, WalLog } from "../mod.ts";
import { FRAME_HEADER_BYTES, KIND_ENTRIES } from "../src/format/frame.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { framesOf } from "./history.ts";
import { Cluster } from "./raft_cluster.ts";

export const FOLDER = resolve("/raft.wal");
export const ENTRIES = 60;
export const IDS: readonly NodeId[] = [1n, 2n, 3n];

/** Three nodes on disks. */
export class DiskCluster extends Cluster {
  readonly disks: Map<NodeId, SimulatedDisk> = new Map(IDS.map((id) => [id, new SimulatedDisk({ seed: Number(id) })]));
  readonly logs: Map<NodeId, WalLog> = new Map();

  constructor(config: ConstructorParameters<typeof Cluster>[1] = {}) {
    super([], { maxBatch: 8, ...config });
    for (const id of IDS) this.boot(id);
  }

  /** Starts a node over its disk. */
  boot(id: NodeId): void {
    const { fileSystem } = this.disks.get(id)!;
    const log = WalLog.openSync(FOLDER, { fileSystem, segmentBytes: 4096, onDamage: "keep" });
    this.logs.set(id, log);
    this.start(id, IDS.filter((peer) => peer !== id), log);
  }

  /** Closes a node's log. */
  stop(id: NodeId): SimulatedDisk {
    this.logs.get(id)!.closeSync();
    this.nodes.delete(id);
    return this.disks.get(id)!;
  }

  /** The files of a node's segments. */
  segments(id: NodeId): string[] {
    return this.disks.get(id)!.files().filter((path) => path.endsWith(".seg"));
  }

  /** Damages the frames of entries on a stopped node's disk: their headers, or only their commands. */
  damage(id: NodeId, from: number, to: number, what: "headers" | "commands"): void {
    const disk = this.disks.get(id)!;
    let count = 0;
    for (const path of this.segments(id)) {
      for (const { kind, index, offset } of framesOf(disk.content(path))) {
        if (kind !== KIND_ENTRIES || index < from || index > to) continue;
        disk.flip(path, offset + (what === "headers" ? 9 : FRAME_HEADER_BYTES));
        count++;
      }
    }
    assert.equal(count, to - from + 1);
  }

  write(id: NodeId, count: number): void {
    for (let i = 0; i < count; i++) this.propose(id, `command ${i} ${"x".repeat(300)}`);
    this.tick(3, [id]);
  }
}

/** A cluster led by node 1 that has committed some entries on all nodes. */
export function written(config?: ConstructorParameters<typeof Cluster>[1]): DiskCluster {
  const cluster = new DiskCluster(config);
  cluster.elect(1n);
  cluster.write(1n, ENTRIES);
  for (const id of IDS) assert.equal(cluster.node(id).commitIndex, ENTRIES);
  return cluster;
}

/** Fails unless a node's log is undamaged, now and after reopening, and equals the leader's. */
export function assertHealed(cluster: DiskCluster, id: NodeId, like: NodeId = 1n): void {
  assert.equal(cluster.node(id).isDamaged, false);
  const expected = cluster.node(like).log.entries(1, cluster.node(like).log.lastIndex);
  const disk = cluster.stop(id);
  const log = WalLog.openSync(FOLDER, { fileSystem: disk.fileSystem });
  assert.deepEqual(log.entries(1, log.lastIndex), expected);
  log.closeSync();
}

export const sends = (actions: Action[]): Message[] =>
  actions.flatMap((one) => one.type === "send" ? [one.message] : []);
