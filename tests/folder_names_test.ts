/** Changes of the names in a log's folder after it has rested, when a flush does not look at each file any more. */

import assert from "node:assert/strict";
import fs from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { WalLog, type WalLogError } from "../mod.ts";
import { FolderNames } from "../src/io/folder_names.ts";
import { entriesAt } from "./history.ts";
import { onWindows, rejection } from "./log_folder.ts";
import { inTemporaryFolder } from "./temporary.ts";

/** Longer than the time after which a folder's time counts, in milliseconds. */
const REST_MS = 150;

const MS_NS = 1_000_000n;

/** The status of a folder that was changed some time ago. */
function changed(agoMs: number, { fraction = 5n } = {}): fs.BigIntStats {
  const timeNs = ((BigInt(Date.now()) - BigInt(agoMs)) / 1000n) * 1000n * MS_NS + fraction;
  return { dev: 1n, ino: 1n, mtimeNs: timeNs, ctimeNs: timeNs } as fs.BigIntStats;
}

describe("the names in a folder", () => {
  it("are unchanged if its times are those of the last check", () => {
    const names = new FolderNames();
    const folder = changed(60_000);
    assert.equal(names.areUnchanged(folder), false, "they were never checked");
    names.checked(folder);
    assert.equal(names.areUnchanged(folder), true);
    assert.equal(names.areUnchanged({ ...folder, mtimeNs: folder.mtimeNs + 1n } as fs.BigIntStats), false);
    assert.equal(names.areUnchanged({ ...folder, ctimeNs: folder.ctimeNs + 1n } as fs.BigIntStats), false);
    assert.equal(names.areUnchanged({ ...folder, ino: 2n } as fs.BigIntStats), false);
  });

  it("may have changed since a check in the same tick of the clock", () => {
    const names = new FolderNames();
    const folder = { ...changed(0), mtimeNs: BigInt(Date.now()) * MS_NS + 5n } as fs.BigIntStats;
    names.checked(folder);
    assert.equal(names.areUnchanged(folder), false);
  });

  it("may have changed within seconds if the file system keeps whole seconds", () => {
    const names = new FolderNames();
    const folder = changed(1000, { fraction: 0n });
    names.checked(folder);
    assert.equal(names.areUnchanged(folder), false);
    const old = changed(10_000, { fraction: 0n });
    names.checked(old);
    assert.equal(names.areUnchanged(old), true);
  });
});

/** Opens a log in a folder that has rested, and has been checked since. */
async function restedLog(path: string): Promise<WalLog> {
  const log = WalLog.openSync(path);
  flush(log);
  await sleep(REST_MS);
  flush(log);
  return log;
}

function flush(log: WalLog): void {
  log.append(entriesAt(log.lastIndex + 1, log.lastIndex + 1));
  log.syncSync();
}

const CHANGES: Record<string, (path: string) => void | Promise<void>> = {
  "LOCK is deleted": (path) => fs.unlinkSync(join(path, "LOCK")),
  "LOCK is replaced": (path) => replace(join(path, "LOCK")),
  "the newest segment is deleted": (path) => fs.unlinkSync(join(path, newestIn(path))),
  "the newest segment is replaced": (path) => replace(join(path, newestIn(path))),
  "the newest segment is replaced, and the folder's time is set back": async (path) => {
    // Deno gives the time of the last change in whole seconds.
    await sleep(1100);
    const { atime, mtime } = fs.statSync(path);
    replace(join(path, newestIn(path)));
    fs.utimesSync(path, atime, mtime);
  },
};

function newestIn(path: string): string {
  return fs.readdirSync(path).filter((name) => name.endsWith(".seg")).sort().at(-1)!;
}

function replace(file: string): void {
  fs.copyFileSync(file, `${file}.copy`);
  fs.renameSync(`${file}.copy`, file);
}

describe("in a folder that has rested", { skip: onWindows }, () => {
  for (const [change, happen] of Object.entries(CHANGES)) {
    it(`the next flush notices: ${change}`, () =>
      inTemporaryFolder(async (folder) => {
        const path = join(folder, "raft.wal");
        const log = await restedLog(path);
        await happen(path);
        const error = await rejection("POISONED", () => flush(log));
        assert.equal((error.cause as WalLogError).code, "LOCK_LOST");
        await rejection("POISONED", () => log.close());
      }));
  }

  it("a flush does not look at the segment or at LOCK", () =>
    inTemporaryFolder(async (folder) => {
      const log = await restedLog(join(folder, "raft.wal"));
      const looked: string[] = [];
      const { lstatSync } = fs;
      const watched = (path: string, options: fs.StatSyncOptions) => {
        looked.push(path);
        return lstatSync(path, options);
      };
      try {
        Object.assign(fs, { lstatSync: watched });
        for (let i = 0; i < 3; i++) flush(log);
      } finally {
        Object.assign(fs, { lstatSync });
      }
      assert.deepEqual(looked, []);
      await log.close();
    }));
});
