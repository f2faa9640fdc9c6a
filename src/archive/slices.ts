/**
 * Long work in slices, so that other tasks can run.
 *
 * @module
 */

import { setImmediate, setTimeout } from "node:timers/promises";
import { performance } from "node:perf_hooks";

/** The longest time that work runs before it yields to the event loop, in milliseconds. */
const SLICE_MS = 4;

/** A pause between two steps of work. `waitMs`: its least length, in milliseconds. */
export interface Pause {
  readonly waitMs?: number;
}

/**
 * Does work that pauses after each step.
 *
 * @param steps The work.
 * @returns Its result.
 */
export async function inSlices<T>(steps: Generator<Pause | void, T>): Promise<T> {
  for (let sliceEnd = performance.now() + SLICE_MS;;) {
    const step = steps.next();
    if (step.done) return step.value;
    const waitMs = step.value?.waitMs;
    if (waitMs !== undefined) await setTimeout(waitMs);
    else if (performance.now() < sliceEnd) continue;
    else await setImmediate();
    sliceEnd = performance.now() + SLICE_MS;
  }
}
