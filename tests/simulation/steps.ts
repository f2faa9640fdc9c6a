/**
 * The steps of a writer.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { RaftLog, Snapshot } from "../../mod.ts";
import type { DiskFault } from "../../src/testing/mod.ts";
import { entriesBehind, isPoisoned, isPowerLoss } from "../simulated_log.ts";
import type { SimulatedHistory } from "./simulated_history.ts";

/** The disk fills up, or there is space again. */
export function fillDisk(history: SimulatedHistory): void {
  history.space.left = history.space.left < Infinity
    ? Infinity
    : history.random.below(history.random.pick([1, 500, 20_000]));
  history.note(`space ${history.space.left}`);
}

/** Retains entries below future snapshots, or releases a retention, which deletes files. */
export function retain(history: SimulatedHistory): void {
  const logs = [history.model, history.log];
  const [model] = logs;
  const index = model!.firstIndex + history.random.below(model!.lastIndex - model!.firstIndex + 3);
  if (history.retained.length === 0) {
    history.note(`retain ${index}`);
    try {
      history.retained = logs.map((log) => log.retain("simulation", index));
    } catch (failure) {
      // A failed checkpoint has ended the writer.
      history.failed(failure);
    }
    return;
  }
  history.note(`give-up ${index}`);
  assert.deepEqual(history.log.entries(0, model!.lastIndex), model!.entries(0, model!.lastIndex), "retained entries");
  const isReleased = history.random.chance(0.3);
  try {
    for (const retention of history.retained) isReleased ? retention.release() : retention.advance(index);
  } catch (failure) {
    return history.failed(failure);
  }
  if (isReleased) history.retained = [];
  assert.equal(history.log.firstIndex, model!.firstIndex);
}

/** Plans a fault of one of the next operations. */
export function planFault(history: SimulatedHistory): void {
  const fault = history.random.pick<DiskFault>(["crash", "crash", "EIO", "ENOSPC"]);
  const after = history.random.below(12);
  history.note(`plan-${fault} ${after}`);
  history.disk.failAfter(fault, after);
}

export function append(history: SimulatedHistory): void {
  const entries = entriesBehind(history.random, history.model, history.id);
  const sizes = entries.map(({ command }) => command.length);
  // A crash leaves all of a batch, or nothing.
  history.mutate(`append ${sizes}`, (log) => log.append(entries));
}

export function truncate(history: SimulatedHistory): void {
  const { snapshotIndex, lastIndex } = history.model;
  if (lastIndex === snapshotIndex) return;
  const from = snapshotIndex + 1 + history.random.below(lastIndex - snapshotIndex);
  history.mutate(`truncate ${from}`, (log) => log.truncate(from));
}

export function setHardState(history: SimulatedHistory): void {
  const random = history.random;
  const state = {
    term: history.model.hardState.term + random.below(2),
    votedFor: random.chance(0.3) ? null : BigInt(random.below(5)),
  };
  history.mutate(`hard-state ${state.term}`, (log) => log.setHardState(state));
}

export function snapshot(history: SimulatedHistory): void {
  const random = history.random;
  const { snapshotIndex, lastIndex, lastTerm } = history.model;
  const index = snapshotIndex + random.below(lastIndex - snapshotIndex + 3);
  if (index === 0) return;
  const term = random.chance(0.8) ? history.model.termAt(index) ?? lastTerm : lastTerm + 1;
  const data = new Uint8Array(random.below(2000));
  random.fill(data);
  const snapshot: Snapshot = {
    index,
    term,
    config: [1n, 2n, BigInt(random.below(9))],
    meta: data.slice(0, index % 30),
    data,
  };
  const stale = index <= snapshotIndex;
  // Of those that agree with the log, some are the node's own.
  const isOwn = !stale && index % 2 === 1 && history.model.termAt(index) === term;
  const { config, meta } = snapshot;
  const install = (log: RaftLog) => isOwn ? log.compact(index, { data, config, meta }) : log.applySnapshot(snapshot);
  if (history.mutate(`snapshot ${index}`, install) && !stale) {
    history.floor = history.states.length - 1;
  }
}

export async function sync(history: SimulatedHistory): Promise<void> {
  history.note("sync");
  const target = history.states.length - 1;
  try {
    if (history.random.chance(0.5)) assert.equal(history.log.syncSync(), history.model.lastIndex);
    else assert.equal(await history.log.sync(), history.model.lastIndex);
    history.floor = target;
  } catch (failure) {
    if (failure instanceof assert.AssertionError) throw failure;
    history.failed(failure);
  }
}

/**
 * Mutates the log during a flush. The flush does not cover these mutations, and a failure meanwhile must be reported.
 */
export async function mutateDuringFlush(history: SimulatedHistory): Promise<void> {
  history.note("sync-meanwhile");
  const target = history.states.length - 1;
  const log = history.log;
  const flush = log.sync().then(() => ({ failure: undefined }), (failure: unknown) => ({ failure }));
  await Promise.resolve();
  const dice = history.random.below(10);
  if (dice < 6) append(history);
  else if (dice < 8) truncate(history);
  else if (dice < 9) snapshot(history);
  else {
    try {
      log.syncSync();
      history.floor = history.states.length - 1;
    } catch (failure) {
      history.failed(failure);
    }
  }
  const { failure } = await flush;
  // A mutation meanwhile may have ended the log already.
  if (history.log !== log) return;
  if (failure !== undefined) history.failed(failure);
  else history.floor = Math.max(history.floor, target);
}

export function close(history: SimulatedHistory): void {
  history.note("close");
  const wasPending = history.disk.isFaultPending;
  try {
    history.log.closeSync();
    // On a full disk, a log may close without the checkpoint of a clean close. Nothing else is missing.
    const isMarked = history.disk.isFaultPending === wasPending && history.space.left === Infinity;
    history.floor = history.states.length - 1;
    if (isMarked) history.proven = history.floor;
    history.reopen(history.floor, isMarked);
  } catch (failure) {
    if (!isPowerLoss(failure) && !isPoisoned(failure)) throw failure;
    if (isPowerLoss(failure)) history.disk.crash();
    else history.disk.restart();
    history.reopen(history.floor);
  }
}

/** Kills the process. No appended entry may be lost. */
export function kill(history: SimulatedHistory): void {
  history.note("kill");
  history.disk.restart();
  history.reopen(history.states.length - 1);
}
