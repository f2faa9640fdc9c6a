/** The option `create`, and the permissions of the files that a log makes. */

import assert from "node:assert/strict";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { WalLog, type WalLogOptions } from "../mod.ts";
import { entriesAt } from "./history.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { onWindows, rejection, SMALL, unlessRoot, writeLog } from "./log_folder.ts";

describe("create: false", () => {
  it("refuses a folder without a log, and creates nothing", () =>
    inTemporaryFolder(async (folder) => {
      mkdirSync(join(folder, "empty"));
      for (const name of ["empty", "missing", "missing/below"]) {
        for (const readOnly of [false, true]) {
          const path = join(folder, name);
          const error = await rejection("NOT_FOUND", () => WalLog.open(path, { create: false, readOnly }));
          assert.match(error.message, /no log found; check the path, and that its volume is mounted/);
          await rejection("NOT_FOUND", () => WalLog.openSync(path, { create: false, readOnly }));
        }
      }
      assert.deepEqual(readdirSync(folder, { recursive: true }), ["empty"]);
    }));

  it("opens an existing log, and reports a damaged one as CORRUPT", () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      writeLog(path).closeSync();
      const log = await WalLog.open(path, { create: false });
      assert.equal(log.lastIndex, 20);
      log.closeSync();
      for (const name of readdirSync(path)) if (name.endsWith(".seg")) unlinkSync(join(path, name));
      await rejection("CORRUPT", () => WalLog.open(path, { create: false }));
    }));

  it("reports NOT_FOUND if a crash interrupted the creation of the log", () =>
    inTemporaryFolder(async (folder) => {
      writeFileSync(join(folder, "000000000001.seg"), new Uint8Array(4096));
      await rejection("NOT_FOUND", () => WalLog.open(folder, { create: false }));
      assert.equal(statSync(join(folder, "000000000001.seg")).size, 4096);
      (await WalLog.open(folder)).closeSync();
    }));
});

describe("permissions", { skip: onWindows }, () => {
  const modeOf = (path: string) => statSync(path).mode & 0o777;

  it("are those of the owner alone unless fileMode allows more", () =>
    inTemporaryFolder((folder) => {
      const cases: readonly (readonly [WalLogOptions, file: number, folder: number])[] = [
        [{}, 0o600, 0o700],
        [{ fileMode: 0o640 }, 0o640, 0o750],
        [{ fileMode: 0o644 }, 0o644, 0o755],
      ];
      for (const [i, [options, fileMode, folderMode]] of cases.entries()) {
        const path = join(folder, `${i}`, "raft.wal");
        const log = writeLog(path, 1, options);
        log.applySnapshot({ index: 10, term: 1, config: [], data: new Uint8Array(9) });
        log.closeSync();
        assert.equal(modeOf(path), folderMode);
        for (const name of readdirSync(path)) assert.equal(modeOf(join(path, name)), fileMode, name);
      }
      for (const fileMode of [0o400, 0o700, 0o1600, -1, 1.5, "600" as unknown as number]) {
        assert.throws(() => WalLog.openSync(join(folder, "never"), { fileMode }), /fileMode must be permission bits/);
      }
      assert(!existsSync(join(folder, "never")));
    }));

  it(
    "and owner of a damaged file are kept when a repair replaces it",
    { skip: unlessRoot },
    () =>
      inTemporaryFolder((folder) => {
        const path = join(folder, "raft.wal");
        const log = writeLog(path);
        const good = log.entries(1, 20);
        log.closeSync();
        const oldest = join(path, "000000000001.seg");
        const bytes = readFileSync(oldest);
        bytes[bytes.indexOf(good[2]!.command.subarray(0, 16)) + 100]! ^= 1;
        writeFileSync(oldest, bytes);
        for (const name of readdirSync(path)) {
          chownSync(join(path, name), 65534, 65534);
          chmodSync(join(path, name), 0o640);
        }
        chownSync(path, 65534, 65534);
        const damaged = WalLog.openSync(path, { ...SMALL, onDamage: "keep" });
        assert.equal(damaged.damaged.length, 1);
        damaged.repair([good[2]!]);
        for (let index = 21; index < 40; index++) damaged.append(entriesAt(index, index, 1, 900));
        damaged.closeSync();
        assert.equal(modeOf(oldest), 0o640);
        for (const name of readdirSync(path)) assert.equal(statSync(join(path, name)).uid, 65534, name);
      }),
  );
});
