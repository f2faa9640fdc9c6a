/**
 * `wal-log bench`: measures the speed of recovery on this machine.
 *
 * @module
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import process from "node:process";
import type { LogEntry } from "../api/types.ts";
import { WalLog } from "../api/wal_log.ts";
import { bytesOption, type Command, EXIT, UsageError } from "./command.ts";
import { progressLine } from "./progress.ts";
import { bold, dim, grouped } from "./terminal.ts";
import { sized } from "./text.ts";

const MIB = 2 ** 20;
/** The size of one append, in bytes of commands. */
const BATCH_BYTES = 4 * MIB;
const BATCH_ENTRIES_MAX = 16_384;
const RUNS_DEFAULT = 5;
const RUNS_MAX = 1000;

/** The measurements. */
interface Measured {
  readonly runtime: string;
  readonly entries: number;
  readonly entryBytes: number;
  /** Bytes of log that recovery read. */
  readonly bytes: number;
  /** The duration of each recovery, in seconds. */
  readonly seconds: readonly number[];
}

/** The command. */
export const bench: Command = {
  name: "bench",
  summary: "Measure the speed of recovery on this machine",
  operands: [],
  options: {
    size: { type: "string", value: "BYTES", help: "Size of the log. Default: 512M" },
    entry: { type: "string", value: "BYTES", help: "Size of an entry's command. Default: 256" },
    runs: { type: "string", value: "N", help: `How often to recover it. Default: ${RUNS_DEFAULT}` },
    folder: { type: "string", value: "DIR", help: "Where to make the log. Default: the temporary folder" },
  },
  help: `Makes a log in a new folder, recovers it once to warm up, and then several times. Every checksum is verified
each time. The log comes from the page cache, so the result measures the library and the memory, not the disk. The log
is removed at the end.`,
  writes: true,
  async run(context) {
    const { options, out, signal } = context;
    const entryBytes = bytesOption(context, "entry", 256, 0, 64 * MIB);
    const size = bytesOption(context, "size", 512 * MIB, 1, 2 ** 40);
    const runs = Number(options.runs ?? RUNS_DEFAULT);
    if (!Number.isInteger(runs) || runs < 1 || runs > RUNS_MAX) {
      throw new UsageError(`--runs takes a number from 1 to ${RUNS_MAX}, found ${JSON.stringify(options.runs)}`);
    }
    const folder = mkdtempSync(join(resolve(String(options.folder ?? tmpdir())), "wal-log-bench-"));
    try {
      const path = join(folder, "raft.wal");
      await write(path, size, entryBytes, signal);
      const measured = await recover(path, entryBytes, runs, signal);
      if (options.json === true) {
        const { seconds } = measured;
        context.result({ ...measured, medianSeconds: median(seconds) });
      } else for (const line of asText(measured)) await out.line(line);
    } finally {
      rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
    }
    return EXIT.clean;
  },
};

async function write(path: string, size: number, entryBytes: number, signal: AbortSignal): Promise<void> {
  const line = progressLine("writing");
  const log = await WalLog.open(path);
  try {
    const noise = new Uint8Array(BATCH_BYTES + entryBytes);
    for (let at = 0; at < noise.length; at += 65536) crypto.getRandomValues(noise.subarray(at, at + 65536));
    const count = Math.max(1, Math.min(Math.floor(BATCH_BYTES / Math.max(entryBytes, 1)), BATCH_ENTRIES_MAX));
    while (log.stats().bytesWritten < size) {
      const first = log.lastIndex + 1;
      log.append(Array.from({ length: count }, (_, i): LogEntry => {
        // Another piece of the noise each time.
        const at = (first + i) * 8191 % BATCH_BYTES;
        return { term: 1, index: first + i, kind: "normal", command: noise.subarray(at, at + entryBytes) };
      }));
      await log.sync();
      signal.throwIfAborted();
      line.show({ bytesDone: log.stats().bytesWritten, bytesTotal: size });
    }
  } finally {
    line.clear();
    await log.close();
  }
}

async function recover(path: string, entryBytes: number, runs: number, signal: AbortSignal): Promise<Measured> {
  const seconds: number[] = [];
  let entries = 0;
  let bytes = 0;
  const line = progressLine("recovering", "runs");
  // The first recovery only warms up.
  for (let run = 0; run <= runs; run++) {
    signal.throwIfAborted();
    const started = performance.now();
    const log = await WalLog.open(path, { readOnly: true, signal });
    if (run > 0) seconds.push((performance.now() - started) / 1000);
    ({ entries, bytes } = log.recovery);
    await log.close();
    line.show({ bytesDone: run, bytesTotal: runs });
  }
  line.clear();
  const { bun, deno, node } = process.versions as Record<string, string | undefined>;
  const runtime = deno !== undefined ? `Deno ${deno}` : bun !== undefined ? `Bun ${bun}` : `Node ${node}`;
  return { runtime, entries, entryBytes, bytes, seconds };
}

function median(numbers: readonly number[]): number {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function* asText({ runtime, entries, entryBytes, bytes, seconds }: Measured): Generator<string> {
  const typical = median(seconds);
  yield `log        ${grouped(entries)} entries of ${sized(entryBytes)}, ${sized(bytes)} read`;
  yield `recovered  ${bold(`${(bytes / 1e9 / typical).toFixed(2)} GB/s`)}, ` +
    `${(entries / 1e6 / typical).toFixed(1)} million entries/s, every checksum verified`;
  const all = seconds.map((second) => (second * 1000).toFixed(1)).join(" ");
  yield `runs       ${(typical * 1000).toFixed(1)} ms, the median of ${seconds.length}: ${all}`;
  yield dim(`           ${runtime}, from the page cache`);
}
