/**
 * A fixed history with everything that a log does to a disk: it creates segments, flushes, truncates, installs
 * snapshots and deletes replaced files. Only the faults differ.
 *
 * @module
 */

import { MemoryLog } from "../../src/api/memory_log.ts";
import type { LogEntry, RaftLog } from "../../src/api/types.ts";

/** So small that the history fills several segments. */
export const SEGMENT_BYTES = 4096;

/** A step of the history. */
export interface ScriptStep {
  readonly title: string;
  /** The smallest changes that the step is made of; none for a flush. */
  readonly parts: readonly ((log: RaftLog) => void)[];
  /** The step as one call. The caller does flushes. */
  readonly apply: (log: RaftLog) => void;
}

function append(from: number, to: number, term: number, size: number): ScriptStep {
  const entries: LogEntry[] = Array.from({ length: to - from + 1 }, (_, i) => ({
    term,
    index: from + i,
    kind: i % 3 === 1 ? "config" : "normal",
    command: new Uint8Array(size).fill(from + i),
  }));
  return {
    title: `append ${from} to ${to}`,
    parts: entries.map((entry) => (log) => log.append([entry])),
    apply: (log) => log.append(entries),
  };
}

function change(title: string, apply: (log: RaftLog) => void): ScriptStep {
  return { title, parts: [apply], apply };
}

const sync: ScriptStep = { title: "sync", parts: [], apply: () => {} };

/** The history. */
export const SCRIPT: readonly ScriptStep[] = [
  change("vote", (log) => log.setHardState({ term: 1, votedFor: 2n ** 64n - 1n })),
  append(1, 5, 1, 300),
  sync,
  append(6, 9, 1, 300),
  append(10, 15, 1, 500), // In a segment of its own.
  sync,
  change("truncate", (log) => log.truncate(13)),
  append(13, 14, 2, 100),
  change(
    "snapshot at 11",
    (log) => log.applySnapshot({ index: 11, term: 1, config: [1n, 2n], data: new Uint8Array(3000).fill(11) }),
  ),
  append(15, 18, 2, 300), // In the next one.
  change("vote again", (log) => log.setHardState({ term: 3, votedFor: null })),
  sync,
  change(
    "snapshot at 40",
    (log) => log.applySnapshot({ index: 40, term: 3, config: [3n], data: new Uint8Array(1000).fill(40) }),
  ),
  append(41, 46, 3, 200),
  sync,
  append(47, 56, 3, 300), // And in the next.
  sync,
  // Done while the previous flush is running, which does not cover it.
  change("vote for the last time", (log) => log.setHardState({ term: 4, votedFor: 4n })),
  sync,
];

/** The step at which the history stops without a close, to test recovery. */
export const BREAK = 10;

/**
 * A log in memory after the first steps.
 *
 * @param steps The number of steps.
 * @param parts The number of parts of the next step.
 * @returns The log.
 */
export function modelAfter(steps: number, parts = 0): MemoryLog {
  const model = new MemoryLog();
  for (const step of SCRIPT.slice(0, steps)) step.apply(model);
  for (const part of SCRIPT[steps]?.parts.slice(0, parts) ?? []) part(model);
  return model;
}
