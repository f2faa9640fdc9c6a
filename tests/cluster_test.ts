/**
 * A cluster of three processes, one in each runtime, with TLS between them, whose leader is killed and stopped while
 * clients use it. `deno task demo:cluster` does more of it, with a new seed each time.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { Clients } from "../scripts/cluster/clients.ts";
import { FAULTS } from "../scripts/cluster/faults.ts";
import { judge } from "../scripts/cluster/judge.ts";
import { HttpClient, NoAnswer } from "../scripts/cluster/http_client.ts";
import { ClusterProcesses } from "../scripts/cluster/processes.ts";
import { locateRuntime, RUNTIME_NAMES, type RuntimeName } from "../scripts/runtimes.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { until } from "./transports.ts";

const own: RuntimeName = process.versions.deno ? "deno" : process.versions.bun ? "bun" : "node";
const DEMO = fileURLToPath(new URL("../scripts/demo_cluster.ts", import.meta.url));
const CERTIFICATES = fileURLToPath(new URL("./certificates", import.meta.url));

describe("a cluster of three processes", () => {
  it("keeps every acknowledged write and a linearizable history while nodes fail", async () => {
    await inTemporaryFolder(async (folder) => {
      const options = { "snapshot-bytes": 32 * 1024, tls: CERTIFICATES };
      const cluster = await ClusterProcesses.of(folder, RUNTIME_NAMES.map(locateRuntime), options);
      const urls = cluster.replicas.map(({ url }) => url);
      const clients = new Clients({ urls, clients: 6, keys: 5, seed: 1 });
      try {
        await cluster.start();
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

describe("a replica", () => {
  it("logs once which peer is unreachable and why, and when it is back", async () => {
    await inTemporaryFolder(async (folder) => {
      const cluster = await ClusterProcesses.of(folder, [own, own].map(locateRuntime), {});
      const [one, two] = cluster.replicas;
      const said = (what: RegExp) => one!.errors.split("\n").filter((line) => what.test(line)).length;
      try {
        await one!.start();
        await until(() => said(/^replica 2, out: disconnected, .*REFUSED/) === 1, "told that nobody is there");
        await two!.start();
        await until(() => said(/^replica 2, out: connected$/) === 1, "told that somebody is");
        await cluster.leader();
        assert.equal(said(/REFUSED/), 1);
      } finally {
        await cluster.end();
      }
    });
  });
});

describe("the clients of a cluster", () => {
  it("stop with an error when a replica gives an impossible answer", async () => {
    await withAnswers(() => 500, async (url) => {
      const clients = new Clients({ urls: [url], clients: 2, keys: 1, seed: 1 });
      clients.start();
      const isTold = { message: "a replica answers with 500: broken" };
      await assert.rejects(clients.progress(1), isTold);
      await assert.rejects(clients.end(), isTold);
      clients.close();
    });
  });

  it("write a refused page of the ledger again, and skip one with an unknown outcome", async () => {
    const asked: string[] = [];
    const answers = [503, 503, 504, 204, 204];
    const answer = (path: string) => asked.push(path) && answers[asked.length - 1]!;
    await withAnswers(answer, async (url) => {
      const clients = new Clients({ urls: [url], clients: 1, keys: 1, seed: 1 });
      await clients.writePage();
      await clients.writePage();
      assert.deepEqual(asked, [1, 1, 1, 2, 3].map((page) => `/kv/ledger-${page}`));
      assert.deepEqual([...clients.ledger], [["ledger-2", "page 2"], ["ledger-3", "page 3"]]);
      clients.close();
    });
  });

  /** A replica with prepared answers. */
  async function withAnswers(answer: (path: string) => number, body: (url: string) => Promise<void>): Promise<void> {
    const server = createServer(({ url }, response) => {
      const status = answer(url!);
      response.writeHead(status).end(status === 204 ? undefined : "broken");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      await body(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  }
});

describe("the demo of a cluster", () => {
  /** Runs the demo, and sends it signals as soon as its replicas run. */
  async function demo(folder: string, options: readonly string[], signals: readonly "SIGTERM"[] = []) {
    const [binary, ...prefix] = locateRuntime(own).run;
    const child = spawn(binary, [...prefix, DEMO, "--folder", folder, ...options], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    const left = [...signals];
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (!said.includes("leads")) return;
      // Not `child.kill`: after one signal, Deno assumes that it ended the child.
      for (const signal of left.splice(0)) process.kill(child.pid!, signal);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => said += text);
    const code = await new Promise((resolve) => child.on("close", resolve));
    return { code, said };
  }

  async function assertNothingIsLeft(folder: string, said: string): Promise<void> {
    assert.deepEqual(readdirSync(folder), []);
    const urls = [...said.matchAll(/^replica \d: .*, (http:.*)$/gm)].map(([, url]) => url!);
    assert.equal(urls.length, RUNTIME_NAMES.length, said);
    const http = new HttpClient(1, false);
    const isRefused = (error: unknown) => error instanceof NoAnswer && error.isCertain;
    for (const url of urls) await assert.rejects(http.request("GET", `${url}/status`, { timeoutMs: 1000 }), isRefused);
    http.close();
  }

  it("fails when it takes too long, and leaves neither replicas nor logs", async () => {
    await inTemporaryFolder(async (folder) => {
      const { code, said } = await demo(folder, ["--limit", "8"]);
      assert.match(said, /not done after 8 s/);
      assert.equal(code, 1);
      await assertNothingIsLeft(folder, said);
    });
  });

  it("leaves neither when it gets a signal to end, even more than once", async () => {
    await inTemporaryFolder(async (folder) => {
      const { code, said } = await demo(folder, [], ["SIGTERM", "SIGTERM"]);
      assert.equal(code, 130, said);
      await assertNothingIsLeft(folder, said);
    });
  });
});
