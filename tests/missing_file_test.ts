/** Files of a log that are missing, swapped, truncated or from another log: the damage reports the indexes. */

import assert from "node:assert/strict";
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { WalLog, type WalLogError } from "../mod.ts";
import { entriesAt, framesOf } from "./history.ts";
import { contentsOf } from "./memory_disk.ts";
import { bytesOf, stateOf } from "./model.ts";
import { names, refusal, refusesToOpen, SMALL, withPath, writeSegments } from "./opening.ts";
import { inTemporaryFolder } from "./temporary.ts";

describe("missing or misplaced segments", () => {
  /** Indexes that the segment file holds. */
  function indexesIn(path: string, name: string): number[] {
    return framesOf(new Uint8Array(readFileSync(`${path}/${name}`))).filter(({ kind }) => kind === 1)
      .map(({ index }) => index);
  }

  it(
    "the first, a middle one or the last missing: the indexes are reported",
    withPath(async (path) => {
      const { names: files } = writeSegments(path);
      for (const name of files) {
        const file = `${path}/${name}`;
        const lost = indexesIn(path, name);
        renameSync(file, join(path, "..", "away"));
        const error = await refusesToOpen(path, "CORRUPT");
        for (const index of lost) assert.ok(names(error, index), `without ${name}: ${index} in ${error.message}`);
        const others = files.filter((other) => other !== name).flatMap((other) => indexesIn(path, other));
        for (const index of others) assert.ok(!names(error, index), `without ${name}: ${index} is there`);
        assert.ok(error.damage.some((one) => one.path === file), error.message);
        renameSync(join(path, "..", "away"), file);
      }
      WalLog.openSync(path).closeSync();
    }),
  );

  it(
    "several missing, and all of them",
    withPath(async (path) => {
      const { names: files, lastIndex } = writeSegments(path);
      const held = new Map(files.map((name) => [name, indexesIn(path, name)]));
      for (const missing of [files.slice(0, 2), files.slice(1, 3), [files[0]!, files[2]!], files.slice(-2), files]) {
        mkdirSync(join(path, "away"));
        for (const name of missing) renameSync(`${path}/${name}`, join(path, "away", name));
        const aside = join(path, "..", "aside");
        renameSync(join(path, "away"), aside);
        const error = await refusesToOpen(path, "CORRUPT");
        const lost = missing.flatMap((name) => held.get(name)!);
        for (const index of lost) assert.ok(names(error, index), `without ${missing.join()}: ${index}`);
        assert.equal(error.damage.every(({ reason }) => reason.length > 0), true);
        for (const name of missing) renameSync(join(aside, name), `${path}/${name}`);
        renameSync(aside, `${aside}-${missing.length}-${missing[0]}-${missing.at(-1)}`);
      }
      const log = WalLog.openSync(path);
      assert.equal(log.lastIndex, lastIndex);
      log.closeSync();
    }),
  );

  it(
    "two swapped",
    withPath(async (path) => {
      const { names: files } = writeSegments(path);
      const swap = (a: string, b: string): void => {
        renameSync(join(path, a), join(path, "swap"));
        renameSync(join(path, b), join(path, a));
        renameSync(join(path, "swap"), join(path, b));
      };
      for (const [a, b] of [[0, 1], [1, 2], [0, -1], [-2, -1]] as const) {
        swap(files.at(a)!, files.at(b)!);
        const error = await refusesToOpen(path, "CORRUPT");
        const swapped = [files.at(a)!, files.at(b)!];
        assert.ok(error.damage.some((one) => swapped.some((name) => one.path === `${path}/${name}`)), error.message);
        for (const name of swapped) {
          for (const index of indexesIn(path, name)) assert.ok(names(error, index), `${name}: ${index}`);
        }
        swap(files.at(a)!, files.at(b)!);
      }
      WalLog.openSync(path).closeSync();
    }),
  );

  it("one of another log, or an older copy, instead of the right one", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const other = join(folder, "other.wal");
      const { names: files } = writeSegments(path);
      writeSegments(other);
      for (const name of files) {
        const lost = indexesIn(path, name);
        copyFileSync(`${path}/${name}`, join(folder, "away"));
        copyFileSync(join(other, name), `${path}/${name}`);
        const error = await refusesToOpen(path, "CORRUPT");
        assert.ok(error.damage.some((one) => one.path === `${path}/${name}`), `${name}: ${error.message}`);
        for (const index of lost) assert.ok(names(error, index), `${name}: ${index}`);
        copyFileSync(join(folder, "away"), `${path}/${name}`);
      }
      // Copied under a new name, a segment belongs to nothing.
      copyFileSync(join(path, files[1]!), join(path, "000000000099.seg"));
      await refusesToOpen(path, "CORRUPT");
    });
  });

  it(
    "one that is truncated, even at the end of a frame, unless it is the newest",
    withPath(async (path) => {
      const { names: files } = writeSegments(path);
      for (const name of [files[0]!, files[1]!, files.at(-2)!]) {
        const file = `${path}/${name}`;
        const whole = readFileSync(file);
        const frames = framesOf(new Uint8Array(whole)).filter(({ kind }) => kind === 1);
        for (const frame of [frames[0]!, frames[3]!, frames.at(-1)!]) {
          for (const size of [frame.offset, frame.offset + 8, frame.end - 1]) {
            truncateSync(file, size);
            const error = await refusesToOpen(path, "CORRUPT");
            for (const { index } of frames.filter(({ offset }) => offset >= frame.offset)) {
              assert.ok(names(error, index), `${name} cut at ${size}: ${index} is not named`);
            }
            for (const { index } of frames.filter(({ end }) => end <= frame.offset)) {
              assert.ok(!names(error, index), `${name} cut at ${size}: ${index} is there`);
            }
            writeFileSync(file, whole);
          }
        }
        for (const size of [0, 100, 512, 2048, 4095, 4096]) {
          truncateSync(file, size);
          const error = await refusesToOpen(path, "CORRUPT");
          for (const { index } of frames) assert.ok(names(error, index), `${name} cut at ${size}: ${index}`);
          writeFileSync(file, whole);
        }
      }
      // Without its segment index it is complete.
      const file = join(path, files[1]!);
      const frames = framesOf(new Uint8Array(readFileSync(file)));
      truncateSync(file, frames.find(({ kind }) => kind === 6)!.offset);
      const log = WalLog.openSync(path, { verify: "tail" });
      assert.equal(stateOf(log).lastIndex, 60);
      log.closeSync();
    }),
  );

  it(
    "the newest one truncated within its header is not mistaken for an uncommitted one",
    withPath(async (path) => {
      const { names: files } = writeSegments(path);
      const file = join(path, files.at(-1)!);
      const whole = readFileSync(file);
      for (const size of [0, 100, 512, 2048, 4095]) {
        truncateSync(file, size);
        if (size < 144) await refusesToOpen(path, "CORRUPT");
        writeFileSync(file, whole);
      }
      writeFileSync(file, new Uint8Array(4096));
      await refusesToOpen(path, "CORRUPT");
    }),
  );
});

