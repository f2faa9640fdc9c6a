/**
 * What random histories on a simulated disk have in common: what a log is compared by, which failures are the disk's,
 * and how a history that failed is made shorter.
 */

import { type LogEntry, MemoryLog, type RaftLog, WalLogError } from "../mod.ts";
import { PowerLoss, type Random } from "../src/testing/mod.ts";

/** How often what happened, over all histories. */
export type Counts = Record<string, number>;

/** A history that failed. */
export interface Failure {
  readonly error: Error;
  /** The numbers of its steps up to there, and what happened in them. */
  readonly steps: readonly number[];
  readonly notes: readonly string[];
}

/** Bytes in a few letters. */
export function digest(bytes: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return `${bytes.length}:${(hash >>> 0).toString(36)}`;
}

/** An entry in a word. */
export function wordOf({ index, term, kind, command }: LogEntry): string {
  return `${index}.${term}${kind[0]}${digest(command)}`;
}

/** Everything that a log holds, in a line. */
export function fingerprint(log: RaftLog): string {
  const { hardState, snapshotIndex, lastIndex, lastTerm } = log;
  const snapshot = log.snapshot();
  const entries = log.entries(snapshotIndex + 1, lastIndex).map(wordOf);
  const boundary = snapshot === undefined
    ? "-"
    : [snapshot.term, snapshot.config, digest(snapshot.meta ?? new Uint8Array(0)), digest(snapshot.data)].join(":");
  return `${lastIndex}/${lastTerm} ${snapshotIndex}=${boundary} ${hardState.term}>${hardState.votedFor} ${entries}`;
}

/** A log in memory that holds the same. */
export function cloneOf(log: RaftLog): MemoryLog {
  const copy = new MemoryLog();
  copy.setHardState(log.hardState);
  const snapshot = log.snapshot();
  if (snapshot !== undefined) copy.applySnapshot(snapshot);
  copy.append(log.entries(log.snapshotIndex + 1, log.lastIndex));
  return copy;
}

/**
 * A few entries that could come next.
 *
 * @param random Decides what they are.
 * @param log The log.
 * @param id Goes into their commands, so that no two are the same, and is counted up.
 */
export function entriesBehind(random: Random, log: RaftLog, id: { next: number }): LogEntry[] {
  const term = log.lastTerm + (random.chance(0.1) ? 1 : 0);
  // Some batches fill several frames.
  const length = random.chance(0.9) ? 1 + random.below(5) : 1 + random.below(60);
  return Array.from({ length }, (_, i) => {
    const command = new Uint8Array(random.chance(0.8) ? random.below(80) : random.below(4000));
    random.fill(command);
    if (command.length >= 4) new DataView(command.buffer).setUint32(0, id.next++);
    return { term, index: log.lastIndex + 1 + i, kind: random.chance(0.1) ? "config" : "normal", command };
  });
}

export function isPowerLoss(error: unknown): boolean {
  return error instanceof PowerLoss || (error instanceof WalLogError && isPowerLoss(error.cause));
}

export function isPoisoned(error: unknown): boolean {
  return error instanceof WalLogError && error.code === "POISONED";
}

/** What an open may throw when the disk fails under it. */
export function isExpected(error: unknown): boolean {
  return isPowerLoss(error) ||
    (error instanceof WalLogError && (error.code === "NO_SPACE" || error.code === "IO" || error.code === "POISONED"));
}

/**
 * Leaves steps out of a history that failed for as long as it goes on failing.
 *
 * @param failure How it failed.
 * @param run Runs the history with these steps of it.
 * @returns How it fails with as few steps as can be: each of them is needed.
 */
export async function shrink<T extends { readonly steps: readonly number[] }>(
  failure: T,
  run: (steps: readonly number[]) => Promise<T | undefined>,
): Promise<T> {
  let least = failure;
  for (let before = Infinity; least.steps.length < before;) {
    before = least.steps.length;
    for (const step of [...least.steps].reverse()) {
      if (!least.steps.includes(step)) continue;
      least = await run(least.steps.filter((other) => other !== step)) ?? least;
    }
  }
  return least;
}
