/** Compares the library with the decoder that was written from docs/FORMAT.md in another language. */

import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type LogEntry, WalLog, WalLogError } from "../mod.ts";
import { exampleFiles } from "../scripts/format_example.ts";
import { Codec } from "../src/codec/codec.ts";
import { NEXT_POINTER_OFFSETS, SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { segmentName } from "../src/format/segment_name.ts";
import { PowerLoss, Random, SimulatedDisk } from "../src/testing/mod.ts";
import { damageEntry, makeForgetful, makeLog } from "./cli.ts";
import { compare, decode, hex, python, skip } from "./format_decoder.ts";
import { entriesAt } from "./history.ts";
import { bytesOf } from "./model.ts";
import { inTemporaryFolder } from "./temporary.ts";

const GOLDEN = fileURLToPath(new URL("./golden/v2/raft.wal", import.meta.url));
const FOLDER = resolve("/raft.wal");

/** The number of random histories: enough for each kind of frame and of end, in some seconds. */
const HISTORIES = 50;

const DAMAGED = 100;
const STEPS_MAX = 30;

function write(folder: string, files: ReadonlyMap<string, Uint8Array>): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
}

function contentsOf(disk: SimulatedDisk): Map<string, Uint8Array> {
  const paths = disk.files().filter((path) => !path.endsWith("/LOCK"));
  return new Map(paths.map((path) => [path.slice(FOLDER.length + 1), disk.content(path)]));
}

/** Does something at random to a log. */
function step(log: WalLog, random: Random): void {
  const { snapshotIndex, lastIndex, lastTerm, hardState } = log;
  const dice = random.below(20);
  if (dice < 11) {
    const entries = Array.from({ length: 1 + random.below(6) }, (_, i): LogEntry => {
      const command = new Uint8Array(random.chance(0.8) ? random.below(300) : random.below(5000));
      random.fill(command);
      return { term: lastTerm + Math.floor(dice / 10), index: lastIndex + 1 + i, kind: "normal", command };
    });
    log.append(entries.map((entry) => ({ ...entry, kind: random.chance(0.2) ? "config" : "normal" })));
  } else if (dice < 13) {
    if (lastIndex > snapshotIndex) log.truncate(snapshotIndex + 1 + random.below(lastIndex - snapshotIndex));
  } else if (dice < 15) {
    const votedFor = random.chance(0.4) ? null : 2n ** 64n - 1n - BigInt(random.below(3));
    log.setHardState({ term: hardState.term + random.below(2), votedFor });
  } else if (dice < 17) {
    const index = snapshotIndex + random.below(lastIndex - snapshotIndex + 3);
    if (index === 0) return;
    const term = random.chance(0.8) ? log.termAt(index) ?? lastTerm : lastTerm + 1;
    log.applySnapshot({
      index,
      term,
      config: [1n, 2n ** 64n - 1n],
      meta: bytesOf(index % 20),
      data: bytesOf(random.below(3000)),
    });
  } else log.syncSync();
}

/** A log with a random history: closed and reopened, killed, or crashed at any operation. */
function randomLog(seed: number): Map<string, Uint8Array> {
  const random = new Random(seed);
  const disk = new SimulatedDisk({ seed });
  const segmentBytes = random.pick([4096, 12288, 1 << 20]);
  const open = () => WalLog.openSync(FOLDER, { fileSystem: disk.fileSystem, segmentBytes });
  let log = open();
  for (let left = random.below(STEPS_MAX); left > 0; left--) {
    try {
      const dice = random.below(16);
      if (dice === 0) log.closeSync();
      else if (dice === 1) disk.failAfter("crash", random.below(10));
      else if (dice === 2) disk.idle();
      else step(log, random);
      if (dice === 0) log = open();
      if (dice === 3) disk.restart();
      if (dice === 4) disk.crash();
      if (dice === 3 || dice === 4) log = open();
    } catch (error) {
      if (disk.hasPower) throw error;
      assert(error instanceof PowerLoss || error instanceof WalLogError);
      disk.crash();
      log = open();
    }
  }
  disk.heal();
  if (random.chance(0.3)) log.closeSync();
  else if (random.chance(0.7)) disk.crash();
  return contentsOf(disk);
}

