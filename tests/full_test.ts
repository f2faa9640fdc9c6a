/** Complete reads over short ones. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readFull } from "../src/io/full.ts";

describe("a complete read", () => {
  it("goes on after a short read, up to the end of the file", () => {
    const content = Uint8Array.from({ length: 10 }, (_, i) => i + 1);
    const file = {
      read(into: Uint8Array, position: number): number {
        const part = content.subarray(position, position + Math.min(into.length, 3));
        into.set(part);
        return part.length;
      },
    };
    for (const [position, length] of [[0, 10], [2, 7], [2, 16], [10, 4]] as const) {
      const into = new Uint8Array(length);
      const count = readFull(file, into, position);
      assert.deepEqual([...into.subarray(0, count)], [...content.subarray(position, position + length)]);
    }
  });
});
