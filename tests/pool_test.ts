/** WebAssembly instances: busy logs have one, idle logs have none. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { leaseCodec, returnCodec, sharedCodec } from "../src/codec/pool.ts";
import { entriesAt, entryAt } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { WatchedFileSystem } from "./watched_file_system.ts";

/** Counts the instances that a function creates. */
async function instancesMade(run: () => void | Promise<void>): Promise<number> {
  const { Instance } = WebAssembly;
  let made = 0;
  WebAssembly.Instance = class extends Instance {
    constructor(...args: ConstructorParameters<typeof Instance>) {
      super(...args);
      made++;
    }
  };
  try {
    await run();
  } finally {
    WebAssembly.Instance = Instance;
  }
  return made;
}

describe("a WebAssembly instance", () => {
  it("has one user at a time, and the next one after it is returned", () => {
    const [a, b] = [leaseCodec(), leaseCodec()];
    assert.notEqual(a, b);
    assert.notEqual(a, sharedCodec());
    returnCodec(a);
    assert.equal(leaseCodec(), a);
    returnCodec(a);
    returnCodec(b);
    assert.equal(sharedCodec(), sharedCodec());
  });

  it("is not kept if its memory has grown large", () => {
    const codec = leaseCodec();
    codec.makeWriteBuffer(8 * 1024 * 1024);
    returnCodec(codec);
    const next = leaseCodec();
    assert.notEqual(next, codec);
    returnCodec(next);
  });

  it("is held by no idle log, however many are open", async () => {
    const logs: WalLog[] = [];
    const made = await instancesMade(() => {
      for (let i = 0; i < 40; i++) {
        const fileSystem = new WatchedFileSystem(new MemoryDisk());
        const log = WalLog.openSync(MemoryDisk.PATH, { fileSystem, segmentBytes: 4096 });
        log.append(entriesAt(1, 30));
        log.syncSync();
        fileSystem.rest();
        assert.deepEqual(log.entry(7), entryAt(7));
        logs.push(log);
      }
    });
    assert(made <= 4, `${made} instances for 40 logs`);
    for (const log of logs) log.closeSync();
  });

  it("is returned by a closed log, by scrubbing, and by an opening that fails or is aborted", async () => {
    const disk = new MemoryDisk();
    const first = WalLog.openSync(MemoryDisk.PATH, { fileSystem: disk });
    first.append(entriesAt(1, 100));
    first.closeSync();
    const damaged = new Map(disk.contents());
    damaged.delete("000000000001.seg");
    const made = await instancesMade(async () => {
      for (let i = 0; i < 10; i++) {
        const log = WalLog.openSync(MemoryDisk.PATH, { fileSystem: disk });
        log.append([entryAt(log.lastIndex + 1)]);
        await log.scrub();
        await log.close();
        assert.throws(() => WalLog.openSync(MemoryDisk.PATH, { fileSystem: new MemoryDisk(damaged) }));
        const controller = new AbortController();
        const opening = WalLog.open(MemoryDisk.PATH, { fileSystem: disk, signal: controller.signal });
        controller.abort();
        await opening.then((log) => log.close(), () => {});
      }
    });
    assert(made <= 4, `${made} instances`);
  });

  it("keeps the last writes until the log is idle", () => {
    const fileSystem = new WatchedFileSystem(new MemoryDisk());
    const log = WalLog.openSync(MemoryDisk.PATH, { fileSystem });
    log.append(entriesAt(1, 10));
    let reads = 0;
    fileSystem.failRead = () => void reads++;
    assert.deepEqual(log.entries(1, 10), entriesAt(1, 10));
    assert.equal(reads, 0);
    log.syncSync();
    reads = 0;
    fileSystem.rest();
    assert.deepEqual(log.entries(1, 10), entriesAt(1, 10));
    assert(reads > 0);
    log.append([entryAt(11)]);
    assert.deepEqual(log.entries(1, 11), entriesAt(1, 11));
    log.closeSync();
  });
});
