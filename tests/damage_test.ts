/**
 * Flips a bit in each byte of a log. Opening the log must either give exactly what was written, or fail and report
 * every damaged or missing entry. It must never give a wrong entry, and never lose durable data silently.
 */

import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { type Damage, WalLog, WalLogError, type WalLogOptions } from "../mod.ts";
import { KIND_ENTRIES } from "../src/format/frame.ts";
import {
  DURABLE_SLOT_OFFSETS,
  HEADER_OFFSETS,
  NEXT_POINTER_OFFSETS,
  SEGMENT_HEADER_BYTES,
} from "../src/format/header_block.ts";
import type { Index } from "../src/api/types.ts";
import { assertHardState, codeOf, names, severalSegments, type Subject, subject } from "./damaged_log.ts";
import { entriesAt, entryAt, flipped, framesOf, type History } from "./history.ts";
import { type Contents, MemoryDisk } from "./memory_disk.ts";
import { assertSameEntries, assertSameState, bytesOf, type LogState, stateOf } from "./model.ts";

const PATH = MemoryDisk.PATH;
/** The number of bytes to test after the last frame. */
const ZEROS_LOOKED_AT = 96;
/** Every flip of this many is also opened for writing, because the writer must change the disk correctly too. */
const WRITER_EVERY = 11;
/** Bun takes several times as long to open a log, so it tests only some bytes. */
const STEP = process.versions.bun === undefined ? 1 : 5;
/** The most kinds of failure in a message. */
const FAILURES_SHOWN = 10;

/** A history with frames of all kinds, in one segment. */
function everyKind(history: History): void {
  history.append(entryAt(1, 1, 0), entryAt(2, 1, 8), entryAt(3, 1, 13, "config"));
  history.do((log) => log.setHardState({ term: 2, votedFor: 7n }));
  history.append(...entriesAt(4, 8, 2, 40)).sync();
  history.do((log) => log.truncate(7));
  history.append(...entriesAt(7, 9, 3, 33));
  history.do((log) => log.setHardState({ term: 3, votedFor: null }));
  history.append(entryAt(10, 3, 100)).sync();
}

const SUBJECTS: Record<string, () => Subject> = {
  "a closed log": () =>
    subject(2 ** 20, (history, log) => {
      everyKind(history);
      log.closeSync();
      history.durable = history.states.length - 1;
    }),
  "a log that was not closed, synced, with its checkpoint": () =>
    subject(2 ** 20, (history, _log, fileSystem) => {
      everyKind(history);
      fileSystem.rest();
    }),
  "a log that was not closed, with entries after the last flush": () =>
    subject(2 ** 20, (history) => {
      everyKind(history);
      history.append(...entriesAt(11, 13, 4, 20));
    }),
  "a log with a snapshot": () =>
    subject(2 ** 20, (history, log) => {
      history.append(...entriesAt(1, 6, 1, 30));
      history.do((log) => log.applySnapshot({ index: 4, term: 1, config: [1n, 2n], data: bytesOf(120) }));
      history.append(...entriesAt(7, 8, 2, 30));
      history.do((log) => log.setHardState({ term: 2, votedFor: 2n }));
      log.closeSync();
      history.durable = history.states.length - 1;
    }),
};

const LONG_SUBJECTS: Record<string, () => Subject> = {
  "a closed log of several segments": () =>
    subject(8192, (history, log) => {
      severalSegments(history);
      log.closeSync();
      history.durable = history.states.length - 1;
    }),
  "a log of several segments that was not closed": () =>
    subject(8192, (history, _log, fileSystem) => {
      severalSegments(history);
      history.sync();
      fileSystem.rest();
    }),
};

/** Every used byte of the header block, and some of the unused ones. */
function headerOffsets(): number[] {
  const found: number[] = [];
  for (let at = 0; at < SEGMENT_HEADER_BYTES; at++) {
    const says = HEADER_OFFSETS.some((from) => at >= from - 8 && at < from + 416) ||
      NEXT_POINTER_OFFSETS.some((from) => at >= from - 8 && at < from + 48) ||
      DURABLE_SLOT_OFFSETS.some((from) => at >= from - 8 && at < from + 152);
    if (says || at % 241 === 0) found.push(at);
  }
  return found;
}

/** The offsets in a file at which to flip bits: every `step`-th. */
function offsetsIn(name: string, bytes: Uint8Array, step: number, headers: boolean): number[] {
  let all: number[];
  if (!name.endsWith(".seg")) {
    all = [...bytes.keys()];
  } else {
    const end = Math.min(bytes.findLastIndex((byte) => byte !== 0) + 1 + ZEROS_LOOKED_AT, bytes.length);
    all = headers ? headerOffsets() : [];
    for (let at = SEGMENT_HEADER_BYTES; at < end; at++) all.push(at);
  }
  return all.filter((_, i) => i % step === 0);
}

