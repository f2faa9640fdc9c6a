/**
 * Checks the names of options. Without the check, a misspelt option would go unnoticed: `segmentSize: 2 ** 20` would
 * leave segments at 64 MiB.
 *
 * @module
 */

import { WalLogError } from "./errors.ts";

/** The options of calls that can discard entries or votes that a damaged log may still have. */
export const FORCE = ["force"] as const;

/**
 * Refuses an option that does not exist.
 *
 * @param attempt The call, for the message: `Cannot open a log`.
 * @param options The options that the caller gave; `undefined` if none.
 * @param known The names of all options.
 * @throws {WalLogError} `INVALID_ARGUMENT` for the first name that is unknown.
 */
export function checkNames(attempt: string, options: object | undefined, known: readonly string[]): void {
  if (options === undefined) return;
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const [nearest] = known.map((one) => ({ one, distance: distance(name, one) })).sort((a, b) =>
      a.distance - b.distance
    );
    const isNear = nearest !== undefined && nearest.distance <= Math.max(name.length, nearest.one.length) / 2;
    const hint = isNear ? `did you mean ${nearest.one}?` : `expected one of ${known.join(", ")}`;
    throw new WalLogError("INVALID_ARGUMENT", `${attempt}: unknown option ${JSON.stringify(name)}; ${hint}`);
  }
}

/** The edit distance between two words, ignoring case. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 0; i < from.length; i++) {
    const next = [i + 1];
    for (let j = 0; j < to.length; j++) {
      const isSame = from[i]!.toLowerCase() === to[j]!.toLowerCase();
      next.push(Math.min(row[j + 1]! + 1, next[j]! + 1, row[j]! + (isSame ? 0 : 1)));
    }
    row = next;
  }
  return row[to.length]!;
}
