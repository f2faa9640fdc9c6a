/**
 * Tests a log on a full disk: in a small folder that the test mounts, or under a limit on file sizes. It prints `ok` for
 * each part, and fails with an error.
 *
 *     full_disk.ts space FOLDER     on a small disk
 *     full_disk.ts reserve FOLDER   on a small disk that frees deleted files at once; `reserve-frames` if too little
 *     full_disk.ts limit FOLDER     with no file above 256 KiB
 *
 * @module
 */

import assert from "node:assert/strict";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { MemoryLog, type RaftLog, WalLog, WalLogError } from "../../mod.ts";
import { digestOf } from "./digest.ts";

const KIB = 1024;
const SEGMENT_BYTES = 64 * KIB;
const LIMIT_BYTES = 256 * KIB;
/** More steps than fit any disk of the test. */
const STEPS_MAX = 10_000;

const [mode, root] = process.argv.slice(2) as [string, string];

function isCode(...codes: string[]): (error: unknown) => boolean {
  return (error) => error instanceof WalLogError && codes.includes(error.code);
}

function appendTo(log: RaftLog, size: number, count = 1): void {
  log.append(Array.from({ length: count }, (_, i) => ({
    term: 1,
    index: log.lastIndex + 1 + i,
    kind: "normal",
    command: new Uint8Array(size).fill(log.lastIndex + 1 + i),
  })));
}

/** A log and its expected contents. */
class Checked {
  readonly path: string;
  readonly #segmentBytes: number;
  readonly #model = new MemoryLog();
  log: WalLog;

  constructor(name: string, segmentBytes = SEGMENT_BYTES) {
    this.path = join(root, name);
    this.#segmentBytes = segmentBytes;
    this.log = this.open();
  }

