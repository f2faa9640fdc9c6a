/** The history of an archive, from keys alone. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { NO_FLOOR } from "../src/archive/floor.ts";
import { stateOfSnapshot } from "../src/archive/cut.ts";
import { gapAfter, gapBefore, historyOf, startsFor } from "../src/archive/history.ts";
import { surveyStore } from "../src/archive/survey.ts";
import { type Base, baseKey, claimKey, type Piece, pieceKey } from "../src/archive/keys.ts";
import { bodyOf, MemoryStore } from "../src/archive/mod.ts";

const BLOCK = 16384;

/** A store with objects of the right sizes. */
class Keys {
  private readonly store = new MemoryStore();

  async base(generation: number, base?: Base): Promise<this> {
    await this.store.put(claimKey(generation), bodyOf(new Uint8Array()));
    await this.store.put(baseKey(generation, base), bodyOf(new Uint8Array()));
    return this;
  }

  /** Adds pieces of a segment, given by the offsets at which they begin and end. */
  async pieces(
    generation: number,
    number: number,
    baseLsn: number,
    ...ends: [from: number, to: number, ended?: boolean][]
  ): Promise<this> {
    for (const [from, to, ended = true] of ends) {
      const segment = { number, baseLsn, first: number * 10, salt: BigInt(number) };
      const span = {
        from,
        to,
        floor: number * 10,
        next: number * 10 + 10,
        snapshot: 0,
        archived: 0,
        ended,
        time: 0,
      };
      await this.store.put(pieceKey(generation, segment, span, 7n), bodyOf(new Uint8Array(to - from)));
    }
    return this;
  }

  /** The number of the segment that lost the last frames of a generation; `undefined` if none are lost. */
  async lostTail(generation: number): Promise<number | undefined> {
    return historyOf(await surveyStore(this.store), generation).lostTail?.number;
  }

  /** The segments of a generation's history: number, the ends of the pieces, the end, and whether a gap follows. */
  async history(generation?: number): Promise<unknown[]> {
    const { segments } = historyOf(await surveyStore(this.store), generation);
    return segments.map(({ id, chain, end, hasGap }) => [id.number, chain.map(({ to }) => to), end, hasGap]);
  }
}

