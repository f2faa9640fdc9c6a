/**
 * Random histories on a simulated disk, compared with `MemoryLog`. A reopened log must hold the result of a prefix of
 * its history, no shorter than the last successful sync. A reader that opens the log between two operations of its
 * writer must see everything that was written. If the writer continues meanwhile, a reader must see a state that the
 * log has had since. A log on a full disk must still open for reading.
 *
 * A seed repeats a history. A failure is thrown with its seed, and with as few of its steps as still fail.
 */

import { PowerLoss } from "../src/testing/mod.ts";
import { type Counts, type Failure, shrink } from "./simulated_log.ts";
import { SimulatedHistory, type SimulationOptions } from "./simulation/simulated_history.ts";
import { lookIn, read, readOvertaken } from "./simulation/readers.ts";
import { rot } from "./simulation/rot.ts";
import {
  append,
  close,
  fillDisk,
  kill,
  mutateDuringFlush,
  planFault,
  retain,
  setHardState,
  snapshot,
  sync,
  truncate,
} from "./simulation/steps.ts";

/** The most steps of a history. */
const STEPS_MAX = 40;

/** Does a random step. */
async function doStep(history: SimulatedHistory): Promise<void> {
  const random = history.random;
  const dice = random.below(100);
  if (dice < 35) append(history);
  else if (dice < 40) retain(history);
  else if (dice < 46) truncate(history);
  else if (dice < 52) setHardState(history);
  else if (dice < 58) snapshot(history);
  else if (dice < 65) await sync(history);
  else if (dice < 68) await mutateDuringFlush(history);
  else if (dice < 72) {
    history.note("idle");
    history.disk.idle();
    if (!history.disk.hasPower) return history.failed(new PowerLoss("idle"));
    // An idle log with nothing to flush writes a checkpoint, if there is space for it.
    if (history.floor === history.states.length - 1 && history.space.left === Infinity) history.proven = history.floor;
  } else if (dice < 76) close(history);
  else if (dice < 80) kill(history);
  else if (dice < 85) {
    history.note("crash");
    history.disk.crash();
    history.reopen(history.floor);
  } else if (dice < 92) planFault(history);
  else if (dice < 94) await read(history);
  else if (dice < 96) readOvertaken(history);
  else if (dice < 98) fillDisk(history);
  else append(history);
}

/** Does all steps, and checks the log after the last crash or damage. */
async function runSteps(history: SimulatedHistory): Promise<void> {
  history.reopen(0);
  const length = 1 + history.random.below(STEPS_MAX);
  for (let step = 0; step < length; step++) {
    if (history.options.steps?.includes(step) === false) continue;
    history.steps.push(step);
    history.turnTo(step);
    await doStep(history);
  }
  history.turnTo(length);
  if (history.options.damage) rot(history);
  else {
    history.note("crash");
    history.disk.crash();
    history.reopen(history.floor);
  }
}

/** Runs a history to its end or to its failure. */
async function run(seed: number, counts: Counts, options: SimulationOptions): Promise<Failure | undefined> {
  const history = new SimulatedHistory(seed, counts, options, lookIn);
  try {
    await runSteps(history);
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
 * @param options The options.
 */
export async function simulate(seed: number, counts: Counts = {}, options: SimulationOptions = {}): Promise<void> {
  const attempt = (counts: Counts, steps = options.steps) => run(seed, counts, { ...options, steps });
  const found = await attempt(counts);
  if (found === undefined) return;
  const { error, steps, notes } = await shrink(found, (steps) => attempt({}, steps));
  const again = `deno task sim --seed ${seed} ${options.damage ? "--damage" : "--crashes"} --steps=${steps}`;
  const kind = options.damage ? " with damage" : "";
  throw new Error(`seed ${seed}${kind}: ${error.message}\n  ${notes.join("\n  ")}\n  again: ${again}`, {
    cause: error,
  });
}
