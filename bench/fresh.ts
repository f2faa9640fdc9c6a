/**
 * A process that shows what a process costs, with a log open in it or with nothing. It imports nothing of its own, so
 * that what is measured is the runtime, and the library on top of it:
 *
 *     fresh.ts <moment of its start in ms> [<the library's module> <a log's folder>]
 *
 * @module
 */

import { readFileSync } from "node:fs";
import process from "node:process";

const [startedAt, library, folder] = process.argv.slice(2);
let count = 0;
if (library !== undefined) {
  const { WalLog }: typeof import("../mod.ts") = await import(library);
  const log = await WalLog.open(folder!);
  count = log.lastIndex;
}
const seconds = (performance.timeOrigin + performance.now() - Number(startedAt)) / 1000;
console.log(JSON.stringify({ seconds, count, bytes: peakBytes() }));
process.exit(0);

/** The most memory that the process ever had. */
function peakBytes(): number {
  try {
    // Not the resource usage, in which Linux counts what the process was forked from.
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))![1]) * 1024;
  } catch {
    return process.resourceUsage().maxRSS * 1024;
  }
}
