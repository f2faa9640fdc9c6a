/**
 * A bit turned over at every byte of a log. Opening it either gives exactly what was written, or refuses and names every
 * entry that is wrong or missing; it never gives a wrong entry, and nothing that was durable is lost in silence.
 */

import assert from "node:assert/strict";
import process from "node:process";
import { describe, it } from "node:test";
import { type Damage, WalLog, WalLogError, type WalLogOptions } from "../mod.ts";
import { FRAME_HEADER_BYTES, KIND_ENTRIES, KIND_HARD_STATE, KIND_SEGMENT_INDEX } from "../src/format/frame.ts";
import {
  DURABLE_SLOT_OFFSETS,
  HEADER_OFFSETS,
  NEXT_POINTER_OFFSETS,
  SEGMENT_HEADER_BYTES,
} from "../src/format/header_block.ts";
import type { Index } from "../src/api/types.ts";
import { appendEach, entriesAt, entryAt, flipped, framesOf, History } from "./history.ts";
import { type Contents, MemoryDisk } from "./memory_disk.ts";
import { assertSameEntries, assertSameState, bytesOf, type LogState, stateOf } from "./model.ts";
import { WatchedFileSystem } from "./watched_file_system.ts";

const PATH = MemoryDisk.PATH;
const FIRST_SEGMENT = "000000000001.seg";
/** What is looked at behind the last frame. In bytes. */
const ZEROS_LOOKED_AT = 96;
/** Of the flips, every so many is also opened for writing: what a writer does to the disk must be right as well. */
const WRITER_EVERY = 11;
/** Bun takes several times as long to open a log as the others, whose every byte will do. */
const STEP = process.versions.bun === undefined ? 1 : 5;
/** How many kinds of failure a message tells of. */
const FAILURES_SHOWN = 10;

/** A log to damage. */
interface Subject {
  readonly contents: Contents;
  readonly history: History;
  readonly segmentBytes: number;
}

/** Writes a log. */
function subject(
  segmentBytes: number,
  write: (history: History, log: WalLog, fileSystem: WatchedFileSystem) => void,
): Subject {
  const disk = new MemoryDisk();
  const fileSystem = new WatchedFileSystem(disk);
  const log = WalLog.openSync(PATH, { fileSystem, segmentBytes });
  const history = new History(log);
  write(history, log, fileSystem);
  const contents = new Map<string, Uint8Array>();
  // The zeros ahead of the writer are many and all alike.
  for (const [name, bytes] of disk.contents()) {
    const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
    contents.set(name, bytes.slice(0, Math.min(bytes.length, Math.ceil(end / 512) * 512 + 512)));
  }
  return { contents, history, segmentBytes };
}

/** A history with a frame of each kind in it, in one segment. */
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
  "a log that was not closed, with entries behind the last flush": () =>
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

function severalSegments(history: History): void {
  history.do((log) => log.setHardState({ term: 1, votedFor: 1n }));
  history.append(...entriesAt(1, 12, 1, 500));
  history.do((log) => log.truncate(6)); // reaches back into the first segment
  history.append(...entriesAt(6, 12, 2, 700));
  history.do((log) => log.setHardState({ term: 3, votedFor: 2n }));
  history.append(...entriesAt(13, 20, 3, 300));
}

/** Every byte that says something in the header block, and some of those that do not. */
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

/** Where to flip bits in a file, every `step`-th place. */
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

/** Whether a damaged place names an index. An end that is not known reaches as far as there are indexes. */
function names(damage: readonly Damage[], index: Index): boolean {
  return damage.some(({ firstIndex, lastIndex }) =>
    firstIndex !== undefined && index >= firstIndex && index <= (lastIndex ?? Infinity)
  );
}

function codeOf(call: () => unknown): string | undefined {
  try {
    call();
  } catch (error) {
    if (error instanceof WalLogError) return error.code;
    throw error;
  }
}

/** Fails unless the damage is in a file of the log, and says something. */
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
 * Fails unless a damaged log that was opened all the same gives right entries or none, and names those it does not give.
 * Of the states that a crash may leave, the log is compared with one.
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
      assert.ok(names(damaged, index), `entry ${index} cannot be read and is not named`);
      continue;
    }
    if (found !== undefined && expected !== undefined) assertSameEntries([found], [expected], "a damaged log");
    // Entries that a snapshot of which the record is lost replaced may show up again: they are right.
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

