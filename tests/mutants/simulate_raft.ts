/**
 * Random histories of clusters, up to the first that fails: what `scripts/mutants.ts` holds a mutant of the consensus core
 * against first.
 *
 *     simulate_raft.ts SEEDS
 */

import process from "node:process";
import { simulateRaft } from "../raft_simulation.ts";

for (let seed = 1; seed <= Number(process.argv[2]); seed++) {
  try {
    await simulateRaft(seed, {});
  } catch (error) {
    console.log((error as Error).message.split("\n")[0]);
    process.exit(1);
  }
}
