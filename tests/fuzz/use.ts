/**
 * Opens, reads, writes and reopens a mutated log.
 *
 * @module
 */

import assert from "node:assert/strict";
import { WalLog, WalLogError, type WalLogErrorCode, type WalLogOptions } from "../../mod.ts";
import { type Random, SimulatedDisk } from "../../src/testing/mod.ts";
import { Violation } from "./budget.ts";
import { type Files, FOLDER } from "./originals.ts";

/** The number of entries to read at each end of a log. */
const ENTRIES_READ = 40;

/** The number of cases for each outcome. */
export type FuzzCounts = Record<string, number>;

/** The codes of errors that the library may throw when it opens such a log. */
const OPEN_CODES: readonly WalLogErrorCode[] = ["CORRUPT", "UNSUPPORTED_VERSION"];

const READ_CODES: readonly WalLogErrorCode[] = ["CORRUPT", "DAMAGED_ENTRY", "UNSUPPORTED_VERSION"];

const WRITE_CODES: readonly WalLogErrorCode[] = [
  "CORRUPT",
  "COMPACTED",
  "DAMAGED_ENTRY",
  "INVALID_ARGUMENT",
  "NOT_CONTIGUOUS",
];

/** A disk with these files on it, durably. */
export function diskWith(files: Files, seed: number): SimulatedDisk {
  const disk = new SimulatedDisk({ seed });
  for (const [path, bytes] of files) {
    const file = disk.fileSystem.open(path, "create");
    if (bytes.length > 0) file.write(bytes, 0);
    file.sync();
  }
  disk.fileSystem.syncDirectory(FOLDER);
  return disk;
}

/** Fails unless an error has one of the allowed codes. */
function expectError(error: unknown, codes: readonly WalLogErrorCode[], during: string): WalLogErrorCode {
  if (error instanceof Violation) throw error;
  if (!(error instanceof WalLogError)) throw new Violation(`${during}: ${describe(error)}`, { cause: error });
  // Opening wraps every error, even one from a bug of the library.
  if (!codes.includes(error.code)) throw new Violation(`${during}: ${describe(error)}`, { cause: error });
  assert(error.code !== "CORRUPT" || error.damage.length > 0, `${during}: CORRUPT that names nothing`);
  return error.code;
}

export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const name = error instanceof WalLogError ? error.code : error.name;
  return `${name}: ${error.message}${error.cause === undefined ? "" : ` <- ${describe(error.cause)}`}`;
}

/** Reads a whole log; if its numbers are absurd, only its start and its end. */
function readAll(log: WalLog, count: (event: string) => void): void {
  const attempt = (during: string, action: () => void) => {
    try {
      action();
    } catch (error) {
      count(`${during}-${expectError(error, READ_CODES, during)}`);
    }
  };
  const { snapshotIndex, lastIndex, hardState, recovery } = log;
  assert(Number.isSafeInteger(snapshotIndex) && snapshotIndex >= 0, `snapshotIndex ${snapshotIndex}`);
  assert(
    Number.isSafeInteger(lastIndex) && lastIndex >= snapshotIndex,
    `lastIndex ${lastIndex}, after ${snapshotIndex}`,
  );
  assert(Number.isSafeInteger(hardState.term) && hardState.term >= 0, `hard state's term ${hardState.term}`);
  assert.equal(recovery.entries, lastIndex - snapshotIndex);
  assert(recovery.provenIndex <= lastIndex, `provenIndex ${recovery.provenIndex}, lastIndex ${lastIndex}`);
  for (const damage of recovery.damage) {
    assert(damage.path.startsWith(FOLDER) && damage.offset >= 0 && damage.bytes >= 0, JSON.stringify(damage));
  }
  attempt(
    "lastTerm",
    () => assert(Number.isSafeInteger(log.lastTerm) && log.lastTerm >= 0, `lastTerm ${log.lastTerm}`),
  );
  const indexes = new Set<number>();
  for (let i = 0; i < ENTRIES_READ; i++) {
    indexes.add(Math.max(0, snapshotIndex - 1) + i);
    indexes.add(Math.max(0, lastIndex + 2 - i));
  }
  for (const index of indexes) {
    if (!Number.isSafeInteger(index)) continue;
    attempt("termAt", () => {
      const term = log.termAt(index);
      assert(term === undefined || (Number.isSafeInteger(term) && term >= 0), `term ${term}`);
    });
    attempt("entry", () => {
      const entry = log.entry(index);
      assert.equal(entry === undefined, index <= snapshotIndex || index > lastIndex, `entry ${index}`);
      if (entry !== undefined) assert.equal(entry.index, index);
    });
  }
  // No entry can follow a snapshot of the highest index.
  const first = Math.min(snapshotIndex + 1, Number.MAX_SAFE_INTEGER);
  attempt("entries", () => log.entries(first, lastIndex));
  attempt("entries", () => log.entries(first, lastIndex, { maxBytes: 300 }));
  attempt("iterate", () => {
    let next = snapshotIndex + 1;
    for (const entry of log.iterate()) assert.equal(entry.index, next++);
    assert.equal(next, lastIndex + 1);
  });
  attempt("snapshotMeta", () => log.snapshotMeta());
  attempt("snapshot", () => log.snapshot());
}

