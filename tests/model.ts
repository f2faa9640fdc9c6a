/**
 * What a log must do, for tests: its complete state as a value that can be compared, and random operations
 * that do the same to every log of the same state.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import type {
  CompactOptions,
  EntryKind,
  HardState,
  Index,
  LogEntry,
  NodeId,
  RaftLog,
  Snapshot,
  Term,
} from "../src/api/types.ts";

/** Everything that a log lets one see, as copies. */
export interface LogState {
  readonly lastIndex: Index;
  readonly lastTerm: Term;
  readonly snapshotIndex: Index;
  readonly hardState: HardState;
  /** `termAt` from a little below the first entry to a little above the last entry, and far outside. */
  readonly terms: readonly (readonly [Index, Term | undefined])[];
  readonly entries: readonly LogEntry[];
  readonly snapshot: Snapshot | undefined;
}

/** How far outside the log {@link stateOf} asks for terms and entries. In indexes. */
const OUTSIDE = 2;

/**
 * The complete state of a log, read through every method there is for reading. Fails where they contradict
 * each other.
 *
 * @param log The log.
 * @returns Its state, which later changes of the log leave as it is.
 */
export function stateOf(log: RaftLog): LogState {
  const { lastIndex, lastTerm, snapshotIndex, firstIndex } = log;
  const lowest = Math.min(snapshotIndex + 1, ...log.retentions.map(({ from }) => from));
  assert.equal(firstIndex, lowest, "firstIndex against the snapshot and the retentions");
  const entries = log.entries(0, Number.MAX_SAFE_INTEGER);
  assert.equal(entries.length, lastIndex - firstIndex + 1, "entries between firstIndex and lastIndex");

  const terms: [Index, Term | undefined][] = [];
  const ask = (index: Index): Term | undefined => {
    const term = log.termAt(index);
    terms.push([index, term]);
    return term;
  };
  ask(0);
  for (let index = Math.max(1, firstIndex - 1 - OUTSIDE); index < firstIndex; index++) ask(index);
  entries.forEach((entry, i) => {
    const index = firstIndex + i;
    assert.equal(entry.index, index, `index of element ${i} of entries()`);
    assert.equal(ask(index), entry.term, `termAt(${index}) against entries()`);
    const alone = log.entry(index);
    assert.ok(alone, `entry(${index}) of a log that ends at ${lastIndex}`);
    const difference = entryDifference(alone, entry);
    assert.equal(difference, undefined, `entry(${index}) against entries(): ${difference}`);
    assert.equal(Object.getPrototypeOf(entry.command), Uint8Array.prototype, `command ${index} is no plain Uint8Array`);
  });
  for (let i = 1; i <= OUTSIDE && lastIndex + i <= Number.MAX_SAFE_INTEGER; i++) ask(lastIndex + i);
  ask(Number.MAX_SAFE_INTEGER);

  for (const [index] of terms) {
    if (index >= firstIndex && index <= lastIndex) continue;
    assert.equal(log.entry(index), undefined, `entry(${index}) outside of ${firstIndex} to ${lastIndex}`);
  }
  assert.equal(log.termAt(lastIndex), lastTerm, "termAt(lastIndex) against lastTerm");
  const { term, votedFor } = log.hardState;
  return {
    lastIndex,
    lastTerm,
    snapshotIndex,
    hardState: { term, votedFor },
    terms,
    entries,
    snapshot: log.snapshot(),
  };
}

/** Where two byte arrays first differ, in words; `undefined` if they do not. */
function bytesDifference(actual: Uint8Array, expected: Uint8Array): string | undefined {
  if (actual.byteLength !== expected.byteLength) return `${actual.byteLength} bytes, expected ${expected.byteLength}`;
  if (Buffer.compare(actual, expected) === 0) return undefined;
  const at = actual.findIndex((byte, i) => byte !== expected[i]);
  return `byte ${at} of ${actual.byteLength} is ${actual[at]}, expected ${expected[at]}`;
}

/** How two entries differ, in words; `undefined` if they do not. */
function entryDifference(actual: LogEntry, expected: LogEntry): string | undefined {
  if (actual.index !== expected.index) return `index ${actual.index}, expected ${expected.index}`;
  if (actual.term !== expected.term) return `term ${actual.term}, expected ${expected.term}`;
  if (actual.kind !== expected.kind) return `kind ${actual.kind}, expected ${expected.kind}`;
  return bytesDifference(actual.command, expected.command);
}

/**
 * Fails unless two lists of entries are the same.
 *
 * @param actual The entries found.
 * @param expected The entries they should be.
 * @param what What was read, for the message.
 */
