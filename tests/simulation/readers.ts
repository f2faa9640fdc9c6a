/**
 * Readers beside a writer.
 *
 * @module
 */

import assert from "node:assert/strict";
import { WalLog, WalLogError } from "../../mod.ts";
import { cloneOf, fingerprint, isPowerLoss } from "../simulated_log.ts";
import { betweenReads } from "../simulated_machine.ts";
import { FOLDER, type SimulatedHistory } from "./simulated_history.ts";
import { append, snapshot, truncate } from "./steps.ts";

/** The probability that a reader opens the log between two operations of its writer. */
const LOOK_CHANCE = 0.04;

/**
 * The probability that a writer does a step between two operations of a reader, and the most such steps in one opening.
 */
const OVERTAKE_CHANCE = 0.1;

const OVERTAKES_MAX = 4;

export async function read(history: SimulatedHistory): Promise<void> {
  history.note("read");
  history.disk.heal();
  const reader = history.open(true);
  assert.equal(fingerprint(reader), fingerprint(history.model), "a reader beside the writer");
  const { damage, harmless } = await reader.scrub();
  assert.deepEqual([damage, harmless], [[], []], "a scrub without rot");
  reader.closeSync();
}

/** A reader opens the log between two operations of its writer. It must see everything that was written. */
export function lookIn(history: SimulatedHistory): void {
  if (history.isLooking || !history.disk.hasPower || !history.lookRandom.chance(LOOK_CHANCE)) return;
  history.note("look-in");
  history.isLooking = true;
  const reader = history.open(true, history.lookRandom.chance(0.3) ? "tail" : "full");
  history.isLooking = false;
  const allowed = history.states.slice(history.openingFloor ?? history.states.length - 1);
  if (history.underWay !== undefined) {
    const model = cloneOf(history.model);
    history.underWay(model);
    allowed.push(fingerprint(model));
  }
  const found = fingerprint(reader);
  assert(allowed.includes(found), `a reader within an operation saw ${found}\nallowed:\n${allowed.join("\n")}`);
  reader.closeSync();
}

/** A writer continues while a reader opens the log. The reader must see a state that the log has had since. */
export function readOvertaken(history: SimulatedHistory): void {
  history.note("read-overtaken");
  history.disk.heal();
  history.space.left = Infinity;
  const first = history.states.length - 1;
  let left = OVERTAKES_MAX;
  const overtake = () => {
    if (left === 0 || history.isLooking || !history.random.chance(OVERTAKE_CHANCE)) return;
    left--;
    history.note("overtaken");
    history.isLooking = true;
    const dice = history.random.below(10);
    if (dice < 5) append(history);
    else if (dice < 7) truncate(history);
    else if (dice < 8) snapshot(history);
    else history.disk.idle();
    history.isLooking = false;
  };
  const fileSystem = betweenReads(history.disk.fileSystem, overtake);
  try {
    const verify = history.random.chance(0.3) ? "tail" : "full";
    const reader = WalLog.openSync(FOLDER, { fileSystem, readOnly: true, verify });
    left = 0;
    const found = fingerprint(reader);
    const allowed = history.states.slice(first);
    assert(allowed.includes(found), `an overtaken reader saw ${found}\nallowed:\n${allowed.join("\n")}`);
    reader.closeSync();
  } catch (error) {
    // The writer may have failed before, so that the process with both was restarted.
    if (isPowerLoss(error)) history.note("reader-killed");
    // The writer may have deleted files that the reader has not read yet.
    else if (error instanceof WalLogError && error.code === "COMPACTED") history.note("reader-compacted");
    else throw error;
  }
}
