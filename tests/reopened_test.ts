/** A log that was closed, opened, and killed before its writer was idle. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { resolve } from "node:path";
import { WalLog } from "../mod.ts";
import type { FileSystem } from "../src/io/file_system.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { entriesAt } from "./history.ts";

const FOLDER = resolve("/raft.wal");

/** The disk of such a log with two segments. The second one is copied if it holds at most 3 of 7 entries. */
function reopened(entries: number): SimulatedDisk {
  const disk = new SimulatedDisk();
  const open = () => WalLog.openSync(FOLDER, { fileSystem: disk.fileSystem, segmentBytes: 8192 });
  const log = open();
  for (const entry of entriesAt(1, entries, 1, 1000)) log.append([entry]);
  log.closeSync();
  open();
  disk.restart();
  return disk;
}

/** A file system that fails to open the newest segment for writing, and counts the open files. */
function withoutDescriptors(disk: SimulatedDisk): { readonly fileSystem: FileSystem; readonly opened: Set<object> } {
  const newest = disk.files().findLast((path) => path.endsWith(".seg"));
  const opened = new Set<object>();
  const base = disk.fileSystem;
  const fileSystem: FileSystem = {
    ...base,
    open: (path, mode, permissions) => {
      if (mode === "write" && path === newest) throw Object.assign(new Error("EMFILE"), { code: "EMFILE" });
      const file = base.open(path, mode, permissions);
      opened.add(file);
      return {
        ...file,
        close: () => {
          opened.delete(file);
          file.close();
        },
      };
    },
  };
  return { fileSystem, opened };
}

describe("a log that was closed and opened again", () => {
  it("does not look closed while its next writer has it open", () => {
    const disk = reopened(8);
    const { fileSystem } = disk;
    WalLog.openSync(FOLDER, { fileSystem, segmentBytes: 8192 });
    // Otherwise two writers that both see a closed log would write at the same offset.
    assert.equal(WalLog.openSync(FOLDER, { fileSystem, readOnly: true }).recovery.closed, false);
  });

  for (const [where, entries] of [["a copy of", 8], ["a segment behind", 12]] as const) {
    it(`leaves nothing open if its newest segment cannot be opened, to continue in ${where} it`, () => {
      const disk = reopened(entries);
      const { fileSystem, opened } = withoutDescriptors(disk);
      const before = disk.files();
      assert.throws(() => WalLog.openSync(FOLDER, { fileSystem, segmentBytes: 8192 }), { code: "IO" });
      assert.deepEqual(disk.files(), before);
      assert.equal(opened.size, 0);
    });
  }
});
