import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { fuzzCodec } from "./fuzz/codec.ts";
import { fuzzOpen } from "./fuzz/open.ts";
import type { FuzzCounts } from "./fuzz/use.ts";

/** Some seconds; `deno task fuzz --seeds N` runs any number. */
const LOGS = 250;
const MEMORIES = 400;

describe("fuzzing", () => {
  it("a mutated log opens with a report or fails with a WalLogError, in bounded memory", () => {
    const counts: FuzzCounts = {};
    for (let seed = 1; seed <= LOGS; seed++) fuzzOpen(seed, counts);
    // Mutations that always or never had an effect would test nothing.
    for (const event of ["clean", "torn", "corrupt", "CORRUPT", "UNSUPPORTED_VERSION", "entry-DAMAGED_ENTRY"]) {
      assert((counts[event] ?? 0) > 0, `no log was ${event}`);
    }
  });

  it("the WebAssembly exports stay within their input, for any contents", () => {
    for (let seed = 1; seed <= MEMORIES; seed++) fuzzCodec(seed);
  });
});
