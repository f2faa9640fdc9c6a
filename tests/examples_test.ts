/**
 * The quickstart, and the servers of `examples/events`: the service on a simulated disk, which can lose unflushed data,
 * and each runtime's server as a process that is killed.
 */

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { answer, type HttpAnswer, type HttpRequest } from "../examples/events/http.ts";
import { Service } from "../examples/events/service.ts";
import { type Started, type StartOptions, startServer } from "../examples/events/start.ts";
import { WalLog } from "../mod.ts";
import { locateRuntime, type RuntimeName } from "../scripts/runtimes.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { whyNoStrace } from "./real/strace.ts";
import { skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";

const own: RuntimeName = process.versions.deno ? "deno" : process.versions.bun ? "bun" : "node";
const QUICKSTART = fileURLToPath(new URL("../examples/quickstart.ts", import.meta.url));
const CLIENT = fileURLToPath(new URL("./examples_client.ts", import.meta.url));

/** More turns than a request takes from its arrival to the flush, so that some reads come in between. */
const TURNS = 10;

function openOn(disk: SimulatedDisk, eventsPerSnapshot?: number): Promise<Service> {
  return Service.open("/events.wal", { eventsPerSnapshot, log: { fileSystem: disk.fileSystem, segmentBytes: 4096 } });
}

function request(method: string, path: string, key?: string, body: unknown = ""): HttpRequest {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const headers: Record<string, string | undefined> = { "idempotency-key": key, "content-length": `${text.length}` };
  return { method, path, header: (name) => headers[name], text: () => Promise.resolve(text) };
}

function deposit(key: string, amount: unknown, account = "ann"): HttpRequest {
  return request("POST", `/accounts/${account}/deposit`, key, { amount });
}

function contentOf({ body }: HttpAnswer): Record<string, unknown> {
  return JSON.parse(body);
}

describe("examples/quickstart.ts", () => {
  it("runs to its end", () => {
    const [binary, ...prefix] = locateRuntime(own).run;
    const { status, stdout, stderr } = spawnSync(binary, [...prefix, QUICKSTART], { encoding: "utf8" });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /^100 proposals are durable up to index 100: 101 syncs, 2 flushes$/m);
    assert.match(stdout, /^state machine: {"x":89}\nentry 91, term 2: y = 1\nentry 92, term 2: y = 2$/m);
  });
});

