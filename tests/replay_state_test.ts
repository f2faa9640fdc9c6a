/** The state of a replay at the start of a segment. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Codec } from "../src/codec/codec.ts";
import { TERM_UNKNOWN } from "../src/format/numbers.ts";
import { EMPTY_STATE } from "../src/format/state.ts";
import { ReplayState } from "../src/recovery/replay_state.ts";

const codec = new Codec();

/** The last term at the start of a segment whose header has `header`, after an entry whose term reads as `read`. */
function lastTermAfter(read: number | undefined, header: number): number {
  const state = new ReplayState(codec);
  if (read !== undefined) state.index.runs.push(1, read);
  state.begin({ ...EMPTY_STATE, nextIndex: 2, lastTerm: header });
  return state.index.lastTerm;
}

describe("the last term at the start of a segment", () => {
  it("is that of the entry if the header does not know it: the entry was repaired since", () => {
    assert.equal(lastTermAfter(7, TERM_UNKNOWN), 7);
  });

  it("is that of the header if the entry is lost", () => {
    assert.equal(lastTermAfter(undefined, 7), 7);
  });

  it("is unknown if neither knows it", () => {
    assert.equal(lastTermAfter(undefined, TERM_UNKNOWN), TERM_UNKNOWN);
  });
});
