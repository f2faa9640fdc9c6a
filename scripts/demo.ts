/**
 * Demonstrates the purpose of the log with real input, in under a minute.
 *
 * First, a process that appends to a log is killed in mid-write several times. Each time, the log is opened again, and
 * every acknowledged entry is compared with the original. Then a log of 1 GiB, whose writer was killed too, is
 * recovered.
 *
 *     deno task demo
 *     deno task demo --folder /data       on this disk, instead of that of the temporary folder
 *     deno task demo --mib 256            a log of this size in the second part
 *
 * `bun scripts/demo.ts` and `node scripts/demo.ts` do the same. Ends with 1 if anything acknowledged is missing.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { describeRecovery, type Progress, WalLog, WalLogError, type WalLogOptions } from "../mod.ts";
import { gatherLines, Input } from "./demo_input.ts";
import { locateRuntime, type RuntimeName } from "./runtimes.ts";
import { bar, bold, dim, green, grouped, red, StatusLine } from "../src/cli/terminal.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const WRITER = fileURLToPath(new URL("demo_writer.ts", import.meta.url));
const MIB = 1024 * 1024;

/** The number of kills. */
const ROUNDS = 3;
/** The time from the writer's first acknowledgement to its kill, in milliseconds. */
const WRITE_MS_MIN = 700;
const WRITE_MS_MAX = 1500;
/** A round ends sooner if this many bytes were written. */
const ROUND_BYTES_MAX = 64 * MIB;
/** Space that the first part needs and the second part leaves free, in bytes. */
const SPARE_BYTES = 256 * MIB;
/** A smaller log shows nothing in the second part. In bytes. */
const LARGE_LOG_BYTES_MIN = 64 * MIB;
/** The additional space for the last batch, segment indexes and preallocation, as a factor of the log's size. */
const OVERHEAD = 1.1;
/** The number of entries of the large log to compare. */
const SAMPLES = 10_000;
const LABEL_COLUMNS = 12;

/** The acknowledgements of a writer before its end. */
interface Acknowledged {
  /** The last index. */
  index: number;
  /** The number of acknowledgements, which is the number of flushes. */
  flushes: number;
  /** Bytes of log written by then. */
  bytes: number;
}

/** A failed check of the demo. It is printed without a stack. */
class Verdict extends Error {}

const { values: options } = parseArgs({
  options: {
    folder: { type: "string", default: tmpdir() },
    mib: { type: "string", default: "1024" },
  },
});

const runtimeName: RuntimeName = process.versions.deno ? "deno" : process.versions.bun ? "bun" : "node";
const runtime = locateRuntime(runtimeName);
const asked = Number(options.mib) * MIB;
if (!(asked >= 0)) fail(`--mib must be a number of MiB, found ${JSON.stringify(options.mib)}`);
const folder = makeFolder(resolve(options.folder));
const linesPath = join(folder, "lines.txt");
let writer: ChildProcess | undefined;

for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, stop);
process.stdout.on("error", stop); // nobody reads on

try {
  const { files, lines } = gatherLines(ROOT);
  writeFileSync(linesPath, lines.join("\n"));
  const input = new Input(linesPath);
  say(bold(`WalLog on ${runtime.title} ${runtime.version}`));
  say(
    `Input: the ${grouped(lines.length)} lines of this repository's ${files} files. Logs: in ${folder}, until the end.`,
  );
  const free = freeBytes();
  if (free < SPARE_BYTES) {
    rmSync(folder, { recursive: true });
    fail(
      `${grouped(free / MIB)} MiB are free there, ${SPARE_BYTES / MIB} MiB are needed; --folder names another disk.`,
    );
  }
  await killWriters(input);
  rmSync(join(folder, "killed.wal"), { recursive: true });
  const size = sizeThatFits(asked, freeBytes());
  if (size > 0) await recoverLargeLog(input, size);
  rmSync(folder, { recursive: true });
  say(`\n${green("Verdict: nothing that was acknowledged is missing, and nothing is different from what was sent.")}`);
} catch (error) {
  say("");
  const isSaid = error instanceof Verdict || error instanceof WalLogError;
  console.error(red(isSaid ? error.message : "The demo failed:"), ...(isSaid ? [] : [error]));
  console.error(`The files are left in ${folder}`);
  process.exitCode = 1;
}

function makeFolder(parent: string): string {
  try {
    return mkdtempSync(join(parent, "wallog-demo-"));
  } catch (error) {
    return fail(`Cannot make a folder in ${parent}: ${(error as Error).message}`);
  }
}

