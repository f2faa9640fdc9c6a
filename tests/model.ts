/**
 * The complete state of a log as a value that tests can compare.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { HardState, Index, LogEntry, RaftLog, Snapshot, Term } from "../src/api/types.ts";

/** The complete visible state of a log, as copies. */
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
 * The complete state of a log, read through every method for reading. Fails if they contradict each other.
 *
 * @param log The log.
 * @returns Its state, which later changes of the log do not affect.
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
 * @param expected The expected entries.
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
 * @param expected The expected state.
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
 * @param expected The expected state.
 * @param when The last action, for the message.
 */
export function assertSameState(actual: LogState, expected: LogState, when = "the two logs differ"): void {
  const difference = stateDifference(actual, expected);
  if (difference !== undefined) assert.fail(`${when}: ${difference}`);
}

/** The pattern of the bytes of a command or a snapshot. */
export type Filling = "zeros" | "ones" | "counting" | "noise";

/**
 * Bytes that are the same in every run.
 *
 * @param length The number of bytes.
 * @param filling The pattern. Zeros look like unwritten space, ones like erased flash.
 * @param seed Selects one of many arrays of the same pattern.
 * @returns The bytes.
 */
export function bytesOf(length: number, filling: Filling = "noise", seed = length): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  if (filling === "ones") bytes.fill(0xff);
  if (filling === "counting") { for (let i = 0; i < length; i++) bytes[i] = seed + i; }
  if (filling === "noise") {
    let word = (seed * 0x9e3779b1 + 1) >>> 0;
    for (let i = 0; i < length; i++) {
      // A linear congruential generator. Only its top byte is random enough.
      word = (Math.imul(word, 1664525) + 1013904223) >>> 0;
      bytes[i] = word >>> 24;
    }
  }
  return bytes;
}
