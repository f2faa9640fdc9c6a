/**
 * The program in the virtual machine. It warms up, reports `ready`, and waits for its orders: one line of JSON. Then it
 * mounts the disk, sends the files of the log and of its archive as the last cut left them, opens the log, sends its contents, and writes
 * a history until the power fails. It reports each step before it begins, when it is done, and when it is durable.
 *
 *     guest.ts PORT
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import { openSync, readdirSync, readSync, rmSync, writeSync } from "node:fs";
import process from "node:process";
import type { Orders, Report } from "./orders.ts";
import { Random } from "./random.ts";
import { filesOf, objectsOf, Writer } from "./writer.ts";

const DISK = "/disk";
const LOG = `${DISK}/log`;
/** On the same disk, so the store loses power together with the log. A real store does not. */
const STORE = `${DISK}/store`;
/** The steps of the history that warms the program up. */
const WARM_UP_STEPS = 150;
const ORDERS_BYTES_MAX = 4096;

const port = openSync(process.argv[2]!, "r+");

/** Sends a report. The port takes at most 32 KiB at a time. */
function report(line: Report): void {
  const bytes = Buffer.from(JSON.stringify(line) + "\n");
  for (let at = 0; at < bytes.length;) at += writeSync(port, bytes, at);
}

function readOrders(): Orders {
  const bytes = Buffer.alloc(ORDERS_BYTES_MAX);
  for (let length = 0;;) {
    length += readSync(port, bytes, length, bytes.length - length, null);
    if (length > 0 && bytes[length - 1] === 10) return JSON.parse(bytes.toString("utf8", 0, length));
  }
}

function mount(fs: string): void {
  const { status, stderr } = spawnSync("/bin/busybox", ["mount", "-t", fs, "/dev/vdb", DISK], { encoding: "utf8" });
  if (status !== 0) throw new Error(`mount: ${stderr}`);
}

/** Makes the archiver's random names follow from the orders. Otherwise they would be the same in all guests. */
function nameAtRandom(key: string): void {
  const random = new Random(`names ${key}`);
  const randomUUID = () => {
    const hex = Buffer.from(random.bytes(16)).toString("hex");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  };
  Object.defineProperty(crypto, "randomUUID", { value: randomUUID });
}

async function run(orders: Orders): Promise<void> {
  report({ is: "mounting" });
  mount(orders.fs);
  report({ is: "found", files: readdirSync(DISK).includes("log") ? filesOf(LOG) : {}, store: objectsOf(STORE) });
  await new Writer(LOG, STORE, orders, report).write();
  if (!orders.isCheck) return;
  report({ is: "found", files: filesOf(LOG), store: objectsOf(STORE) });
  spawnSync("/bin/busybox", ["umount", DISK]);
  report({ is: "unmounted" });
}

try {
  const warmUp: Orders = { fs: "", key: "warm up", steps: WARM_UP_STEPS, segmentBytes: 4096, ships: true };
  await new Writer("/tmp/log", "/tmp/store", warmUp, () => {}).write();
  for (const folder of ["/tmp/log", "/tmp/store"]) rmSync(folder, { recursive: true });
  spawnSync("/bin/busybox", ["true"]);
  report({ is: "ready" });
  const orders = readOrders();
  nameAtRandom(orders.key);
  await run(orders);
} catch (error) {
  report({ is: "failed", message: String((error as Error).stack ?? error) });
}
setInterval(() => {}, 1000);
