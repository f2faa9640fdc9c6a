import { describe, it } from "node:test";
import assert from "node:assert/strict";
import { WalLog } from "../mod.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { entriesAt } from "./history.ts";

const FOLDER = "/raft.wal";

/** The proven index of a reader beside its writer. */
function provenIndex(write: (log: WalLog) => void): number {
  const disk = new SimulatedDisk({ seed: 1 });
  const { fileSystem } = disk;
  const log = WalLog.openSync(FOLDER, { fileSystem });
  log.append(entriesAt(1, 5));
  log.syncSync();
  disk.idle();
  write(log);
  const reader = WalLog.openSync(FOLDER, { fileSystem, readOnly: true });
  assert.equal(reader.durableIndex, reader.recovery.provenIndex);
  return reader.durableIndex;
}

describe("the proven index", () => {
  it("is that of the last entry that a flush covered", () => {
    assert.equal(provenIndex((log) => log.append(entriesAt(6, 8))), 5);
  });

  it("does not cover entries that were truncated and rewritten after the flush", () => {
    const write = (log: WalLog) => {
      log.truncate(3);
      log.append(entriesAt(3, 6, 2));
    };
    assert.equal(provenIndex(write), 2);
  });

  it("covers the entries that a snapshot without a flush after it keeps", () => {
    assert.equal(provenIndex((log) => log.compact(2, { data: new Uint8Array(1) })), 5);
  });
});
