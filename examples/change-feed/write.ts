/**
 * The writer of a change feed: stores each change that it reads, a line of JSON each, and prints its position when it
 * is durable:
 *
 *     echo '{"account":"ann","amount":100}' | node examples/change-feed/write.ts data
 *
 * @module
 */

import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { EventLog } from "../../src/events/mod.ts";
import type { Change } from "./feed.ts";

const log = await EventLog.open<Change>(join(process.argv[2] ?? "data", "changes.wal"));
const appended: Promise<void>[] = [];
for await (const line of createInterface({ input: process.stdin })) {
  appended.push(log.append(JSON.parse(line)).then((position) => console.log(position)));
}
await Promise.all(appended);
await log.close();
