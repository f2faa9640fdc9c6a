/**
 * Runs random histories of standbys and prints the counts of events.
 *
 *     deno task sim:standby                  1,000 histories
 *     deno task sim:standby --seeds 20000    as many as wanted
 *     deno task sim:standby --seed 4711      one of them again
 *
 * @module
 */

import { simulateStandby } from "../tests/standby_simulation.ts";
import { runHistories } from "./run_histories.ts";

await runHistories("standbys", simulateStandby);
