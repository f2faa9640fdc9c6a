/** Compares the pages of a segment with a plain array of the offsets of all entries' frames. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { FRAME_HEADER_BYTES } from "../src/format/frame.ts";
import { SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { EMPTY_STATE } from "../src/format/state.ts";
import { INDEX_PAGE_BYTES, OFFSET_LOST, Segment } from "../src/log/segment.ts";
import { Random } from "../src/testing/mod.ts";

const SEEDS = 300;
const STEPS = 60;

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

/** A segment, and an array of the offsets of its entries' frames, with the same changes. */
class Pair {
  readonly segment = newSegment();
  first = 1;
  offsets: number[] = [];
  private end = SEGMENT_HEADER_BYTES;
  private readonly random: Random;

  constructor(random: Random) {
    this.random = random;
  }

  private nextOffset(): number {
    const offset = this.end;
    this.end += FRAME_HEADER_BYTES + 8 * this.random.below(this.random.pick([4, 1000]));
    this.segment.endOffset = this.end;
    return offset;
  }

  private add(offset: number, howMany: number): void {
    for (let i = 0; i < howMany; i++) this.offsets.push(offset);
  }

  step(): void {
    const { random, segment } = this;
    const dice = random.below(12);
    if (dice < 5) {
      const offset = this.nextOffset();
      const howMany = 1 + random.below(4);
      segment.push(offset, this.end - offset, howMany);
      this.add(offset, howMany);
    } else if (dice < 7) {
      const lost = random.below(4);
      segment.pushLost(lost);
      this.add(OFFSET_LOST, lost);
    } else if (dice < 8) {
      const lost = Math.min(random.below(3), this.first - 1);
      segment.prependLost(lost);
      this.offsets.unshift(...new Array<number>(lost).fill(OFFSET_LOST));
      this.first -= lost;
    } else if (dice < 9) segment.breakPage();
    else if (dice < 11) {
      const from = this.first + random.below(this.offsets.length + 2);
      segment.cut(from);
      this.offsets.length = Math.min(this.offsets.length, from - this.first);
    } else if (random.chance(0.2)) {
      this.first += random.below(9);
      segment.clear(this.first);
      this.offsets = [];
    } else segment.trim();
  }

  /** Fails unless each entry's frame is in its page, before all frames of the next page. */
  compare(when: string): void {
    const { segment, first, offsets } = this;
    assert.deepEqual([segment.firstIndex, segment.count, segment.end], [first, offsets.length, first + offsets.length]);
    offsets.forEach((offset, i) => {
      const index = first + i;
      const page = segment.pageOf(index);
      assert(page.first <= index && index < page.end, `${when}: the page of ${index}`);
      assert.equal(page.offset === OFFSET_LOST, offset === OFFSET_LOST, `${when}: whether ${index} is lost`);
      if (offset === OFFSET_LOST) return;
      assert.equal(offsets[page.first - first], page.offset, `${when}: the page of ${index} begins with a frame`);
      assert(page.offset <= offset && offset < page.endOffset, `${when}: ${index} lies in its page`);
    });
    this.compareDamage(when);
    assert.deepEqual(
      [...segment.pagesOf(first, segment.end - 1)].map((page) => [page.first, page.offset]),
      this.pages(),
    );
  }

  private pages(): number[][] {
    const table = this.segment.pageTable();
    return Array.from({ length: table.length / 2 }, (_, i) => [...table.subarray(i * 2, i * 2 + 2)]);
  }

