/**
 * A process that opens one log and prints its progress and duration:
 *
 *     open_child.ts <folder>
 *
 * It prints lines of JSON: progress, and at the end a sample like `child.ts`.
 *
 * @module
 */

import process from "node:process";
import { describeRecovery, WalLog } from "../mod.ts";

/** The time between two lines of progress, in milliseconds. */
const REPORT_MS = 100;

let reported = performance.now();
const started = performance.now();
const log = await WalLog.open(process.argv[2]!, {
  onProgress({ bytesDone, bytesTotal }) {
    if (performance.now() - reported < REPORT_MS) return;
    reported = performance.now();
    console.log(JSON.stringify({ bytesDone, bytesTotal }));
  },
});
const seconds = (performance.now() - started) / 1000;
const { entries, bytes } = log.recovery;
console.log(JSON.stringify({ seconds, count: entries, bytes, report: describeRecovery(log.recovery) }));
await log.close();
