/**
 * Random operations that have the same effect on every log of the same state.
 *
 * @module
 */

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
import { bytesOf, type Filling } from "./model.ts";
import fc from "fast-check";

/** The place of an operation, from 0 to 1. The index depends on the log at that time. */
export type Place = number;

/** An entry of a random append. Its term is relative to the previous one. */
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
    /** The given options. The log chooses the others. */
    readonly config: readonly NodeId[] | undefined;
    readonly size: number | undefined;
  }
  | { readonly type: "refused"; readonly call: "gap" | "overlap" | "last of many" | "old term" | "compacted" };

const FILLINGS: readonly Filling[] = ["zeros", "ones", "counting", "noise"];

/** Sizes in bytes: mostly small, some around a page, a few larger than a small segment. */
const SIZE: fc.Arbitrary<number> = fc.oneof(
  { weight: 8, arbitrary: fc.nat(100) },
  { weight: 3, arbitrary: fc.integer({ min: 200, max: 1100 }) },
  { weight: 2, arbitrary: fc.integer({ min: 4000, max: 8300 }) },
  { weight: 1, arbitrary: fc.integer({ min: 16_000, max: 70_000 }) },
);

const FILLING = fc.constantFrom(...FILLINGS);

/** Random places, often the first or the last index, because bugs are likely at the ends. */
export const PLACE: fc.Arbitrary<Place> = fc.oneof(
  { weight: 4, arbitrary: fc.double({ min: 0, max: 1, noNaN: true }) },
  { weight: 1, arbitrary: fc.constantFrom(0, 1) },
);

/** Places mostly near the end, so that truncations do not empty the log. */
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
  /** A description of the call, for messages. */
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
 * @param log A log in the same state as all logs that get the result.
 * @returns The call to make.
 */
export function mutationOf(operation: Operation, log: RaftLog): Mutation {
  switch (operation.type) {
    case "append":
      return appendOf(operation, log);
    case "truncate": {
      const from = indexAt(operation.place, log.snapshotIndex + 1, log.lastIndex + 2);
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
    case "snapshot":
      return snapshotOf(operation, log);
    case "compact":
      return compactionOf(operation, log);
    case "refused":
      return refusedOf(operation, log);
  }
}

/** An operation of one kind. */
type OperationOf<Type extends Operation["type"]> = Extract<Operation, { readonly type: Type }>;

function appendOf(operation: OperationOf<"append">, { lastIndex, lastTerm }: RaftLog): Mutation {
  let term = lastTerm;
  const entries = operation.entries.map((entry, i): LogEntry => {
    // Terms stop at the largest possible one.
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

function snapshotOf(operation: OperationOf<"snapshot">, log: RaftLog): Mutation {
  const { lastIndex, lastTerm, snapshotIndex } = log;
  const { where, place, config, size, filling } = operation;
  // If nothing can be stale, or no entry can agree, the snapshot is ahead of the log.
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

function compactionOf(operation: OperationOf<"compact">, { lastIndex, snapshotIndex }: RaftLog): Mutation {
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

/** A call that every log must refuse. */
function refusedOf(operation: OperationOf<"refused">, { lastIndex, lastTerm, snapshotIndex }: RaftLog): Mutation {
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
