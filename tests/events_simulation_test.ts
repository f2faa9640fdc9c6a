import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { simulateEvents } from "./events_simulation.ts";
import type { Counts } from "./simulated_log.ts";

const SEEDS = 120;

describe("an event log on a simulated disk", () => {
  it("keeps what was acknowledged, once and in order, and lists whole", async () => {
    const counts: Counts = {};
    for (let seed = 1; seed <= SEEDS; seed++) {
      try {
        await simulateEvents(seed, counts);
      } catch (cause) {
        throw new Error(`seed ${seed}`, { cause });
      }
    }
    const events = ["closed", "killed", "crashed", "crashed in recovery", "lost", "POISONED", "NO_SPACE"];
    for (const event of [...events, "repeated", "compacted", "delivered", "acknowledged", "passed"]) {
      assert((counts[event] ?? 0) > 0, `no history had ${event}: ${JSON.stringify(counts)}`);
    }
  });
});
