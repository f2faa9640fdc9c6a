/**
 * Reads of a log that may be damaged, as words to compare.
 *
 * @module
 */

import { type HardState, type WalLog, WalLogError } from "../../mod.ts";
import { wordOf } from "../simulated_log.ts";

/** A hard state in a word. */
export function wordOfState({ term, votedFor }: HardState): string {
  return `${term}>${votedFor}`;
}

/** A damage report in a line. */
export function lineOf(
  { kind, path, offset, bytes, firstIndex, lastIndex, reason }: WalLog["damaged"][number],
): string {
  return `${kind} ${path} at ${offset}, ${bytes}: entries ${firstIndex} to ${lastIndex}, ${reason}`;
}

/** An entry in a word: `"none"` if there is none, `"damaged"` if it cannot be read. */
export function wordAt(log: WalLog, index: number): string {
  try {
    const entry = log.entry(index);
    return entry === undefined ? "none" : wordOf(entry);
  } catch (error) {
    if (!(error instanceof WalLogError) || error.code !== "DAMAGED_ENTRY") throw error;
    return "damaged";
  }
}

/** The term of an entry; `undefined` if there is no entry, or damage hides its term. */
export function termAt(log: WalLog, index: number): number | undefined {
  try {
    return log.termAt(index);
  } catch (error) {
    if (!(error instanceof WalLogError) || error.code !== "DAMAGED_ENTRY") throw error;
    return undefined;
  }
}

/** Everything that can be read of a log, damaged or not. */
export function readable(log: WalLog): string {
  const words: string[] = [`${log.snapshotIndex} ${log.lastIndex} ${wordOfState(log.hardState)}`];
  for (let index = log.snapshotIndex + 1; index <= log.lastIndex; index++) words.push(wordAt(log, index));
  return words.join(" ");
}

/** Whether a log has lost its hard state. It then rejects every write, even one that changes nothing. */
export function isHardStateLost(log: WalLog): boolean {
  try {
    log.truncate(Number.MAX_SAFE_INTEGER);
    return false;
  } catch (error) {
    if (!(error instanceof WalLogError) || (error.code !== "CORRUPT" && error.code !== "DAMAGED_ENTRY")) throw error;
    return error.code === "CORRUPT";
  }
}
