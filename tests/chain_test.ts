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
  nextPointer: { kind: "damaged" },
  slot: undefined,
  blank: false,
  isOurs: true,
} as unknown as SegmentFile;

/** The number of damaged places in a log that consists of this segment. */
function damageOf(isIdentified: boolean, hasFrames: boolean): number {
  const facts = { folder: "/log", files: [FIRST], isIdentified, hasOwnFrames: () => hasFrames };
  return assembleChain(facts).damage.length;
}

describe("a first segment with a damaged pointer", () => {
  it("is a remnant of an interrupted creation if nothing else shows that there was a log", () => {
    assert.equal(damageOf(false, false), 0);
  });

  it("shows a missing segment if IDENTITY or a frame shows that there was a log", () => {
    assert.equal(damageOf(true, false), 1);
    assert.equal(damageOf(false, true), 1);
  });
});