/** Fails if the log has an older hard state and takes mutations. */
function assertHardState(log: WalLog, right: LogState): void {
  const { term, votedFor } = log.hardState;
  if (term === right.hardState.term && votedFor === right.hardState.votedFor) return;
  const next = log.lastIndex + 1;
  const say = `the hard state fell back to term ${term}, vote ${votedFor}`;
  assert.equal(codeOf(() => log.append([entryAt(next, right.lastTerm + 9)])), "CORRUPT", `${say}: append`);
  assert.equal(codeOf(() => log.truncate(next - 1)), "CORRUPT", `${say}: truncate`);
  assert.equal(codeOf(() => log.setHardState({ term: 99, votedFor: null })), "CORRUPT", `${say}: setHardState`);
}

/** What all flips in a log came to: opened with the right state, refused, and of these named to the very entry. */
interface Tally {
  right: number;
  refused: number;
  exact: number;
}

/** Flips a bit at every `step`-th byte of a log and looks at what opening it gives. */
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
        // Damage to an entry among others names this one and no other.
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
      // What was refused is not torn: nothing behind the watermark is cut.
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

/** A sealed segment is not looked at before an entry of it is read: what is read is right, or named when it is read. */
function assertTail(log: WalLog, history: History): void {
  const right = history.last;
  let complete = true;
  for (let index = log.snapshotIndex + 1; index <= log.lastIndex; index++) {
    try {
      const found = log.entry(index)!;
      const expected = right.entries.find((entry) => entry.index === index);
      // Behind the watermark an entry may be cut, and what is not cut is right all the same.
      assertSameEntries([found], [expected!], "reading");
    } catch (error) {
      if (!(error instanceof WalLogError) || !["DAMAGED_ENTRY", "CORRUPT"].includes(error.code)) throw error;
      complete = false;
    }
  }
  if (complete && codeOf(() => log.snapshot()) !== "CORRUPT") history.stepOf(stateOf(log));
  else assert.ok(log.lastIndex >= history.states[history.durable]!.lastIndex, "entries are missing in silence");
}

/** The same, opened for writing: a refusal changes nothing, and what goes on is right once more when reopened. */
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
  // Twice: what a crash of this writer leaves must be as honest as what it found.
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
  // A caller that knows the hard state goes on with it, and it stays.
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

describe("a bit turned over", () => {
  for (const [name, make] of Object.entries(SUBJECTS)) {
    it(`at every byte of ${name} is harmless, torn, or named`, () => {
      // One header block is like another.
      const tally = flipAll(make(), "full", STEP, name === "a closed log");
      assert.ok(
        tally.right * STEP > 100 && tally.refused * STEP > 100 && tally.exact * STEP > 100,
        JSON.stringify(tally),
      );
    });
  }

  for (const [name, make] of Object.entries(LONG_SUBJECTS)) {
    it(`at every 29th byte of ${name} is harmless, torn, or named`, () => {
      const tally = flipAll(make(), "full", 29);
      assert.ok(tally.right > 50 && tally.refused > 100, JSON.stringify(tally));
    });

    it(`at every 29th byte of ${name} that takes sealed segments from their segment indexes never gives a wrong entry`, () => {
      const tally = flipAll(make(), "tail", 29);
      assert.ok(tally.right > 50, JSON.stringify(tally));
    });
  }
});

