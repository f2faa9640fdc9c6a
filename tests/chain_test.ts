import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { assembleChain } from "../src/recovery/chain.ts";
import type { SegmentFile } from "../src/recovery/segment_files.ts";

/** The first segment of a log, whose next-segment pointer is damaged. */
const FIRST = {
  number: 1,
  path: "/log/000000000001.seg",
  size: 16_384,
  header: { number: 1, previous: 0, baseLsn: 0, provenLsn: 0, state: { tailLost: false } },
  reason: "",
  naming: { kind: "damaged" },
  slot: undefined,
  blank: false,
  isOurs: true,
} as unknown as SegmentFile;

/** What is damaged in a log of that segment alone. */
function damageOf(isIdentified: boolean, hasFrames: boolean): number {
  const facts = { folder: "/log", files: [FIRST], isIdentified, hasOwnFrames: () => hasFrames };
  return assembleChain(facts).damage.length;
}

describe("a first segment with a damaged pointer", () => {
  it("is what a crash left of the creation of the log, if nothing else shows that there was one", () => {
    assert.equal(damageOf(false, false), 0);
  });

  it("lacks the next segment, if IDENTITY or a frame shows that the log was there", () => {
    assert.equal(damageOf(true, false), 1);
    assert.equal(damageOf(false, true), 1);
  });
});
