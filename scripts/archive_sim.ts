/**
 * Runs random histories of archived logs and prints the counts of events.
 *
 *     deno task sim:archive                  1,000 histories
 *     deno task sim:archive --seeds 20000    as many as wanted
 *     deno task sim:archive --seed 4711      one of them again
 *
 * @module
 */

import { simulateArchive } from "../tests/archive_simulation.ts";
import { runHistories } from "./run_histories.ts";

await runHistories("archives", simulateArchive);
