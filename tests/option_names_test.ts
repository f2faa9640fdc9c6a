/** Unknown options are refused by name, before anything else happens. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MemoryLog, WalLog } from "../mod.ts";
import { RaftNode, TcpTransport } from "../src/raft/mod.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { exportWalDb, importWalDb } from "../src/wal_db/mod.ts";
import { checkNames } from "../src/api/option_names.ts";
import { MemoryDisk } from "./memory_disk.ts";

const BYTES = new Uint8Array(8);
const SNAPSHOT = { index: 1, term: 1, config: [], data: BYTES };

/** Passes options that the types refuse. */
const any = (options: object): never => options as never;
const refuses = async (call: () => unknown, message: string): Promise<void> => {
  await assert.rejects(async () => await call(), (error: Error & { code?: string }) => {
    assert.equal(error.code, "INVALID_ARGUMENT");
    assert.ok(error.message.includes(message), error.message);
    return true;
  });
};

describe("an unknown option is refused by", () => {
  const disk = new MemoryDisk();
  const open = () => WalLog.openSync(MemoryDisk.PATH, { fileSystem: disk });

  it("WalLog.open and openSync, which then create nothing", async () => {
    const fileSystem = new MemoryDisk();
    const message = 'Cannot open a log: unknown option "segmentSize"; did you mean segmentBytes?';
    await refuses(() => WalLog.open(MemoryDisk.PATH, any({ fileSystem, segmentSize: 8192 })), message);
    await refuses(() => WalLog.openSync(MemoryDisk.PATH, any({ fileSystem, segmentSize: undefined })), message);
    assert.equal(fileSystem.contents().size, 0);
  });

  it("entries", async () => {
    for (const log of [open(), new MemoryLog()]) {
      log.append([{ term: 1, index: 1, command: BYTES }]);
      const message = 'Cannot read the log: unknown option "maxSize"; did you mean maxBytes?';
      await refuses(() => log.entries(1, 1, any({ maxSize: 1 })), message);
      if (log instanceof WalLog) log.closeSync();
    }
  });

  it("setHardState, applySnapshot and receiveSnapshot", async () => {
    const log = open();
    const message = 'unknown option "forced"; did you mean force?';
    await refuses(() => log.setHardState({ term: 1, votedFor: null }, any({ forced: true })), message);
    await refuses(() => log.applySnapshot(SNAPSHOT, any({ forced: true })), message);
    await refuses(() => log.receiveSnapshot(SNAPSHOT, any({ forced: true })), message);
    assert.equal(log.hardState.term, 0);
    assert.equal(log.snapshotIndex, 0);
    log.closeSync();
  });

  it("compact", async () => {
    for (const log of [open(), new MemoryLog()]) {
      log.append([{ term: 1, index: log.lastIndex + 1, command: BYTES }]);
      await refuses(() => log.compact(1, any({ date: BYTES })), 'unknown option "date"; did you mean data?');
      assert.equal(log.snapshotIndex, 0);
      if (log instanceof WalLog) log.closeSync();
    }
  });

  it("scrub, importWalDb and exportWalDb", async () => {
    const log = open();
    await refuses(() => log.scrub(any({ bytesPerSec: 1 })), "did you mean bytesPerSecond?");
    await refuses(() => exportWalDb(log, "/file", any({ onprogress() {} })), "did you mean onProgress?");
    await refuses(() => importWalDb("/file", new MemoryLog(), any({ ondamage: "cut" })), "did you mean onDamage?");
    log.closeSync();
  });

  it("RaftNode, TcpTransport and SimulatedDisk", async () => {
    await refuses(() => new RaftNode(any({ id: 1n, electionTimeOut: [1, 2] })), "did you mean electionTimeout?");
    const transport = { id: 1n, cluster: "a", listen: { host: "127.0.0.1", port: 0 } };
    new TcpTransport({ ...transport, peers: [] });
    await refuses(() => new TcpTransport(any({ ...transport, timeoutMs: 1 })), "did you mean timeout?");
    await refuses(() => new TcpTransport(any({ ...transport, tls: { cert: "", key: "", cA: "" } })), "mean ca?");
    await refuses(() => new SimulatedDisk(any({ capacity: 1 })), "did you mean capacityBytes?");
  });
});

describe("the name of an unknown option", () => {
  it("gets the nearest known name as a hint, or all names if none is near", () => {
    const known = ["alpha", "beta"];
    assert.throws(
      () => checkNames("Cannot", { betta: 1 }, known),
      /^WalLogError: Cannot: unknown option "betta"; did you mean beta\?$/,
    );
    assert.throws(
      () => checkNames("Cannot", { zzzzzzzz: 1 }, known),
      /unknown option "zzzzzzzz"; expected one of alpha, beta$/,
    );
    checkNames("Cannot", { alpha: 1, beta: undefined }, known);
    checkNames("Cannot", undefined, known);
  });
});
