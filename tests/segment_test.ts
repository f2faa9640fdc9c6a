/** The table of a segment's entries, against a plain array of offsets. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FRAME_HEADER_BYTES } from "../src/format/frame.ts";
import { SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { EMPTY_STATE } from "../src/format/state.ts";
import { OFFSET_LOST, Segment } from "../src/log/segment.ts";
import { Random } from "../src/testing/mod.ts";

const SEEDS = 300;
const STEPS = 60;
/** Leaves room in front for entries that are found missing there later. */
const FIRST_OFFSET = 2 ** 16;

function newSegment(): Segment {
  return new Segment("/log/000000000001.seg", {
    uuid: new Uint8Array(16),
    number: 1,
    baseLsn: 0,
    salt: 0n,
    previous: 0,
    previousChecksum: 0,
    state: EMPTY_STATE,
    provenLsn: 0,
    floor: 1,
    dropped: [],
  }, SEGMENT_HEADER_BYTES);
}

/** Does the same to a segment and to an array of the offsets of its entries. */
class Pair {
  readonly segment = newSegment();
  first = 1;
  offsets: number[] = [];
  /** The offsets of the lost entries too. */
  private places: number[] = [];
  private begin = FIRST_OFFSET;
  private end = FIRST_OFFSET;
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  private nextOffset(): number {
    const offset = this.end;
    this.end += FRAME_HEADER_BYTES + 8 * this.random.below(4);
    this.segment.endOffset = this.end;
    return offset;
  }

  private add(offsets: readonly number[], areLost: boolean): void {
    this.places.push(...offsets);
    this.offsets.push(...offsets.map((offset) => areLost ? OFFSET_LOST : offset));
  }

  step(): void {
    const { random, segment } = this;
    const dice = random.below(12);
    if (dice < 3) {
      const offset = this.nextOffset();
      segment.push(offset);
      this.add([offset], false);
    } else if (dice < 5) {
      const more = Array.from({ length: random.below(5) }, () => this.nextOffset());
      segment.pushAll(Uint32Array.from(more, (offset) => offset / 8));
      this.add(more, false);
    } else if (dice < 7) {
      const lost = random.below(4);
      segment.pushLost(lost);
      this.add(Array.from({ length: lost }, () => this.nextOffset()), true);
    } else if (dice < 8) {
      const lost = Math.min(random.below(3), this.first - 1);
      segment.prependLost(lost);
      this.offsets.unshift(...new Array<number>(lost).fill(OFFSET_LOST));
      this.places.unshift(...Array.from({ length: lost }, () => this.begin -= FRAME_HEADER_BYTES).reverse());
      this.first -= lost;
    } else if (dice < 10) {
      const lost = this.offsets.flatMap((offset, i) => offset === OFFSET_LOST ? [i] : []);
      if (lost.length === 0) return;
      const at = random.pick(lost);
      this.offsets[at] = this.places[at]!;
      segment.setOffset(this.first + at, this.places[at]!);
    } else if (dice < 11) {
      const from = this.first + random.below(this.offsets.length + 2);
      segment.cut(from);
      this.offsets.length = this.places.length = Math.min(this.offsets.length, from - this.first);
    } else if (random.chance(0.2)) {
      this.first += random.below(9);
      segment.clear(this.first);
      this.offsets = [];
      this.places = [];
    } else segment.trim();
  }

  /** Fails unless both say the same. */
  compare(when: string): void {
    const { segment, first, offsets, random } = this;
    assert.deepEqual([segment.firstIndex, segment.count], [first, offsets.length], when);
    const found = offsets.map((_, i) => segment.offsetOf(first + i));
    assert.deepEqual(found, offsets, when);
    const known = offsets.flatMap((offset, i) => offset === OFFSET_LOST ? [] : [[first + i, offset]]);
    assert.deepEqual([...segment.located(first, first + offsets.length - 1)], known, when);
    for (let i = 0; i < offsets.length; i++) {
      const bound = offsets.slice(i + 1).find((offset) => offset !== OFFSET_LOST) ?? segment.endOffset;
      assert.equal(segment.boundAfter(first + i), bound, `${when}: the bound after ${first + i}`);
    }
    const at = this.begin + 8 * random.below((this.end - this.begin) / 8 + 2);
    let isBelow = true;
    const below = offsets.filter((offset) => isBelow = offset === OFFSET_LOST ? isBelow : offset < at).length;
    assert.equal(segment.countBelow(at), below, `${when}: entries below ${at}`);
    this.compareDamage(when, at);
  }

  private compareDamage(when: string, from: number): void {
    const { segment, first, offsets, random } = this;
    const to = from + 8 * random.below(30);
    const low = first - 2 + random.below(offsets.length + 4);
    const high = low - 1 + random.below(offsets.length + 4);
    const damaged = offsets.flatMap((offset, i) => {
      const isDamaged = offset === OFFSET_LOST || (offset >= from && offset < to);
      return isDamaged && first + i >= low && first + i <= high ? [first + i] : [];
    });
    const range = `${when}: ${low} to ${high}, damaged from ${from} to ${to}`;
    assert.equal(segment.firstDamaged(low, high, from, to), damaged[0], range);
    assert.equal(segment.lastDamaged(low, high, from, to), damaged.at(-1), range);
    const clipped = [Math.max(low, first), Math.min(high, first + offsets.length - 1)] as const;
    assert.equal(segment.countDamaged(...clipped, from, to), damaged.length, range);
  }
}

describe("the entries of a segment", () => {
  it("are where they were put, even with lost ones at either end and in between", () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const pair = new Pair(new Random(seed));
      for (let step = 0; step < STEPS; step++) {
        pair.step();
        pair.compare(`seed ${seed}, step ${step}`);
      }
    }
  });

  it("take no memory if they are lost at either end", () => {
    const segment = newSegment();
    segment.push(SEGMENT_HEADER_BYTES);
    segment.pushLost(2 ** 45);
    segment.prependLost(2 ** 44);
    const { firstIndex } = segment;
    assert.deepEqual([segment.count, segment.offsetOf(1)], [1 + 2 ** 45 + 2 ** 44, SEGMENT_HEADER_BYTES]);
    assert.deepEqual([segment.offsetOf(firstIndex), segment.offsetOf(2 ** 45)], [OFFSET_LOST, OFFSET_LOST]);
    assert.equal(segment.countDamaged(firstIndex, 2 ** 45, 0, 0), 2 ** 44 + 2 ** 45 - 1);
    assert.equal(segment.firstDamaged(1, 2 ** 45, 0, 0), 2);
    assert.equal(segment.lastDamaged(firstIndex, 1, 0, 0), 0);
    segment.cut(2);
    assert.deepEqual([segment.count, [...segment.located(firstIndex, 9)]], [1 + 2 ** 44, [[1, SEGMENT_HEADER_BYTES]]]);
  });
});