async function killWriters(input: Input): Promise<void> {
  heading(`1. A writer is killed in mid-write, ${ROUNDS} times, and its log recovered`);
  say("Many clients append at once; each waits for its sync, and they share flushes (group commit).");
  const path = join(folder, "killed.wal");
  /** Last index at the end of each term. */
  const ends = [0];
  for (let term = 1; term <= ROUNDS; term++) {
    say(`\n  ${bold(`Round ${term}`)}`);
    const line = new StatusLine();
    const wait = WRITE_MS_MIN + Math.random() * (WRITE_MS_MAX - WRITE_MS_MIN);
    let started = 0;
    let written = 0;
    const { index, flushes } = await writeAndKill(["commit", path, linesPath, String(term)], ({ index, bytes }) => {
      started ||= performance.now();
      written = performance.now() - started;
      line.show(labelled("writing", `acknowledged up to index ${grouped(index)}`));
      return written > wait || bytes > ROUND_BYTES_MAX;
    });
    line.clear();
    const entries = index - ends.at(-1)!;
    say(labelled(
      "killed",
      `after ${(written / 1000).toFixed(1)} s, with SIGKILL; ${grouped(entries)} entries were acknowledged in ` +
        `${grouped(flushes)} flushes, up to index ${grouped(index)}`,
    ));
    await withLog(path, {}, (log) => {
      say(labelled("recovered", describeRecovery(log.recovery)));
      ends.push(log.lastIndex);
      compareAll(log, input, index, ends);
    });
  }
  say(
    dim("\n  A killed process loses nothing that it appended, acknowledged or not: the operating system still has it."),
  );
  say(dim("  What was not acknowledged is what a power cut may take."));
}

/** Compares every entry of a log with the original. */
function compareAll(log: WalLog, input: Input, acknowledged: number, ends: readonly number[]): void {
  requireAcknowledged(log, acknowledged);
  const newest = ends.length - 1;
  if (log.hardState.term !== newest || log.hardState.votedFor !== BigInt(newest)) {
    throw new Verdict(`LOST: the vote in term ${newest} was acknowledged, the log has term ${log.hardState.term}`);
  }
  let next = 1;
  let term = 1;
  for (const entry of log.iterate()) {
    while (next > ends[term]!) term++;
    compare(entry.command, input, next);
    if (entry.index !== next || entry.term !== term) {
      throw new Verdict(
        `WRONG: index ${next}, term ${term} was sent, index ${entry.index}, term ${entry.term} came back`,
      );
    }
    next++;
  }
  if (next - 1 !== log.lastIndex) {
    throw new Verdict(`LOST: the log ends at ${log.lastIndex}, it gave ${next - 1} entries`);
  }
  const more = log.lastIndex - acknowledged;
  say(labelled(
    "compared",
    green(`all ${grouped(log.lastIndex)} entries are what was sent, byte for byte`) +
      (more === 0 ? "" : `; ${grouped(more)} of them had not been acknowledged yet`),
  ));
}

async function recoverLargeLog(input: Input, size: number): Promise<void> {
  heading(`2. A log of ${grouped(size / MIB)} MiB is recovered`);
  const path = join(folder, "large.wal");
  const line = new StatusLine();
  const started = performance.now();
  const { index, bytes } = await writeAndKill(["fill", path, linesPath, "1", String(size)], ({ bytes }) => {
    line.show(labelled("writing", bar(bytes, size)));
    return bytes >= size;
  });
  line.clear();
  const seconds = (performance.now() - started) / 1000;
  say(labelled(
    "written",
    `${grouped(index)} entries, ${grouped(bytes / MIB)} MiB in ${seconds.toFixed(1)} s; then SIGKILL`,
  ));
  const onProgress = ({ bytesDone, bytesTotal }: Progress) =>
    line.show(labelled("recovering", bar(bytesDone, bytesTotal)));
  await withLog(path, { onProgress }, (log) => {
    line.clear();
    const { bytes, entries, milliseconds } = log.recovery;
    say(labelled("recovered", describeRecovery(log.recovery)));
    const gigabytes = (bytes / 1e6 / milliseconds).toFixed(2);
    const millions = (entries / 1e3 / milliseconds).toFixed(1);
    say(labelled("speed", bold(`${gigabytes} GB/s, ${millions} million entries/s`) + ", every checksum verified"));
    say(labelled("", dim("read from the page cache, for it was just written; a cold log takes what its disk takes")));
    requireAcknowledged(log, index);
    const step = Math.max(Math.floor(index / SAMPLES), 1);
    let compared = 0;
    for (let at = index; at >= 1; at -= step, compared++) compare(log.entry(at)!.command, input, at);
    say(labelled("compared", green(`${grouped(compared)} entries, evenly spread, are what was sent`)));
  });
  await withLog(path, { verify: "tail" }, (log) => {
    requireAcknowledged(log, index);
    const { milliseconds } = log.recovery;
    say(
      labelled(
        "reopened",
        `from the segment indexes of its segments, with verify "tail": ${milliseconds.toFixed(1)} ms`,
      ),
    );
  });
}

