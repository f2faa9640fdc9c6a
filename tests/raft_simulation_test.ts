import assert from "node:assert/strict";
import { test } from "node:test";
import { type Counts, simulateRaft } from "./raft_simulation.ts";

/** The seeds of the histories. `deno task sim:raft --seeds N` runs any number. */
const SEEDS = Array.from({ length: 30 }, (_, i) => i + 1);
/** In one of these, a disk is lost. In the other, a log is restored from a backup. Both are rare. */
const RARE_SEEDS = [64, 100];

test("clusters of 3, 5 and 7 stay safe under faults, and make progress afterwards", async () => {
  const counts: Counts = {};
  for (const seed of [...SEEDS, ...RARE_SEEDS]) await simulateRaft(seed, counts);
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
