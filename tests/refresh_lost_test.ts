/** `refresh` of a log that has lost data, that is created later, or that gets an identity. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { Pair, SharedDisk } from "./followed_log.ts";
import { entriesAt } from "./history.ts";
import { MemoryDisk } from "./memory_disk.ts";

const PATH = MemoryDisk.PATH;

/** The losses that a log reports, and the number of damaged places. */
function lossOf({ lost: { hardState, tail }, damaged }: WalLog): readonly [boolean, boolean, number] {
  return [hardState, tail, damaged.length];
}

/** A writer that has filled several segments, and its disk. */
function written(): { readonly disk: SharedDisk; readonly writer: WalLog } {
  const disk = new SharedDisk();
  const writer = WalLog.openSync(PATH, { fileSystem: disk, segmentBytes: 4096 });
  for (const entry of entriesAt(1, 20, 1, 900)) writer.append([entry]);
  writer.setHardState({ term: 9, votedFor: 3n });
  return { disk, writer };
}

function loseNewest(disk: SharedDisk): void {
  const names = [...disk.contents().keys()].filter((name) => name.endsWith(".seg")).sort();
  disk.remove(`${PATH}/${names.at(-1)}`);
}

describe("refresh", () => {
  it("does not forget that the hard state and the tail are lost", async () => {
    const { disk, writer } = written();
    writer.closeSync();
    loseNewest(disk);
    const reader = WalLog.openSync(PATH, { fileSystem: disk, readOnly: true, onDamage: "keep" });
    assert.deepEqual(lossOf(reader), [true, true, 1]);
    await reader.refresh();
    assert.deepEqual(lossOf(reader), [true, true, 1]);
  });

  it("reports damage that it finds", async () => {
    const { disk, writer } = written();
    writer.syncSync();
    const reader = WalLog.openSync(PATH, { fileSystem: disk, readOnly: true, onDamage: "keep" });
    assert.deepEqual(lossOf(reader), [false, false, 0]);
    for (const entry of entriesAt(21, 40, 1, 900)) writer.append([entry]);
    writer.closeSync();
    loseNewest(disk);
    await reader.refresh();
    assert.deepEqual(lossOf(reader), [true, true, 1]);
  });

  it("learns the log's identity when the log is created, and its cluster when it is founded", async () => {
    const disk = new SharedDisk();
    const reader = WalLog.openSync(PATH, { fileSystem: disk, readOnly: true });
    const writer = WalLog.openSync(PATH, { fileSystem: disk });
    writer.append(entriesAt(1, 3));
    writer.compact(2, { data: new Uint8Array(5) });
    await reader.refresh();
    assert.equal(reader.identity.log, writer.identity.log);
    assert.equal(reader.snapshot()?.index, 2);
    assert.equal((await reader.scrub()).verdict, "clean");
    writer.foundCluster("00112233-4455-6677-8899-aabbccddeeff");
    await reader.refresh();
    assert.deepEqual(reader.identity, writer.identity);
  });

  it("makes a scrub report no more entries than the writer's scrub", async () => {
    const { disk, reader, writer } = new Pair();
    for (let term = 1; term <= 5; term++) writer.setHardState({ term, votedFor: null });
    for (const entry of entriesAt(1, 14)) writer.append([entry]);
    await reader.refresh();
    const [name, bytes] = [...disk.contents()].filter(([name]) => name.endsWith(".seg")).sort().at(-1)!;
    const used = bytes.findLastIndex((byte) => byte !== 0) + 1;
    disk.put(name, bytes.slice().fill(0, used - 100, used));
    const indexes = async (log: WalLog) =>
      (await log.scrub()).damage.map(({ firstIndex, lastIndex }) => [firstIndex, lastIndex]);
    const found = await indexes(reader);
    assert.deepEqual(found, await indexes(writer));
    assert.equal(found.length, 1);
  });
});
