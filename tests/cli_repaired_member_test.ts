/** A member of a cluster whose log was repaired by `wal-log` comes back under its old id. */

import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type NodeId, WalLog } from "../mod.ts";
import { cliHere, segmentsOf } from "./cli.ts";
import { Cluster } from "./raft_cluster.ts";
import { CONFIG, IDS, told, X } from "./raft_identified_logs.ts";
import { inTemporaryFolder } from "./temporary.ts";

const SEGMENT_BYTES = 4096;

/** A cluster of three on disks that has committed something. Member 3 has stopped and lost a segment. */
async function withDamagedMember(
  test: (cluster: Cluster, pathOf: (id: NodeId) => string, logs: Map<NodeId, WalLog>) => Promise<void>,
): Promise<void> {
  await inTemporaryFolder(async (folder) => {
    const pathOf = (id: NodeId) => join(folder, `${id}.wal`);
    const cluster = new Cluster([], CONFIG);
    const logs = new Map<NodeId, WalLog>();
    for (const id of IDS) {
      const log = WalLog.openSync(pathOf(id), { segmentBytes: SEGMENT_BYTES });
      log.foundCluster(X);
      logs.set(id, log);
      cluster.start(id, IDS.filter((peer) => peer !== id), log);
    }
    cluster.elect(1n);
    for (let i = 1; i <= 40; i++) cluster.propose(1n, `${i} ${"x".repeat(500)}`);
    cluster.tick(12);
    assert.deepEqual(told(cluster), []);
    cluster.nodes.delete(3n);
    logs.get(3n)!.closeSync();
    rmSync(join(pathOf(3n), segmentsOf(pathOf(3n))[2]!));
    await test(cluster, pathOf, logs);
    for (const log of logs.values()) log.closeSync();
  });
}

/** Starts member 3 again under its old id, and lets the others commit something with it alone. */
function restart(cluster: Cluster, path: string, logs: Map<NodeId, WalLog>): boolean {
  const log = WalLog.openSync(path, { segmentBytes: SEGMENT_BYTES });
  logs.set(3n, log);
  cluster.start(3n, [1n, 2n], log);
  cluster.passes = ({ from, to }) => from !== 2n && to !== 2n;
  const before = cluster.node(1n).commitIndex;
  cluster.propose(1n, "with 1 and 3");
  cluster.tick(6, [1n, 3n]);
  return cluster.node(1n).commitIndex > before;
}

describe("a member whose log was repaired", () => {
  it("does not count after entries were cut, without anybody telling it so", async () => {
    await withDamagedMember(async (cluster, pathOf, logs) => {
      const { code, stdout } = await cliHere("repair", pathOf(3n), "--cut");
      assert.equal(code, 0, stdout);
      assert.match(stdout, /Next: let its node rejoin the cluster as a new member/);
      // A later look at the log does not know of the cut.
      assert.match((await cliHere("verify", pathOf(3n))).stdout, /Next: nothing to do/);
      assert.equal(restart(cluster, pathOf(3n), logs), false, "its acknowledgement does not make a majority");
      const reports = told(cluster);
      assert.ok(reports.some((one) => String(one) === "1,3,incarnation"), "the leader reports it");
      cluster.passes = () => false;
      cluster.tick(100, [3n]);
      assert.equal(cluster.node(3n).role, "follower", "it does not ask for votes");
    });
  });

  it("goes on after everything was restored", async () => {
    await withDamagedMember(async (cluster, pathOf, logs) => {
      const { code, stdout } = await cliHere("repair", pathOf(3n), "--from", pathOf(1n));
      assert.equal(code, 0, stdout);
      assert.match(stdout, /will rewrite the log[^]*Next: nothing to do/);
      assert.equal(restart(cluster, pathOf(3n), logs), true, "its acknowledgement counts");
      assert.deepEqual(told(cluster), []);
    });
  });
});