describe("the history of an archive", () => {
  it("has the longest chain of pieces of each segment", async () => {
    const keys = await new Keys().base(1);
    await keys.pieces(1, 1, 0, [0, BLOCK], [BLOCK, 17000], [17000, 17008], [0, 16800], [17008, 18000], [18008, 19000]);
    assert.deepEqual(await keys.history(), [[1, [BLOCK, 17000, 17008, 18000], 18000, false]]);
  });

  it("prefers a merged piece to its parts", async () => {
    const keys = await new Keys().base(1);
    await keys.pieces(1, 1, 0, [0, BLOCK], [BLOCK, 17000], [17000, 18000], [0, 17000]);
    assert.deepEqual(await keys.history(), [[1, [17000, 18000], 18000, false]]);
  });

  it("ends a segment where a later one begins, and leaves one out that a later one replaces", async () => {
    const keys = await new Keys().base(1);
    await keys.pieces(1, 1, 0, [0, 20000], [20000, 24000]);
    await keys.pieces(1, 2, 18000, [0, 17000]);
    await keys.pieces(1, 3, 18000, [0, 19000]);
    assert.deepEqual(await keys.history(), [[1, [20000], 18000, false], [3, [19000], 19000, false]]);
  });

  it("has a gap where pieces are missing", async () => {
    const keys = await new Keys().base(1);
    await keys.pieces(1, 1, 0, [0, 20000]);
    await keys.pieces(1, 2, 20000, [0, BLOCK], [17000, 20000]);
    await keys.pieces(1, 3, 40000, [0, 20000]);
    const found = await keys.history();
    assert.deepEqual(found, [[1, [20000], 20000, false], [2, [BLOCK], BLOCK, true], [3, [20000], 20000, false]]);
  });

  it("has the pieces of the generations before it, up to its base", async () => {
    const keys = await new Keys().base(1);
    await keys.pieces(1, 1, 0, [0, 20000]);
    await keys.pieces(1, 2, 20000, [0, 17000], [17000, 18000]);
    await keys.pieces(1, 3, 38000, [0, 17000]);
    await keys.base(2, { parent: 1, number: 2, salt: 2n, end: 17000 });
    await keys.pieces(2, 2, 20000, [17000, 17016]);
    await keys.base(3, { parent: 2, number: 2, salt: 2n, end: 17016 });
    await keys.pieces(3, 2, 20000, [17016, 17500]);
    const first = [1, [20000], 20000, false];
    assert.deepEqual(await keys.history(), [first, [2, [17000, 17016, 17500], 17500, false]]);
    assert.deepEqual(await keys.history(2), [first, [2, [17000, 17016], 17016, false]]);
    assert.deepEqual(await keys.history(1), [first, [2, [17000, 18000], 18000, false], [3, [17000], 17000, false]]);
  });

  it("lacks frames at its end that only the base of a later generation shows", async () => {
    for (const [number, end, lost] of [[1, 20000, undefined], [1, 20008, 1], [2, 17000, 2]] as const) {
      const keys = await new Keys().base(1);
      await keys.pieces(1, 1, 0, [0, 20000]);
      await keys.base(2, { parent: 1, number, salt: BigInt(number), end });
      assert.equal(await keys.lostTail(1), lost, `the base is offset ${end} of segment ${number}`);
    }
  });

  it("is that of the newest complete generation", async () => {
    const keys = await new Keys().base(1);
    await keys.pieces(1, 1, 0, [0, 20000]);
    await keys.base(2);
    await keys.pieces(2, 1, 0, [0, 30000, false]);
    assert.deepEqual(await keys.history(), [[1, [20000], 20000, false]]);
    await keys.pieces(2, 1, 0, [0, 40000]);
    assert.deepEqual(await keys.history(), [[1, [40000], 40000, false]]);
  });

  it("has no pieces of a step that has not ended", async () => {
    const keys = await new Keys().base(1);
    await keys.pieces(1, 1, 0, [0, 20000, false], [20000, 24000]);
    await keys.pieces(1, 3, 30000, [0, 20000, false]);
    assert.deepEqual(await keys.history(), [[1, [20000, 24000], 24000, false]]);
    await keys.pieces(1, 4, 50000, [0, 20000]);
    assert.deepEqual(await keys.history(), [[1, [20000, 24000], 24000, true], [3, [20000], 20000, false], [
      4,
      [20000],
      20000,
      false,
    ]]);
  });

  it("has a snapshot only if a piece names it", () => {
    const piece = (number: number, archived: number): Piece => {
      const segment = { number, baseLsn: number * 100, first: number * 10, salt: 1n };
      const span = { from: 0, to: 100, floor: number * 10, next: number * 10 + 10, snapshot: archived, archived };
      return { key: "", generation: 1, segment, ...span, ended: true, time: 0, checksum: 0n };
    };
    const snapshot = { key: "", generation: 1, index: 35, term: 1, previous: 0, checksum: 0n, size: 1 };
    const withNamed = (archived: number) => {
      const one = { hasBase: true, isComplete: true, base: undefined, snapshots: [snapshot], identities: [] };
      const generations = new Map([[1, { ...one, pieces: [piece(1, 0), piece(3, 0), piece(4, archived)] }]]);
      const survey = { claimed: 1, claims: new Set([1]), generations, floor: NO_FLOOR, wrongSizes: new Set<string>() };
      return historyOf(survey);
    };
    const statesOf = (archived: number) => {
      const history = withNamed(archived);
      return [gapAfter(history, 0)?.isCovered, stateOfSnapshot(history, 35, 1), stateOfSnapshot(history, 35, 2)];
    };
    assert.deepEqual(statesOf(35), [true, "archived", "lost"]);
    // It contains entries that a later generation replaced. It covers no gap, and says nothing about other terms.
    assert.deepEqual(statesOf(0), [false, "archived", "skipped"]);
  });

  it("can have any number of segments", () => {
    const pieces = Array.from({ length: 130_000 }, (_, i): Piece => {
      const segment = { number: i + 1, baseLsn: i * 100, first: i + 1, salt: 1n };
      const span = { from: 0, to: 100, floor: i + 1, next: i + 2, snapshot: 0, archived: 0, ended: true, time: 0 };
      return { key: "", generation: 1, segment, ...span, checksum: 0n };
    });
    const one = { hasBase: true, isComplete: true, base: undefined, snapshots: [], identities: [] };
    const survey = (pieces: Piece[]) => {
      const generations = new Map([[1, { ...one, pieces }]]);
      return { claimed: 1, claims: new Set([1]), generations, floor: NO_FLOOR, wrongSizes: new Set<string>() };
    };
    const history = historyOf(survey(pieces));
    assert.equal(history.segments.length, 130_000);
    assert.deepEqual(startsFor(history, 100_000), [100_000, 100_000]);
    const damaged = historyOf(survey(pieces.filter((_, i) => i !== 0 && i !== 3)));
    assert.deepEqual([gapBefore(damaged)?.number, gapAfter(damaged, 1)?.number], [1, 4]);
    const cut = historyOf(survey(pieces.map((piece, i) => i === 0 ? { ...piece, from: 50 } : { ...piece, from: 10 })));
    assert.deepEqual(cut.lostTail?.lastIndex, 130_000);
  });
});
