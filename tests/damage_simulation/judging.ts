/**
 * Judges a log that was opened after damage: everything that can be read must come from one prefix of the history, and
 * everything else must be reported.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { MemoryLog, WalLog } from "../../mod.ts";
import { cloneOf, digest, fingerprint, wordOf } from "../simulated_log.ts";
import type { DamageHistory } from "./damage_history.ts";
import { isHardStateLost, termAt, wordAt, wordOfState } from "./reading.ts";

/** The condition of an opened log. */
export type Condition =
  | { readonly type: "whole" }
  /** The log's damage is reported, and the rest is in one known state of the history. */
  | { readonly type: "damaged"; readonly isStateLost: boolean }
  /** Its damage has no known end, so its state is unknown. */
  | { readonly type: "open-ended" };

/** Judges the log of a history, and settles the history on the state that the log is in. */
export function judge(history: DamageHistory): Condition {
  compareWithSegmentIndexes(history);
  return history.log.recovery.damage.length === 0 ? judgeWhole(history) : judgeDamaged(history);
}

/** A reader that reads only segment indexes and the tail must not contradict the log. */
function compareWithSegmentIndexes(history: DamageHistory): void {
  const { log } = history;
  const reader = history.openOnce({ readOnly: true, verify: "tail", onDamage: "keep" });
  const last = Math.max(log.lastIndex, reader.lastIndex);
  for (let index = Math.min(log.snapshotIndex, reader.snapshotIndex) + 1; index <= last; index++) {
    const [full, tail] = [wordAt(log, index), wordAt(reader, index)];
    // Only one of the two may report the entry: a segment index can show more exactly which entries a gap held.
    if (full !== "damaged" && tail !== "damaged") assert.equal(tail, full, `entry ${index}, from a segment index`);
  }
  assert.equal(wordOfState(reader.hardState), wordOfState(log.hardState), "the hard state beside segment indexes");
  if (log.damaged.length === 0) {
    assert.equal(reader.lastIndex, log.lastIndex, "the last index beside segment indexes");
  }
  reader.closeSync();
}

/** A log without damage must hold one of the allowed states. After open-ended damage, any state is accepted. */
function judgeWhole(history: DamageHistory): Condition {
  const { log, floor, isOpenEnded } = history;
  const found = fingerprint(log);
  const states = history.states.map(fingerprint);
  let at = states.lastIndexOf(found);
  if (isOpenEnded) {
    if (at < 0) at = history.states.push(cloneOf(log)) - 1;
  } else {
    const allowed = states.slice(floor).join("\n");
    assert(at >= floor, `reopened to ${found}\nallowed, from ${floor} of ${states.length}:\n${allowed}`);
  }
  history.settle(at);
  history.isOpenEnded = false;
  return { type: "whole" };
}

/** Everything that a damaged log reads must match one allowed state. It must report the rest. */
function judgeDamaged(history: DamageHistory): Condition {
  const { log } = history;
  const isStateLost = isHardStateLost(log);
  const allowed = history.states.slice(history.isOpenEnded ? 0 : history.floor);
  assert(
    isStateLost || allowed.some(({ hardState }) => wordOfState(hardState) === wordOfState(log.hardState)),
    `the hard state is ${wordOfState(log.hardState)}, allowed: ${allowed.map((one) => wordOfState(one.hardState))}`,
  );
  if (history.isOpenEnded || isOpenEnded(log)) {
    history.isOpenEnded = true;
    history.note("open-ended");
    requireKnownEntries(history);
    return { type: "open-ended" };
  }
  history.settle(bestState(history, isStateLost));
  return { type: "damaged", isStateLost };
}

/** Whether a report has no known end: a snapshot is lost, or a gap has only a first index. */
function isOpenEnded(log: WalLog): boolean {
  return log.damaged.some(({ kind, firstIndex, lastIndex }) =>
    kind === "snapshot" || (firstIndex !== undefined && lastIndex === undefined)
  );
}

/** Every entry that can be read must have been in the log at some time. */
function requireKnownEntries({ log, ever }: DamageHistory): void {
  for (let index = log.snapshotIndex + 1; index <= log.lastIndex; index++) {
    const word = wordAt(log, index);
    assert(word === "damaged" || ever.has(word), `entry ${index} is ${word}, which never was`);
  }
}

/** The number of the allowed state that fits the log best, the last one of several. */
function bestState({ log, states, floor }: DamageHistory, isStateLost: boolean): number {
  const reasons: string[] = [];
  let best: number | undefined;
  let score = -1;
  for (let at = states.length - 1; at >= floor; at--) {
    const state = states[at]!;
    const reason = mismatch(log, state, isStateLost);
    if (reason !== undefined) {
      reasons.push(reason);
      continue;
    }
    const found = (state.snapshotIndex === log.snapshotIndex ? 2 : 0) + (state.lastIndex === log.lastIndex ? 1 : 0);
    if (found > score) [best, score] = [at, found];
  }
  assert(best !== undefined, `the damaged log is in no allowed state: ${[...new Set(reasons)].join("; ")}`);
  return best;
}

/** Why the log cannot be this state with damage; `undefined` if it can. */
function mismatch(log: WalLog, state: MemoryLog, isStateLost: boolean): string | undefined {
  if (log.snapshotIndex > state.snapshotIndex) return `its snapshot is of ${log.snapshotIndex}`;
  if (!isStateLost && wordOfState(log.hardState) !== wordOfState(state.hardState)) {
    return `its hard state is ${wordOfState(log.hardState)}`;
  }
  const last = Math.max(state.lastIndex, log.lastIndex);
  for (let index = state.snapshotIndex + 1; index <= last; index++) {
    const reason = entryMismatch(log, state, index);
    if (reason !== undefined) return reason;
  }
  const snapshot = state.snapshot();
  if (snapshot === undefined || log.snapshotIndex < snapshot.index) return undefined;
  const found = log.snapshot()!;
  const isSame = found.term === snapshot.term && digest(found.data) === digest(snapshot.data);
  return isSame ? undefined : "its snapshot is another";
}

/** Why an entry contradicts a state; `undefined` if it does not. */
function entryMismatch(log: WalLog, state: MemoryLog, index: number): string | undefined {
  const isReported = log.damaged.some(({ firstIndex = Infinity, lastIndex = Infinity }) =>
    firstIndex <= index && index <= lastIndex
  );
  const wanted = state.entry(index);
  const found = wordAt(log, index);
  if (found === "damaged") {
    if (!isReported) return `entry ${index} cannot be read and is not reported`;
  } else if (found === "none") {
    if (wanted !== undefined && !isReported) return `entry ${index} is gone and not reported`;
  } else if (wanted === undefined || found !== wordOf(wanted)) return `entry ${index} reads ${found}`;
  const term = termAt(log, index);
  return term === undefined || term === wanted?.term ? undefined : `the term of ${index} is ${term}`;
}
