/**
 * The option `--interval` of commands that work in steps.
 *
 * @module
 */

import { INTERVAL_MS_MAX } from "../archive/repeat.ts";
import { type Arguments, UsageError } from "./command.ts";

/**
 * The time from the start of one step to the start of the next.
 *
 * @param args The arguments.
 * @returns The time in milliseconds; `undefined` if it was not given.
 * @throws {UsageError} If it is not a number of milliseconds from 1 on.
 */
export function intervalOption({ options: { interval } }: Arguments): number | undefined {
  if (interval === undefined) return undefined;
  const milliseconds = typeof interval === "string" && /^\d+$/.test(interval) ? Number(interval) : NaN;
  if (milliseconds >= 1 && milliseconds <= INTERVAL_MS_MAX) return milliseconds;
  throw new UsageError(`--interval takes milliseconds, 1 or more, found ${JSON.stringify(interval)}`);
}
