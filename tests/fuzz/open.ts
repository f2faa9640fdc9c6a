/**
 * Fuzzing: logs that no writer wrote. Real logs are mutated byte by byte, or field by field with recomputed checksums,
 * so that the library believes absurd values. Then they are opened, read, written and opened again. The result must be
 * a report or a `WalLogError`: never another exception, an endless loop, or an allocation of a size that a file claims.
 *
 * A seed repeats a case. A failure is thrown with its seed and the mutations.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { WalLogOptions } from "../../mod.ts";
import { Codec } from "../../src/codec/codec.ts";
import { Random } from "../../src/testing/mod.ts";
import { Budget, counting, Violation, watchingAllocations } from "./budget.ts";
import { mutate } from "./mutate.ts";
import { MutatedLog } from "./mutated_log.ts";
import { original, ORIGINALS } from "./originals.ts";
import { describe, diskWith, type FuzzCounts, openAndUse } from "./use.ts";

/**
 * Mutates one log and opens it in every way.
 *
 * @param seed The seed of the case.
 * @param counts Added to.
 */
export function fuzzOpen(seed: number, counts: FuzzCounts = {}): void {
  const random = new Random(seed);
  const codec = new Codec();
  const mutated = new MutatedLog(original(random.below(ORIGINALS)), random, codec);
  if (random.chance(0.02)) {
    // No log at all.
    for (const path of mutated.files.keys()) {
      const noise = new Uint8Array(random.below(20_000));
      random.fill(noise);
      mutated.files.set(path, noise);
    }
    mutated.notes.push("noise in all files");
  }
  for (let changes = 1 + (random.chance(0.4) ? random.below(4) : 0); changes > 0; changes--) mutate(mutated);
  const { files, notes } = mutated;
  const count = (event: string) => counts[event] = (counts[event] ?? 0) + 1;
  const fileBytes = [...files.values()].reduce((sum, { length }) => sum + length, 0);

  const ways: WalLogOptions[] = [
    { readOnly: true, verify: "full", onDamage: "fail" },
    { readOnly: true, verify: "tail", onDamage: "keep" },
    { readOnly: true, verify: "full", onDamage: "keep" },
    { verify: random.pick(["full", "tail"]), onDamage: random.pick(["fail", "keep", "keep"]) },
  ];
  for (const way of ways) {
    const disk = diskWith(files, seed);
    const budget = new Budget(fileBytes);
    const fileSystem = counting(disk.fileSystem, budget);
    const options = { ...way, fileSystem, segmentBytes: random.pick([4096, 61_440]) };
    const during = `${way.readOnly ? "reading" : "writing"}, ${way.verify}, ${way.onDamage}`;
    try {
      watchingAllocations(budget, () => openAndUse(options, mutated.isForged, random, count));
      budget.settle();
    } catch (error) {
      const found = error instanceof Violation || error instanceof assert.AssertionError
        ? error.message
        : describe(error);
      throw new Error(
        `seed ${seed}${mutated.isForged ? ", forged" : ""}, ${during}: ${found}\n  ${notes.join("\n  ")}`,
        { cause: error },
      );
    }
  }
}
