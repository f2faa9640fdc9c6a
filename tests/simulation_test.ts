import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { type Counts, simulate } from "./simulation.ts";

/** A few hundred histories; `deno task sim --seeds N` runs any number. */
const SEEDS = 150;

describe("simulated disk", () => {
  it("loses nothing acknowledged and reports nothing false over crashes, failed flushes and full disks", async () => {
    const counts: Counts = {};
    for (let seed = 1; seed <= SEEDS; seed++) await simulate(seed, counts);
    // A simulation in which nothing goes wrong would prove nothing.
    for (const event of ["crashed", "crash-in-recovery", "poisoned", "opened-torn", "refused-NO_SPACE"]) {
      assert((counts[event] ?? 0) > 0, `no history had ${event}`);
    }
  });

  it("names damage or proves to be unharmed when bytes rot, blocks are zeroed and files vanish", async () => {
    const counts: Counts = {};
    for (let seed = 1; seed <= SEEDS; seed++) await simulate(seed, counts, { damage: true });
    for (const event of ["rot-refused", "rot-refused-late", "rot-harmless"]) {
      assert((counts[event] ?? 0) > 0, `no history had ${event}`);
    }
  });
});
