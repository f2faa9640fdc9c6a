import assert from "node:assert/strict";
import { test } from "node:test";
import { type Counts, simulateRaft } from "./raft_simulation.ts";

/** The number of histories. `deno task sim:raft --seeds N` runs any number. */
const SEEDS = 30;

test("clusters of 3, 5 and 7 stay safe under faults, and make progress afterwards", async () => {
  const counts: Counts = {};
  for (let seed = 1; seed <= SEEDS; seed++) await simulateRaft(seed, counts);
  // A simulation without faults would prove nothing.
  const wanted = [
    "lost",
    "doubled",
    "partition",
    "killed",
    "power-cut",
    "disk-failed",
    "no-files",
    "membershipChanged",
    "leaderChanged",
    "transferFailed",
    "replacing",
    "read-forwarded",
    "readFailed",
    "read-at-the-end",
    "proposed-forwarded",
    "proposalFailed-forwarded",
    "proposed-at-the-end",
    "snapshot",
    "behind-snapshot",
    "disk-lost",
    "old-copy",
    "copied",
    "copy-detected",
    "lost-replaced",
    "misled",
    "refused",
    "memberLost",
  ];
  for (const event of [...wanted, "restored", "read", "applied", "calm"]) {
    assert.ok((counts[event] ?? 0) > 0, `no history had ${event}`);
  }
});
