/**
 * A program that opens a log on two threads. It is bundled with `keepNames` and minified.
 *
 *     node bundled.js FOLDER
 *
 * @module
 */

import assert from "node:assert/strict";
import process from "node:process";
import { WalLog } from "@wallog/wallog";

const BATCH = 256;
const COMMAND = new Uint8Array(64 * 1024);
/** Large enough for recovery to start a second thread: more than 512 MiB besides the active segment. In bytes. */
const LOG_BYTES = 640 * 1024 * 1024;

const path = process.argv[2]!;
const log = WalLog.openSync(path);
for (let index = 1; log.stats().bytesWritten < LOG_BYTES; index += BATCH) {
  log.append(Array.from({ length: BATCH }, (_, i) => ({ term: 1, index: index + i, command: COMMAND })));
}
log.closeSync();
const reopened = await WalLog.open(path, { readOnly: true });
assert.equal(reopened.recovery.threads, 2);
await reopened.close();
