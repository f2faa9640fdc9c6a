/** Replicas whose snapshot is damaged, and was later than those of the others. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type Replicas, withReplicas } from "./replica_nodes.ts";
import { until } from "./transports.ts";

/** So many that the log has no entries left from before its snapshot. */
const COMMANDS = 120;
/** With this, snapshots are made after about 15 commands. */
const SMALL = { snapshotBytes: 1000, log: { segmentBytes: 4096 } };

/** Proposes commands. Of three replicas, only some make snapshots. */
async function fill(replicas: Replicas, small: readonly bigint[]): Promise<void> {
  const ids = [1n, 2n, 3n];
  await Promise.all(ids.map((id) => replicas.start(id, small.includes(id) ? SMALL : {})));
  for (let i = 0; i < COMMANDS; i++) await replicas.propose(`${i}`);
  await replicas.same(COMMANDS);
  for (const [id, { replica }] of replicas.all) {
    if (small.includes(id)) await until(() => replica.status().snapshotIndex > 0, "a snapshot");
    else assert.equal(replica.status().snapshotIndex, 0);
  }
}

/** Restarts replicas with damaged snapshots. */
async function damage(replicas: Replicas, ids: readonly bigint[]): Promise<void> {
  for (const id of ids) await replicas.close(id);
  for (const id of ids) {
    const folder = replicas.folderOf(id);
    const path = join(folder, readdirSync(folder).filter((name) => name.endsWith(".snap")).sort().at(-1)!);
    const bytes = readFileSync(path);
    // In the last 8 bytes, the length of the data. A bit of the padding in front of the last piece would harm nothing.
    bytes[bytes.length - 1]! ^= 1;
    writeFileSync(path, bytes);
  }
  for (const id of ids) {
    const { replica } = await replicas.start(id);
    assert.equal(replica.status().isDamaged, true);
  }
}

describe("a damaged snapshot of a replica", () => {
  for (const ids of [[1n], [1n, 2n]]) {
    it(
      `is replaced by one that another replica makes: ${ids.length} of 3 are damaged`,
      withReplicas(async (replicas) => {
        await fill(replicas, ids);
        await damage(replicas, ids);
        const healthy = replicas.all.get(3n)!;
        await until(() => ids.every((id) => !replicas.all.get(id)!.replica.status().isDamaged), "repaired");
        assert.ok(healthy.events.some(({ type }) => type === "snapshotMade"));
        await replicas.propose("more");
        assert.equal((await replicas.same(COMMANDS + 1)).at(-1), "more");
        for (const id of ids) assert.ok(replicas.all.get(id)!.journal.restores > 0);
      }),
    );
  }

  it(
    "is replaced by one that is made between two pages, while commands are applied",
    withReplicas(async (replicas) => {
      await fill(replicas, [1n]);
      const others = [2n, 3n].map((id) => replicas.all.get(id)!);
      for (const { journal } of others) {
        const apply = journal.apply.bind(journal);
        journal.apply = async (entries) => {
          const answers: string[] = [];
          for (const entry of entries) {
            answers.push(...await apply([entry]));
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
          return answers;
        };
      }
      await damage(replicas, [1n]);
      const { replica } = replicas.all.get(1n)!;
      for (let i = 0; replica.status().isDamaged; i++) {
        await Promise.all(["a", "b", "c", "d"].map((name) => replicas.propose(`${name}${i}`)));
      }
      await replicas.same(COMMANDS);
    }),
  );
});