describe("a log with damage that is kept", () => {
  /** A log of ten entries, the header of one frame of which is damaged. */
  function withFrameLost(
    which: (frame: ReturnType<typeof framesOf>[number]) => boolean,
    ending: "closed" | "rested" | "killed" = "closed",
  ): MemoryDisk {
    const { contents } = subject(2 ** 20, (history, log, fileSystem) => {
      history.do((log) => log.setHardState({ term: 1, votedFor: 1n }));
      history.append(...entriesAt(1, 10));
      history.sync();
      history.do((log) => log.setHardState({ term: 2, votedFor: 2n }));
      history.append(...entriesAt(11, 20, 2));
      history.sync();
      if (ending === "closed") log.closeSync();
      else if (ending === "rested") fileSystem.rest();
      else history.append(entryAt(21, 2));
    });
    const segment = contents.get(FIRST_SEGMENT)!;
    const frame = framesOf(segment).find(which)!;
    return new MemoryDisk(new Map(contents).set(FIRST_SEGMENT, flipped(segment, frame.offset + 17, 3)));
  }

  it("answers DAMAGED_ENTRY for a damaged entry in every way of reading, never undefined", () => {
    const fileSystem = withFrameLost(({ kind, index }) => kind === KIND_ENTRIES && index === 5);
    const log = WalLog.openSync(PATH, { fileSystem, onDamage: "keep" });
    for (
      const call of [
        () => log.entry(5),
        () => log.termAt(5),
        () => log.entries(5, 5),
        () => log.entries(5, 9),
        () => [...log.iterate(5)],
        () => [...log.iterate()],
      ]
    ) assert.equal(codeOf(call), "DAMAGED_ENTRY", String(call));
    assertSameEntries(log.entries(1, 4), entriesAt(1, 4), "before the damage");
    assertSameEntries(log.entries(6, 10), entriesAt(6, 10), "behind the damage");
    assert.deepEqual(log.damaged.map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex]), [[5, 5]]);
    log.closeSync();
  });

  for (const ending of ["closed", "rested"] as const) {
    it(`takes the hard state from the checkpoint of a log that was ${ending} when the frame that set it is lost`, () => {
      const fileSystem = withFrameLost(({ kind, term }) => kind === 2 && term === 2, ending);
      for (let time = 1; time <= 3; time++) {
        const log = WalLog.openSync(PATH, { fileSystem });
        assert.deepEqual(log.hardState, { term: 2, votedFor: 2n });
        assert.deepEqual(log.recovery.harmless.map(({ kind }) => kind), ["frames"]);
        assertSameEntries(log.entries(1, 20), [...entriesAt(1, 10), ...entriesAt(11, 20, 2)], `opened ${time} times`);
        log.append([entryAt(20 + time, 2)]);
        log.closeSync();
      }
    });
  }

  it("refuses mutations after the latest hard state is lost and nothing repeats it, however often it is opened", () => {
    const fileSystem = withFrameLost(({ kind, term }) => kind === 2 && term === 2, "killed");
    for (let time = 1; time <= 3; time++) {
      const log = WalLog.openSync(PATH, { fileSystem, onDamage: "keep" });
      const message = `opened ${time} times`;
      assert.equal(codeOf(() => log.append([entryAt(22, 2)])), "CORRUPT", message);
      assert.equal(codeOf(() => log.truncate(20)), "CORRUPT", message);
      assert.equal(codeOf(() => log.setHardState({ term: 2, votedFor: null })), "CORRUPT", message);
      const snapshot = { index: 5, term: 1, config: [], data: bytesOf(3) };
      assert.equal(codeOf(() => log.applySnapshot(snapshot)), "CORRUPT", message);
      assert.equal(codeOf(() => log.createSnapshot(snapshot)), "CORRUPT", message);
      assert.equal(codeOf(() => log.receiveSnapshot(snapshot)), "CORRUPT", message);
      assert.equal(codeOf(() => log.compact(5)), "CORRUPT", message);
      assert.equal(log.syncSync(), 21, "nothing to flush");
      assertSameEntries(log.entries(11, 20), entriesAt(11, 20, 2), message);
      log.closeSync();
    }
    const log = WalLog.openSync(PATH, { fileSystem, onDamage: "keep" });
    log.setHardState({ term: 2, votedFor: 2n }, { force: true });
    log.append([entryAt(22, 2)]);
    log.closeSync();
    const again = WalLog.openSync(PATH, { fileSystem, onDamage: "keep" });
    assert.deepEqual(again.hardState, { term: 2, votedFor: 2n });
    again.append([entryAt(23, 2)]);
    again.closeSync();
  });

  it("takes mutations when what is lost lies before the latest hard state", () => {
    const fileSystem = withFrameLost(({ kind, index }) => kind === KIND_ENTRIES && index === 5);
    const log = WalLog.openSync(PATH, { fileSystem, onDamage: "keep" });
    assert.deepEqual(log.hardState, { term: 2, votedFor: 2n });
    log.append([entryAt(21, 2)]);
    log.closeSync();
  });

  it("keeps the place of a lost last entry: it is not there to be written anew", () => {
    for (const close of [true, false]) {
      const fileSystem = withFrameLost(
        ({ kind, index }) => kind === KIND_ENTRIES && index === 20,
        close ? "closed" : "rested",
      );
      const log = WalLog.openSync(PATH, { fileSystem, onDamage: "keep" });
      assert.equal(log.lastIndex, 20);
      assert.equal(codeOf(() => log.entry(20)), "DAMAGED_ENTRY");
      log.closeSync();
    }
  });

  it("does not bring back what a lost truncation at the end dropped", () => {
    const { contents } = subject(2 ** 20, (history, log) => {
      history.append(...entriesAt(1, 20)).do((log) => log.truncate(11));
      log.closeSync();
    });
    const segment = contents.get(FIRST_SEGMENT)!;
    const frame = framesOf(segment).find(({ kind }) => kind === 3)!;
    const damaged = new Map(contents).set(FIRST_SEGMENT, flipped(segment, frame.offset + 24, 0));
    const log = WalLog.openSync(PATH, { fileSystem: new MemoryDisk(damaged), onDamage: "keep" });
    for (let index = 11; index <= 20; index++) {
      const isSaid = names(log.damaged, index) || log.lastIndex < index || codeOf(() => log.entry(index)) !== undefined;
      assert.ok(isSaid, `entry ${index} came back, and is not named: ${JSON.stringify(log.damaged)}`);
    }
    log.closeSync();
  });

  it("keeps the file of a snapshot of which the record is lost", () => {
    const { contents } = subject(2 ** 20, (history, log) => {
      history.append(...entriesAt(1, 10));
      history.do((log) => log.applySnapshot({ index: 5, term: 1, config: [1n], data: bytesOf(99) }));
      history.append(...entriesAt(11, 12));
      log.closeSync();
    });
    const segment = contents.get(FIRST_SEGMENT)!;
    const frame = framesOf(segment).find(({ kind }) => kind === 4)!;
    const disk = new MemoryDisk(new Map(contents).set(FIRST_SEGMENT, flipped(segment, frame.offset + 24, 0)));
    const log = WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep" });
    log.closeSync();
    const name = [...contents.keys()].find((name) => name.endsWith(".snap"))!;
    assert.deepEqual(disk.contents().get(name), contents.get(name), "the only good copy of the snapshot");
  });

  it("is no more once a snapshot covers it", () => {
    const fileSystem = withFrameLost(({ kind, index }) => kind === KIND_ENTRIES && index === 5);
    const log = WalLog.openSync(PATH, { fileSystem, onDamage: "keep" });
    log.applySnapshot({ index: 4, term: 1, config: [1n], data: bytesOf(3) });
    assert.equal(log.damaged.length, 1);
    log.applySnapshot({ index: 6, term: 1, config: [1n], data: bytesOf(3) });
    assert.deepEqual(log.damaged, []);
    log.closeSync();
    assert.equal(WalLog.openSync(PATH, { fileSystem }).recovery.verdict, "clean");
  });

  it("is in one value what the log has lost, until it is repaired or given up", () => {
    const whole = subject(2 ** 20, (history) => {
      history.append(...entriesAt(1, 10));
      history.do((log) => log.setHardState({ term: 4, votedFor: 1n }));
      history.append(entryAt(11)).sync();
      history.append(entryAt(12));
    }).contents;
    const segment = whole.get(FIRST_SEGMENT)!;
    const frames = framesOf(segment);
    const damaged = segment.slice();
    const lose = (kind: number, index?: number) => {
      const frame = frames.find((one) => one.kind === kind && (index === undefined || one.index === index))!;
      damaged.fill(0, frame.offset, frame.end);
    };
    for (const index of [3, 4, 7]) lose(KIND_ENTRIES, index);
    lose(KIND_HARD_STATE);
    const disk = new MemoryDisk(new Map(whole).set(FIRST_SEGMENT, damaged));
    assert.throws(() => WalLog.openSync(PATH, { fileSystem: disk }), { code: "CORRUPT" });
    const log = WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep" });
    assert.deepEqual(log.lost, { hardState: true, tail: false, ranges: [[3, 4], [7, 7]] });
    log.setHardState({ term: 5, votedFor: null }, { force: true });
    assert.deepEqual(log.lost, { hardState: false, tail: false, ranges: [[3, 4], [7, 7]] });
    log.repair(entriesAt(3, 4));
    assert.deepEqual(log.lost.ranges, [[7, 7]]);
    log.truncate(6);
    assert.deepEqual(log.lost, { hardState: false, tail: false, ranges: [] });
    log.closeSync();
  });

  it("at the end, where nothing tells how far the log went, is forgotten by nothing but a hard state that is forced", () => {
    const { contents } = subject(2 ** 20, (history) => {
      history.append(...entriesAt(1, 5)).sync();
      for (let term = 2; term <= 4; term++) history.do((log) => log.setHardState({ term, votedFor: null })).sync();
    });
    const segment = contents.get(FIRST_SEGMENT)!;
    const entries = framesOf(segment).filter(({ kind }) => kind === KIND_ENTRIES);
    const damaged = segment.slice().fill(0, entries[3]!.offset, entries[4]!.end);
    const disk = new MemoryDisk(new Map(contents).set(FIRST_SEGMENT, damaged));
    for (const term of [4, 5, 6]) {
      const log = WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep" });
      assert.deepEqual(log.damaged.map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex]), [[4, undefined]]);
      assert.throws(() => log.setHardState({ term, votedFor: 1n }), (error) => {
        const { code, message } = error as WalLogError;
        assert.equal(code, "CORRUPT");
        assert.match(message, /entries behind the last one .* may be lost/);
        return true;
      });
      if (term === 6) log.setHardState({ term, votedFor: 1n }, { force: true });
      log.closeSync();
    }
    const log = WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep" });
    assert.deepEqual([log.damaged, log.hardState], [[], { term: 6, votedFor: 1n }]);
    log.setHardState({ term: 7, votedFor: null });
    log.closeSync();
  });

  it("of both copies of a segment's header heals by truncating in front of it and appending anew", () => {
    const disk = new MemoryDisk();
    const log = WalLog.openSync(PATH, { fileSystem: disk, segmentBytes: 4096 });
    for (let index = 1; index <= 9; index++) log.append([entryAt(index, 1, 1000)]);
    log.closeSync();
    const contents = new Map(disk.contents());
    const name = "000000000002.seg";
    contents.set(
      name,
      contents.get(name)!.slice().fill(0xff, 0, 1024).fill(0xff, HEADER_OFFSETS[1], HEADER_OFFSETS[1] + 1024),
    );
    const damaged = new MemoryDisk(contents);
    const kept = WalLog.openSync(PATH, { fileSystem: damaged, segmentBytes: 4096, onDamage: "keep" });
    const [{ firstIndex }] = kept.damaged as [Damage];
    kept.truncate(firstIndex!);
    kept.append(entriesAt(firstIndex!, 9));
    kept.closeSync();
    const again = WalLog.openSync(PATH, { fileSystem: damaged });
    assert.equal(again.recovery.verdict, "clean");
    assert.equal(again.entries(1, 9).length, 9);
  });

  it("of the last frame that goes again, for the file was restored, leaves everything readable", () => {
    const { contents, history } = subject(2 ** 20, (history, _log, fileSystem) => {
      history.do((log) => log.setHardState({ term: 1, votedFor: 1n }));
      history.append(...entriesAt(1, 10));
      history.sync();
      fileSystem.rest();
    });
    const last = framesOf(contents.get(FIRST_SEGMENT)!).findLast(({ kind }) => kind === KIND_ENTRIES)!;
    const disk = new MemoryDisk(
      new Map(contents).set(FIRST_SEGMENT, flipped(contents.get(FIRST_SEGMENT)!, last.offset + 9, 0)),
    );
    const kept = WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep" });
    assert.deepEqual(kept.damaged.map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex]), [[10, 10]]);
    kept.setHardState({ term: 1, votedFor: 1n }, { force: true });
    kept.closeSync();
    const restored = new Map(disk.contents());
    restored.set(FIRST_SEGMENT, flipped(restored.get(FIRST_SEGMENT)!, last.offset + 9, 0));
    const again = WalLog.openSync(PATH, { fileSystem: new MemoryDisk(restored) });
    assert.equal(again.recovery.verdict, "clean");
    assertSameState(stateOf(again), history.last);
  });

  it("of the last entry, after everything was lost once: once it is repaired, its term is known again", () => {
    const disk = new MemoryDisk();
    const lost = WalLog.openSync(PATH, { fileSystem: disk });
    lost.append(entriesAt(1, 1, 3));
    lost.closeSync();
    const contents = new Map(disk.contents());
    contents.delete(FIRST_SEGMENT);
    const later = new MemoryDisk(contents);
    const log = WalLog.openSync(PATH, { fileSystem: later, onDamage: "keep" });
    log.setHardState({ term: 3, votedFor: 1n }, { force: true });
    appendEach(log, entriesAt(1, 5, 3));
    log.closeSync();
    const name = [...later.contents().keys()].filter((name) => name.endsWith(".seg")).sort().at(-1)!;
    const entry = framesOf(later.contents().get(name)!).findLast(({ kind }) => kind === KIND_ENTRIES)!;
    const rotten = new MemoryDisk(
      new Map(later.contents()).set(name, flipped(later.contents().get(name)!, entry.offset + 9, 0)),
    );
    const kept = WalLog.openSync(PATH, { fileSystem: rotten, onDamage: "keep" });
    kept.setHardState({ term: 3, votedFor: 1n }, { force: true });
    kept.repair(entriesAt(5, 5, 3));
    kept.closeSync();
    for (let time = 0; time < 2; time++) {
      const again = WalLog.openSync(PATH, { fileSystem: rotten });
      assert.deepEqual([again.lastTerm, again.termAt(5)], [3, 3]);
      assert.throws(() => again.append([entryAt(6, 1)]), { code: "INVALID_ARGUMENT" });
      again.closeSync();
    }
  });

  it("leaves what follows on a snapshot of a lost entry, where an entry above says that it was the same", async () => {
    for (const streamed of [true, false]) {
      const fileSystem = withFrameLost(({ kind, index }) => kind === KIND_ENTRIES && index === 5);
      const log = WalLog.openSync(PATH, { fileSystem, onDamage: "keep" });
      const meta = { index: 5, term: 1, config: [1n] };
      if (streamed) await log.receiveSnapshot(meta).close();
      else log.applySnapshot({ ...meta, data: bytesOf(3) });
      log.closeSync();
      const again = WalLog.openSync(PATH, { fileSystem });
      assert.deepEqual([again.snapshotIndex, again.lastIndex], [5, 20]);
      assertSameEntries(again.entries(1, 20), [...entriesAt(6, 10), ...entriesAt(11, 20, 2)], "above the snapshot");
      again.closeSync();
    }
  });

  it("refuses a snapshot that would take entries along of which nothing tells, unless it is forced", async () => {
    const fileSystem = withFrameLost(({ kind, index }) => kind === KIND_ENTRIES && index === 10);
    const log = WalLog.openSync(PATH, { fileSystem, onDamage: "keep" });
    const snapshot = { index: 10, term: 1, config: [1n], data: bytesOf(3) };
    const before = new Map(fileSystem.contents());
    for (const call of [() => log.applySnapshot(snapshot), () => log.receiveSnapshot(snapshot)]) {
      assert.throws(call, (error) => {
        const { code, message } = error as WalLogError;
        assert.equal(code, "DAMAGED_ENTRY");
        assert.match(message, /whether entries 11 to 20 follow on the snapshot; repair the entry/);
        return true;
      });
    }
    assert.deepEqual(fileSystem.contents(), before);
    assertSameEntries(log.entries(11, 20), entriesAt(11, 20, 2), "above");
    await log.receiveSnapshot(snapshot, { force: true }).abort();
    log.applySnapshot(snapshot, { force: true });
    log.closeSync();
    const again = WalLog.openSync(PATH, { fileSystem });
    assert.deepEqual([again.snapshotIndex, again.lastIndex, again.lastTerm], [10, 10, 1]);
    again.closeSync();
  });

  it("that is harmless in one segment leaves the hard state what it is, with the segment index of another one damaged", () => {
    const disk = new MemoryDisk();
    const options = { fileSystem: disk, segmentBytes: 4096 };
    const first = WalLog.openSync(PATH, options);
    first.setHardState({ term: 1, votedFor: 1n });
    appendEach(first, entriesAt(1, 2, 1, 1000));
    first.syncSync();
    first.setHardState({ term: 2, votedFor: 1n }); // which proves the flush
    // As after a kill: the first segment gets no segment index.
    const killed = new MemoryDisk(disk.contents());
    const log = WalLog.openSync(PATH, { ...options, fileSystem: killed });
    log.truncate(2);
    for (let index = 2; index <= 8; index++) log.append([entryAt(index, 2, 1000)]);
    log.setHardState({ term: 7, votedFor: 9n });
    log.closeSync();
    const contents = new Map(killed.contents());
    const dropped = framesOf(contents.get(FIRST_SEGMENT)!).findLast(({ kind }) => kind === KIND_ENTRIES)!;
    contents.set(FIRST_SEGMENT, flipped(contents.get(FIRST_SEGMENT)!, dropped.end - 100, 0));
    const sealed = "000000000002.seg";
    const segmentIndex = framesOf(contents.get(sealed)!).find(({ kind }) => kind === KIND_SEGMENT_INDEX)!;
    contents.set(sealed, flipped(contents.get(sealed)!, segmentIndex.offset + FRAME_HEADER_BYTES, 0));
    for (const verify of ["full", "tail"] as const) {
      const again = WalLog.openSync(PATH, { ...options, fileSystem: new MemoryDisk(contents), verify });
      assert.deepEqual(again.recovery.harmless.map(({ kind, path }) => [kind, path]), [
        ["entries", `${PATH}/${FIRST_SEGMENT}`],
      ]);
      assert.deepEqual(again.hardState, { term: 7, votedFor: 9n }, `verify "${verify}"`);
      again.append([entryAt(9, 2)]);
      again.closeSync();
    }
  });

  it("says what the last entries were, and takes no mutation, when the newest segment is gone", () => {
    for (const fault of ["missing", "damaged"]) {
      const { contents, history } = subject(8192, (history, log) => {
        severalSegments(history);
        history.do((log) => log.setHardState({ term: 9, votedFor: 9n }));
        log.closeSync();
      });
      const files = new Map(contents);
      const newest = [...files.keys()].filter((name) => name.endsWith(".seg")).sort().at(-1)!;
      if (fault === "missing") files.delete(newest);
      else files.set(newest, flipped(flipped(files.get(newest)!, 40, 1), HEADER_OFFSETS[1] + 40, 1));
      const disk = new MemoryDisk(files);
      assert.equal(codeOf(() => WalLog.openSync(PATH, { fileSystem: new MemoryDisk(files) })), "CORRUPT");
      for (let time = 1; time <= 2; time++) {
        const log = WalLog.openSync(PATH, { fileSystem: disk, onDamage: "keep" });
        try {
          const message = `${fault} newest segment, opened ${time} times`;
          assert.ok(log.damaged.length > 0, `${message}: the damage is forgotten`);
          assert.ok(names(log.damaged, history.last.lastIndex), `${message}: ${JSON.stringify(log.damaged)}`);
          assertHardState(log, history.last);
        } finally {
          log.closeSync();
        }
      }
    }
  });

  it("keeps what it does not know as unknown through rotation, from segment indexes as well", () => {
    const fileSystem = withFrameLost(({ kind, index }) => kind === KIND_ENTRIES && index === 5);
    let log = WalLog.openSync(PATH, { fileSystem, onDamage: "keep", segmentBytes: 4096 });
    while (log.stats().segments < 3) log.append([entryAt(log.lastIndex + 1, 3, 500)]);
    const { lastIndex } = log;
    log.closeSync();
    for (const verify of ["full", "tail"] as const) {
      log = WalLog.openSync(PATH, { fileSystem, onDamage: "keep", verify });
      assert.equal(log.lastIndex, lastIndex);
      assert.equal(log.termAt(4), 1);
      assert.equal(log.termAt(6), 1);
      assert.equal(codeOf(() => log.termAt(5)), "DAMAGED_ENTRY", `termAt(5), verify "${verify}"`);
      assert.equal(codeOf(() => log.entry(5)), "DAMAGED_ENTRY", `entry(5), verify "${verify}"`);
      log.closeSync();
    }
  });
});