describe("the service of events", () => {
  it("refuses invalid requests with the right status, and records nothing", async () => {
    const service = await openOn(new SimulatedDisk());
    const withdraw = (key: string, amount: number) => request("POST", "/accounts/ann/withdraw", key, { amount });
    const cases: [number, HttpRequest][] = [
      [404, request("GET", "/")],
      [404, request("GET", "/accounts/ann/history")],
      [404, request("GET", "/accounts/nobody")],
      [404, request("GET", `/accounts/${"a".repeat(65)}`)],
      [405, request("DELETE", "/accounts/ann")],
      [405, request("GET", "/accounts/ann/deposit")],
      [405, request("POST", "/stats")],
      [400, request("POST", "/accounts/ann/deposit", undefined, { amount: 1 })],
      [400, deposit("k".repeat(65), 1)],
      [400, request("POST", "/accounts/ann/deposit", "bad", "{")],
      [400, request("POST", "/accounts/ann/deposit", "bad", "null")],
      ...[0, -1, 1.5, 2 ** 53, "1", null].map((amount) => [400, deposit("bad", amount)] as [number, HttpRequest]),
      [400, { ...deposit("bad", 1), text: () => Promise.reject(new Error("aborted")) }],
      [411, { ...deposit("bad", 1), header: (name) => name === "idempotency-key" ? "bad" : null }],
      [413, request("POST", "/accounts/ann/deposit", "bad", " ".repeat(4097))],
      [413, { ...deposit("bad", 1), header: () => "many" }],
      [409, withdraw("bad", 1)],
    ];
    for (const [status, wrong] of cases) {
      const { body, ...rest } = await answer(service, wrong);
      assert.equal(rest.status, status, `${wrong.method} ${wrong.path}: ${body}`);
      assert.equal(typeof JSON.parse(body).error, "string");
    }
    assert.equal(service.stats().lastIndex, 0);
    assert.equal((await answer(service, deposit("good", 100))).status, 201);
    assert.equal((await answer(service, withdraw("too-much", 101))).status, 409);
    assert.equal((await answer(service, deposit("inexact", Number.MAX_SAFE_INTEGER))).status, 409);
    assert.equal((await answer(service, deposit("good", 101))).status, 422);
    assert.equal((await answer(service, withdraw("all", 100))).status, 201);
    assert.equal(service.stats().lastIndex, 2);
    assert.deepEqual(contentOf(await answer(service, request("GET", "/accounts/ann"))), { account: "ann", balance: 0 });
    await service.close();
  });

  it("gives the answers that its README shows", async () => {
    const service = await openOn(new SimulatedDisk());
    const readme = readFileSync(new URL("../examples/events/README.md", import.meta.url), "utf8");
    const shown = [
      ...readme.matchAll(/^\$ curl (?:-H 'Idempotency-Key: (.*)' -d '(.*)' )?localhost:8080(.*)\n(.*\n)/gm),
    ];
    assert.ok(shown.length >= 5);
    for (const [command, key, body, path, output] of shown) {
      const said = await answer(service, request(key === undefined ? "GET" : "POST", path!, key, body));
      assert.equal(said.body, output, command);
    }
    await service.close();
  });

  it("shares a flush among requests that arrive together", async () => {
    const service = await openOn(new SimulatedDisk());
    const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => answer(service, deposit(`${i}`, 1))));
    assert.deepEqual(answers.map((one) => contentOf(one).balance), Array.from({ length: 50 }, (_, i) => i + 1));
    const stats = contentOf(await answer(service, request("GET", "/stats")));
    // Sealing a segment takes its own flush.
    assert.equal(Number(stats.flushes) - Number(stats.segmentsSealed), 1);
    await service.close();
  });

  it("keeps acknowledged and visible events if the power fails at any operation", async () => {
    let crashes = 0;
    for (let after = 0; after < 60; after++) {
      const disk = new SimulatedDisk({ seed: after + 1 });
      let service = await openOn(disk, 10);
      disk.failAfter("crash", after);
      const acknowledged: { readonly key: string; readonly receipt: string }[] = [];
      const seen: number[] = [];
      await Promise.all(Array.from({ length: 4 }, async (_, client) => {
        for (let i = 0; i < 8; i++) {
          const key = `${client}-${i}`;
          const acknowledge = ({ status, body }: HttpAnswer) => {
            if (status === 201 || status === 200) acknowledged.push({ key, receipt: body });
            return status === 201;
          };
          const [isWritten] = await Promise.all([
            answer(service, deposit(key, 1)).then(acknowledge),
            // A client without an answer tries again.
            answer(service, deposit(key, 1)).then(acknowledge),
            ...Array.from({ length: TURNS }, async (_, turns) => {
              for (let turn = 0; turn < turns; turn++) await Promise.resolve();
              const read = await answer(service, request("GET", "/accounts/ann"));
              if (read.status === 200) seen.push(contentOf(read).balance as number);
            }),
          ]);
          if (!isWritten) return;
        }
      }));
      if (acknowledged.length < 64) crashes++;
      disk.crash();
      service = await openOn(disk, 10);
      const { balance = 0 } = contentOf(await answer(service, request("GET", "/accounts/ann")));
      assert.ok(
        balance as number >= Math.max(0, ...seen),
        `crash ${after}: ${seen.at(-1)} was read, ${balance} is there`,
      );
      for (const { key, receipt } of acknowledged) {
        const retried = await answer(service, deposit(key, 1));
        assert.deepEqual([retried.status, retried.body], [200, receipt], `crash ${after}: ${key}`);
      }
      assert.equal(service.stats().lastIndex, balance, "an event exists only once");
      await service.close();
    }
    assert.ok(crashes > 30, `the power went ${crashes} times`);
  });

  it("answers 503 while the disk is full, and accepts the same request later", async () => {
    const disk = new SimulatedDisk();
    const service = await openOn(disk);
    disk.failAfter("ENOSPC", 0, "create");
    let total = 0;
    let written: HttpAnswer;
    do written = await answer(service, deposit(`${++total}`, 1)); while (written.status === 201 && total < 1000);
    assert.equal(written.status, 503);
    assert.equal(contentOf(written).code, "NO_SPACE");
    assert.equal(contentOf(await answer(service, request("GET", "/accounts/ann"))).balance, total - 1);
    disk.heal();
    const retried = await answer(service, deposit(`${total}`, 1));
    assert.equal(retried.status, 201);
    assert.deepEqual(contentOf(retried), { event: total, balance: total });
    await service.close();
  });

  it("answers 503 and reports the failure when a flush fails", async () => {
    const disk = new SimulatedDisk();
    const service = await openOn(disk);
    await answer(service, deposit("before", 1));
    disk.failAfter("EIO", 0, "sync");
    const answers = await Promise.all(["a", "b", "c"].map((key) => answer(service, deposit(key, 1))));
    assert.deepEqual(answers.map(({ status }) => status), [503, 503, 503]);
    assert.equal((await service.failed).code, "POISONED");
    assert.equal((await answer(service, deposit("before", 1))).status, 503);
    await assert.rejects(service.close(), { code: "POISONED" });
  });
});

/** The answers that the client got, by the number of the request. */
type Answers = Map<number, { readonly status: number; readonly body: string }>;

