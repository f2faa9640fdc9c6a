/**
 * The timed workloads, the same for every store. Each runs in a new process, so that no side inherits the state of the
 * just-in-time compiler, the heap or the thread pool from another one.
 *
 * @module
 */

import { mkdirSync, rmSync } from "node:fs";
import process from "node:process";
import { Commands } from "./commands.ts";
import { quantile } from "./statistics.ts";
import type { OpenOptions, Store } from "./stores/store.ts";

/** The task of a process. All numbers of bytes are of commands. */
export interface Task {
  readonly workload: keyof typeof WORKLOADS;
  /** The store's name. */
  readonly store: string;
  /** The folder to work in. */
  readonly folder: string;
  /** Size of each command. */
  readonly commandBytes: number;
  /** The number of commands in a batch or in a read. */
  readonly batch: number;
  /** The number of commands that are written or read in the timed part. */
  readonly count: number;
  /** The last index in the folder, for tasks that read it or add to it. */
  readonly lastIndex?: number;
  /** The number of concurrent callers. */
  readonly clients?: number;
  /** How the store is opened. */
  readonly open?: Partial<OpenOptions>;
}

/** A raw measurement. */
export interface Sample {
  /** The duration; for single commits, the median. */
  readonly seconds: number;
  /** The number of entries, commits or calls in that time. */
  readonly count: number;
  /** Bytes of commands or files in that time, or bytes of memory. */
  readonly bytes: number;
  /** For single commits: the slowest of a hundred. */
  readonly p99Seconds?: number;
}

/** Opens the store of a task. */
export type Open = (options: OpenOptions) => Store | Promise<Store>;

/** The amount of the warm-up, as a part of the timed work. */
const WARM_UP = 0.2;
/** The step between random-looking indexes. It is coprime to every size here. */
const STEP = 7_919;

/** The runtime's function to collect garbage, if it has one. */
const collectGarbage: () => void = (globalThis as { gc?: () => void; Bun?: { gc(force: boolean): void } }).gc ??
  (() => (globalThis as { Bun?: { gc(force: boolean): void } }).Bun?.gc(true));

/** Receives unused results, so that no compiler can drop their computation. */
let sink = 0;

/** The last timed part on the monotonic clock, in microseconds. A profile uses the same clock. */
export const timed = { from: 0, to: 0 };

function stopwatch(): () => number {
  collectGarbage();
  timed.from = microseconds();
  const started = performance.now();
  return () => {
    const seconds = (performance.now() - started) / 1000;
    timed.to = microseconds();
    return seconds;
  };
}

