/** Snapshots of the durable log that are read and written a part at a time: their files, and what goes wrong. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { WalLog, WalLogError } from "../mod.ts";
import { flipped } from "./history.ts";
import { bytesOf } from "./model.ts";
import { SMALL, snapshotFiles, withLog } from "./snapshot_log.ts";
import { type Call, systemError } from "./watched_file_system.ts";
import { close, withLog as withEmptyLog } from "./watched_log.ts";

const META = { index: 15, term: 1, config: [7n] };
const MIB = 1024 * 1024;

function refuses(call: () => unknown, code: string): void {
  assert.throws(call, (error) => error instanceof WalLogError && error.code === code);
}

describe("a snapshot that is written a piece at a time", () => {
  it(
    "is in its file piece by piece, and flushed every 8 MiB",
    withLog(({ fileSystem, log }) => {
      const target = log.createSnapshotTarget(META);
      const piece = bytesOf(MIB);
      for (let i = 1; i <= 20; i++) {
        target.write(piece);
        const bytes = fileSystem.calls.reduce((sum, call) => sum + call.bytes, 0);
        assert.ok(bytes > (i - 0.5) * MIB, `${bytes} bytes of ${i} MiB`);
        assert.equal(fileSystem.count("sync"), Math.floor(i / 8));
      }
      target.install();
      assert.equal(log.snapshot()!.data.length, 20 * MIB);
    }),
  );

  it(
    "is durable before its frame is written, and before anything is deleted",
    withLog(({ path, fileSystem, log }) => {
      const target = log.createSnapshotTarget(META);
      target.write(bytesOf(1000));
      target.install();
      const steps = fileSystem.calls.flatMap(({ operation, name }) => {
        const kind = name.includes(".snap") ? "snap" : name.endsWith(".seg") ? "seg" : "folder";
        return operation === "create" ? [] : [`${operation} ${kind}`];
      });
      const order = ["write snap", "sync snap", "rename snap", "syncDirectory folder", "write seg", "sync seg"];
      let from = 0;
      for (const step of [...order, "remove seg"]) {
        const at = steps.indexOf(step, from);
        assert.ok(at >= from, `${step} in ${steps.slice(from).join(", ")}`);
        from = at + 1;
      }
      assert.deepEqual(snapshotFiles(path), ["000000000015-000000000001.snap"]);
    }),
  );

  it("leaves no file if it is given up, or the log is closed", () =>
    withLog(async ({ path, log }) => {
      log.createSnapshotTarget(META).abort();
      assert.deepEqual(snapshotFiles(path), []);
      const target = log.createSnapshotTarget(META);
      target.write(bytesOf(1000));
      assert.equal(snapshotFiles(path).length, 1);
      await log.close();
      assert.deepEqual(snapshotFiles(path), []);
      refuses(() => target.write(bytesOf(1)), "CLOSED");
      refuses(() => target.install(), "CLOSED");
      target.abort();
    })());

  it("is dropped when the log is opened after the process was killed", () =>
    withLog(({ path, log }) => {
      const target = log.createSnapshotTarget(META);
      target.write(bytesOf(MIB));
      const [name] = snapshotFiles(path);
      const left = readFileSync(`${path}/${name}`);
      target.abort();
      log.closeSync();
      writeFileSync(`${path}/${name}`, left);
      const again = WalLog.openSync(path, { segmentBytes: SMALL });
      assert.deepEqual([snapshotFiles(path), again.snapshotIndex, again.lastIndex], [[], 0, 20]);
      again.closeSync();
    })());

  it(
    "replaces the log's own snapshot if that is damaged",
    () =>
      withLog(({ path, log }) => {
        const data = bytesOf(1000);
        log.applySnapshot({ ...META, data });
        log.closeSync();
        const [name] = snapshotFiles(path);
        writeFileSync(`${path}/${name}`, flipped(new Uint8Array(readFileSync(`${path}/${name}`)), 200, 2));
        const again = WalLog.openSync(path, { segmentBytes: SMALL, onDamage: "keep" });
        assert.equal(again.damaged.length, 1);
        const target = again.createSnapshotTarget(META);
        target.write(data);
        target.install();
        assert.deepEqual([again.damaged, again.snapshot()!.data, snapshotFiles(path)], [[], data, [name]]);
        again.closeSync();
      })(),
  );

  it(
    "goes on where it found no room",
    withLog(({ path, fileSystem, log }) => {
      const data = bytesOf(3 * MIB + 5);
      for (
        const isFull of [
          ({ operation, name, position }: Call) => operation === "write" && name.endsWith(".tmp") && position > MIB,
          ({ operation, name, bytes }: Call) => operation === "write" && name.endsWith(".tmp") && bytes === 24,
          ({ operation }: Call) => operation === "rename",
          ({ operation, name }: Call) => operation === "write" && name.endsWith(".seg"),
        ]
      ) {
        const before = log.snapshotIndex;
        const target = log.createSnapshotTarget({ ...META, index: before + 5 });
        fileSystem.fail = (call) => {
          if (isFull(call)) throw systemError("ENOSPC");
        };
        let refusals = 0;
        const attempt = (step: () => void) => {
          try {
            step();
          } catch (error) {
            assert.ok(error instanceof WalLogError && error.code === "NO_SPACE", String(error));
            if (++refusals % 3 === 0) fileSystem.fail = () => {};
          }
        };
        while (target.dataBytes < data.length) {
          const at = target.dataBytes;
          attempt(() => target.write(data.subarray(at, at + 300_000)));
        }
        while (target.isOpen) {
          attempt(() => target.install());
          if (target.isOpen) assert.equal(log.snapshotIndex, before);
        }
        assert.ok(refusals >= 3);
        assert.deepEqual(log.snapshot()!.data, data);
        assert.equal(snapshotFiles(path).length, 1);
      }
    }),
  );

  it(
    "is given up if a flush finds no room",
    withLog(({ path, fileSystem, log }) => {
      const target = log.createSnapshotTarget(META);
      target.write(bytesOf(100));
      fileSystem.fail = ({ operation }) => {
        if (operation === "sync") throw systemError("ENOSPC");
      };
      refuses(() => target.install(), "NO_SPACE");
      fileSystem.fail = () => {};
      assert.deepEqual([target.isOpen, snapshotFiles(path)], [false, []]);
      log.append([{ term: 1, index: 21, command: bytesOf(3) }]);
    }),
  );

  it(
    "ends the log if a write fails otherwise",
    withEmptyLog(async ({ fileSystem, log }) => {
      const target = log.createSnapshotTarget(META);
      fileSystem.fail = ({ operation }) => {
        if (operation === "write") throw systemError("EIO");
      };
      refuses(() => target.write(bytesOf(MIB)), "POISONED");
      fileSystem.fail = () => {};
      assert.equal(target.isOpen, false);
      refuses(() => log.append([{ term: 1, index: 1, command: bytesOf(3) }]), "POISONED");
      await close(log);
    }),
  );
});

describe("a snapshot that is read a part at a time", () => {
  it(
    "fails with CORRUPT where it is damaged, and nowhere else",
    withLog(({ path, log }) => {
      const data = bytesOf(2_000_000);
      log.applySnapshot({ ...META, data });
      const file = `${path}/${readdirSync(path).find((name) => name.endsWith(".snap"))}`;
      const whole = new Uint8Array(readFileSync(file));
      // The second piece follows the header and the first: its checksum, its length, and a byte of its data.
      const second = 80 + 16 + 512 * 1024;
      for (const at of [second, second + 8, second + 100]) {
        writeFileSync(file, flipped(whole, at, 2));
        const source = log.openSnapshotSource()!;
        assert.deepEqual(source.read(0, 1000), data.slice(0, 1000));
        assert.throws(() => source.read(600_000, 10), (error) => {
          assert.ok(error instanceof WalLogError && error.code === "CORRUPT");
          assert.equal(error.damage[0]!.firstIndex, 15);
          return true;
        });
        assert.deepEqual(source.read(0, 1000), data.slice(0, 1000));
        source.close();
      }
      writeFileSync(file, whole);
    }),
  );

  it(
    "fails with CORRUPT behind a piece whose length is damaged",
    withLog(({ path, log }) => {
      log.applySnapshot({ ...META, data: bytesOf(2_000_000) });
      const file = `${path}/${readdirSync(path).find((name) => name.endsWith(".snap"))}`;
      const bytes = new Uint8Array(readFileSync(file));
      // Padding hides the difference: the second piece begins where it did.
      new DataView(bytes.buffer).setUint32(80 + 8, 512 * 1024 - 4, true);
      writeFileSync(file, bytes);
      const source = log.openSnapshotSource()!;
      refuses(() => source.read(600_000, 10), "CORRUPT");
      source.close();
    }),
  );

  it(
    "fails with IO if the file cannot be read, and can be read again",
    withLog(({ fileSystem, log }) => {
      const data = bytesOf(1000);
      log.applySnapshot({ ...META, data });
      const source = log.openSnapshotSource()!;
      fileSystem.failRead = () => {
        throw systemError("EIO");
      };
      refuses(() => source.read(0, 10), "IO");
      fileSystem.failRead = () => {};
      assert.deepEqual(source.read(0, 10), data.slice(0, 10));
      source.close();
    }),
  );

  it("is closed with the log", () =>
    withLog(async ({ fileSystem, log }) => {
      log.applySnapshot({ ...META, data: bytesOf(1000) });
      const source = log.openSnapshotSource()!;
      await log.close();
      assert.equal(fileSystem.openFiles, 0);
      refuses(() => source.read(0, 10), "CLOSED");
      source.close();
    })());
});
