import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { simulateArchive } from "./archive_simulation.ts";
import type { Counts } from "./simulated_log.ts";

const SEEDS = 120;

describe("the archive of simulated logs in a simulated store", () => {
  it("has a state that one of them has had, and at least the state that was archived", async () => {
    const counts: Counts = {};
    for (let seed = 1; seed <= SEEDS; seed++) {
      try {
        await simulateArchive(seed, counts);
      } catch (cause) {
        throw new Error(`seed ${seed}`, { cause });
      }
    }
    const faults = ["late write", "refused", "lost reply", "failed read", "cut off", "damaged reply", "stale list"];
    const events = [
      "archived",
      "archived together",
      "killed",
      "closed",
      "crashed",
      "copied",
      "FENCED",
      "DIVERGED",
      "verified",
      "restored to an index",
      "restored as of a time",
      "pruned",
      "pruning interrupted",
      "kept state compared",
      "other state compared",
    ];
    for (const event of [...faults, ...events]) assert((counts[event] ?? 0) > 0, `no history had: ${event}`);
  });
});
