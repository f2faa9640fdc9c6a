/**
 * A process that runs one task and prints its measurement as a line of JSON:
 *
 *     child.ts '{"workload": "recover", "store": "wallog", "folder": "/data/raft.wal", ...}'
 *
 * @module
 */

import process from "node:process";
import { storeNamed } from "./stores/all.ts";
import { NotAvailable } from "./stores/store.ts";
import { run, type Task, timed } from "./workloads.ts";

const task: Task = JSON.parse(process.argv[2]!);
try {
  const open = await storeNamed(task.store).load();
  const sample = await run(task, (options) => open(task.folder, { ...options, ...task.open }));
  console.log(JSON.stringify(process.execArgv.includes("--cpu-prof") ? { ...sample, timed } : sample));
} catch (error) {
  if (!(error instanceof NotAvailable)) throw error;
  console.log(JSON.stringify({ unavailable: error.message }));
}
// A peer's addon may keep the process alive with its threads.
process.exit(0);