  private compareDamage(when: string): void {
    const { segment, first, offsets, random } = this;
    const low = first - 2 + random.below(offsets.length + 4);
    const high = low - 1 + random.below(offsets.length + 4);
    const range = [low, high] as const;
    const indexesOf = (runs: Iterable<readonly [number, number]>) =>
      [...runs].flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, i) => from + i));
    const inRange = offsets.flatMap((offset, i) => first + i >= low && first + i <= high ? [[first + i, offset]] : []);
    const lost = inRange.filter(([, offset]) => offset === OFFSET_LOST).map(([index]) => index);
    assert.deepEqual(indexesOf(segment.damaged(...range, undefined)), lost, `${when}: lost from ${low} to ${high}`);
    const at = random.pick([...this.pages().map(([, offset]) => offset!), this.end]);
    const page = (index: number) => segment.pageOf(index).offset;
    const damaged = inRange.filter(([index, offset]) => offset === OFFSET_LOST || page(index!) === at);
    const found = indexesOf(segment.damaged(...range, { from: at, to: at + 8 }));
    assert.deepEqual(found, damaged.map(([index]) => index), `${when}: damaged from ${low} to ${high} at ${at}`);
  }
}

describe("the entries of a segment", () => {
  it("are in the right pages, even with lost ones at both ends and in between", () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const pair = new Pair(new Random(seed));
      for (let step = 0; step < STEPS; step++) {
        pair.step();
        pair.compare(`seed ${seed}, step ${step}`);
      }
    }
  });

  it("take one page for the frames that fit into 4 KiB", () => {
    const segment = newSegment();
    for (let i = 0; i < 1000; i++) segment.push(SEGMENT_HEADER_BYTES + i * 168, 168, 1);
    assert.equal(segment.pageTable().length / 2, Math.ceil(1000 / Math.floor(INDEX_PAGE_BYTES / 168)));
  });

  it("begin a page with a frame that ends one byte after 4 KiB", () => {
    const segment = newSegment();
    segment.push(SEGMENT_HEADER_BYTES, 2048, 1);
    segment.push(SEGMENT_HEADER_BYTES + 2048, 2048, 1);
    assert.deepEqual([...segment.pageTable()], [1, SEGMENT_HEADER_BYTES]);
    const other = newSegment();
    other.push(SEGMENT_HEADER_BYTES, 2048, 1);
    other.push(SEGMENT_HEADER_BYTES + 2048, 2049, 1);
    assert.deepEqual([...other.pageTable()], [1, SEGMENT_HEADER_BYTES, 2, SEGMENT_HEADER_BYTES + 2048]);
  });

  it("take no memory if they are lost at either end", () => {
    const segment = newSegment();
    segment.push(SEGMENT_HEADER_BYTES, 168, 1);
    segment.pushLost(2 ** 45);
    segment.prependLost(2 ** 44);
    const { firstIndex } = segment;
    const offsetOf = (index: number) => segment.pageOf(index).offset;
    assert.deepEqual([segment.count, offsetOf(1)], [1 + 2 ** 45 + 2 ** 44, SEGMENT_HEADER_BYTES]);
    assert.deepEqual([offsetOf(firstIndex), offsetOf(2 ** 45)], [OFFSET_LOST, OFFSET_LOST]);
    assert.deepEqual([...segment.damaged(firstIndex, 2 ** 45, undefined)], [[firstIndex, 0], [2, 2 ** 45]]);
    segment.cut(2);
    assert.deepEqual([...segment.pageTable()], [firstIndex, OFFSET_LOST, 1, SEGMENT_HEADER_BYTES]);
  });

  it("move to another segment from an offset on, and a truncated page stays truncated", () => {
    const from = newSegment();
    from.push(SEGMENT_HEADER_BYTES, 168, 2);
    from.breakPage();
    from.endOffset = SEGMENT_HEADER_BYTES + 400;
    from.push(SEGMENT_HEADER_BYTES + 200, 168, 3);
    from.cut(5);
    const to = newSegment();
    from.moveTail(SEGMENT_HEADER_BYTES + 200, to, SEGMENT_HEADER_BYTES + 8);
    assert.deepEqual([from.firstIndex, from.end, from.endOffset], [1, 3, SEGMENT_HEADER_BYTES + 200]);
    assert.deepEqual([to.firstIndex, to.end, [...to.pageTable()]], [3, 5, [3, SEGMENT_HEADER_BYTES + 8]]);
    to.push(SEGMENT_HEADER_BYTES + 200, 168, 1);
    assert.deepEqual([...to.pageTable()].slice(2), [5, SEGMENT_HEADER_BYTES + 200]);
  });
});