/** Opens a log, uses it, and closes it. */
async function withLog(path: string, options: WalLogOptions, use: (log: WalLog) => void): Promise<void> {
  const log = await WalLog.open(path, options);
  try {
    use(log);
  } finally {
    await log.close();
  }
}

function requireAcknowledged(log: WalLog, acknowledged: number): void {
  if (log.lastIndex >= acknowledged) return;
  throw new Verdict(`LOST: index ${acknowledged} was acknowledged, the log ends at index ${log.lastIndex}`);
}

function compare(found: Uint8Array, input: Input, index: number): void {
  const sent = input.command(index);
  if (Buffer.compare(found, sent) === 0) return;
  const text = (bytes: Uint8Array) => JSON.stringify(new TextDecoder().decode(bytes));
  throw new Verdict(`WRONG: at index ${index}, ${text(sent)} was sent and ${text(found)} came back`);
}

/**
 * Starts a writer, reads its acknowledgements, and kills it on request.
 *
 * @param args The writer's arguments.
 * @param isEnough Called after each acknowledgement. Returns whether to kill the writer now.
 * @returns All its acknowledgements.
 */
function writeAndKill(args: string[], isEnough: (acknowledged: Acknowledged) => boolean): Promise<Acknowledged> {
  // In Deno, the writer gets only the permissions of a log: to read and write one folder.
  const prefix = runtimeName === "deno"
    ? [runtime.binary, "run", "--no-prompt", `--allow-read=${folder}`, `--allow-write=${folder}`]
    : runtime.run;
  const child = spawn(prefix[0]!, [...prefix.slice(1), WRITER, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  writer = child;
  return new Promise((resolve, reject) => {
    const acknowledged: Acknowledged = { index: 0, flushes: 0, bytes: 0 };
    let rest = "";
    let killed = false;
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) {
        const [index, bytes] = line.split(" ").map(Number) as [number, number];
        acknowledged.index = index;
        acknowledged.bytes = bytes;
        acknowledged.flushes++;
      }
      if (!killed && lines.length > 0 && isEnough(acknowledged)) killed = child.kill("SIGKILL");
    });
    child.on("error", reject).on("close", (code, signal) => {
      writer = undefined;
      if (killed) resolve(acknowledged);
      else reject(new Error(`The writer ended by itself, with ${code ?? signal}`));
    });
  });
}

/** The free space on the logs' volume; `Infinity` if the runtime may not ask. */
function freeBytes(): number {
  try {
    const { bavail, bsize } = statfsSync(folder);
    return bavail * bsize;
  } catch {
    return Infinity;
  }
}

/** The possible size of the large log. Prints a message if it is smaller than requested. */
function sizeThatFits(asked: number, free: number): number {
  if (asked === 0 || free >= asked * OVERHEAD + SPARE_BYTES) return asked;
  const fits = Math.floor((free - SPARE_BYTES) / OVERHEAD / LARGE_LOG_BYTES_MIN) * LARGE_LOG_BYTES_MIN;
  say(`\n${grouped(free / MIB)} MiB are free there, too few for a log of ${grouped(asked / MIB)} MiB.`);
  if (fits >= LARGE_LOG_BYTES_MIN) return fits;
  say("The second part is left out; --folder names another disk.");
  return 0;
}

/** Ends the demo early, on Ctrl-C for example, and removes its files. */
function stop(): void {
  const finish = () => {
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    console.error("\nStopped; the demo's files are removed.");
    process.exit(130);
  };
  if (writer === undefined) return finish();
  // The writer may be about to create a file.
  writer.on("exit", finish).kill("SIGKILL");
}

function heading(text: string): void {
  say(`\n${bold(text)}`);
}

/** Lines with a label before the first one. */
function labelled(label: string, text: string): string {
  return text.split("\n").map((line, i) => `  ${(i === 0 ? label : "").padEnd(LABEL_COLUMNS)}${line}`).join("\n");
}

function say(text: string): void {
  console.log(text);
}

function fail(message: string): never {
  console.error(message);
  process.exit(2);
}
