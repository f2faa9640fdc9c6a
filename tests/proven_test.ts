/** The proven LSN, which decides between cut and refuse. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type DurableEvidence, provenLsn } from "../src/recovery/proven.ts";

const NOTHING: DurableEvidence = { headerEnd: 16_384, chain: 0, slot: 0, close: undefined, frames: () => 0 };

describe("the proven LSN", () => {
  const rows: Record<string, readonly [Partial<DurableEvidence>, number, boolean]> = {
    "is behind the header block without any other evidence": [{}, 16_384, false],
    "is what the chain states": [{ chain: 20_000 }, 20_000, false],
    "is what a durable slot states": [{ slot: 20_000 }, 20_000, false],
    "is what a frame states": [{ frames: () => 20_000 }, 20_000, false],
    "is the highest of all": [{ chain: 20_000, slot: 24_000, frames: () => 22_000 }, 24_000, false],
    "is the closing checkpoint, whatever else is stated below it": [{ close: 24_000, slot: 24_000 }, 24_000, true],
    "is a slot behind a closing checkpoint, which is then not the end": [
      { close: 24_000, slot: 25_000 },
      25_000,
      false,
    ],
    "is never between two frames": [{ slot: 20_007 }, 20_000, false],
  };
  for (const [title, [evidence, lsn, isClosed]] of Object.entries(rows)) {
    it(title, () => assert.deepEqual(provenLsn({ ...NOTHING, ...evidence }), { lsn, isClosed }));
  }

  it("needs no search of the frames if the log was closed", () => {
    const frames = () => assert.fail("searched");
    assert.equal(provenLsn({ ...NOTHING, close: 24_000, frames }).lsn, 24_000);
  });
});