/** Runs the client. */
async function post(url: string, count: number, onAnswer: (answers: Answers) => void = () => {}): Promise<Answers> {
  const { name, binary, run } = locateRuntime(own);
  const [command, ...prefix] = name === "deno" ? [binary, "run", "--no-prompt", "--allow-net=127.0.0.1"] : run;
  const child = spawn(command, [...prefix, CLIENT, url, String(count), "16"], { stdio: ["ignore", "pipe", "inherit"] });
  const answers: Answers = new Map();
  for await (const line of createInterface({ input: child.stdout })) {
    const [, number, status, body] = /^(\d+) (\d+) (.*)$/.exec(line)!;
    answers.set(Number(number), { status: Number(status), body: body! });
    onAnswer(answers);
  }
  return answers;
}

/** Starts the running runtime's server, and kills it if the test does not. */
async function withServer<T>(folder: string, options: StartOptions, body: (server: Started) => Promise<T>): Promise<T> {
  const server = await startServer(locateRuntime(own), folder, options);
  try {
    return await body(server);
  } finally {
    server.child.kill("SIGKILL");
    await server.ended;
  }
}

function isAcknowledged({ status }: { readonly status: number }): boolean {
  return status === 200 || status === 201;
}

/** Fails unless all earlier answers are unchanged. */
function assertSame(before: Answers, after: Answers): void {
  for (const [number, { status, body }] of before) {
    if (isAcknowledged({ status })) assert.deepEqual(after.get(number), { status: 200, body }, `request ${number}`);
  }
}

/** Fails unless every event happened exactly once: the numbers run from 1 on, and the balances are the sums. */
function assertOnce(answers: Answers, count: number): void {
  assert.equal(answers.size, count);
  const receipts = [...answers].map(([number, { body }]) => ({ number, ...JSON.parse(body) }));
  receipts.sort((a, b) => a.event - b.event);
  const balances: number[] = [];
  for (const [i, { number, event, balance }] of receipts.entries()) {
    assert.equal(event, i + 1);
    balances[number % 7] = (balances[number % 7] ?? 0) + number + 1;
    assert.equal(balance, balances[number % 7], `balance after event ${event}`);
  }
}

describe(`the server of events on ${own}`, () => {
  const COUNT = 1000;
  const options = { args: ["--snapshot-every", "150"] };

  it("has every acknowledged event once, though it is killed and its clients retry", async () => {
    await inTemporaryFolder(async (folder) => {
      let before: Answers = new Map();
      for (const killAfter of [300, 700]) {
        const answers = await withServer(folder, options, ({ url, child }) =>
          post(url, COUNT, ({ size }) => {
            if (size === killAfter) child.kill("SIGKILL");
          }));
        const unanswered = [...answers.values()].filter(({ status }) => status === 0).length;
        assert.ok(unanswered > 0 && answers.size < COUNT, "the server was killed too late");
        assertSame(before, new Map([...answers].filter(([, { status }]) => status !== 0)));
        before = new Map([...before, ...[...answers].filter(([, one]) => isAcknowledged(one))]);
      }
      assert.ok(before.size >= 700 - 16);
      await withServer(folder, options, async ({ url, child, ended }) => {
        const answers = await post(url, COUNT);
        assertSame(before, answers);
        assertOnce(answers, COUNT);
        // Not child.kill: Deno would report that the signal ended the child, even if the child handled it.
        process.kill(child.pid!, "SIGTERM");
        assert.equal(await ended, 0);
      });
      const log = WalLog.openSync(join(folder, "events.wal"), { readOnly: true });
      assert.equal(log.lastIndex, COUNT);
      assert.ok(log.snapshotIndex > 0, "snapshots were taken");
      assert.ok(log.recovery.closed, "SIGTERM closes the log");
      log.closeSync();
    });
  });

  const skip = skipReason(whyNoStrace());
  it("answers 503 and exits when a flush fails, and works when it is started again", { skip }, async () => {
    await inTemporaryFolder(async (path) => {
      const folder = realpathSync(path);
      // strace counts calls per thread. The thread that opens the log makes fewer than ten. The threads that flush for
      // requests make more.
      const inject = ["-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=10+"];
      // With -D, the started process is the server and not strace, so that its exit code is reported and a kill hits
      // it.
      const under = ["strace", "-D", "-f", "--seccomp-bpf", "-o", "/dev/null", ...inject];
      const before = await withServer(folder, { ...options, under }, async ({ url, ended }) => {
        const answers = await post(url, COUNT);
        assert.equal(await ended, 1);
        return answers;
      });
      assert.ok([...before.values()].some(({ status }) => status === 503));
      assert.ok([...before.values()].some(isAcknowledged));
      await withServer(folder, options, async ({ url }) => {
        const answers = await post(url, COUNT);
        assertSame(before, answers);
        assertOnce(answers, COUNT);
      });
    });
  });
});
