/**
 * Random histories on a simulated disk that is damaged repeatedly, in up to three places at once. The log is opened
 * with its damage, read, written, repaired or left damaged. The power fails, also while the log is opened, and the disk
 * fails or fills up.
 *
 * The log is compared with `MemoryLog`. Everything that can be read must come from one prefix of the history, no shorter
 * than the last flush. Everything else must be reported. A healed log must open without damage.
 *
 * A seed repeats a history. A failure is thrown with its seed, and with as few of its steps as still fail.
 */

import { DamageHistory } from "./damage_simulation/damage_history.ts";
import { heal, replaceAll } from "./damage_simulation/healing.ts";
import { judge } from "./damage_simulation/judging.ts";
import { rot } from "./damage_simulation/rot.ts";
import {
  append,
  close,
  crash,
  fillDisk,
  idle,
  kill,
  planFault,
  setHardState,
  snapshot,
  sync,
  truncate,
} from "./damage_simulation/steps.ts";
import { type Counts, type Failure, shrink } from "./simulated_log.ts";

/** The fewest steps of a history, and the most additional ones. */
const [STEPS_MIN, STEPS_MORE] = [5, 60];

/** Judges a log that was opened, and heals it or leaves its damage. */
function goOn(history: DamageHistory): void {
  const condition = judge(history);
  if (condition.type === "damaged") heal(history, condition.isStateLost);
  else if (condition.type === "open-ended") replaceAll(history);
}

/** Does a random step. */
function doStep(history: DamageHistory): void {
  const dice = history.random.below(100);
  if (dice < 42) append(history);
  else if (dice < 51) truncate(history);
  else if (dice < 56) setHardState(history);
  else if (dice < 63) snapshot(history);
  else if (dice < 71) sync(history);
  else if (dice < 74) idle(history);
  else if (dice < 78) {
    if (close(history)) history.reopen();
  } else if (dice < 81) kill(history);
  else if (dice < 84) crash(history);
  else if (dice < 89) planFault(history);
  else if (dice < 91) fillDisk(history);
  else rot(history);
}

/** Does the steps, and opens the log after a last crash. */
function runSteps(history: DamageHistory, chosen: readonly number[] | undefined): void {
  history.reopen();
  const length = STEPS_MIN + history.random.below(STEPS_MORE);
  for (let step = 0; step < length; step++) {
    if (chosen?.includes(step) === false) continue;
    history.steps.push(step);
    history.turnTo(step);
    doStep(history);
  }
  history.turnTo(length);
  history.disk.heal();
  crash(history);
}

/** Runs a history to its end, or to where it fails. */
function run(seed: number, counts: Counts, chosen: readonly number[] | undefined): Failure | undefined {
  const history = new DamageHistory(seed, counts, goOn);
  try {
    runSteps(history, chosen);
    return undefined;
  } catch (error) {
    return { error: error as Error, steps: history.steps, notes: history.notes };
  }
}

/**
 * Runs one history.
 *
 * @param seed The seed of the history.
 * @param counts Added to.
 * @param steps The numbers of the steps to do. Default: all.
 */
export async function simulateDamage(seed: number, counts: Counts = {}, steps?: readonly number[]): Promise<void> {
  const found = run(seed, counts, steps);
  if (found === undefined) return;
  const { error, steps: least, notes } = await shrink(found, (steps) => Promise.resolve(run(seed, {}, steps)));
  const again = `deno task sim --rot --seed ${seed} --steps=${least}`;
  throw new Error(`seed ${seed} on a rotting disk: ${error.message}\n  ${notes.join("\n  ")}\n  again: ${again}`, {
    cause: error,
  });
}
