/**
 * The steps of a writer whose log may be damaged.
 *
 * @module
 */

import type { HardState, LogEntry, Snapshot } from "../../mod.ts";
import { type DiskFault, PowerLoss } from "../../src/testing/mod.ts";
import { entriesBehind, isPoisoned, isPowerLoss } from "../simulated_log.ts";
import type { DamageHistory, Mutation } from "./damage_history.ts";
import { wordOfState } from "./reading.ts";

/** The disk fills up, or there is space again. */
export function fillDisk(history: DamageHistory): void {
  const { random, space } = history;
  space.left = space.left < Infinity ? Infinity : random.below(random.pick([1, 500, 20_000]));
  history.note(`space ${space.left}`);
}

/** One of the next operations of the disk will fail. */
export function planFault(history: DamageHistory): void {
  const fault = history.random.pick<DiskFault>(["crash", "crash", "crash", "EIO", "ENOSPC"]);
  const after = history.random.below(12);
  history.note(`plan-${fault} ${after}`);
  history.disk.failAfter(fault, after);
}

export function append(history: DamageHistory): void {
  const entries = entriesBehind(history.random, history.model, history.id);
  const [first, last] = [entries[0]!, entries.at(-1)!];
  appendAll(history, `append ${first.index} to ${last.index} of term ${first.term}`, entries);
}

/** Appends entries in one call. A crash can cut it after any of them, so each is a mutation of its own. */
export function appendAll(history: DamageHistory, step: string, entries: readonly LogEntry[]): boolean {
  const parts = entries.map((entry): Mutation => (log) => log.append([entry]));
  return history.mutate(step, () => history.log.append(entries), parts);
}

export function truncate(history: DamageHistory): void {
  const { snapshotIndex, lastIndex } = history.model;
  if (lastIndex === snapshotIndex) return;
  truncateFrom(history, snapshotIndex + 1 + history.random.below(lastIndex - snapshotIndex));
}

/** Removes the entry at an index and all after it. */
export function truncateFrom(history: DamageHistory, index: number): boolean {
  return history.mutate(`truncate ${index}`, () => history.log.truncate(index), [(log) => log.truncate(index)]);
}

export function setHardState(history: DamageHistory): boolean {
  const { random, model } = history;
  const term = model.hardState.term + random.below(2);
  const votedFor = random.chance(0.3) ? null : BigInt(random.below(5));
  const state: HardState = { term, votedFor };
  return history.mutate(
    `hard-state ${wordOfState(state)}`,
    () => history.log.setHardState(state),
    [(log) => log.setHardState(state)],
  );
}

export function snapshot(history: DamageHistory): void {
  const { random, model } = history;
  const { snapshotIndex, lastIndex, lastTerm } = model;
  const index = snapshotIndex + random.below(lastIndex - snapshotIndex + 3);
  if (index === 0) return;
  const term = random.chance(0.7) ? model.termAt(index) ?? lastTerm : lastTerm + 1;
  const isStale = index <= snapshotIndex;
  if (applySnapshot(history, "snapshot", { index, term }) && !isStale) history.floor = history.states.length - 1;
}

/**
 * Installs a snapshot with random data.
 *
 * @param history The history of the log.
 * @param name The word to note.
 * @param at The position of the snapshot, and whether to force it on a log that has lost its own.
 */
export function applySnapshot(
  history: DamageHistory,
  name: string,
  { index, term, force = false }: { index: number; term: number; force?: boolean },
): boolean {
  const data = new Uint8Array(history.random.below(1500));
  history.random.fill(data);
  const snapshot: Snapshot = { index, term, config: [1n, 2n], meta: data.slice(0, index % 30), data };
  return history.mutate(
    `${name} ${index} of term ${term}`,
    () => history.log.applySnapshot(snapshot, { force }),
    [(log) => log.applySnapshot(snapshot)],
  );
}

export function sync(history: DamageHistory): boolean {
  history.note("sync");
  const target = history.states.length - 1;
  try {
    history.log.syncSync();
    history.floor = target;
    return true;
  } catch (failure) {
    history.failed(failure);
    return false;
  }
}

export function idle(history: DamageHistory): void {
  history.note("idle");
  history.disk.idle();
  if (!history.disk.hasPower) history.failed(new PowerLoss("idle"));
}

/** Closes the log. If that fails, it opens it again and returns `false`. */
export function close(history: DamageHistory): boolean {
  history.note("close");
  try {
    history.log.closeSync();
    history.floor = history.states.length - 1;
    return true;
  } catch (failure) {
    if (isPowerLoss(failure)) history.disk.crash();
    else if (isPoisoned(failure)) history.disk.restart();
    else throw failure;
    history.reopen();
    return false;
  }
}

export function crash(history: DamageHistory): void {
  history.note("crash");
  history.disk.crash();
  history.reopen();
}

/** The process is killed, and the page cache stays: no mutation may be lost. */
export function kill(history: DamageHistory): void {
  history.note("kill");
  history.disk.restart();
  history.reopen(history.states.length - 1);
}
