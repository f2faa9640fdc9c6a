/**
 * Runs random histories up to the first failure. `scripts/mutants.ts` tests each mutant with these first.
 *
 *     simulate.ts SEEDS
 */

import process from "node:process";
import { simulateDamage } from "../damage_simulation.ts";
import { simulateLiveDamage } from "../live_damage_simulation.ts";
import { simulate } from "../simulation.ts";

for (let seed = 1; seed <= Number(process.argv[2]); seed++) {
  try {
    await simulate(seed);
    await simulate(seed, {}, { damage: true });
    await simulateDamage(seed);
    if (seed % 5 === 0) await simulateLiveDamage(seed);
  } catch (error) {
    console.log((error as Error).message.split("\n")[0]);
    process.exit(1);
  }
}
