import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { fuzzCodec } from "./fuzz/codec.ts";
import { fuzzOpen } from "./fuzz/open.ts";
import type { FuzzCounts } from "./fuzz/use.ts";

/** Some seconds; `deno task fuzz --seeds N` runs any number. */
const LOGS = 250;
const MEMORIES = 400;

describe("fuzzing", () => {
  it("a mutated log opens with a report or is refused with a WalLogError, and takes no memory that it only claims", () => {
    const counts: FuzzCounts = {};
    for (let seed = 1; seed <= LOGS; seed++) fuzzOpen(seed, counts);
    // Mutations that always, or never, came to anything would try nothing.
    for (const event of ["clean", "torn", "corrupt", "CORRUPT", "UNSUPPORTED_VERSION", "entry-DAMAGED_ENTRY"]) {
      assert((counts[event] ?? 0) > 0, `no log was ${event}`);
    }
  });

  it("the WebAssembly exports stay within the memory that they are given, whatever is in it", () => {
    for (let seed = 1; seed <= MEMORIES; seed++) fuzzCodec(seed);
  });
});
