/** The job queue of `examples/job-queue`: workers under SIGKILL, expired leases, dead letters, compaction. */

import assert from "node:assert/strict";
import process from "node:process";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { type DeadLetter, JobQueue, type Lease } from "../examples/job-queue/queue.ts";
import { EventLog } from "../src/events/mod.ts";
import { type ExampleServer, shownCalls, sideBySide, skipWithout, withExample } from "./example_process.ts";
import { whyNoStrace } from "./real/strace.ts";
import { skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";

const JOBS = 300;
const ATTEMPTS = 3;
const WORKERS = 8;

/** A job of this test: most can be done, some fail at each attempt, some are dropped by their first worker. */
interface Task {
  readonly name: string;
  readonly kind: "good" | "poison" | "dropped";
}

/** What the clients of a queue saw, over all of its processes. */
class Seen {
  /** Acknowledged jobs by their ids. */
  readonly added = new Map<number, Task>();
  readonly done = new Set<number>();
  /** Jobs whose acknowledgement may be recorded, although the server was killed before it answered. */
  readonly unanswered = new Set<number>();
  /** How often each job was leased. */
  readonly leases = new Map<number, number>();
  readonly url: string;

  constructor(url: string, earlier?: Seen) {
    this.url = url;
    for (const one of ["added", "leases"] as const) {
      for (const [id, value] of earlier?.[one] ?? []) (this[one] as Map<number, unknown>).set(id, value);
    }
    for (const one of ["done", "unanswered"] as const) for (const id of earlier?.[one] ?? []) this[one].add(id);
  }

  async add(task: Task): Promise<void> {
    const response = await this.#post("/jobs", task);
    assert.equal(response.status, 201);
    this.added.set((await response.json()).id, task);
  }

  /** Leases a job and deals with it. Resolves to whether there was one. */
  async work(): Promise<boolean> {
    const response = await this.#post("/lease");
    if (response.status === 204) return false;
    const { id, attempt, data } = await response.json() as Lease;
    const { name, kind } = data as Task;
    assert(!this.done.has(id), `job ${id} was acknowledged, and is leased again`);
    assert.equal(this.added.get(id)?.name ?? name, name);
    this.leases.set(id, (this.leases.get(id) ?? 0) + 1);
    if (kind === "dropped" && attempt === 1) return true;
    const action = kind === "poison" ? "retry" : "ack";
    if (action === "ack") this.unanswered.add(id);
    const { status } = await this.#post(`/jobs/${id}/${action}?attempt=${attempt}`);
    this.unanswered.delete(id);
    if (status === 200 && action === "ack") this.done.add(id);
    return true;
  }

  /** Works until the unfinished jobs are gone. */
  async workOff(isFinished: () => Promise<boolean>): Promise<void> {
    while (!await isFinished()) {
      await sideBySide(WORKERS, async () => {
        while (await this.work());
      });
      await setTimeout(20);
    }
  }

  async dead(): Promise<DeadLetter[]> {
    return await (await fetch(`${this.url}/dead`)).json();
  }

  #post(path: string, body?: unknown): Promise<Response> {
    return fetch(this.url + path, { method: "POST", body: body === undefined ? undefined : JSON.stringify(body) });
  }
}

function taskOf(number: number): Task {
  const kind = number % 10 === 3 ? "poison" : number % 10 === 7 ? "dropped" : "good";
  return { name: `task ${number}`, kind };
}

/** Runs clients against a queue until it is killed, after so many acknowledged jobs. */
async function untilKilled(
  { url, child }: ExampleServer,
  from: number,
  doneMax: number,
  earlier?: Seen,
): Promise<Seen> {
  const seen = new Seen(url, earlier);
  let next = from;
  const isOver = () => seen.done.size >= doneMax;
  await sideBySide(WORKERS, async (caller) => {
    try {
      while (!isOver()) {
        if (caller % 2 === 0 && next < JOBS) await seen.add(taskOf(next++));
        await seen.work();
      }
    } catch (error) {
      // The server is gone.
      if (error instanceof assert.AssertionError) throw error;
    }
    child.kill("SIGKILL");
  });
  return seen;
}

/** The first position in the log of a queue. */
async function firstIn(folder: string): Promise<number> {
  const log = await EventLog.open(join(folder, "jobs.wal"), { readOnly: true });
  await log.close();
  return log.first;
}

