/** Concurrent use: a reader beside a writer that compacts, and an iteration over a log that changes. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLog, type WalLogError } from "../mod.ts";
import { entriesAt, entryAt } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";

const PATH = MemoryDisk.PATH;

function codeOf(call: () => unknown): string | undefined {
  try {
    call();
  } catch (error) {
    return (error as WalLogError).code;
  }
  return undefined;
}

/** A writer with sixty entries of 500 bytes in small segments. */
function openWriter(): { readonly disk: MemoryDisk; readonly log: WalLog } {
  const disk = new MemoryDisk();
  const log = WalLog.openSync(PATH, { fileSystem: disk, segmentBytes: 4096 });
  for (let index = 1; index <= 60; index++) log.append([entryAt(index, 1, 500)]);
  log.syncSync();
  return { disk, log };
}

describe("a reader beside a writer", () => {
  for (const verify of ["full", "tail"] as const) {
    it(`gets COMPACTED for a compacted entry, with verify "${verify}"`, () => {
      const { disk, log } = openWriter();
      const reader = WalLog.openSync(PATH, { fileSystem: disk, readOnly: true, verify });
      log.applySnapshot({ index: 50, term: 1, config: [], data: new Uint8Array(3) });
      assert.equal(codeOf(() => reader.entry(3)), "COMPACTED");
      assert.equal(codeOf(() => reader.entries(3, 9)), "COMPACTED");
      assert.deepEqual(reader.entry(60), entryAt(60, 1, 500));
    });
  }

  it("gets COMPACTED for a replaced snapshot", () => {
    const { disk, log } = openWriter();
    log.applySnapshot({ index: 10, term: 1, config: [], data: new Uint8Array(3) });
    const reader = WalLog.openSync(PATH, { fileSystem: disk, readOnly: true });
    log.applySnapshot({ index: 50, term: 1, config: [], data: new Uint8Array(4) });
    assert.equal(codeOf(() => reader.snapshot()), "COMPACTED");
    assert.equal(codeOf(() => reader.openSnapshot()), "COMPACTED");
  });
});

describe("an iteration", () => {
  it("continues with the current entries when the log was truncated above it", () => {
    const { log } = openWriter();
    const seen: string[] = [];
    for (const { index, term } of log.iterate(50)) {
      seen.push(`${index}.${term}`);
      if (index !== 52) continue;
      log.truncate(53);
      log.append(entriesAt(53, 55, 2));
    }
    assert.deepEqual(seen, ["50.1", "51.1", "52.1", "53.2", "54.2", "55.2"]);
  });

  it("ends with NOT_CONTIGUOUS when the entry that it yielded last was replaced", () => {
    const { log } = openWriter();
    const seen: string[] = [];
    const walk = () => {
      for (const { index, term } of log.iterate(50)) {
        seen.push(`${index}.${term}`);
        if (index !== 52) continue;
        log.truncate(51);
        log.append(entriesAt(51, 58, 2));
      }
    };
    assert.equal(codeOf(walk), "NOT_CONTIGUOUS");
    assert.deepEqual(seen, ["50.1", "51.1", "52.1"]);
  });

  it("ends with CLOSED when the log is closed", () => {
    const { log } = openWriter();
    const walk = log.iterate(51);
    walk.next();
    log.closeSync();
    assert.equal(codeOf(() => walk.next()), "CLOSED");
  });
});

describe("files with names of a log", () => {
  it("are left alone in a folder without a log", () => {
    const own = new Map([
      ["000000000001.seg", new TextEncoder().encode("mine")],
      ["000000000007-000000000001.snap", new TextEncoder().encode("mine too")],
    ]);
    const disk = new MemoryDisk(own);
    WalLog.openSync(PATH, { fileSystem: disk }).closeSync();
    for (const [name, bytes] of own) assert.deepEqual(disk.contents().get(name), bytes, name);
  });
});

describe("a command whose buffer was detached", () => {
  it("is refused, and the log stays usable", () => {
    const { log } = openWriter();
    const gone = new Uint8Array(8);
    structuredClone(gone, { transfer: [gone.buffer] });
    const shrunk = new ArrayBuffer(10, { maxByteLength: 10 });
    const outside = new Uint8Array(shrunk, 5, 5);
    shrunk.resize(2);
    for (const command of [gone, outside]) {
      assert.equal(codeOf(() => log.append([{ ...entryAt(61), command }])), "INVALID_ARGUMENT");
    }
    log.append([entryAt(61)]);
    assert.equal(log.syncSync(), 61);
  });
});
