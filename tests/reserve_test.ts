/** The reserve: space for writes that must succeed on a full disk. */

import assert from "node:assert/strict";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { describe, it } from "node:test";
import { WalLog, WalLogError } from "../mod.ts";
import { nodeFileSystem } from "../src/io/node_fs.ts";
import type { FileSystem } from "../src/io/file_system.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { cli } from "./cli.ts";
import { entriesAt, entryAt } from "./history.ts";
import { type Space, withinSpace } from "./simulated_machine.ts";
import { isWindows, skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { systemError } from "./watched_file_system.ts";

const FOLDER = resolve("/raft.wal");
const RESERVE = `${FOLDER}/RESERVE`;
const BYTES = nodeFileSystem.reserveBytes!;

function isRefused(error: unknown): boolean {
  return error instanceof WalLogError && error.code === "NO_SPACE";
}

/** A log on a simulated disk that a test can fill. */
function simulated(change: (fileSystem: FileSystem) => Partial<FileSystem> = () => ({})): {
  readonly disk: SimulatedDisk;
  readonly space: Space;
  readonly open: () => WalLog;
} {
  const disk = new SimulatedDisk({ seed: 3 });
  const space: Space = { left: Infinity };
  const within = withinSpace(disk.fileSystem, space);
  const fileSystem = { ...within, ...change(within) };
  return { disk, space, open: () => WalLog.openSync(FOLDER, { fileSystem, segmentBytes: 61_440 }) };
}

describe("the reserve of a log", () => {
  it("is created when the log is opened for writing, of incompressible bytes", () =>
    inTemporaryFolder((folder) => {
      const path = join(folder, "raft.wal");
      WalLog.openSync(path).closeSync();
      const bytes = readFileSync(join(path, "RESERVE"));
      assert.equal(bytes.length, BYTES);
      assert(new Set(bytes).size > 250);
      WalLog.openSync(path).closeSync();
      assert.deepEqual(readFileSync(join(path, "RESERVE")), bytes, "it is written once");
    }));

  it("neither stops a log nor blocks opening if it cannot be created", () => {
    let isFailing = true;
    const { disk, open } = simulated((base) => ({
      open: (path, mode, permissions) => {
        if (isFailing && path === RESERVE) throw systemError("EMFILE");
        return base.open(path, mode, permissions);
      },
    }));
    const log = open();
    log.append(entriesAt(1, 3));
    log.syncSync();
    disk.idle();
    log.append([entryAt(4)]);
    assert.equal(log.syncSync(), 4);
    isFailing = false;
    disk.idle();
    assert(disk.files().includes(RESERVE));
  });

  it("is left out of a backup", () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const log = WalLog.openSync(path);
      log.append(entriesAt(1, 3));
      log.closeSync();
      const { code } = await cli("backup", path, join(folder, "copy"));
      assert.equal(code, 0);
      assert(!existsSync(join(folder, "copy", "RESERVE")));
    }));

  it("leaves a file, a folder or a link of its name alone", {
    skip: skipReason(isWindows && "links take a privilege on Windows"),
  }, () =>
    inTemporaryFolder((folder) => {
      writeFileSync(join(folder, "target"), "not the log's");
      const makers: Readonly<Record<string, (path: string) => void>> = {
        file: (path) => writeFileSync(path, "not the log's"),
        folder: (path) => mkdirSync(path),
        link: (path) => symlinkSync(join(folder, "target"), path),
      };
      for (const [name, make] of Object.entries(makers)) {
        const path = join(folder, name);
        mkdirSync(path);
        make(join(path, "RESERVE"));
        const before = lstatSync(join(path, "RESERVE"));
        const log = WalLog.openSync(path);
        log.append(entriesAt(1, 3));
        log.closeSync();
        const after = lstatSync(join(path, "RESERVE"));
        assert.deepEqual([after.ino, after.size, after.mode], [before.ino, before.size, before.mode], name);
      }
      assert.equal(statSync(join(folder, "target")).size, 13);
    }));

  const needed: Readonly<Record<string, (log: WalLog) => void>> = {
    "a hard state": (log) => log.setHardState({ term: 5, votedFor: 2n }),
    "a truncation": (log) => log.truncate(4),
    "a snapshot without data": (log) => log.compact(3, { config: [1n] }),
  };
  for (const [name, write] of Object.entries(needed)) {
    it(`makes space for ${name} on a full disk, and is created again later`, () => {
      const { disk, space, open } = simulated();
      const log = open();
      log.append(entriesAt(1, 5));
      assert(disk.files().includes(RESERVE));
      space.left = 0;
      assert.throws(() => log.append(entriesAt(6, 6)), isRefused, "an append does not use the reserve");
      assert(disk.files().includes(RESERVE));
      write(log);
      assert(!disk.files().includes(RESERVE));
      // Enough for the file, but not for much else.
      space.left = 2000;
      log.syncSync();
      disk.idle();
      assert(!disk.files().includes(RESERVE), "it must not use the last free space");
      space.left = 100_000;
      log.syncSync();
      log.setHardState({ term: 6, votedFor: 2n });
      log.syncSync();
      disk.idle();
      assert(disk.files().includes(RESERVE));
      disk.restart();
      assert.equal(open().hardState.term, 6);
    });
  }

  it("is released once; a write that still finds no space leaves the log unchanged", () => {
    const { disk, space, open } = simulated();
    const log = open();
    log.append(entriesAt(1, 5));
    disk.lose(RESERVE);
    space.left = 0;
    for (let time = 0; time < 3; time++) {
      for (const [name, write] of Object.entries(needed)) assert.throws(() => write(log), isRefused, name);
    }
    assert.deepEqual([log.hardState.term, log.lastIndex, log.snapshotIndex], [0, 5, 0]);
    space.left = Infinity;
    log.append(entriesAt(6, 6));
    log.closeSync();
    assert.equal(open().lastIndex, 6);
  });

  it("is kept at a limit on the size of files, where it would not help", () => {
    let isLimited = false;
    const { disk, open } = simulated((base) => ({
      open(path, mode) {
        const file = base.open(path, mode);
        const write = (from: Uint8Array, position: number) => {
          if (isLimited) throw systemError("EFBIG");
          return file.write(from, position);
        };
        return { ...file, write };
      },
    }));
    const log = open();
    isLimited = true;
    assert.throws(() => log.setHardState({ term: 1, votedFor: null }), isRefused);
    assert(disk.files().includes(RESERVE));
  });

  it("ends the writer if its deletion fails", () => {
    const { disk, space, open } = simulated();
    const log = open();
    log.append(entriesAt(1, 5));
    space.left = 0;
    disk.failAfter("EIO", 0, "syncDirectory");
    assert.throws(
      () => log.setHardState({ term: 1, votedFor: null }),
      (error) => error instanceof WalLogError && error.code === "POISONED",
    );
    disk.restart();
    space.left = Infinity;
    assert.equal(open().lastIndex, 5);
  });

  it("makes space for the checkpoint of a clean close", () => {
    const { disk, space, open } = simulated();
    const log = open();
    log.append(entriesAt(1, 5));
    space.left = 0;
    log.closeSync();
    assert(!disk.files().includes(RESERVE));
    assert(open().recovery.closed);
  });

  it("makes space to continue after a crash, together with preallocated zeros", () => {
    const { disk, space, open } = simulated();
    let log = open();
    log.append(entriesAt(1, 2));
    log.syncSync();
    disk.restart();
    space.left = 0;
    log = open();
    assert.equal(log.lastIndex, 2);
    assert(space.left > 0, "the zeros are still there");
  });

  it("is created again if a crash has left a part of it", () => {
    for (let after = 0;; after++) {
      const { disk, open } = simulated();
      disk.failAfter("crash", after);
      try {
        open();
      } catch { /* the power cut */ }
      const isOver = disk.isFaultPending;
      disk.crash();
      const log = open();
      log.append([entryAt(1)]);
      log.closeSync();
      assert.equal(disk.content(RESERVE).length, 1024, `after ${after} operations`);
      if (isOver) break;
    }
  });
});

describe("a log opened for reading only", () => {
  it("has no reserve", () =>
    inTemporaryFolder((folder) => {
      const path = join(folder, "raft.wal");
      WalLog.openSync(path).closeSync();
      for (const name of readdirSync(path)) if (name === "RESERVE") writeFileSync(join(path, name), "");
      WalLog.openSync(path, { readOnly: true }).closeSync();
      assert.equal(statSync(join(path, "RESERVE")).size, 0);
    }));
});
