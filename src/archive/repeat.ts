/**
 * Repeats the steps of an archiver, or the updates of a standby.
 *
 * @module
 */

import { setTimeout } from "node:timers/promises";
import type { WalLogError } from "../api/errors.ts";
import { invalid, show } from "../api/validate.ts";

const INTERVAL_MS_DEFAULT = 1000;
/** The longest delay of the runtimes' timers. In milliseconds: 24 days. */
export const INTERVAL_MS_MAX = 2 ** 31 - 1;
/** The longest pause after failures in a row, in milliseconds. */
const PAUSE_MS_MAX = 30_000;

/**
 * Checks the option `intervalMilliseconds`.
 *
 * @param attempt The call, for the error.
 * @param intervalMs The option. Default: one second.
 * @returns The interval, in milliseconds.
 * @throws {WalLogError} `INVALID_ARGUMENT`.
 */
export function checkInterval(attempt: string, intervalMs: number = INTERVAL_MS_DEFAULT): number {
  if (intervalMs >= 1 && intervalMs <= INTERVAL_MS_MAX) return intervalMs;
  throw invalid(`${attempt}: intervalMilliseconds must be 1 or more, found ${show(intervalMs)}`);
}

/** A step that is repeated. */
export interface RepeatedStep {
  /** The time from the start of one step to the start of the next, in milliseconds. */
  readonly intervalMs: number;
  /** Ends the repetition, also during a pause. */
  readonly signal: AbortSignal;
  /** Does a step. `started`: the time of its start, by `performance.now`. */
  step(started: number): Promise<void>;
  /** Records a failure. Returns it as an error if another attempt cannot succeed. */
  failed(cause: unknown): WalLogError | undefined;
}

/**
 * Repeats a step. After failures, pauses grow up to 30 seconds.
 *
 * @param repeated The step.
 * @returns The error that ended the repetition; `undefined` if the signal did.
 */
export async function repeatStep({ intervalMs, signal, step, failed }: RepeatedStep): Promise<WalLogError | undefined> {
  const longestMs = Math.max(PAUSE_MS_MAX, intervalMs);
  for (let inARow = 0; !signal.aborted;) {
    const started = performance.now();
    try {
      await step(started);
      inARow = 0;
    } catch (error) {
      if (signal.aborted) break;
      inARow++;
      const end = failed(error);
      if (end !== undefined) return end;
    }
    const pauseMs = Math.min(intervalMs * 2 ** Math.min(inARow, 20), longestMs);
    // Random pauses spread the attempts of archivers that failed together.
    const restMs = started + pauseMs * (inARow === 0 ? 1 : 0.5 + Math.random() / 2) - performance.now();
    if (restMs > 0) await setTimeout(restMs, undefined, { signal }).catch(() => {});
  }
  return undefined;
}
