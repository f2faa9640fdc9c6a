/**
 * Runs random histories of Raft clusters and prints the counts of events.
 *
 *     deno task sim:raft                   1,000 histories
 *     deno task sim:raft --seeds 100000    as many as wanted
 *     deno task sim:raft --seed 4711       one of them again
 *
 * @module
 */

import { simulateRaft } from "../tests/raft_simulation.ts";
import { runHistories } from "./run_histories.ts";

await runHistories("clusters", simulateRaft);
