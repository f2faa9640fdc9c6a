/**
 * A process of the benchmark of following: it carries out one task, given as JSON, and prints its measurements.
 *
 * @module
 */

import process from "node:process";
import { type LogEntry, WalLog, WalLogError } from "../mod.ts";

/** A task for a process, in a log's folder. */
export type FollowTask =
  /** Writes entries in batches of 100. */
  | {
    readonly task: "fill";
    readonly folder: string;
    readonly count: number;
    readonly bytes: number;
  }
  /** Appends and flushes with several concurrent callers, and with followers in this process. */
  | {
    readonly task: "write";
    readonly folder: string;
    readonly seconds: number;
    readonly load: Load;
  }
  /** Reads a whole log. */
  | {
    readonly task: "read";
    readonly folder: string;
    readonly way: "iterate" | "follow";
    readonly readOnly: boolean;
  }
  /** Follows a log that another process writes, until it gets an empty entry. */
  | { readonly task: "follow"; readonly folder: string };

/** The load on a log's writer. */
export interface Load {
  /** Callers that each append an entry of 1 KiB and wait until it is durable. */
  readonly producers: number;
  /** Pause of each producer after an entry, in milliseconds. */
  readonly pauseMs: number;
  /** Followers in the writer's process. */
  readonly followers: number;
  /** Whether they take entries one by one or in batches. */
  readonly way: "follow" | "followBatches";
}

/** The time of an event for each entry of a log. */
export type Times = readonly (readonly [index: number, ms: number])[];

/** The measurements of a writer. */
export interface Written {
  readonly perSecond: number;
  /** When each entry was known to be durable. */
  readonly durable: Times;
  /** When the first follower in the process received each entry. */
  readonly followed: Times;
}

/** The measurements of a reader. */
export interface ReadAt {
  readonly perSecond: number;
}

/** The time of the machine's clock, which all its processes share, with fractions. In milliseconds. */
const now = () => performance.timeOrigin + performance.now();
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** The time allowed for a follower's process to start. In milliseconds. */
const START_MS = 3000;

const task = JSON.parse(process.argv[2]!) as FollowTask;
console.log(JSON.stringify(await run(task)));

function run(task: FollowTask): Promise<unknown> {
  if (task.task === "fill") return fill(task.folder, task.count, task.bytes);
  if (task.task === "write") return write(task.folder, task.seconds, task.load);
  if (task.task === "read") return read(task.folder, task.way, task.readOnly);
  return follow(task.folder);
}

async function fill(
  folder: string,
  count: number,
  bytes: number,
): Promise<unknown> {
  const log = await WalLog.open(folder);
  const command = new Uint8Array(bytes);
  for (let index = 1; index <= count; index += 100) {
    log.append(
      Array.from(
        { length: 100 },
        (_, i) => ({ term: 1, index: index + i, command }),
      ),
    );
  }
  await log.close();
  return {};
}

async function write(
  folder: string,
  seconds: number,
  { producers, pauseMs, followers, way }: Load,
): Promise<Written> {
  const log = await WalLog.open(folder);
  const durable: [number, number][] = [];
  const followed: [number, number][] = [];
  const take = ({ index }: LogEntry, nth: number) => {
    if (nth === 0) followed.push([index, now()]);
  };
  const following = Array.from({ length: followers }, async (_, nth) => {
    if (way === "follow") { for await (const entry of log.follow({ from: 1 })) take(entry, nth); }
    else for await (const entries of log.followBatches({ from: 1 })) entries.forEach((entry) => take(entry, nth));
  });
  await pause(START_MS);
  const command = new Uint8Array(1024);
  const begin = now();
  const produce = async () => {
    while (now() - begin < seconds * 1000) {
      const index = log.lastIndex + 1;
      log.append([{ term: 1, index, command }]);
      await log.sync();
      durable.push([index, now()]);
      if (pauseMs > 0) await pause(pauseMs);
    }
  };
  await Promise.all(Array.from({ length: producers }, produce));
  const perSecond = durable.length / ((now() - begin) / 1000);
  log.append([{
    term: 1,
    index: log.lastIndex + 1,
    command: new Uint8Array(0),
  }]);
  await log.close();
  await Promise.all(following);
  return { perSecond, durable, followed };
}

async function read(
  folder: string,
  way: "iterate" | "follow",
  readOnly: boolean,
): Promise<ReadAt> {
  const log = await WalLog.open(folder, { readOnly });
  const last = log.lastIndex;
  const begin = now();
  let count = 0;
  if (way === "iterate") { for (const _ of log.iterate(1, last)) count++; }
  else {
    for await (const { index } of log.follow({ from: 1 })) {
      count++;
      if (index === last) break;
    }
  }
  const perSecond = count / ((now() - begin) / 1000);
  await log.close();
  return { perSecond };
}

async function follow(folder: string): Promise<Times> {
  const log = await openForReading(folder);
  const times: [number, number][] = [];
  for await (const { index, command } of log.follow({ from: 1 })) {
    if (command.length === 0) break;
    times.push([index, now()]);
  }
  await log.close();
  return times;
}

/** Waits until the writer has created the log. */
async function openForReading(folder: string): Promise<WalLog> {
  for (;;) {
    try {
      return await WalLog.open(folder, { readOnly: true });
    } catch (error) {
      if (!(error instanceof WalLogError && error.code === "NOT_FOUND")) {
        throw error;
      }
      await pause(20);
    }
  }
}
