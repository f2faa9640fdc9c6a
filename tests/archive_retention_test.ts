/** The objects that an archive must keep, from keys alone. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Base, Floor, GenerationKey } from "../src/archive/keys.ts";
import { floorFor, type Retained } from "../src/archive/retention.ts";
import { surveyOf } from "../src/archive/survey.ts";

/** The fields of a piece that differ from those of the other pieces of a test. */
interface Fields {
  readonly generation?: number;
  readonly from?: number;
  readonly to?: number;
  /** The position of its segment. By default, segments have 100 bytes. */
  readonly baseLsn?: number;
  /** The next index at the start of its segment. By default, segments have 10 entries. */
  readonly first?: number;
  readonly snapshot?: number;
  readonly time?: number;
}

/** A piece of a segment. By default, it has the whole segment, at the time of the segment's number. */
function piece(number: number, fields: Fields = {}): GenerationKey {
  const { generation = 1, from = 0, to = 100, baseLsn = number * 100, first = number * 10 - 9 } = fields;
  const { snapshot = 0, time = number } = fields;
  const segment = { number, baseLsn, first, salt: BigInt(number) };
  const facts = { from, to, floor: first, next: first + 10, snapshot, archived: snapshot, ended: true, time };
  return { kind: "piece", piece: { key: "", generation, segment, ...facts, checksum: 0n } };
}

function snapshot(index: number, generation = 1): GenerationKey {
  return { kind: "snapshot", snapshot: { key: "", generation, index, term: 1, previous: 0, checksum: 0n, size: 0 } };
}

function base(generation: number, base?: Base): GenerationKey {
  return { kind: "base", generation, base };
}

/** The floor of objects: generation, segment, snapshot, time. */
function floorOf(keys: readonly GenerationKey[], retained: Partial<Retained>): number[] {
  const claims = new Set(keys.flatMap((key) => key.kind === "base" ? [key.generation] : []));
  const floor: Floor = floorFor(surveyOf(claims, keys), { generations: undefined, since: undefined, ...retained });
  return [floor.generation, floor.segment, floor.snapshot, floor.time];
}

