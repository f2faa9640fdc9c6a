/**
 * Reads an open log through its public interface, and turns its contents into words that can be compared.
 *
 * @module
 */

import { type Index, type Term, type WalLog, WalLogError } from "../../mod.ts";
import { wordOf } from "../simulated_log.ts";
import { diskOf, type Files, FOLDER } from "./contents.ts";
import { wordOfSnapshot, wordOfState } from "./expected.ts";
import type { Open } from "./writing.ts";

/** Ways to open a damaged log. `tail`: with `onDamage: "keep"`, and with segment indexes. */
export const WAYS = ["keep", "fail", "tail"] as const;
/** A way to open a log. */
export type Way = (typeof WAYS)[number];

/** Stands for an entry or a snapshot that exists but cannot be read. */
export const DAMAGED = "damaged";
/** Stands for an entry that does not exist. */
export const NONE = "none";

/** The contents of an open log. */
export interface Seen {
  readonly snapshotIndex: Index;
  readonly lastIndex: Index;
  /** The hard state in a word; `undefined` if the log reports that the latest one may be lost. */
  readonly hardState: string | undefined;
  /** Whether the end of the log is known. If not, the log reports that entries may be missing or discarded. */
  readonly isEndKnown: boolean;
  /** Whether damage to a snapshot is reported. */
  readonly isSnapshotDamaged: boolean;
  /** The snapshot in a word. */
  readonly snapshot: string;
  /** The entries in words, from index 0 on. */
  readonly words: readonly string[];
  /** Their terms, as far as the log knows them. */
  readonly terms: readonly (Term | undefined)[];
  /** Whether the entry is reported. */
  isNamed(index: Index): boolean;
}

/** The outcome of opening a log. */
export type Opened =
  | { readonly outcome: "opened"; readonly log: WalLog; readonly seen: Seen }
  /** The log was refused, and its damage reported. */
  | { readonly outcome: "refused"; readonly message: string }
  /** Neither a report nor `CORRUPT`. */
  | { readonly outcome: "failed"; readonly message: string };

/**
 * Opens a log on a new disk.
 *
 * @param files Its files.
 * @param segmentBytes The size of a segment.
 * @param way How to open it.
 * @param open Opens it.
 * @param seed The seed of the disk.
 */
export function openFiles(files: Files, segmentBytes: number, way: Way, open: Open, seed: number): Opened {
  const { fileSystem } = diskOf(files, seed);
  return openLog(() =>
    open(FOLDER, {
      fileSystem,
      segmentBytes,
      onDamage: way === "fail" ? "fail" : "keep",
      verify: way === "tail" ? "tail" : "full",
    }), way);
}

/**
 * Opens a log and reads everything in it.
 *
 * @param open Opens it.
 * @param way How it opens the log.
 */
export function openLog(open: () => WalLog, way: Way): Opened {
  try {
    const log = open();
    return { outcome: "opened", log, seen: see(log, way) };
  } catch (error) {
    const message = String(error instanceof Error ? error.stack : error);
    if (!(error instanceof WalLogError) || error.code !== "CORRUPT") return { outcome: "failed", message };
    if (error.damage.length === 0) return { outcome: "failed", message: `CORRUPT names nothing: ${message}` };
    return { outcome: "refused", message: error.message };
  }
}

/**
 * Reads everything in a log. With segment indexes, some damage is found only by reads. Then the error of the read
 * counts as the report.
 */
function see(log: WalLog, way: Way): Seen {
  const { damaged } = log;
  const isHardStateKnown = knowsHardState(log);
  const words = Array.from({ length: log.lastIndex + 1 }, (_, index) => wordAt(log, index));
  const terms = words.map((_, index) => termAt(log, index));
  const snapshot = snapshotOf(log);
  const isRefusalEnough = way === "tail";
  return {
    snapshotIndex: log.snapshotIndex,
    lastIndex: log.lastIndex,
    hardState: isHardStateKnown ? wordOfState(log.hardState) : undefined,
    isEndKnown: !damaged.some(({ kind, firstIndex, lastIndex }) =>
      lastIndex === undefined && (firstIndex !== undefined || kind === "segment" || kind === "segment header")
    ),
    isSnapshotDamaged: damaged.some(({ kind }) => kind === "snapshot") || (isRefusalEnough && snapshot === DAMAGED),
    snapshot,
    words,
    terms,
    isNamed: (index) =>
      (isRefusalEnough && words[index] === DAMAGED) ||
      damaged.some(({ firstIndex, lastIndex }) =>
        firstIndex !== undefined && firstIndex <= index && index <= lastIndex!
      ),
  };
}

/** Whether a log knows its hard state. If not, it rejects entries. */
function knowsHardState(log: WalLog): boolean {
  try {
    log.append([]);
    return true;
  } catch (error) {
    if (error instanceof WalLogError && error.code === "CORRUPT") return false;
    throw error;
  }
}

function wordAt(log: WalLog, index: Index): string {
  return unlessDamaged(() => {
    const entry = log.entry(index);
    return entry === undefined ? NONE : wordOf(entry);
  }, DAMAGED);
}

function termAt(log: WalLog, index: Index): Term | undefined {
  return unlessDamaged(() => log.termAt(index), undefined);
}

function snapshotOf(log: WalLog): string {
  return unlessDamaged(() => wordOfSnapshot(log.snapshot()), DAMAGED);
}

function unlessDamaged<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof WalLogError && (error.code === "DAMAGED_ENTRY" || error.code === "CORRUPT")) return otherwise;
    throw error;
  }
}