describe("a snapshot's file", () => {
  it(
    "missing or damaged anywhere is reported with its index, without changes",
    withPath(async (path) => {
      const log = WalLog.openSync(path, SMALL);
      for (const entry of entriesAt(1, 50, 1, 400)) log.append([entry]);
      log.applySnapshot({ index: 40, term: 1, config: [1n, 2n], data: bytesOf(1_200_000) });
      log.closeSync();
      const name = readdirSync(path).find((name) => name.endsWith(".snap"))!;
      const file = `${path}/${name}`;
      const whole = new Uint8Array(readFileSync(file));
      const expected = (error: WalLogError): void => {
        assert.ok(error.damage.some((one) => one.kind === "snapshot" && one.path === file), error.message);
        assert.ok(names(error, 40), error.message);
      };
      unlinkSync(file);
      expected(await refusesToOpen(path, "CORRUPT"));
      const reader = WalLog.openSync(path, { readOnly: true, onDamage: "keep" });
      refusal(() => reader.snapshot(), "CORRUPT");
      refusal(() => reader.openSnapshot(), "CORRUPT");
      assert.equal(reader.entry(41)?.index, 41);
      assert.equal(reader.snapshotIndex, 40);
      reader.closeSync();

      for (const at of [0, 9, 12, 16, 32, 40, 48, 56, 70, 80, 100_000, 600_000, whole.length - 30, whole.length - 1]) {
        const damaged = whole.slice();
        damaged[at] = damaged[at]! ^ 1;
        writeFileSync(file, damaged);
        expected(refusal(() => WalLog.openSync(path), "CORRUPT"));
        assert.deepEqual(contentsOf(path).get(name), damaged);
      }
      for (const size of [0, 10, 56, 100, 600_000, whole.length - 24, whole.length - 1]) {
        writeFileSync(file, whole.subarray(0, size));
        expected(await refusesToOpen(path, "CORRUPT"));
      }
      writeFileSync(file, whole);
      const again = WalLog.openSync(path);
      assert.deepEqual(again.snapshot()?.data, bytesOf(1_200_000));
      again.closeSync();
    }),
  );
});