describe("the job queue", () => {
  const skip = skipWithout("bun");
  it("has every acknowledged job done or among the dead letters, though it is killed", { skip }, async () => {
    await inTemporaryFolder(async (folder) => {
      const options = {
        args: [folder, "--port", "0", "--lease-ms", "500", "--retry-ms", "1", "--attempts", String(ATTEMPTS)],
      };
      const run = <T>(body: (server: ExampleServer) => Promise<T>) =>
        withExample("bun", "job-queue/main.ts", options, body);
      let seen = await run((server) => untilKilled(server, 0, 50));
      assert(seen.done.size >= 50 && seen.added.size < JOBS, "killed in mid-work");
      seen = await run((server) => untilKilled(server, JOBS / 2, 100, seen));
      assert(seen.done.size >= 100);
      await run(async ({ url, child, ended }) => {
        const last = new Seen(url, seen);
        for (const kind of ["good", "poison", "dropped"] as const) await last.add({ name: `last ${kind}`, kind });
        let dead: DeadLetter[] = [];
        await last.workOff(async () => {
          dead = await last.dead();
          const finished = new Set([...last.done, ...last.unanswered, ...dead.map(({ id }) => id)]);
          return [...last.added.keys()].every((id) => finished.has(id));
        });
        for (const { id, data, attempts } of dead) {
          assert.equal(attempts, ATTEMPTS);
          // The answer to a lease can be lost when the server is killed.
          assert((last.leases.get(id) ?? 0) <= ATTEMPTS);
          assert.equal((data as Task).name, last.added.get(id)?.name ?? (data as Task).name);
          assert(!last.done.has(id), `job ${id} was done, and is a dead letter`);
        }
        const poison = [...last.added].filter(([, { kind }]) => kind === "poison").map(([id]) => id);
        assert.deepEqual(poison.filter((id) => !dead.some((letter) => letter.id === id)), []);
        // Not child.kill: Deno would report that the signal ended the child, even if the child handled it.
        process.kill(child.pid!, "SIGTERM");
        assert.equal(await ended, 0);
      });
    });
  });

  it("gives the answers that its README shows", { skip }, async () => {
    await inTemporaryFolder(async (folder) => {
      await withExample("bun", "job-queue/main.ts", { args: [folder, "--port", "0"] }, async ({ url }) => {
        const calls = shownCalls("job-queue");
        assert(calls.length >= 5);
        for (const { command, method, path, body, answer } of calls) {
          assert.equal((await (await fetch(url + path, { method, body })).text()).trim(), answer.trim(), command);
        }
        assert.equal((await fetch(`${url}/jobs`, { method: "POST", body: "{" })).status, 400);
        assert.equal((await fetch(`${url}/jobs/1/ack?attempt=2`, { method: "POST" })).status, 409);
        assert.equal((await fetch(url)).status, 404);
      });
    });
  });

  const noStrace = skip || skipReason(whyNoStrace());
  it("answers 503 and ends when a flush fails, and works when it is started again", { skip: noStrace }, async () => {
    await inTemporaryFolder(async (folder) => {
      // strace counts calls per thread. The thread that opens the log makes fewer than ten.
      const inject = ["-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=10+"];
      // With -D, the started process is the server and not strace, so that its exit code is reported.
      const under = ["strace", "-D", "-f", "--seccomp-bpf", "-o", "/dev/null", ...inject];
      const args = [folder, "--port", "0"];
      const added: number[] = [];
      await withExample("bun", "job-queue/main.ts", { args, under }, async ({ url, ended }) => {
        let status = 201;
        while (status === 201) {
          const response = await fetch(`${url}/jobs`, { method: "POST", body: `${added.length}` });
          status = response.status;
          if (status === 201) added.push((await response.json()).id);
          else await response.body?.cancel();
        }
        assert.equal(status, 503);
        assert.equal(await ended, 1);
      });
      assert(added.length > 0);
      await withExample("bun", "job-queue/main.ts", { args }, async ({ url }) => {
        for (const [data, id] of added.entries()) {
          assert.deepEqual(await (await fetch(`${url}/lease`, { method: "POST" })).json(), { id, data, attempt: 1 });
        }
      });
    });
  });

  it("accepts only the latest attempt, and counts attempts and leases across a restart", async () => {
    await inTemporaryFolder(async (folder) => {
      const options = { leaseMs: 60_000, retryMs: 0, attemptsMax: 2 };
      let queue = await JobQueue.open(folder, options);
      const id = await queue.add("a");
      assert.deepEqual(await queue.lease(), { id, data: "a", attempt: 1 });
      assert.equal(await queue.lease(), undefined);
      assert.equal(await queue.ack(id, 2), false);
      assert.equal(await queue.retry(id, 1), true);
      await queue.close();
      queue = await JobQueue.open(folder, options);
      assert.deepEqual(await queue.lease(), { id, data: "a", attempt: 2 });
      await queue.close();
      queue = await JobQueue.open(folder, options);
      assert.equal(await queue.lease(), undefined, "the lease goes on after a restart");
      assert.equal(await queue.ack(id, 1), false);
      assert.equal(await queue.retry(id, 2), true);
      assert.equal(await queue.lease(), undefined);
      assert.deepEqual(await queue.dead(), [{ id, data: "a", attempts: 2 }]);
      await queue.close();
      queue = await JobQueue.open(folder, options);
      assert.equal(await queue.lease(), undefined, "a dead letter is no job any more");
      assert.equal((await queue.dead()).length, 1);
      await queue.close();
    });
  });

  it("drops finished jobs from the log, but no unfinished one", async () => {
    await inTemporaryFolder(async (folder) => {
      const options = { leaseMs: 60_000, retryMs: 0, attemptsMax: 5 };
      const queue = await JobQueue.open(folder, options);
      await Promise.all(Array.from({ length: 6000 }, (_, i) => queue.add(i)));
      const leases = await Promise.all(Array.from({ length: 6000 }, () => queue.lease()));
      const kept = await queue.add("kept");
      await Promise.all(leases.slice(1).map((lease) => queue.ack(lease!.id, 1)));
      assert.equal(await firstIn(folder), 1, "the first job is unfinished");
      await queue.ack(leases[0]!.id, 1);
      assert.equal(await firstIn(folder), kept);
      await queue.close();
      const reopened = await JobQueue.open(folder, options);
      assert.deepEqual(await reopened.lease(), { id: kept, data: "kept", attempt: 1 });
      await reopened.close();
    });
  });
});
