/**
 * Heals a damaged log, in one of the ways of an application.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type LogEntry, WalLogError } from "../../mod.ts";
import { fingerprint, isPoisoned, isPowerLoss } from "../simulated_log.ts";
import type { DamageHistory } from "./damage_history.ts";
import { judge } from "./judging.ts";
import { wordOfState } from "./reading.ts";
import { appendAll, applySnapshot, close, planFault, sync, truncateFrom } from "./steps.ts";

/** Heals a log whose state is known, or leaves its damage. */
export function heal(history: DamageHistory, isStateLost: boolean): void {
  const { random, log } = history;
  const way = random.pick(["repair", "repair", "replace", "snapshot", "leave", "leave"]);
  history.note(`heal-${way}`);
  if (random.chance(0.3)) planFault(history);
  if (way === "leave" && (!isStateLost || random.chance(0.5))) return;
  if (!forceHardState(history, isStateLost ? 1 : 0) || way === "leave") return;
  if (way === "snapshot") return coverWithSnapshot(history);
  const snapshot = history.model.snapshot();
  if (snapshot !== undefined && log.snapshotIndex < snapshot.index) {
    if (!attempt(history, () => log.applySnapshot(snapshot))) return;
  }
  if (way === "replace" || !repair(history)) replaceEntries(history);
}

/** Heals a log in an unknown state: a snapshot above all its indexes replaces everything. */
export function replaceAll(history: DamageHistory): void {
  const { random } = history;
  history.note("replace-all");
  if (random.chance(0.3)) planFault(history);
  if (!forceHardState(history, 1)) return;
  const index = Math.max(history.log.lastIndex, history.model.lastIndex) + 1 + random.below(3);
  const term = Math.max(...history.states.map(({ lastTerm }) => lastTerm)) + 1;
  if (!applySnapshot(history, "snapshot-above", { index, term, force: true })) return;
  history.isOpenEnded = false;
  history.floor = history.states.length - 1;
  reopenHealed(history);
}

/** Replaces a hard state that may be lost, with a term that is so much later. */
function forceHardState(history: DamageHistory, later: number): boolean {
  const { term, votedFor } = history.model.hardState;
  const state = { term: term + later, votedFor };
  return history.mutate(
    `force ${wordOfState(state)}`,
    () => history.log.setHardState(state, { force: true }),
    [(log) => log.setHardState(state)],
  );
}

/** Installs a snapshot of all entries, so that none of the damaged ones is needed. */
function coverWithSnapshot(history: DamageHistory): void {
  const { model, log, random } = history;
  const index = Math.max(model.lastIndex, log.lastIndex) + random.below(2);
  if (index <= model.snapshotIndex || index <= log.snapshotIndex) return;
  if (!applySnapshot(history, "snapshot-over", { index, term: model.lastTerm + 1 })) return;
  history.floor = history.states.length - 1;
  reopenHealed(history);
}

/** Repairs damaged entries with good copies; `false` if they must be replaced instead. */
function repair(history: DamageHistory): boolean {
  const { log, model } = history;
  const good: LogEntry[] = [];
  for (const { firstIndex, lastIndex } of log.damaged) {
    if (firstIndex === undefined || lastIndex === undefined) continue;
    for (let index = firstIndex; index <= lastIndex; index++) {
      const entry = model.entry(index);
      if (entry !== undefined) good.push(entry);
    }
  }
  try {
    if (!attempt(history, () => log.repair(good))) return true;
  } catch (error) {
    if (!(error instanceof WalLogError) || error.code !== "INVALID_ARGUMENT") throw error;
    history.note("repair-refused");
    return false;
  }
  if (log.damaged.length > 0) return false;
  history.note("repaired");
  assert.equal(fingerprint(log), fingerprint(model), "the log after its repair");
  reopenHealed(history);
  return true;
}

/** Truncates the log at its first damaged entry, and appends good copies. */
function replaceEntries(history: DamageHistory): void {
  const { snapshotIndex, damaged } = history.log;
  const { model } = history;
  const first = Math.max(Math.min(...damaged.map(({ firstIndex = Infinity }) => firstIndex)), snapshotIndex + 1);
  if (first === Infinity) return;
  const entries = first > model.lastIndex ? [] : model.entries(first, model.lastIndex);
  if (!truncateFrom(history, first)) return;
  if (entries.length > 0 && !appendAll(history, `append ${entries.length} anew`, entries)) return;
  history.note("replaced");
  assert.equal(fingerprint(history.log), fingerprint(history.model), "the log after its entries were replaced");
  // If a truncation was lost, the log stays in doubt until there is a snapshot.
  if (history.log.damaged.length === 0) reopenHealed(history);
}

/** Ends the healed log by a close, a kill or a crash. It must open without damage. */
function reopenHealed(history: DamageHistory): void {
  const { random, disk } = history;
  disk.heal();
  history.space.left = Infinity;
  if (random.chance(0.4)) {
    if (!close(history)) return;
  } else {
    if (!sync(history)) return;
    if (random.chance(0.5)) disk.crash();
    else disk.restart();
  }
  history.open();
  const { damage } = history.log.recovery;
  assert(damage.length === 0, `damaged again after healing: ${JSON.stringify(damage)}`);
  judge(history);
  history.isRotten = false;
}

/** Runs an action that does not change the model; returns `false` if it failed. */
function attempt(history: DamageHistory, action: () => void): boolean {
  try {
    action();
    return true;
  } catch (error) {
    if (error instanceof WalLogError && error.code === "NO_SPACE") history.note("refused-NO_SPACE");
    else if (isPowerLoss(error) || isPoisoned(error)) history.failed(error);
    else throw error;
    return false;
  }
}