describe("the objects that an archive must keep", () => {
  const six = [base(1), ...[20, 30].map((index) => snapshot(index))];

  it("begin with the last snapshot before the first piece with a later time", () => {
    const keys = [
      ...six,
      piece(1),
      piece(2),
      piece(3),
      piece(4, { snapshot: 20 }),
      piece(5, { snapshot: 30 }),
      piece(6, { snapshot: 30 }),
    ];
    assert.deepEqual(floorOf(keys, { since: 3 }), [1, 1, 0, 0]);
    assert.deepEqual(floorOf(keys, { since: 4 }), [1, 3, 20, 2]);
    assert.deepEqual(floorOf(keys, { since: 5 }), [1, 4, 30, 3]);
    assert.deepEqual(floorOf(keys, { since: 100 }), [1, 4, 30, 3]);
  });

  it("include a piece with an earlier time that follows one with a later time", () => {
    const at = (number: number, time: number, snapshot = 20) => piece(number, { time, snapshot });
    const keys = [...six, piece(1), piece(2), at(3, 3), at(4, 9), at(5, 5, 30), at(6, 6, 30)];
    assert.deepEqual(floorOf(keys, { since: 6 }), [1, 3, 20, 2]);
    assert.deepEqual(floorOf(keys, { since: 9 }), [1, 4, 30, 9 - 6]);
  });

  it("do not begin with a snapshot that was never archived", () => {
    const keys = [...six, piece(1), piece(2), piece(3, { snapshot: 20 }), piece(4, { snapshot: 25 }), piece(5)];
    assert.deepEqual(floorOf(keys, { since: 4 }), [1, 3, 20, 2]);
  });

  it("do not begin with a snapshot that a piece has only behind the end of its segment", () => {
    const keys = [
      ...six,
      ...[piece(1), piece(2), piece(3, { snapshot: 20 })],
      ...[piece(4, { snapshot: 20, to: 50 }), piece(4, { snapshot: 30, from: 50 }), piece(5, { baseLsn: 480 })],
    ];
    assert.deepEqual(floorOf(keys, { since: 4 }), [1, 3, 20, 2]);
  });

  it("include the segment in which the entries behind the snapshot begin, before the wanted state", () => {
    // Segment 5 begins with the same index as segment 3, because the log dropped the entries between them.
    const keys = [...six, piece(1), piece(2), piece(3, { snapshot: 20 }), piece(4, { snapshot: 20 })];
    assert.deepEqual(floorOf([...keys, piece(5, { first: 21, snapshot: 20 })], { since: 4 }), [1, 3, 20, 2]);
    assert.deepEqual(floorOf([...keys, piece(5, { first: 21, snapshot: 20 })], { since: 5 }), [1, 5, 20, 4]);
  });

  it("do not begin before a gap", () => {
    // Entries between segments 4 and 5 are missing, so the log at the end of segment 5 cannot be restored.
    const keys = [
      ...[base(1), snapshot(20), snapshot(30), piece(1), piece(2), piece(3, { snapshot: 20 })],
      ...[piece(4, { snapshot: 20, to: 50 }), piece(5, { snapshot: 30 }), piece(6, { snapshot: 30 })],
    ];
    assert.deepEqual(floorOf(keys, { since: 5 }), [1, 3, 20, 2]);
  });

  it("are all objects if there is no state before them", () => {
    assert.deepEqual(floorOf([base(1), snapshot(20), piece(3, { snapshot: 20 })], { since: 2 }), [1, 3, 20, 0]);
  });

  it("include the state before the first snapshot if the log began without one", () => {
    const whole = piece(3, { first: 1, snapshot: 20 });
    assert.deepEqual(floorOf([base(1), snapshot(20), whole], { since: 2 }), [1, 3, 0, 0]);
    assert.deepEqual(floorOf([base(1), snapshot(20), whole], { since: 3 }), [1, 3, 20, 0]);
  });

  it("begin with the state before the oldest of a number of generations", () => {
    const keys = [
      ...[base(1), piece(1), piece(2), piece(3, { snapshot: 20 }), snapshot(20)],
      ...[base(2, { parent: 1, number: 3, salt: 3n, end: 100 }), piece(4, { generation: 2, snapshot: 30 })],
      ...[
        snapshot(30, 2),
        base(3, { parent: 2, number: 4, salt: 4n, end: 100 }),
        piece(5, { generation: 3, snapshot: 30 }),
      ],
    ];
    assert.deepEqual(floorOf(keys, { generations: 1 }), [2, 4, 30, 3]);
    assert.deepEqual(floorOf(keys, { generations: 2 }), [1, 3, 20, 2]);
    assert.deepEqual(floorOf(keys, { generations: 3 }), [1, 1, 0, 0]);
    assert.deepEqual(floorOf(keys, { generations: 4 }), [0, 0, 0, 0]);
    assert.deepEqual(floorOf(keys, { generations: 1, since: 3 }), [1, 3, 20, 2]);
    assert.deepEqual(floorOf(keys, { generations: 2, since: 9 }), [1, 3, 20, 2]);
  });

  it("include a segment of a kept generation that a later generation has replaced", () => {
    const keys = [
      ...[base(1), piece(3, { baseLsn: 300, first: 1 })],
      ...[base(2, { parent: 1, number: 3, salt: 3n, end: 100 }), piece(5, { generation: 2, baseLsn: 300, first: 1 })],
      ...[base(3, { parent: 2, number: 5, salt: 5n, end: 100 }), piece(6, { generation: 3, baseLsn: 400, first: 11 })],
    ];
    assert.deepEqual(floorOf(keys, { generations: 2 }), [2, 5, 0, 0]);
    assert.deepEqual(floorOf(keys, { generations: 3 }), [1, 3, 0, 0]);
  });

  it("include an older history if the newest one began later, or if it has later times", () => {
    const old = [base(1), piece(1), piece(2), piece(3, { snapshot: 20 }), snapshot(20), piece(4, { snapshot: 20 })];
    const restarted = { generation: 2, snapshot: 70 };
    const newer = [base(2), snapshot(70, 2), piece(7, restarted), piece(8, restarted), piece(9, restarted)];
    assert.deepEqual(floorOf([...old, ...newer], { since: 8 }), [2, 8, 70, 7]);
    assert.deepEqual(floorOf([...old, ...newer], { since: 5 }), [1, 3, 20, 2]);
    const ahead = [...old.slice(0, -1), piece(4, { snapshot: 20, time: 99 })];
    assert.deepEqual(floorOf([...ahead, ...newer], { since: 8 }), [1, 3, 20, 2]);
  });

  it("are above all floors that are there", () => {
    const keys = [...six, piece(4, { snapshot: 30 }), piece(5, { snapshot: 30 }), snapshot(10), piece(2), piece(3)];
    const floors = [[4, 20, 7], [2, 30, 3]].map(([segment = 0, snapshot = 0, time = 0]) => (
      { kind: "floor", floor: { generation: 1, segment, snapshot, time } } as const
    ));
    assert.deepEqual(floorOf([...keys, ...floors], { since: 0 }), [1, 4, 30, 7]);
  });

  it("are never below a floor that is there", () => {
    const keys = [...six, piece(1), piece(2), piece(3, { snapshot: 20 }), piece(4, { snapshot: 30 }), piece(5)];
    const floor = { generation: 1, segment: 3, snapshot: 20, time: 2 };
    assert.deepEqual(floorOf([...keys, { kind: "floor", floor }], { since: 0 }), [1, 3, 20, 2]);
    assert.deepEqual(floorOf([...keys, { kind: "floor", floor }], { since: 4 }), [1, 4, 30, 3]);
  });
});
