/**
 * Shared parts of random histories on a simulated disk: comparing logs, recognizing failures of the disk, and shrinking
 * failed histories.
 */

import { type LogEntry, MemoryLog, type RaftLog, WalLogError } from "../mod.ts";
import { PowerLoss, type Random } from "../src/testing/mod.ts";

/** Counts of events over all histories. */
export type Counts = Record<string, number>;

/** A history that failed. */
export interface Failure {
  readonly error: Error;
  /** The numbers and the notes of its steps up to the failure. */
  readonly steps: readonly number[];
  readonly notes: readonly string[];
}

/** A short digest of bytes. */
export function digest(bytes: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return `${bytes.length}:${(hash >>> 0).toString(36)}`;
}

/** An entry in a word. */
export function wordOf({ index, term, kind, command }: LogEntry): string {
  return `${index}.${term}${kind[0]}${digest(command)}`;
}

/** The contents of a log in a line. */
export function fingerprint(log: RaftLog): string {
  const { hardState, snapshotIndex, lastIndex, lastTerm } = log;
  const snapshot = log.snapshot();
  const entries = log.entries(snapshotIndex + 1, lastIndex).map(wordOf);
  const boundary = snapshot === undefined
    ? "-"
    : [snapshot.term, snapshot.config, digest(snapshot.meta ?? new Uint8Array(0)), digest(snapshot.data)].join(":");
  return `${lastIndex}/${lastTerm} ${snapshotIndex}=${boundary} ${hardState.term}>${hardState.votedFor} ${entries}`;
}

/** A log in memory with the same contents. */
export function cloneOf(log: RaftLog): MemoryLog {
  const copy = new MemoryLog();
  copy.setHardState(log.hardState);
  const snapshot = log.snapshot();
  if (snapshot !== undefined) copy.applySnapshot(snapshot);
  copy.append(log.entries(log.snapshotIndex + 1, log.lastIndex));
  return copy;
}

/**
 * Makes a few next entries.
 *
 * @param random Random decisions.
 * @param log The log.
 * @param id A counter that makes their commands unique.
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

/** Whether opening may throw this error when the disk fails. */
export function isExpected(error: unknown): boolean {
  return isPowerLoss(error) ||
    (error instanceof WalLogError && (error.code === "NO_SPACE" || error.code === "IO" || error.code === "POISONED"));
}

/**
 * Removes steps from a failed history as long as it still fails.
 *
 * @param failure The failure.
 * @param run Runs the history with the given steps.
 * @returns The failure with a minimal set of steps.
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
