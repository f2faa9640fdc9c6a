import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Counts } from "./simulated_log.ts";
import { simulateStandby } from "./standby_simulation.ts";

/** The last one ends a process between a snapshot's bytes and their flush, and then the power. */
const SEEDS = [...Array.from({ length: 100 }, (_, i) => i + 1), 543];

describe("a standby of a simulated log in a simulated store", () => {
  it("is in a state that the log has had, and in the end in that of the archive", async () => {
    const counts: Counts = {};
    for (const seed of SEEDS) {
      try {
        await simulateStandby(seed, counts);
      } catch (cause) {
        throw new Error(`seed ${seed}`, { cause });
      }
    }
    for (const event of ["archived", "followed", "standby ended", "loaded", "CORRUPT", "STORE", "pruned", "compared"]) {
      assert((counts[event] ?? 0) > 0, `no history had: ${event}`);
    }
  });
});
