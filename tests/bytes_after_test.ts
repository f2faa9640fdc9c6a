/** The bytes that the entries above an index take. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MemoryLog, WalLog } from "../mod.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { INDEX_PAGE_BYTES } from "../src/log/segment.ts";
import { entriesAt } from "./history.ts";

const PATH = "/raft.wal";
const ENTRIES = 60;
const COMMAND_BYTES = 900;
/** Of an entry with its frame's header, its length, and its part of checkpoints. */
const OVERHEAD_BYTES = 100;

function open(disk: SimulatedDisk, options: { verify?: "tail"; onDamage?: "keep" } = {}): WalLog {
  return WalLog.openSync(PATH, { fileSystem: disk.fileSystem, segmentBytes: 16_384, ...options });
}

function filled(disk: SimulatedDisk): WalLog {
  const log = open(disk);
  for (const entry of entriesAt(1, ENTRIES, 1, COMMAND_BYTES)) log.append([entry]);
  log.syncSync();
  return log;
}

/** Fails unless a count is that of the entries above an index, or up to a page more. */
function assertClose(bytes: number, index: number): void {
  const commands = (ENTRIES - index) * COMMAND_BYTES;
  const most = commands + (ENTRIES - index) * OVERHEAD_BYTES + INDEX_PAGE_BYTES;
  assert.ok(bytes >= commands && bytes <= most, `after ${index}: ${bytes}, expected ${commands} to ${most}`);
}

describe("the bytes after an index", () => {
  it("are those of the commands in memory", () => {
    const log = new MemoryLog();
    log.append(entriesAt(1, 10, 1, 7));
    assert.deepEqual([0, 3, 9, 10, 99].map((index) => log.bytesAfter(index)), [70, 49, 7, 0, 0]);
    log.compact(4);
    assert.deepEqual([log.bytesAfter(0), log.bytesAfter(4)], [42, 42]);
    assert.throws(() => log.bytesAfter(-1), { code: "INVALID_ARGUMENT" });
  });

  it("are exact to the page on a disk, and read nothing", () => {
    const disk = new SimulatedDisk();
    const log = filled(disk);
    assert.ok(log.stats().segments > 3);
    disk.failAfter("EIO", 0, "read");
    const bytes = Array.from({ length: ENTRIES + 1 }, (_, index) => log.bytesAfter(index));
    assert.equal(disk.isFaultPending, true, "nothing was read");
    for (const [index, one] of bytes.slice(0, -1).entries()) assertClose(one, index);
    assert.deepEqual([bytes.at(-1), log.bytesAfter(ENTRIES + 5)], [0, 0]);
    assert.ok(bytes.every((one, i) => i === 0 || one <= bytes[i - 1]!), "they decrease");
    assert.throws(() => log.bytesAfter(0.5), { code: "INVALID_ARGUMENT" });
    disk.heal();
    log.closeSync();
    assert.throws(() => log.bytesAfter(1), { code: "CLOSED" });
  });

  it("leave out entries that a snapshot has replaced, unless a retention keeps them", () => {
    const log = filled(new SimulatedDisk());
    const retention = log.retain("peer", 11);
    log.compact(40);
    assertClose(log.bytesAfter(0), 10);
    retention.release();
    assert.equal(log.bytesAfter(0), log.bytesAfter(40));
    assertClose(log.bytesAfter(0), 40);
  });

  it("count a whole segment until its pages are in memory", () => {
    const disk = new SimulatedDisk();
    filled(disk).closeSync();
    const log = open(disk, { verify: "tail" });
    const [before, whole] = [log.bytesAfter(5), log.bytesAfter(0)];
    assert.equal(before, whole);
    log.entry(5);
    assert.ok(log.bytesAfter(5) < whole);
    assertClose(log.bytesAfter(5), 5);
  });

  it("are known of a damaged log", () => {
    const disk = new SimulatedDisk();
    filled(disk).closeSync();
    const [first] = disk.files().filter((name) => name.endsWith(".seg"));
    disk.zero(first!, 20_000, 3000);
    const log = open(disk, { onDamage: "keep" });
    assert.ok(log.damaged.length > 0);
    const bytes = Array.from({ length: ENTRIES }, (_, index) => log.bytesAfter(index));
    for (let index = 12; index < ENTRIES; index++) assertClose(bytes[index]!, index);
    assert.ok(bytes.every((one) => one > 0 && one < 100_000), `${bytes}`);
  });
});
