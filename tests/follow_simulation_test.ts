import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { simulateFollowers } from "./follow_simulation.ts";
import type { Counts } from "./simulated_log.ts";

const SEEDS = 120;

describe("followers beside a writer on a simulated disk", () => {
  it("get durable entries in order, over crashes, truncations and compaction", async () => {
    const counts: Counts = {};
    for (let seed = 1; seed <= SEEDS; seed++) {
      try {
        await simulateFollowers(seed, counts);
      } catch (cause) {
        throw new Error(`seed ${seed}`, { cause });
      }
    }
    const events = ["given", "crashed", "killed", "poisoned", "closed", "truncated", "cleared", "refreshed"];
    for (const event of [...events, "COMPACTED", "NOT_CONTIGUOUS"]) {
      assert((counts[event] ?? 0) > 0, `no history had ${event}`);
    }
  });
});