function microseconds(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

/** Whether a result is a promise. Awaiting a number would cost more than some of the timed calls. */
function isPending<T>(result: T | Promise<T>): result is Promise<T> {
  return result instanceof Promise;
}

/** Writes the data of another task, after the last index if the task has one. */
async function fill(task: Task, open: Open): Promise<Sample> {
  mkdirSync(task.folder, { recursive: true });
  const commands = new Commands(task.commandBytes, task.batch);
  const store = await open({ isDurable: false });
  const before = task.lastIndex === undefined ? 0 : (await store.scan()).entries!;
  const elapsed = stopwatch();
  for (let next = 1; next <= task.count; next += task.batch) {
    const result = store.append(before + next, commands.batch(Math.min(task.batch, task.count - next + 1)));
    if (isPending(result)) await result;
  }
  await store.close();
  return { seconds: elapsed(), count: task.count, bytes: task.count * task.commandBytes };
}

/** Opens a store and reads everything in it. */
async function recover(task: Task, open: Open): Promise<Sample> {
  const elapsed = stopwatch();
  const store = await open({ isDurable: true });
  const { entries = task.count, bytes } = await store.scan();
  const seconds = elapsed();
  await store.close();
  if (entries < task.count) throw new Error(`${entries} entries were found, ${task.count} were written`);
  return { seconds, count: entries, bytes };
}

/**
 * Commits one batch after the other, each on stable storage before the next. Returns the median time. Uses a new
 * folder, or continues after the last index if the task has one.
 */
async function commit(task: Task, open: Open): Promise<Sample> {
  return await (task.lastIndex === undefined ? inNewFolder(task, () => commitAt(task, open)) : commitAt(task, open));
}

async function commitAt({ batch, commandBytes, count, lastIndex }: Task, open: Open): Promise<Sample> {
  const commands = new Commands(commandBytes, batch);
  const commits = Math.ceil(count / batch);
  const warmUp = Math.ceil(commits * WARM_UP);
  const store = await open({ isDurable: true, bytesAhead: (commits + warmUp) * batch * (commandBytes + 64) });
  const first = lastIndex === undefined ? 1 : (await store.scan()).entries! + 1;
  const seconds: number[] = [];
  let elapsed = stopwatch();
  for (let done = 0; done < warmUp + commits; done++) {
    if (done === warmUp) elapsed = stopwatch();
    const started = performance.now();
    const result = store.commit(first + done * batch, commands.batch(batch));
    if (isPending(result)) await result;
    if (done >= warmUp) seconds.push((performance.now() - started) / 1000);
  }
  elapsed();
  await store.close();
  const median = quantile(seconds, 0.5);
  return { seconds: median, p99Seconds: quantile(seconds, 0.99), count: batch, bytes: batch * commandBytes };
}

/** Many concurrent callers. Each commits one command at a time. */
async function commitShared(task: Task, open: Open): Promise<Sample> {
  return await inNewFolder(task, async () => {
    const { commandBytes, clients = 1 } = task;
    const commands = new Commands(commandBytes, 1);
    const store = await open({ isDurable: true, isShared: true });
    let index = 0;
    const run = async (until: number): Promise<void> => {
      const client = async (): Promise<void> => {
        while (index < until) {
          await store.commitShared!(++index, commands.batch(1)[0]!);
        }
      };
      await Promise.all(Array.from({ length: clients }, client));
    };
    await run(Math.ceil(task.count * WARM_UP));
    const elapsed = stopwatch();
    const before = index;
    await run(before + task.count);
    const seconds = elapsed();
    const count = index - before;
    await store.close();
    return { seconds, count, bytes: count * commandBytes };
  });
}

/** Appends without a flush to a new store that fits a segment of this log, after a warm-up on another one. */
async function append(task: Task, open: Open): Promise<Sample> {
  const { batch, count, commandBytes } = task;
  const commands = new Commands(commandBytes, batch);
  const run = () =>
    inNewFolder(task, async () => {
      const store = await open({ isDurable: false, bytesAhead: 0 });
      const elapsed = stopwatch();
      for (let next = 1; next <= count; next += batch) {
        const result = store.append(next, commands.batch(batch));
        if (isPending(result)) await result;
      }
      const seconds = elapsed();
      await store.close();
      return { seconds, count, bytes: count * commandBytes };
    });
  await run();
  return await run();
}

/** Reads single entries in a scattered order. */
async function get(task: Task, open: Open): Promise<Sample> {
  const store = await open({ isDurable: true });
  await store.scan();
  const sample = await getMany(task, store, 1, task.lastIndex!);
  await store.close();
  return sample;
}

/** Reads single recent entries in a scattered order. */
async function getRecent(task: Task, open: Open): Promise<Sample> {
  return await inNewFolder(task, async () => {
    const { batch, commandBytes } = task;
    const lastIndex = task.lastIndex!;
    const commands = new Commands(commandBytes, batch);
    const store = await open({ isDurable: false });
    for (let next = 1; next <= 2 * lastIndex; next += batch) {
      await store.append(next, commands.batch(batch));
    }
    const sample = await getMany(task, store, lastIndex + 1, lastIndex);
    await store.close();
    return sample;
  });
}

async function getMany(task: Task, store: Store, first: number, entries: number): Promise<Sample> {
  const warmUp = Math.ceil(task.count * WARM_UP);
  let elapsed = stopwatch();
  let at = 0;
  for (let done = 0; done < warmUp + task.count; done++) {
    if (done === warmUp) elapsed = stopwatch();
    at = (at + STEP) % entries;
    const result = store.get!(first + at);
    sink += (isPending(result) ? await result : result)[0]!;
  }
  return { seconds: elapsed(), count: task.count, bytes: task.count * task.commandBytes };
}

/** Reads all entries as consecutive ranges. */
async function range(task: Task, open: Open): Promise<Sample> {
  const store = await open({ isDurable: true });
  await store.scan();
  const run = async (until: number): Promise<void> => {
    for (let read = 0, from = 1; read < until; read += task.batch, from += task.batch) {
      if (from + task.batch - 1 > task.lastIndex!) from = 1;
      const result = store.range!(from, from + task.batch - 1);
      const commands = isPending(result) ? await result : result;
      if (commands.length !== task.batch) {
        throw new Error(`${commands.length} entries where ${task.batch} were asked for`);
      }
      sink += commands[commands.length - 1]![0]!;
    }
  };
  await run(task.count * WARM_UP);
  const elapsed = stopwatch();
  await run(task.count);
  const seconds = elapsed();
  await store.close();
  return { seconds, count: task.count, bytes: task.count * task.commandBytes };
}

/** Iterates over all entries. */
async function walk(task: Task, open: Open): Promise<Sample> {
  const store = await open({ isDurable: true });
  store.walk!();
  const elapsed = stopwatch();
  const bytes = store.walk!();
  const seconds = elapsed();
  await store.close();
  return { seconds, count: task.count, bytes };
}

/** Reads all entries with a follower, which catches up. */
async function catchUp(task: Task, open: Open): Promise<Sample> {
  const store = await open({ isDurable: true });
  const run = async (): Promise<number> => {
    let bytes = 0;
    let left = task.count;
    for await (const { command } of store.follow!(1)) {
      bytes += command.length;
      if (--left === 0) break;
    }
    return bytes;
  };
  await run();
  const elapsed = stopwatch();
  const bytes = await run();
  const seconds = elapsed();
  await store.close();
  return { seconds, count: task.count, bytes };
}

/** Commits one command after the other, while followers read all of them. Returns the median time of a commit. */
async function commitFollowed(task: Task, open: Open): Promise<Sample> {
  return await inNewFolder(task, async () => {
    const { commandBytes, count, clients = 0 } = task;
    const commands = new Commands(commandBytes, 1);
    const store = await open({ isDurable: true, isShared: true });
    const follow = async (): Promise<void> => {
      for await (const { command } of store.follow!(1)) sink += command[0]!;
    };
    const followers = Array.from({ length: clients }, follow);
    const seconds: number[] = [];
    const warmUp = Math.ceil(count * WARM_UP);
    let elapsed = stopwatch();
    for (let done = 0; done < warmUp + count; done++) {
      if (done === warmUp) elapsed = stopwatch();
      const started = performance.now();
      await store.commitShared!(done + 1, commands.batch(1)[0]!);
      if (done >= warmUp) seconds.push((performance.now() - started) / 1000);
    }
    elapsed();
    await store.close();
    await Promise.all(followers);
    const median = quantile(seconds, 0.5);
    return { seconds: median, p99Seconds: quantile(seconds, 0.99), count: 1, bytes: commandBytes };
  });
}

async function inNewFolder<T>({ folder }: Task, body: () => Promise<T>): Promise<T> {
  mkdirSync(folder, { recursive: true });
  try {
    return await body();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** All workloads. */
export const WORKLOADS = {
  fill,
  recover,
  commit,
  commitShared,
  append,
  get,
  getRecent,
  range,
  walk,
  catchUp,
  commitFollowed,
};

/** Runs a task. */
export async function run(task: Task, open: Open): Promise<Sample> {
  const sample = await WORKLOADS[task.workload](task, open);
  if (!Number.isFinite(sink)) throw new Error("what was read is not numbers");
  return sample;
}