/** Writes to a log. A refusal must have an allowed reason. */
function writeSome(log: WalLog, random: Random, count: (event: string) => void): void {
  const attempt = (during: string, action: () => void) => {
    try {
      action();
    } catch (error) {
      count(`${during}-${expectError(error, WRITE_CODES, during)}`);
    }
  };
  let term = 0;
  attempt("lastTerm", () => term = log.lastTerm);
  const entry = () => ({
    term,
    index: log.lastIndex + 1,
    kind: "normal" as const,
    command: new Uint8Array(random.below(500)),
  });
  attempt("append", () => log.append([entry()]));
  attempt("setHardState", () => log.setHardState({ term: 7, votedFor: 1n }, { force: random.chance(0.5) }));
  attempt("truncate", () => log.truncate(Math.max(1, log.lastIndex - random.below(3))));
  for (let i = random.below(30); i > 0; i--) attempt("append", () => log.append([entry()]));
  attempt("sync", () => log.syncSync());
  if (random.chance(0.3)) {
    attempt(
      "applySnapshot",
      () => log.applySnapshot({ index: Math.max(1, log.lastIndex - 1), term, config: [1n], data: new Uint8Array(99) }),
    );
  }
}

/** The opened log as text, to compare two openings. */
function summary(log: WalLog): string {
  const { lastIndex, snapshotIndex, hardState } = log;
  return `${lastIndex} ${snapshotIndex} ${hardState.term} ${hardState.votedFor}`;
}

export function openAndUse(
  options: WalLogOptions,
  isForged: boolean,
  random: Random,
  count: (event: string) => void,
): void {
  let log: WalLog;
  try {
    log = WalLog.openSync(FOLDER, options);
  } catch (error) {
    const code = expectError(error, OPEN_CODES, "open");
    // A log with an impossible claim under a valid checksum may not open with its damage. A log with other damage must.
    if (options.onDamage === "keep" && !isForged) {
      assert.notEqual(code, "CORRUPT", `CORRUPT with onDamage "keep": ${describe(error)}`);
    }
    count(code);
    return;
  }
  count(`${log.recovery.verdict}${options.readOnly ? "" : ", writable"}`);
  readAll(log, count);
  if (options.readOnly) return log.closeSync();
  writeSome(log, random, count);
  const damaged = log.damaged.length > 0;
  const before = summary(log);
  log.closeSync();
  // A log that was opened without damage, written and closed must open again, unchanged.
  try {
    log = WalLog.openSync(FOLDER, options);
  } catch (error) {
    count(`again-${expectError(error, OPEN_CODES, "open again")}`);
    assert(damaged || isForged, `an undamaged log does not open again: ${describe(error)}`);
    return;
  }
  readAll(log, count);
  if (!damaged && !isForged) assert.equal(summary(log), before, "opened again");
  log.closeSync();
}
