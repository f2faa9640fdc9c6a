/** The recovery of a cluster that has permanently lost its majority. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers";
import { type NodeId, WalLog } from "../mod.ts";
import { type CopyProgress, recoverCluster } from "../src/raft/mod.ts";
import { decodeMembership } from "../src/raft/membership.ts";
import { cli } from "./cli.ts";
import { Cluster } from "./raft_cluster.ts";
import { inTemporaryFolder } from "./temporary.ts";

const OLD = "5e14d2b3-2688-89cd-e2a3-98a722e0ab5d";
const IDS: readonly NodeId[] = [1n, 2n, 3n, 4n, 5n];
const CONFIG = { checkQuorum: true, noOp: true };

/** A cluster of five on disks that has committed something, with a snapshot, and then lost nodes 1, 2 and 3. */
async function lostMajority(folder: string): Promise<{ cluster: Cluster; logs: Map<NodeId, WalLog> }> {
  const cluster = new Cluster([], CONFIG);
  const logs = new Map<NodeId, WalLog>();
  for (const id of IDS) {
    const log = await WalLog.open(join(folder, `${id}.wal`));
    log.foundCluster(OLD);
    logs.set(id, log);
    cluster.start(id, IDS.filter((peer) => peer !== id), log);
  }
  cluster.elect(1n);
  for (let i = 1; i <= 20; i++) cluster.propose(1n, `x = ${i}`);
  cluster.tick(12);
  cluster.step(4n, { type: "snapshot", index: 10, data: Uint8Array.of(1, 2, 3) });
  // Acknowledged by all but node 5.
  cluster.passes = ({ to }) => to !== 5n;
  cluster.propose(1n, "x = 21");
  cluster.passes = () => true;
  for (const id of [1n, 2n, 3n]) cluster.nodes.delete(id);
  cluster.tick(50);
  assert.ok([4n, 5n].every((id) => !cluster.node(id).isLeader), "nobody can lead them");
  return { cluster, logs };
}

async function closed(logs: Iterable<WalLog>): Promise<void> {
  for (const log of logs) await log.close();
}

describe("recoverCluster", () => {
  it("lets the remaining nodes continue, and keeps the others out", async () => {
    await inTemporaryFolder(async (folder) => {
      const { logs } = await lostMajority(folder);
      const source = logs.get(4n)!;
      const { lastIndex } = source;
      const id = randomUUID();
      const recovered = new Map<NodeId, WalLog>();
      for (const member of [4n, 5n]) {
        const target = await WalLog.open(join(folder, `recovered-${member}.wal`));
        const { index, term } = await recoverCluster(source, target, { members: [5n, 4n], cluster: id });
        assert.deepEqual([index, target.lastIndex, target.lastTerm], [lastIndex + 1, index, term]);
        assert.deepEqual(target.hardState, { term: source.hardState.term + 1, votedFor: null });
        assert.deepEqual(target.snapshot()!.data, Uint8Array.of(1, 2, 3));
        assert.deepEqual(target.entries(11, lastIndex), source.entries(11, lastIndex));
        assert.deepEqual(decodeMembership(target.entry(index)!).members, [4n, 5n]);
        assert.equal(target.identity.cluster, id);
        recovered.set(member, target);
      }
      const cluster = new Cluster([], CONFIG);
      for (const [member, log] of recovered) cluster.start(member, [], log);
      const leader = cluster.elect(4n);
      cluster.propose(4n, "x = 22");
      cluster.tick(12);
      assert.deepEqual(leader.members, [4n, 5n]);
      for (const member of [4n, 5n]) {
        const applied = [...cluster.applied.get(member)!.values()];
        assert.deepEqual(applied.slice(-2), ["x = 21", "x = 22"]);
      }

      // A lost node returns. It belongs to another cluster, so no node follows it.
      cluster.start(1n, [2n, 3n, 4n, 5n], logs.get(1n)!);
      cluster.tick(60);
      const refused = cluster.done.filter(({ action }) => action.type === "refused");
      assert.ok(refused.some(({ node, action }) => node === 4n && "from" in action && action.from === 1n));
      assert.equal(leader.isLeader, true);

      // A new node is the third member.
      const fresh = await WalLog.open(join(folder, "6.wal"));
      cluster.join(6n, fresh);
      cluster.step(4n, { type: "addServer", id: 6n });
      cluster.tick(12);
      assert.equal(fresh.identity.cluster, id);
      assert.equal(cluster.node(6n).lastApplied, leader.lastApplied);
      await closed([...logs.values(), ...recovered.values(), fresh]);
    });
  });

  it("refuses members, logs and clusters that make no sense, and then writes nothing", async () => {
    await inTemporaryFolder(async (folder) => {
      const source = await WalLog.open(join(folder, "source.wal"));
      const target = await WalLog.open(join(folder, "target.wal"));
      const options = { members: [1n], cluster: randomUUID() };
      const refuses = (given: object, from = source, to = target) =>
        assert.rejects(recoverCluster(from, to, { ...options, ...given }), { code: "INVALID_ARGUMENT" });
      await refuses({});
      source.foundCluster(OLD);
      source.append([{ term: 7, index: 1, kind: "normal", command: new Uint8Array(3) }]);
      for (const members of [[], [1n, 1n], [1], undefined]) await refuses({ members });
      for (const cluster of [OLD, OLD.toUpperCase(), "x", undefined]) await refuses({ cluster });
      const other = await WalLog.open(join(folder, "other.wal"));
      other.setHardState({ term: 1, votedFor: null });
      await refuses({}, source, other);
      assert.equal(other.identity.cluster, undefined);
      await other.close();
      assert.deepEqual([target.lastIndex, target.hardState.term, target.identity.cluster], [0, 0, undefined]);
      assert.deepEqual(await recoverCluster(source, target, options), { index: 2, term: 8 });
      await closed([source, target]);
    });
  });

  it("reports its progress, and can be ended in the middle of the snapshot", async () => {
    await inTemporaryFolder(async (folder) => {
      const source = await WalLog.open(join(folder, "source.wal"));
      source.append([{ term: 1, index: 1, kind: "normal", command: new Uint8Array(3) }]);
      const total = 8 * 1024 * 1024;
      source.applySnapshot({ index: 1, term: 1, config: [1n], data: new Uint8Array(total) });
      for (let index = 2; index <= 6000; index++) {
        source.append([{ term: 1, index, kind: "normal", command: new Uint8Array(3) }]);
      }
      const seen: CopyProgress[] = [];
      const options = { members: [1n], cluster: randomUUID(), onProgress: (one: CopyProgress) => void seen.push(one) };
      const target = await WalLog.open(join(folder, "target.wal"));
      await recoverCluster(source, target, options);
      const [snapshot, entries] = (["snapshot", "entries"] as const).map((part) =>
        seen.filter((one) => one.part === part)
      );
      assert.ok(snapshot!.length > 4 && entries!.length > 1);
      assert.ok(
        seen.every(({ done }, i) => i === 0 || seen[i - 1]!.part !== seen[i]!.part || seen[i - 1]!.done < done),
      );
      assert.deepEqual(snapshot!.at(-1), { part: "snapshot", done: total, total });
      assert.deepEqual(entries!.at(-1), { part: "entries", done: 5999, total: 5999 });

      seen.length = 0;
      const controller = new AbortController();
      const early = await WalLog.open(join(folder, "early.wal"));
      setImmediate(() => controller.abort(new Error("enough")));
      await assert.rejects(recoverCluster(source, early, { ...options, signal: controller.signal }), /enough/);
      assert.ok((seen.at(-1)?.done ?? 0) < total, "the event loop ran while the snapshot was copied");
      assert.equal(early.snapshotIndex, 0);
      await closed([source, target, early]);
    });
  });
});

