/** A new replica whose log begins with the archive of another one. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { archive, FolderStore, restore } from "../src/archive/mod.ts";
import { Replicas, withReplicas } from "./replica_nodes.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { until } from "./transports.ts";

/** Archives the log of a replica, up to its last entry. */
async function archiveOf(replicas: Replicas, id: bigint): Promise<FolderStore> {
  const folder = replicas.folderOf(id);
  const store = new FolderStore(`${folder}-store`);
  const { lastIndex } = replicas.all.get(id)!.replica.status();
  await using log = await WalLog.open(folder, { readOnly: true, create: false });
  await using archiving = archive(log, store, { intervalMilliseconds: 1 });
  await archiving.archived(lastIndex);
  return store;
}

/** Records the indexes of the entries that a replica gets, and counts the pieces of snapshots. */
function watch({ network }: Replicas, id: bigint) {
  const sent = { indexes: [] as number[], snapshots: 0 };
  const { passes } = network;
  network.passes = (from, to, message) => {
    if (to === id && message.type === "appendEntries") sent.indexes.push(...message.entries.map(({ index }) => index));
    if (to === id && message.type === "installSnapshot") sent.snapshots++;
    return passes(from, to, message);
  };
  return sent;
}

describe("a new replica", () => {
  it(
    "that starts from the archive of another one gets only later entries from the leader",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      for (let i = 0; i < 50; i++) await replicas.propose(`before-${i}`);
      await replicas.same(50);
      const store = await archiveOf(replicas, (await replicas.follower()).replica.id);
      const { lastIndex } = await restore(store, replicas.folderOf(4n));
      assert(lastIndex >= 50);
      for (let i = 0; i < 5; i++) await replicas.propose(`after-${i}`);
      const [warm, cold] = [watch(replicas, 4n), watch(replicas, 5n)];
      const { replica } = await replicas.leader();
      const added = await replicas.start(4n, { joining: true });
      await replica.addMember(4n, "memory:4");
      assert.deepEqual(replica.status().members, [1n, 2n, 3n, 4n]);
      assert.deepEqual(added.journal.commands, await replicas.same(55));
      assert.equal(Math.min(...warm.indexes), lastIndex + 1);
      assert.equal(warm.snapshots, 0);
      // Without the archive, it gets everything.
      await replicas.start(5n, { joining: true });
      await replica.addMember(5n, "memory:5");
      assert.equal(Math.min(...cold.indexes), 1);
      // It votes: the cluster goes on with it when two of the old members are gone.
      const rest = [1n, 2n, 3n].filter((id) => id !== replica.id);
      for (const id of rest) await replicas.close(id);
      await replicas.propose("at last");
      assert.deepEqual((await replicas.same(56)).at(-1), "at last");
    }),
  );

  it(
    "that starts from the archive of another cluster is refused",
    withReplicas((replicas) =>
      inTemporaryFolder(async (folder) => {
        const other = new Replicas(join(folder, "other"), [1n]);
        try {
          await other.startAll();
          await other.propose("of another cluster");
          const store = await archiveOf(other, 1n);
          await replicas.startAll();
          await replicas.propose("a");
          await restore(store, replicas.folderOf(4n));
        } finally {
          await other.end();
        }
        const added = await replicas.start(4n, { joining: true });
        const { replica } = await replicas.leader();
        // It waits until the replica has caught up, which never happens.
        const adding = replica.addMember(4n, "memory:4");
        adding.catch(() => {});
        const events = () => [...replicas.all.values()].flatMap(({ events }) => events);
        const isRefused = () => events().some((event) => event.type === "refused" && /cluster/.test(event.reason));
        await until(isRefused, "the new replica is refused");
        assert.deepEqual(added.journal.commands, []);
        assert.deepEqual(replica.status().members, [1n, 2n, 3n]);
      })
    ),
  );

  it(
    "that starts from an archive under the id of a lost one is refused, and is added under another id",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      for (let i = 0; i < 5; i++) await replicas.propose(`${i}`);
      await replicas.same(5);
      const { replica: { id } } = await replicas.follower();
      const store = await archiveOf(replicas, id);
      await replicas.close(id);
      const folder = `${replicas.folderOf(id)}-again`;
      await restore(store, folder);
      await replicas.start(id, { folder });
      const { replica } = await replicas.leader();
      const events = () => [...replicas.all.values()].flatMap(({ events }) => events);
      await until(() => events().some((event) => event.type === "memberLost" && event.id === id), "a lost member");
      await replicas.close(id);
      await restore(store, replicas.folderOf(4n));
      await replicas.start(4n, { joining: true });
      await replica.replaceMember(id, 4n, "memory:4");
      await replicas.propose("5");
      assert.deepEqual(await replicas.same(6), ["0", "1", "2", "3", "4", "5"]);
    }),
  );
});