/** Fails unless the damage is in a file of the log and has plausible fields. */
function assertWellNamed(damage: readonly Damage[], contents: Contents): void {
  assert.ok(damage.length > 0, "CORRUPT without damage");
  for (const { path, offset, bytes, firstIndex, lastIndex, reason } of damage) {
    const file = contents.get(path.slice(PATH.length + 1));
    assert.ok(file, `damage in ${path}, which does not exist`);
    assert.ok(offset >= 0 && offset + bytes <= file.length, `damage at ${offset} of ${path}, ${bytes} bytes long`);
    assert.ok(lastIndex === undefined || firstIndex! <= lastIndex, `damage of indexes ${firstIndex} to ${lastIndex}`);
    assert.ok(reason.length > 0, "damage without a reason");
  }
}

/**
 * Fails unless a log that is opened with damage gives only correct entries, and reports the others. The log is compared
 * with one of the states that a crash may leave.
 */
function assertHonest(log: WalLog, right: LogState): void {
  const { damaged } = log;
  const last = Math.max(right.lastIndex, log.lastIndex);
  const by = new Map(right.entries.map((entry) => [entry.index, entry]));
  for (let index = 1; index <= last; index++) {
    const expected = by.get(index);
    let found;
    try {
      found = log.entry(index);
    } catch (error) {
      if (!(error instanceof WalLogError) || error.code !== "DAMAGED_ENTRY") throw error;
      assert.ok(names(damaged, index), `entry ${index} cannot be read and is not reported`);
      continue;
    }
    if (found !== undefined && expected !== undefined) assertSameEntries([found], [expected], "a damaged log");
    // If the frame of a snapshot is lost, the entries that it replaced may be back. They are correct.
    else if (found !== undefined) {
      assert.ok(index <= right.snapshotIndex || names(damaged, index), `entry ${index} came back`);
    } else if (expected !== undefined) {
      assert.fail(`entry ${index} exists and is damaged, and the log says that there is none`);
    }
    if (found !== undefined && codeOf(() => log.termAt(index)) === undefined) {
      assert.equal(log.termAt(index), found.term, `term at ${index}`);
    }
  }
}

/** The results of all flips: opened with the correct state, refused, and refused with the exact entry. */
interface Tally {
  right: number;
  refused: number;
  exact: number;
}

/** Flips a bit in every `step`-th byte of a log, and checks how the log opens. */
function flipAll(
  { contents, history, segmentBytes }: Subject,
  verify: "full" | "tail",
  step: number,
  headers = true,
): Tally {
  const tally: Tally = { right: 0, refused: 0, exact: 0 };
  const failures = new Map<string, string[]>();
  let flips = 0;
  for (const [name, bytes] of contents) {
    const frames = name.endsWith(".seg") ? framesOf(bytes) : [];
    for (const at of offsetsIn(name, bytes, step, headers)) {
      const bit = (at * 7 + bytes[at]!) % 8;
      const damaged = new Map(contents).set(name, flipped(bytes, at, bit));
      const options: WalLogOptions = { fileSystem: new MemoryDisk(damaged), verify, segmentBytes };
      try {
        flips++;
        // Damage to an entry must be reported for this entry only.
        const i = frames.findIndex((frame) => at >= frame.offset && at < frame.end);
        const isAmongOthers = frames[i]?.kind === KIND_ENTRIES && frames[i + 1]?.kind === KIND_ENTRIES;
        const exact = verify === "full" && isAmongOthers ? frames[i]!.index : undefined;
        assertFlip(damaged, options, history, exact, flips % WRITER_EVERY === 0, tally);
      } catch (error) {
        const what = (error as Error).message;
        const where = `bit ${bit} of byte ${at} of ${name}`;
        failures.set(what, [...failures.get(what) ?? [], where]);
      }
    }
  }
  const found = [...failures].map(([what, where]) => `${where[0]} and ${where.length - 1} more: ${what}`);
  assert.equal(found.length, 0, `verify "${verify}": ${found.slice(0, FAILURES_SHOWN).join("\n")}`);
  return tally;
}

function assertFlip(
  damaged: Contents,
  options: WalLogOptions,
  history: History,
  exact: Index | undefined,
  alsoWrite: boolean,
  tally: Tally,
): void {
  const { verify } = options;
  let refusal: WalLogError | undefined;
  try {
    const log = WalLog.openSync(PATH, { ...options, readOnly: true });
    try {
      assert.notEqual(log.recovery.verdict, "corrupt");
      if (verify === "full") history.stepOf(stateOf(log));
      else assertTail(log, history);
    } finally {
      log.closeSync();
    }
    tally.right++;
  } catch (error) {
    if (!(error instanceof WalLogError) || error.code !== "CORRUPT") throw error;
    refusal = error;
    assertWellNamed(error.damage, damaged);
    assert.equal(error.path, error.damage[0]!.path);
    assert.equal(error.offset, error.damage[0]!.offset);
    tally.refused++;
  }
  if (refusal !== undefined) {
    const log = WalLog.openSync(PATH, { ...options, readOnly: true, onDamage: "keep" });
    try {
      assert.deepEqual(log.damaged, refusal.damage, 'damage of "keep" and of the refusal');
      // A refused log is not torn: nothing was cut.
      assertHonest(log, history.last);
      for (const { firstIndex, lastIndex } of log.damaged) {
        if (exact === undefined || firstIndex === undefined) continue;
        assert.deepEqual([firstIndex, lastIndex], [exact, exact], "the indexes named");
        tally.exact++;
      }
    } finally {
      log.closeSync();
    }
  }
  if (alsoWrite) assertWriter(damaged, options, refusal !== undefined, history);
}