export function assertSameEntries(actual: readonly LogEntry[], expected: readonly LogEntry[], what: string): void {
  assert.deepEqual(actual.map((entry) => entry.index), expected.map((entry) => entry.index), `indexes of ${what}`);
  for (const [i, wanted] of expected.entries()) {
    const difference = entryDifference(actual[i] as LogEntry, wanted);
    if (difference !== undefined) assert.fail(`${what}: entry ${wanted.index}: ${difference}`);
  }
}

/** How two snapshots differ, in words; `undefined` if they do not. */
function snapshotDifference(actual: Snapshot | undefined, expected: Snapshot | undefined): string | undefined {
  if (actual === undefined || expected === undefined) {
    return actual === expected ? undefined : `${actual && "one"}, expected ${expected && "one"}`;
  }
  if (actual.index !== expected.index) return `index ${actual.index}, expected ${expected.index}`;
  if (actual.term !== expected.term) return `term ${actual.term}, expected ${expected.term}`;
  const [members, expectedMembers] = [actual.config.join(), expected.config.join()];
  if (members !== expectedMembers) return `members [${members}], expected [${expectedMembers}]`;
  const meta = bytesDifference(actual.meta!, expected.meta!);
  return meta === undefined ? bytesDifference(actual.data, expected.data) : `meta: ${meta}`;
}

/**
 * The first difference between two states.
 *
 * @param actual The state found.
 * @param expected The state it should be.
 * @returns The difference in words, or `undefined` if there is none.
 */
export function stateDifference(actual: LogState, expected: LogState): string | undefined {
  for (const key of ["lastIndex", "lastTerm", "snapshotIndex"] as const) {
    if (actual[key] !== expected[key]) return `${key}: ${actual[key]}, expected ${expected[key]}`;
  }
  for (const key of ["term", "votedFor"] as const) {
    const [found, wanted] = [actual.hardState[key], expected.hardState[key]];
    if (found !== wanted) return `hardState.${key}: ${found}, expected ${wanted}`;
  }
  const [firstIndex, wantedFirst] = [actual, expected].map(({ lastIndex, entries }) => lastIndex - entries.length + 1);
  if (firstIndex !== wantedFirst) return `firstIndex: ${firstIndex}, expected ${wantedFirst}`;
  // The indexes asked for follow from lastIndex and firstIndex, so both lists have the same ones.
  for (const [i, [index, wanted]] of expected.terms.entries()) {
    const found = actual.terms[i]?.[1];
    if (found !== wanted) return `termAt(${index}): ${found}, expected ${wanted}`;
  }
  for (const [i, wanted] of expected.entries.entries()) {
    const difference = entryDifference(actual.entries[i] as LogEntry, wanted);
    if (difference !== undefined) return `entry(${wanted.index}): ${difference}`;
  }
  const difference = snapshotDifference(actual.snapshot, expected.snapshot);
  return difference === undefined ? undefined : `snapshot(): ${difference}`;
}

/**
 * Fails unless two states are the same.
 *
 * @param actual The state found.
 * @param expected The state it should be.
 * @param when What was done last, for the message.
 */
export function assertSameState(actual: LogState, expected: LogState, when = "the two logs differ"): void {
  const difference = stateDifference(actual, expected);
  if (difference !== undefined) assert.fail(`${when}: ${difference}`);
}

/** What the bytes of a command or a snapshot look like. */
export type Filling = "zeros" | "ones" | "counting" | "noise";

/**
 * Bytes that are the same in every run.
 *
 * @param length How many.
 * @param filling What they look like. Zeros pass for space that was never written, ones for erased flash.
 * @param seed Which of the many such arrays, for fillings of which there are many.
 * @returns The bytes.
 */
export function bytesOf(length: number, filling: Filling = "noise", seed = length): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  if (filling === "ones") bytes.fill(0xff);
  if (filling === "counting") { for (let i = 0; i < length; i++) bytes[i] = seed + i; }
  if (filling === "noise") {
    let word = (seed * 0x9e3779b1 + 1) >>> 0;
    for (let i = 0; i < length; i++) {
      // A linear congruential generator: the top byte is the good one.
      word = (Math.imul(word, 1664525) + 1013904223) >>> 0;
      bytes[i] = word >>> 24;
    }
  }
  return bytes;
}

/** Where an operation strikes, as parts of 1: what that is in indexes depends on the log at that time. */
export type Place = number;

/** An entry of a random append: the term is relative to the one before. */
interface NewEntry {
  readonly size: number;
  readonly filling: Filling;
  readonly termStep: number;
  readonly kind: EntryKind;
}

