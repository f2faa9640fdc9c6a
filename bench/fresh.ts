/**
 * A process that measures its own cost, with an open log or without. It has no other imports, so that only the runtime
 * and the library are measured:
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

/** The peak memory of the process. */
function peakBytes(): number {
  try {
    // Not the resource usage, because Linux includes the memory of the parent process in it.
    return Number(/^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))![1]) * 1024;
  } catch {
    return process.resourceUsage().maxRSS * 1024;
  }
}
