/**
 * A process that opens one log and tells how far it has come, and how long it took:
 *
 *     open_child.ts <folder>
 *
 * Lines of JSON: progress, and at the end what `child.ts` writes too.
 *
 * @module
 */

import process from "node:process";
import { describeRecovery, WalLog } from "../mod.ts";

/** Between two lines of progress. In milliseconds. */
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
