/** Writers killed with SIGKILL at random moments. */

import assert from "node:assert/strict";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { locateRuntime, RUNTIME_NAMES, type RuntimeName } from "../scripts/runtimes.ts";
import { type KillCounts, KilledLog } from "./real/kills.ts";
import { inTemporaryFolder } from "./temporary.ts";

/**
 * Dozens of kills in the three runtimes together. `deno task kill --times N` does any number, with a new seed each
 * time.
 */
const KILLS_OWN = 9;
const KILLS_MIXED = 9;

const own: RuntimeName = process.versions.deno ? "deno" : process.versions.bun ? "bun" : "node";

/** Kills writers on one log repeatedly. */
async function killed(names: readonly RuntimeName[], seed: number, times: number): Promise<KillCounts> {
  const counts: KillCounts = {};
  await inTemporaryFolder(async (folder) => {
    const log = new KilledLog(join(folder, "raft.wal"), seed, names.map(locateRuntime), counts);
    try {
      for (let time = 0; time < times; time++) await log.kill();
    } finally {
      await log.end();
    }
  });
  return counts;
}

describe("a writer killed with SIGKILL", () => {
  it("leaves exactly what it had done, each time it is killed and restarted", async () => {
    const counts = await killed([own], 1, KILLS_OWN);
    assert.equal((counts.kills ?? 0) + (counts["ended before the kill"] ?? 0), KILLS_OWN);
    assert((counts.steps ?? 0) > KILLS_OWN, "the writers were killed before they did anything");
  });

  it("leaves the same to a writer in another runtime, which is killed too", async () => {
    const counts = await killed(RUNTIME_NAMES, 2, KILLS_MIXED);
    for (const name of RUNTIME_NAMES) assert.equal(counts[name], KILLS_MIXED / RUNTIME_NAMES.length, name);
    assert((counts.steps ?? 0) > KILLS_MIXED, "the writers were killed before they did anything");
  });
});
