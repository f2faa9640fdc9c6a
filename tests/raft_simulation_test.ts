import assert from "node:assert/strict";
import { test } from "node:test";
import { type Counts, simulateRaft } from "./raft_simulation.ts";

/** Some dozens of histories; `deno task sim:raft --seeds N` runs any number. */
const SEEDS = 30;
/** Histories that failed once, with what was wrong. */
const FAILED_ONCE = {
  "a snapshot heals a log that does not know the term at its index": 1_004_273,
  "a snapshot heals a log that had gone on beyond the leader's": 5_004_312,
};

test("clusters of 3, 5 and 7 stay safe whatever goes wrong, and get on when it stops", async () => {
  const counts: Counts = {};
  for (let seed = 1; seed <= SEEDS; seed++) await simulateRaft(seed, counts);
  // A simulation in which nothing goes wrong would prove nothing.
  const wanted = [
    "lost",
    "doubled",
    "partition",
    "killed",
    "power-cut",
    "disk-failed",
    "membershipChanged",
    "snapshot",
  ];
  for (const event of [...wanted, "restored", "read", "applied", "calm"]) {
    assert.ok((counts[event] ?? 0) > 0, `no history had ${event}`);
  }
});

for (const [what, seed] of Object.entries(FAILED_ONCE)) test(what, () => simulateRaft(seed, {}));
