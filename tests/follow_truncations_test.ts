import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Random } from "../src/testing/random.ts";
import { Truncations } from "../src/log/truncations.ts";

describe("the truncations of a log", () => {
  it("tell how far down the log was truncated since any of them", () => {
    const random = new Random(1);
    for (let round = 0; round < 50; round++) {
      const truncations = new Truncations();
      const all: number[] = [];
      for (let i = 0; i < 40; i++) {
        all.push(1 + random.below(30));
        truncations.add(all.at(-1)!);
        for (let count = 0; count <= all.length; count++) {
          assert.equal(truncations.lowestSince(count), Math.min(...all.slice(count)));
        }
      }
    }
  });

  it("take limited memory, and report too low an index rather than too high a one", () => {
    const truncations = new Truncations();
    for (let from = 1; from <= 5000; from++) truncations.add(from);
    assert.equal(truncations.lowestSince(5000), Infinity);
    assert.equal(truncations.lowestSince(4990), 4991);
    for (let count = 0; count < 5000; count++) assert(truncations.lowestSince(count) <= count + 1);
    assert.equal(truncations.lowestSince(0), 1);
  });
});
