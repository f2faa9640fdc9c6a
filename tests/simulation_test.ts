import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { simulateDamage } from "./damage_simulation.ts";
import { type Counts, shrink } from "./simulated_log.ts";
import { simulate } from "./simulation.ts";

/** A few hundred histories; `deno task sim --seeds N` runs any number. */
const SEEDS = 150;

describe("simulated disk", () => {
  it("loses nothing acknowledged, for readers too, over crashes and full disks", async () => {
    const counts: Counts = {};
    for (let seed = 1; seed <= SEEDS; seed++) await simulate(seed, counts);
    // A simulation in which nothing goes wrong would prove nothing.
    const faults = [
      "crashed",
      "crash-in-recovery",
      "poisoned",
      "opened-torn",
      "refused-NO_SPACE",
      "space",
      "read-full",
    ];
    for (const event of [...faults, "look-in", "overtaken"]) {
      assert((counts[event] ?? 0) > 0, `no history had ${event}`);
    }
  });

  it("reports damage or is intact when bytes rot, blocks are zeroed and files vanish", async () => {
    const counts: Counts = {};
    for (let seed = 1; seed <= SEEDS; seed++) await simulate(seed, counts, { damage: true });
    for (const event of ["rot-refused", "rot-refused-late", "rot-harmless"]) {
      assert((counts[event] ?? 0) > 0, `no history had ${event}`);
    }
  });

  it("stays correct with damage in several places, and is undamaged after healing", async () => {
    const counts: Counts = {};
    // These seeds include each of the events below.
    for (let seed = 101; seed <= 100 + SEEDS; seed++) await simulateDamage(seed, counts);
    const faults = ["faults-1", "faults-2", "faults-3", "crash-in-recovery", "space", "read-full", "wrote-damaged"];
    const verdicts = ["refused", "opened-corrupt", "open-ended", "repaired", "replaced", "refused-DAMAGED_ENTRY"];
    for (const event of [...faults, ...verdicts]) assert((counts[event] ?? 0) > 0, `no history had ${event}`);
  });

  it("shrinks a failing history to the steps that it needs", async () => {
    const needed = [3, 11];
    const run = (steps: readonly number[]) => {
      const end = Math.max(...needed.map((step) => steps.indexOf(step)));
      return Promise.resolve(
        needed.every((step) => steps.includes(step)) ? { steps: steps.slice(0, end + 1) } : undefined,
      );
    };
    const all = Array.from({ length: 20 }, (_, step) => step);
    assert.deepEqual((await shrink((await run(all))!, run)).steps, needed);
  });

  it("does the same steps if others are left out", async () => {
    const [all, listed, none]: [Counts, Counts, Counts] = [{}, {}, {}];
    await simulate(5, all);
    await simulate(5, listed, { steps: Array.from({ length: 40 }, (_, step) => step) });
    await simulate(5, none, { steps: [] });
    assert.deepEqual(listed, all);
    assert.notDeepEqual(none, all);
  });
});