/** One step of a history, in terms that make sense whatever the log's state is. */
export type Operation =
  | { readonly type: "append"; readonly entries: readonly NewEntry[] }
  | { readonly type: "truncate"; readonly place: Place }
  | { readonly type: "hard state"; readonly state: HardState }
  | {
    readonly type: "snapshot";
    /**
     * `stale`: at or below the last one. `agree` and `disagree`: at an entry, with its term or another one.
     * `ahead`: above the last entry.
     */
    readonly where: "stale" | "agree" | "disagree" | "ahead";
    readonly place: Place;
    readonly config: readonly NodeId[];
    readonly size: number;
    readonly filling: Filling;
  }
  | {
    readonly type: "compact";
    readonly place: Place;
    /** The options that are given. The log chooses the others. */
    readonly config: readonly NodeId[] | undefined;
    readonly size: number | undefined;
  }
  | { readonly type: "refused"; readonly call: "gap" | "overlap" | "last of many" | "old term" | "compacted" };

const FILLINGS: readonly Filling[] = ["zeros", "ones", "counting", "noise"];

/** Sizes in bytes: mostly small, some around a page, few that outgrow a small segment at once. */
const SIZE: fc.Arbitrary<number> = fc.oneof(
  { weight: 8, arbitrary: fc.nat(100) },
  { weight: 3, arbitrary: fc.integer({ min: 200, max: 1100 }) },
  { weight: 2, arbitrary: fc.integer({ min: 4000, max: 8300 }) },
  { weight: 1, arbitrary: fc.integer({ min: 16_000, max: 70_000 }) },
);

const FILLING = fc.constantFrom(...FILLINGS);
/** Random places, often the first or the last index: boundaries are where logs go wrong. */
export const PLACE: fc.Arbitrary<Place> = fc.oneof(
  { weight: 4, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) },
  { weight: 1, arbitrary: fc.constantFrom(0, 1) },
);

/** Places mostly near the end, so that truncations leave a log to go on with. */
const LATE_PLACE: fc.Arbitrary<Place> = fc.oneof(
  { weight: 3, arbitrary: fc.double({ min: 0.7, max: 1, noNaN: true }) },
  { weight: 1, arbitrary: PLACE },
);

const NODE_ID: fc.Arbitrary<NodeId> = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.constantFrom(0n, 1n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n),
);

const ENTRY: fc.Arbitrary<NewEntry> = fc.record({
  size: SIZE,
  filling: FILLING,
  termStep: fc.constantFrom(0, 0, 0, 0, 1, 3),
  kind: fc.constantFrom<EntryKind>("normal", "normal", "config"),
});

/**
 * Random operations.
 *
 * @returns An arbitrary for use with fast-check, which shrinks a failing history to few, small operations.
 */
export function operations(): fc.Arbitrary<Operation> {
  return fc.oneof(
    {
      weight: 10,
      arbitrary: fc.record({
        type: fc.constant("append" as const),
        entries: fc.array(ENTRY, { maxLength: 12, size: "max" }),
      }),
    },
    { weight: 3, arbitrary: fc.record({ type: fc.constant("truncate" as const), place: LATE_PLACE }) },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constant("hard state" as const),
        state: fc.record({ term: fc.maxSafeNat(), votedFor: fc.option(NODE_ID) }),
      }),
    },
    {
      weight: 3,
      arbitrary: fc.record({
        type: fc.constant("snapshot" as const),
        where: fc.constantFrom(
          "stale" as const,
          "agree" as const,
          "agree" as const,
          "disagree" as const,
          "ahead" as const,
        ),
        place: PLACE,
        config: fc.array(NODE_ID, { maxLength: 5 }),
        size: SIZE,
        filling: FILLING,
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        type: fc.constant("compact" as const),
        place: PLACE,
        config: fc.option(fc.array(NODE_ID, { maxLength: 5 }), { nil: undefined }),
        size: fc.option(SIZE, { nil: undefined }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        type: fc.constant("refused" as const),
        call: fc.constantFrom(
          "gap" as const,
          "overlap" as const,
          "last of many" as const,
          "old term" as const,
          "compacted" as const,
        ),
      }),
    },
  );
}

/**
 * The index at a place in a range.
 *
 * @param place From 0, the first index, to 1, the last.
 * @param first The first index.
 * @param last The last index, inclusive.
 * @returns An index of the range.
 */
export function indexAt(place: Place, first: Index, last: Index): Index {
  return first + Math.min(Math.floor(place * (last - first + 1)), last - first);
}

