/**
 * Random histories, up to the first that fails: what `scripts/mutants.ts` holds a mutant against first.
 *
 *     simulate.ts SEEDS
 */

import process from "node:process";
import { simulate } from "../simulation.ts";

for (let seed = 1; seed <= Number(process.argv[2]); seed++) {
  for (const damage of [false, true]) {
    try {
      await simulate(seed, {}, { damage });
    } catch (error) {
      console.log((error as Error).message.split("\n")[0]);
      process.exit(1);
    }
  }
}
