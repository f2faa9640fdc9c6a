/**
 * A cluster of three processes, one in each runtime, with TLS between them, whose leader is killed and stopped while
 * clients use it. `deno task demo:cluster` does more of it, with a seed of its own each time.
 */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Clients } from "../scripts/cluster/clients.ts";
import { FAULTS } from "../scripts/cluster/faults.ts";
import { judge } from "../scripts/cluster/judge.ts";
import { ClusterProcesses } from "../scripts/cluster/processes.ts";
import { locateRuntime, RUNTIME_NAMES } from "../scripts/runtimes.ts";
import { inTemporaryFolder } from "./temporary.ts";

const CERTIFICATES = fileURLToPath(new URL("./certificates", import.meta.url));

describe("a cluster of three processes", () => {
  it("keeps every acknowledged write and a linearizable history, whoever is killed, stopped or cut off", async () => {
    await inTemporaryFolder(async (folder) => {
      const options = { "snapshot-threshold": 200, tls: CERTIFICATES };
      const cluster = await ClusterProcesses.start(folder, RUNTIME_NAMES.map(locateRuntime), options);
      const urls = cluster.replicas.map(({ url }) => url);
      const clients = new Clients({ urls, clients: 6, keys: 5, seed: 1 });
      try {
        await cluster.leader();
        clients.start();
        await clients.progress(50);
        for (const { strike } of FAULTS.slice(0, 4)) await strike(cluster, clients, () => {});
        await clients.end();
        const { wrong, pages, operations } = await judge(cluster, clients);
        assert.deepEqual(wrong, []);
        assert.ok(pages > 10 && operations > 300, `${pages} pages, ${operations} operations`);
      } finally {
        await cluster.end();
        clients.close();
      }
    });
  });
});