describe("the decoder written from docs/FORMAT.md", { skip }, () => {
  it("computes the checksum that the library computes", () => {
    const lengths = [...Array.from({ length: 300 }, (_, i) => i), 511, 512, 513, 1023, 1024, 1025, 1088, 2049, 9999];
    const seeds = [0n, 1n, 0x9e3779b185ebca87n, 2n ** 64n - 1n];
    const cases = lengths.flatMap((length) => seeds.map((seed) => ({ bytes: bytesOf(length, "noise", length), seed })));
    const program = "import sys\nfrom xxh3 import xxh3\n" +
      "for line in sys.stdin:\n    seed, text = line.rstrip('\\n').split(' ')\n    print(xxh3(bytes.fromhex(text), int(seed)))";
    const said = python(["-c", program], cases.map(({ bytes, seed }) => `${seed} ${hex(bytes)}\n`).join("")).split(
      "\n",
    );
    const codec = new Codec();
    cases.forEach(({ bytes, seed }, i) => {
      assert.equal(said[i], String(codec.hash(bytes, seed)), `${bytes.length} bytes, seed ${seed}`);
    });
  });

  it("reads the golden log", () => {
    const { state } = JSON.parse(readFileSync(join(GOLDEN, "..", "expected.json"), "utf8"));
    const [found] = decode(GOLDEN);
    assert.equal(found!.verdict, "torn");
    const entries = state.entries.map(({ index, ...entry }: { index: number }) => [index, entry]);
    assert.deepEqual(found!.entries, Object.fromEntries(entries));
    assert.deepEqual(found!.hardState, state.hardState);
    assert.deepEqual(found!.snapshot, state.snapshot);
  });

  it("reads the repaired golden log, and finds the damaged one corrupt", () => {
    const { damaged } = JSON.parse(readFileSync(join(GOLDEN, "..", "expected.json"), "utf8"));
    const [corrupt, repaired] = decode(join(GOLDEN, "..", "damaged.wal"), join(GOLDEN, "..", "repaired.wal"));
    assert.deepEqual([corrupt!.verdict, repaired!.verdict], ["corrupt", "clean"]);
    const entries = damaged.whole.entries.map(({ index, ...entry }: { index: number }) => [index, entry]);
    assert.deepEqual(repaired!.entries, Object.fromEntries(entries));
  });

  it("reads the example, and a folder without a log", () =>
    inTemporaryFolder((folder) => {
      write(join(folder, "example"), exampleFiles());
      mkdirSync(join(folder, "empty"));
      const [example, empty] = decode(join(folder, "example"), join(folder, "empty"));
      assert.equal(compare(join(folder, "example"), example!, "the example"), "clean");
      assert.equal(compare(join(folder, "empty"), empty!, "no log"), "clean");
    }));

  it("reads real files, damaged and repaired", () =>
    inTemporaryFolder((folder) => {
      const path = (name: string) => join(folder, name);
      for (const name of ["whole", "payload", "header", "repaired"]) makeLog(path(name));
      const source = WalLog.openSync(path("whole"), { readOnly: true });
      damageEntry(path("payload"), 40, "payload");
      damageEntry(path("header"), 50, "header");
      for (const index of [64, 65]) damageEntry(path("repaired"), index, "header");
      const log = WalLog.openSync(path("repaired"), { onDamage: "keep", segmentBytes: 12 * 1024 });
      const { firstIndex, lastIndex } = log.damaged[0]!;
      log.repair(source.entries(firstIndex!, lastIndex!));
      log.append(entriesAt(log.lastIndex + 1, log.lastIndex + 2, log.lastTerm));
      log.closeSync();
      source.closeSync();
      makeForgetful(path("forgetful"));
      const names = ["whole", "payload", "header", "repaired", "forgetful"];
      const verdicts = decode(...names.map(path)).map((found, i) => compare(path(names[i]!), found, names[i]!));
      assert.deepEqual(verdicts, ["clean", "corrupt", "corrupt", "clean", "corrupt"]);
    }));

  it("reads logs with random histories", () =>
    inTemporaryFolder((folder) => {
      const folders = Array.from({ length: HISTORIES }, (_, i) => join(folder, String(i + 1)));
      folders.forEach((path, i) => write(path, randomLog(i + 1)));
      const verdicts = decode(...folders).map((found, i) => compare(folders[i]!, found, `seed ${i + 1}`));
      assert.deepEqual([...new Set(verdicts)].sort(), ["clean", "torn"]);
    }));

  it("reads a log after a crash at each step of a rotation and of a recovery", () =>
    inTemporaryFolder((folder) => {
      const left: string[] = [];
      for (let operation = 0; operation < 14; operation++) {
        for (const seed of [1, 2, 3, 4]) {
          const disk = new SimulatedDisk({ seed: seed * 100 + operation });
          const open = () => WalLog.openSync(FOLDER, { fileSystem: disk.fileSystem, segmentBytes: 4096 });
          const log = open();
          log.append(entriesAt(1, 20, 1, 100));
          if (seed > 1) log.syncSync();
          if (seed > 2) disk.restart();
          disk.failAfter("crash", operation);
          try {
            // A new segment in both cases: this one is full, or was not closed.
            if (seed > 2) open();
            else log.append(entriesAt(21, 40, 1, 100));
          } catch (error) {
            assert(error instanceof PowerLoss || error instanceof WalLogError);
          }
          disk.crash();
          left.push(join(folder, `operation ${operation}, seed ${seed}`));
          write(left.at(-1)!, contentsOf(disk));
        }
      }
      decode(...left).forEach((found, i) => assert.notEqual(compare(left[i]!, found, left[i]!), "corrupt", left[i]));
    }));

  it("reports a missing segment of which only damaged pointers are left", () =>
    inTemporaryFolder((folder) => {
      const disk = new SimulatedDisk();
      const open = () => WalLog.openSync(FOLDER, { fileSystem: disk.fileSystem });
      open().append(entriesAt(1, 2));
      disk.restart();
      open().closeSync();
      const files = contentsOf(disk);
      assert(files.delete(segmentName(2)));
      const whole = files.get(segmentName(1))!.slice();
      const [page0, page3] = NEXT_POINTER_OFFSETS;
      const damage = [[], [page0], [page3], [page0, page3], [page0, page3, 0]];
      const folders = damage.map((places) => {
        const path = join(folder, `bits at ${places.join()}`);
        const bytes = whole.slice();
        for (const at of places) bytes[at + 9]! ^= 1;
        write(path, files.set(segmentName(1), bytes));
        return path;
      });
      // If both are empty, the newest segment was never named.
      const empty = whole.slice();
      for (const at of NEXT_POINTER_OFFSETS) empty.fill(0, at, at + 512);
      write(join(folder, "empty"), files.set(segmentName(1), empty));
      folders.push(join(folder, "empty"));
      const verdicts = decode(...folders).map((found, i) => compare(folders[i]!, found, folders[i]!));
      assert.deepEqual(verdicts, ["corrupt", "corrupt", "corrupt", "corrupt", "corrupt", "clean"]);
    }));

  it("reports a missing segment that an uncommitted one was about to replace", () =>
    inTemporaryFolder((folder) => {
      const disk = new SimulatedDisk();
      const open = (onDamage?: "keep") => WalLog.openSync(FOLDER, { fileSystem: disk.fileSystem, onDamage });
      open().append(entriesAt(1, 2));
      disk.restart();
      open().closeSync();
      disk.lose(`${FOLDER}/${segmentName(2)}`);
      open("keep");
      const files = contentsOf(disk);
      files.get(segmentName(1))!.fill(0, NEXT_POINTER_OFFSETS[0] + 24, NEXT_POINTER_OFFSETS[0] + 28);
      files.set(segmentName(3), files.get(segmentName(3))!.slice(0, SEGMENT_HEADER_BYTES));
      const path = join(folder, "torn");
      write(path, files);
      assert.equal(compare(path, decode(path)[0]!, "torn"), "corrupt");
    }));

  it("reports the same logs as corrupt as the library", () =>
    inTemporaryFolder((folder) => {
      const folders = Array.from({ length: DAMAGED }, (_, i) => join(folder, String(i + 1)));
      const missing = new Set<number>();
      folders.forEach((path, i) => {
        const files = randomLog(i % HISTORIES + 1);
        const random = new Random(i);
        const name = random.pick([...files.keys()]);
        const bytes = files.get(name)!.slice();
        // Mostly in used bytes, otherwise in a header block.
        const end = random.chance(0.2) ? Math.min(bytes.length, 4096) : bytes.findLastIndex((byte) => byte !== 0) + 1;
        if (random.chance(0.1) && files.delete(name)) missing.add(i);
        else if (random.chance(0.2)) files.set(name, bytes.fill(0, random.below(end)));
        else files.set(name, bytes.fill(random.below(256), random.below(end), random.below(end) + 1));
        write(path, files);
      });
      const verdicts = decode(...folders).map((found, i) =>
        compare(folders[i]!, found, `damage ${i + 1}`, missing.has(i))
      );
      assert.deepEqual([...new Set(verdicts)].sort(), ["clean", "corrupt", "torn"]);
    }));
});