  open(readOnly = false): WalLog {
    return WalLog.openSync(this.path, { segmentBytes: this.#segmentBytes, readOnly });
  }

  /** Does a step on both; on the model only if the log accepted it. */
  do(step: (log: RaftLog) => void): void {
    step(this.log);
    step(this.#model);
  }

  /** Appends until it is refused; returns the error. */
  fill(size: number, flushes: boolean): WalLogError {
    try {
      for (let i = 0; i < STEPS_MAX; i++) {
        this.do((log) => appendTo(log, size, 3));
        if (flushes) this.log.syncSync();
      }
    } catch (error) {
      if (error instanceof WalLogError) return error;
      throw error;
    }
    throw new Error("the disk is never full");
  }

  /** Fails unless the log has the expected contents, for its writer and for a reader. */
  assertSame(): void {
    assert.equal(digestOf(this.log), digestOf(this.#model), "the writer");
    const reader = this.open(true);
    const found = digestOf(reader);
    assert.notEqual(reader.recovery.verdict, "corrupt");
    reader.closeSync();
    assert.equal(found, digestOf(this.#model), "a reader");
  }

  /** Opens the log again. */
  reopen(): void {
    this.log = this.open();
    assert.equal(digestOf(this.log), digestOf(this.#model), "reopened");
  }

  /** Closes the log and checks it again. */
  end(): void {
    this.log.closeSync();
    this.log = this.open(true);
    assert(this.log.recovery.closed);
    assert.equal(digestOf(this.log), digestOf(this.#model), "at the end");
    this.log.closeSync();
    rmSync(this.path, { recursive: true });
  }
}

/** Every file of a folder with its content. */
function filesOf(path: string): Map<string, string> {
  return new Map(readdirSync(path).sort().map((name) => [name, readFileSync(join(path, name)).toString("hex")]));
}

/** Fills the disk except for some bytes; returns a function that frees the space. */
function ballast(keep = 0): () => void {
  const path = join(root, "ballast");
  writeFileSync(path, new Uint8Array(keep));
  let bytes = keep;
  for (let size = 1024 * KIB; size >= 4 * KIB; size /= 2) {
    try {
      for (;; bytes += size) writeFileSync(path, new Uint8Array(size), { flag: "a" });
    } catch {
      // If this much does not fit, try half. The part that was written stays.
    }
  }
  if (keep > 0) {
    truncateSync(path, Math.max(0, statSync(path).size - keep));
  }
  return () => rmSync(path);
}

/** A segment that finds no space: the append is refused each time. */
function refusesWhole(): void {
  const test = new Checked("refused.wal");
  test.do((log) => log.setHardState({ term: 1, votedFor: 9n }));
  test.do((log) => appendTo(log, 900, 3));
  test.log.syncSync();
  // Preallocation fills the segment. Writes into it need no more space, but the next segment does.
  const undo = ballast();
  const error = test.fill(900, true);
  assert.equal(error.code, "NO_SPACE", String(error));
  assert.match(error.message, /: the disk is full \(ENOSPC: /);
  const files = readdirSync(test.path).sort();
  for (let time = 0; time < 3; time++) {
    assert.throws(() => appendTo(test.log, 900, 3), isCode("NO_SPACE"));
    test.assertSame();
  }
  assert.deepEqual(readdirSync(test.path).sort(), files, "a refused append leaves files");
  assert.equal(test.log.durableIndex, test.log.lastIndex);

  undo();
  test.do((log) => appendTo(log, 900, 3));
  assert.equal(test.log.syncSync(), test.log.lastIndex);
  test.end();
}

/** A write that finds no space in its segment: it is refused each time, and works when there is space. */
function refusesAWrite(): void {
  const test = new Checked("write.wal", 2 ** 30);
  const batch = (log: RaftLog) => appendTo(log, 3000, 3);
  test.do(batch);
  test.log.syncSync();
  const undo = ballast(64 * KIB);
  const error = test.fill(3000, false);
  assert.equal(error.code, "NO_SPACE", String(error));
  for (let time = 0; time < 3; time++) {
    assert.throws(() => batch(test.log), isCode("NO_SPACE"));
    test.assertSame();
  }
  // Accepted entries become durable, even on the full disk.
  assert.equal(test.log.syncSync(), test.log.lastIndex);
  undo();
  test.do((log) => log.truncate(log.lastIndex));
  test.do((log) => log.setHardState({ term: 5, votedFor: 6n }));
  test.do(batch);
  test.log.syncSync();
  test.end();
}

/** A killed log needs a new segment. On a full disk, it opens only for reading. */
function opensAfterAKill(): void {
  const test = new Checked("killed.wal", 2 ** 30);
  for (let i = 0; i < 20; i++) test.do((log) => appendTo(log, 3000, 3));
  const killed = `${test.path}.killed`;
  cpSync(test.path, killed, { recursive: true });
  const undo = ballast();
  const files = filesOf(killed);
  const open = (readOnly: boolean) => WalLog.openSync(killed, { segmentBytes: 2 ** 30, readOnly });
  for (let time = 0; time < 3; time++) assert.throws(() => open(false), isCode("NO_SPACE"));
  // The reserve was released, but is too small for the tail.
  files.delete("RESERVE");
  assert.deepEqual([...filesOf(killed).keys()], [...files.keys()], "a refused opening leaves files");
  for (const [name, content] of filesOf(killed)) {
    assert(content === files.get(name), `a refused opening wrote ${name}`);
  }
  const reader = open(true);
  assert.equal(digestOf(reader), digestOf(test.log));
  reader.closeSync();
  undo();
  const writer = open(false);
  assert.equal(digestOf(writer), digestOf(test.log));
  writer.closeSync();
  rmSync(killed, { recursive: true });
  test.end();
}

/**
 * A snapshot that finds no space is refused and leaves nothing, as bytes or as a stream. A snapshot that fits frees
 * space.
 */
async function refusesASnapshot(): Promise<void> {
  const test = new Checked("snapshot.wal");
  for (let i = 0; i < 30; i++) test.do((log) => appendTo(log, 2900, 3));
  test.log.syncSync();
  // XFS creates a file only if there is space for many.
  const undo = ballast(700 * KIB);
  const snapshot = { index: 80, term: 1, config: [1n], data: new Uint8Array(2048 * KIB) };
  for (let time = 0; time < 2; time++) {
    assert.throws(() => test.log.applySnapshot(snapshot), isCode("NO_SPACE"));
    assert.throws(() => test.log.compact(80, { data: snapshot.data }), isCode("NO_SPACE"));
    const { index, term, config, data } = snapshot;
    const stream = test.log.createSnapshot({ index, term, config }).getWriter();
    stream.closed.catch(() => {});
    await assert.rejects(stream.write(data).then(() => stream.close()), isCode("NO_SPACE"));
    test.assertSame();
    assert.deepEqual(readdirSync(test.path).filter((name) => /\.(tmp|snap)$/.test(name)), []);
  }
  test.do((log) => log.compact(80, { data: new Uint8Array(100), config: [1n] }));
  test.assertSame();
  undo();
  test.do((log) => appendTo(log, 900, 3));
  test.end();
}

/** A killed log has preallocated zeros. On a full disk, freeing them makes space to continue. */
function goesOnAfterAKill(): void {
  const test = new Checked("going-on.wal", 2 ** 30);
  for (let i = 0; i < 5; i++) test.do((log) => appendTo(log, 3000, 3));
  test.log.syncSync();
  const killed = `${test.path}.killed`;
  mkdirSync(killed);
  // Not with `cpSync`, because the copy would share its blocks with the log.
  for (const name of ["IDENTITY", "LOCK", "000000000001.seg"]) {
    writeFileSync(join(killed, name), readFileSync(join(test.path, name)));
  }
  const undo = ballast();
  const writer = WalLog.openSync(killed, { segmentBytes: 2 ** 30 });
  assert.equal(digestOf(writer), digestOf(test.log));
  writer.closeSync();
  undo();
  rmSync(killed, { recursive: true });
  test.end();
}

/** The writes that must succeed on a full disk. */
const FRAMES: Readonly<Record<string, (log: RaftLog, time: number) => void>> = {
  "a hard state": (log, time) => log.setHardState({ term: 2 + time, votedFor: 1n }),
  "a truncation": (log) => log.truncate(log.lastIndex - 1),
};
const FILES: typeof FRAMES = {
  "a snapshot without data": (log) => log.compact(log.lastIndex - 20, { config: [1n] }),
};

/** Necessary writes on a full disk use the space of the reserve, which is created again later. */
function takesTheReserve(needed: typeof FRAMES): void {
  for (const [name, write] of Object.entries(needed)) {
    const test = new Checked("reserve.wal", 2 ** 30);
    const hasReserve = () => readdirSync(test.path).includes("RESERVE");
    test.do((log) => appendTo(log, 900, 3));
    test.log.syncSync();
    assert(hasReserve(), name);
    const undo = ballast();
    test.fill(900, false);
    test.fill(1, false);
    for (let time = 0; hasReserve(); time++) {
      assert(time < 1000, `${name} never took the reserve`);
      test.do((log) => write(log, time));
      test.log.syncSync();
    }
    test.assertSame();
    test.log.closeSync();
    undo();
    test.reopen();
    assert(test.log.recovery.closed && hasReserve(), name);
    test.end();
  }
}

/** Closing a log needs only the space of its reserve, and opening it again for writing needs none. */
function closesAndOpens(): void {
  for (const keep of [0, 4 * KIB]) {
    const test = new Checked("closed.wal");
    test.do((log) => appendTo(log, 900, 3));
    test.log.syncSync();
    test.do((log) => log.setHardState({ term: 3, votedFor: 4n }));
    const undo = ballast(keep);
    test.log.closeSync();
    test.reopen();
    assert(test.log.recovery.closed);
    test.assertSame();
    undo();
    test.do((log) => appendTo(log, 900, 3));
    test.end();
  }
}

/** A write beyond the limit on file sizes is refused, and undone if it was cut short. */
function stopsAtALimit(): void {
  const large = new Checked("large.wal", 2 ** 20);
  const error = large.fill(3000, false);
  assert.equal(error.code, "NO_SPACE", String(error));
  assert.match(error.message, /would exceed the largest size allowed/);
  for (let time = 0; time < 2; time++) {
    assert.throws(() => appendTo(large.log, 3000, 3), isCode("NO_SPACE"));
    large.assertSame();
  }
  large.log.syncSync();
  const sizes = readdirSync(large.path).map((name) => statSync(join(large.path, name)).size);
  assert(Math.max(...sizes) <= LIMIT_BYTES);
  large.end();

  // Segments below the limit never reach it, and neither does preallocation.
  const small = new Checked("small.wal");
  for (let i = 0; i < 300; i++) {
    small.do((log) => appendTo(log, 3000, 3));
    if (i % 3 === 0) small.log.syncSync();
  }
  small.end();

  // Preallocation beyond the limit is omitted.
  const zeros = new Checked("zeros.wal", 2 ** 20);
  for (let i = 0; i < 20; i++) {
    zeros.do((log) => appendTo(log, 3000, 3));
    zeros.log.syncSync();
  }
  zeros.end();
}

async function part(title: string, test: () => void | Promise<void>): Promise<void> {
  await test();
  console.log(`ok ${title}`);
}

if (mode === "space") {
  await part("a new segment is refused", refusesWhole);
  await part("a write is refused", refusesAWrite);
  await part("a snapshot is refused", refusesASnapshot);
  await part("a killed log opens to be read", opensAfterAKill);
  await part("a closed log closes and opens", closesAndOpens);
} else if (mode === "reserve" || mode === "reserve-frames") {
  await part("a killed log goes on", goesOnAfterAKill);
  await part("the reserve is taken", () => takesTheReserve(mode === "reserve" ? { ...FRAMES, ...FILES } : FRAMES));
} else {
  await part("limit", stopsAtALimit);
}