describe("wal-log recover-cluster", () => {
  it("makes the log of a new cluster, and returns its end", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "left.wal");
      const log = await WalLog.open(path);
      log.foundCluster(OLD);
      for (let index = 1; index <= 3; index++) {
        log.append([{ term: 2, index, kind: "normal", command: new Uint8Array(3) }]);
      }
      log.setHardState({ term: 5, votedFor: 2n });
      await log.close();
      const dest = join(folder, "new.wal");
      const { code, stdout } = await cli("recover-cluster", path, dest, "--members", "3,2");
      assert.equal(code, 0);
      const said = /^recovered up to index 3; from index 4, term 6, on the members are 3, 2: cluster (\S+) in /.exec(
        stdout,
      );
      const made = await WalLog.open(dest, { readOnly: true });
      assert.equal(made.recovery.verdict, "clean");
      assert.deepEqual([made.lastIndex, made.lastTerm, made.hardState], [4, 6, { term: 6, votedFor: null }]);
      assert.deepEqual(decodeMembership(made.entry(4)!).members, [2n, 3n]);
      assert.equal(made.identity.cluster, said![1]);
      assert.notEqual(made.identity.cluster, OLD);
      await made.close();
      const copies = [];
      for (const name of ["2", "3"]) {
        assert.equal((await cli("backup", dest, join(folder, name))).code, 0);
        const copy = await WalLog.open(join(folder, name), { readOnly: true });
        assert.equal(copy.identity.cluster, said![1]);
        copies.push(copy.identity.incarnation);
        await copy.close();
      }
      assert.equal(new Set([made.identity.incarnation, ...copies]).size, 3, "each copy has an incarnation of its own");
      const before = await WalLog.open(path, { readOnly: true });
      assert.deepEqual([before.lastIndex, before.hardState.term, before.identity.cluster], [3, 5, OLD]);
      await before.close();
      assert.equal((await cli("recover-cluster", path, dest, "--members", "2")).code, 3, "there is a log");
    });
  });

  it("accepts only members that are ids, each once", async () => {
    for (
      const args of [[], ["--members", ""], ["--members", "2,x"], ["--members", "2,2"], ["--members", `${2n ** 64n}`]]
    ) {
      const { code, stderr } = await cli("recover-cluster", "nowhere", "nowhere-else", ...args);
      assert.equal(code, 64);
      assert.match(stderr, /--members/);
    }
  });
});
