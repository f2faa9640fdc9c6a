import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { simulateLiveDamage } from "./live_damage_simulation.ts";
import type { Counts } from "./simulated_log.ts";

/** A hundred histories; `deno task sim --live --seeds N` runs any number. */
const SEEDS = 100;

describe("damage to an open log", () => {
  it("is all found by scrubbing, and repaired", async () => {
    const counts: Counts = {};
    for (let seed = 1; seed <= SEEDS; seed++) await simulateLiveDamage(seed, counts);
    for (const event of ["verify-tail", "verify-full", "scrub-clean", "scrub-corrupt", "repaired", "opened-corrupt"]) {
      assert((counts[event] ?? 0) > 0, `no history had ${event}`);
    }
  });
});
