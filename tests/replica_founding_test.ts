/** The ids of clusters of replicas. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { clusterId } from "../src/replica/founding.ts";
import { Replicas, withReplicas } from "./replica_nodes.ts";
import { until } from "./transports.ts";

/** The id of the cluster in a log. */
async function idOf(folder: string): Promise<string | undefined> {
  await using log = await WalLog.open(folder, { readOnly: true, create: false });
  return log.identity.cluster;
}

const at = (host: string) => ({ host, port: 7001 });

describe("the id of a new cluster", () => {
  const first = { cluster: "wallog", id: 1n, address: at("a"), peers: new Map([[2n, at("b")], [10n, at("::1")]]) };

  it("is the SHA-256 digest of its name, ids and addresses, as a UUID", () => {
    // printf '["wallog",[["1","a:7001"],["2","b:7001"],["10","[::1]:7001"]]]' | sha256sum
    assert.equal(clusterId(first), "91c5872a-3194-8761-a6b0-1e8e55a10d4e");
  });

  it("is the same for each initial member", () => {
    const second = { ...first, id: 2n, address: at("b"), peers: new Map([[10n, at("::1")], [1n, at("a")]]) };
    assert.equal(clusterId(second), clusterId(first));
  });

  it("is another one for another name, member or address", () => {
    const others = [
      { ...first, cluster: "other" },
      { ...first, id: 3n },
      { ...first, address: at("c") },
      { ...first, address: undefined },
      { ...first, peers: new Map([[2n, at("b")]]) },
    ];
    assert.equal(new Set([first, ...others].map(clusterId)).size, 1 + others.length);
  });
});

describe("the cluster of replicas", () => {
  it(
    "has an id from the start, which joining replicas get, and which other peers do not change",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      await replicas.propose("a");
      const { replica } = await replicas.leader();
      await replicas.start(4n, { joining: true, peers: [] });
      await replica.addMember(4n, "memory:4");
      const { id } = (await replicas.follower()).replica;
      await replicas.close(id);
      await replicas.start(id, { peers: [[7n, "memory:7"]] });
      await replicas.propose("b");
      await replicas.same(2);
      await replicas.end();
      const ids = await Promise.all([1n, 2n, 3n, 4n].map((id) => idOf(replicas.folderOf(id))));
      assert.match(ids[0]!, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      assert.deepEqual(new Set(ids).size, 1);
    }),
  );

  it(
    "refuses a replica with the log of another cluster, though indexes and terms agree",
    withReplicas(async (replicas) => {
      const other = new Replicas(replicas.folderOf(9n), [1n, 2n, 3n]);
      try {
        await Promise.all(([[replicas, "wallog"], [other, "other"]] as const).map(async ([one, cluster]) => {
          await one.startAll({ cluster });
          for (let i = 0; i < 5; i++) await one.propose(`${cluster}-${i}`);
          await one.same(5);
        }));
      } finally {
        await other.end();
      }
      await replicas.close(3n);
      const stranger = await replicas.start(3n, { folder: other.folderOf(3n), cluster: "other" });
      const isTold = (from: bigint, to: bigint) =>
        replicas.all.get(to)!.events.some((event) =>
          event.type === "refused" && event.from === from && /it belongs to the cluster/.test(event.reason)
        );
      await until(() => isTold(3n, 1n) || isTold(3n, 2n), "the cluster refuses the stranger");
      await until(() => isTold(1n, 3n) || isTold(2n, 3n), "the stranger refuses the cluster");
      await replicas.propose("later");
      assert(stranger.journal.commands.every((command) => command.startsWith("other-")));
      for (const id of [1n, 2n]) {
        const { journal } = replicas.all.get(id)!;
        assert(journal.commands.every((command) => !command.startsWith("other-")));
      }
    }),
  );
});