/**
 * A sealed segment is not scanned before one of its entries is read. Each read gives the correct entry, or reports it.
 */
function assertTail(log: WalLog, history: History): void {
  const right = history.last;
  let complete = true;
  for (let index = log.snapshotIndex + 1; index <= log.lastIndex; index++) {
    try {
      const found = log.entry(index)!;
      const expected = right.entries.find((entry) => entry.index === index);
      // After the proven LSN, entries may be cut. The others must be correct.
      assertSameEntries([found], [expected!], "reading");
    } catch (error) {
      if (!(error instanceof WalLogError) || !["DAMAGED_ENTRY", "CORRUPT"].includes(error.code)) throw error;
      complete = false;
    }
  }
  if (complete && codeOf(() => log.snapshot()) !== "CORRUPT") history.stepOf(stateOf(log));
  else assert.ok(log.lastIndex >= history.states[history.durable]!.lastIndex, "entries are missing without a report");
}

/**
 * Opens the log for writing. A refusal must change nothing. Otherwise, the log must be correct after it is written and
 * opened again.
 */
function assertWriter(
  damaged: Contents,
  options: WalLogOptions,
  isRefused: boolean,
  history: History,
): void {
  const { verify } = options;
  const disk = options.fileSystem as MemoryDisk;
  if (!isRefused) {
    let log = WalLog.openSync(PATH, options);
    const state = verify === "full" ? stateOf(log) : undefined;
    if (state !== undefined) history.stepOf(state);
    const next = log.lastIndex + 1;
    log.append([entryAt(next, 50)]);
    log.syncSync();
    log.closeSync();
    log = WalLog.openSync(PATH, { ...options, fileSystem: new MemoryDisk(disk.contents()) });
    assert.equal(log.lastIndex, next, "after appending and reopening");
    log.truncate(next);
    if (state !== undefined) assertSameState(stateOf(log), state, "after appending, reopening and truncating");
    log.closeSync();
    return;
  }
  assert.equal(codeOf(() => WalLog.openSync(PATH, options)), "CORRUPT");
  assert.deepEqual(disk.contents(), new Map(damaged), "a refusal changes nothing on the disk");
  const right = history.last;
  // Twice, because the log after a crash of this writer must report the damage too.
  for (const time of ["opened", "opened again"]) {
    let log: WalLog;
    try {
      log = WalLog.openSync(PATH, { ...options, onDamage: "keep" });
    } catch (error) {
      throw new Error(`"keep" ${time}: ${(error as Error).message}`, { cause: error });
    }
    try {
      assert.ok(log.damaged.length > 0, `the damage is forgotten when the log is ${time}`);
      assertHonest(log, right);
      assertHardState(log, right);
    } catch (error) {
      throw new Error(`${time}: ${(error as Error).message}`, { cause: error });
    } finally {
      log.closeSync();
    }
  }
  // A caller that knows the hard state can set it, and it stays.
  let log = WalLog.openSync(PATH, { ...options, onDamage: "keep" });
  log.setHardState({ term: 98, votedFor: 3n }, { force: true });
  log.setHardState({ term: 99, votedFor: 2n ** 64n - 1n });
  log.closeSync();
  log = WalLog.openSync(PATH, { ...options, onDamage: "keep" });
  assert.deepEqual(log.hardState, { term: 99, votedFor: 2n ** 64n - 1n });
  assertHonest(log, right);
  log.setHardState({ term: 100, votedFor: null });
  log.closeSync();
}

describe("a flipped bit", () => {
  for (const [name, make] of Object.entries(SUBJECTS)) {
    it(`in every byte of ${name} is harmless, torn, or reported`, () => {
      // One header block is enough, because all are alike.
      const tally = flipAll(make(), "full", STEP, name === "a closed log");
      assert.ok(
        tally.right * STEP > 100 && tally.refused * STEP > 100 && tally.exact * STEP > 100,
        JSON.stringify(tally),
      );
    });
  }

  for (const [name, make] of Object.entries(LONG_SUBJECTS)) {
    it(`in every 29th byte of ${name} is harmless, torn, or reported`, () => {
      const tally = flipAll(make(), "full", 29);
      assert.ok(tally.right > 50 && tally.refused > 100, JSON.stringify(tally));
    });

    it(`in every 29th byte of ${name} gives no wrong entry with segment indexes`, () => {
      const tally = flipAll(make(), "tail", 29);
      assert.ok(tally.right > 50, JSON.stringify(tally));
    });
  }
});