/** An operation with its indexes and terms filled in: the same call for every log of one state. */
export interface Mutation {
  /** What the call is, in words, for messages. */
  readonly name: string;
  /** The code of the error that the call must throw; `undefined` if it must succeed. */
  readonly refusal: string | undefined;
  /** Makes the call. */
  perform(log: RaftLog): void;
}

/**
 * Fills in an operation's indexes and terms.
 *
 * @param operation The operation.
 * @param log A log in the state that every log has to which the result is applied.
 * @returns The call to make.
 */
export function mutationOf(operation: Operation, log: RaftLog): Mutation {
  const { lastIndex, lastTerm, snapshotIndex } = log;
  switch (operation.type) {
    case "append": {
      let term = lastTerm;
      const entries = operation.entries.map((entry, i): LogEntry => {
        // The steps stop at the largest term there is.
        term = Math.min(term + entry.termStep, Number.MAX_SAFE_INTEGER);
        const index = lastIndex + 1 + i;
        return { term, index, kind: entry.kind, command: bytesOf(entry.size, entry.filling, index * 31 + term) };
      });
      return {
        name: `append ${entries.length} entries at ${lastIndex + 1}`,
        refusal: undefined,
        perform: (log) => log.append(entries),
      };
    }
    case "truncate": {
      const from = indexAt(operation.place, snapshotIndex + 1, lastIndex + 2);
      return { name: `truncate from ${from}`, refusal: undefined, perform: (log) => log.truncate(from) };
    }
    case "hard state": {
      const { state } = operation;
      return {
        name: `set the hard state to term ${state.term}, vote ${state.votedFor}`,
        refusal: undefined,
        perform: (log) => log.setHardState(state),
      };
    }
    case "snapshot": {
      const { where, place, config, size, filling } = operation;
      // A log with nothing to be stale against, or with no entry to agree with, gets one that is ahead.
      let [first, last] = [lastIndex + 1, lastIndex + 10];
      if (where === "stale" && snapshotIndex > 0) [first, last] = [1, snapshotIndex];
      if ((where === "agree" || where === "disagree") && lastIndex > snapshotIndex) {
        [first, last] = [snapshotIndex + 1, lastIndex];
      }
      const index = indexAt(place, first, last);
      const known = log.termAt(index) ?? lastTerm;
      const term = where === "disagree" ? known + 1 : known;
      const meta = bytesOf(size % 40, filling, index);
      const snapshot: Snapshot = { index, term, config, meta, data: bytesOf(size, filling, index) };
      return {
        name: `apply a snapshot of index ${index} and term ${term} (${where})`,
        refusal: undefined,
        perform: (log) => log.applySnapshot(snapshot),
      };
    }
    case "compact": {
      const { place, config, size } = operation;
      const through = indexAt(place, Math.max(snapshotIndex - 1, 0), lastIndex + 1);
      const options: CompactOptions = {
        ...(config === undefined ? {} : { config }),
        ...(size === undefined ? {} : { data: bytesOf(size, "noise", through) }),
        ...(size === undefined || size % 2 === 0 ? {} : { meta: bytesOf(size % 40, "noise", through) }),
      };
      return {
        name: `compact through ${through}`,
        refusal: through > lastIndex ? "INVALID_ARGUMENT" : undefined,
        perform: (log) => log.compact(through, options),
      };
    }
    case "refused": {
      const at = (index: Index, term: Term): LogEntry => ({ term, index, kind: "normal", command: bytesOf(10) });
      const next = at(lastIndex + 1, lastTerm);
      const append = (refusal: string, ...entries: LogEntry[]): Mutation => ({
        name: `append at ${entries.map((entry) => `${entry.index} (term ${entry.term})`).join(", ")}`,
        refusal,
        perform: (log) => log.append(entries),
      });
      switch (operation.call) {
        case "gap":
          return append("NOT_CONTIGUOUS", at(lastIndex + 2, lastTerm));
        case "overlap":
          return append(lastIndex === 0 ? "INVALID_ARGUMENT" : "NOT_CONTIGUOUS", at(lastIndex, lastTerm));
        case "last of many":
          return append("NOT_CONTIGUOUS", next, at(lastIndex + 2, lastTerm), at(lastIndex + 4, lastTerm));
        case "old term":
          return append("INVALID_ARGUMENT", next, at(lastIndex + 2, lastTerm - 1));
        case "compacted":
          return {
            name: `truncate from ${snapshotIndex}`,
            refusal: snapshotIndex === 0 ? "INVALID_ARGUMENT" : "COMPACTED",
            perform: (log) => log.truncate(snapshotIndex),
          };
      }
    }
  }
}
