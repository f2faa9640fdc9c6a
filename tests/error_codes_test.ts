/** One table documents all error codes. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

const SOURCE = readFileSync(new URL("../src/api/errors.ts", import.meta.url), "utf8");

/** What a pattern finds in a part of the source, sorted. */
function found(part: string, pattern: RegExp): string[] {
  return [...part.matchAll(pattern)].map(([, code]) => code!).sort();
}

describe("the table of error codes", () => {
  it("has a row for each code, and no other", () => {
    const [documented, declared] = SOURCE.split("export type WalLogErrorCode =") as [string, string];
    const codes = found(declared.split(";")[0]!, /"([A-Z_]+)"/g);
    assert(codes.length > 20);
    assert.deepEqual(found(documented, /^ \* \| `([A-Z_]+)` \|/gm), codes);
    assert.equal(new Set(codes).size, codes.length);
  });
});
