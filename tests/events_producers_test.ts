/** Idempotent producers of an event log, and the state of the log that is stored. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { WalLog } from "../mod.ts";
import { EventLog } from "../src/events/mod.ts";
import { loadState } from "../src/events/load_state.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { inShort, openEvents } from "./event_logs.ts";
import { MemoryDisk } from "./memory_disk.ts";

/** The sequences of a producer that are remembered, and the producers. */
const SEQUENCES = 128;
const PRODUCERS = 1024;

const id = (sequence: number, producer = "p") => ({ id: { producer, sequence } });

/** The entries that opening the log reads for its state. */
function entriesRead(wal: WalLog): number {
  let count = 0;
  loadState({
    path: wal.path,
    snapshotIndex: wal.snapshotIndex,
    lastIndex: wal.lastIndex,
    damaged: [],
    snapshot: () => wal.snapshot(),
    *iterate(from: number, to: number) {
      for (const entry of wal.iterate(from, to)) {
        count++;
        yield entry;
      }
    },
  } as never, {});
  return count;
}

describe("a write with an id", () => {
  it("is done once, and a repeat returns its position", async () => {
    const log = await openEvents();
    assert.equal(await log.append("a", id(1)), 1);
    assert.equal(await log.append("b", id(2)), 2);
    assert.equal(await log.append("a", id(1)), 1);
    assert.equal(log.write("b", id(2)), 2);
    assert.equal(await log.append("c", id(1, "other")), 3);
    assert.deepEqual(inShort(log.iterate()), ["1:a", "2:b", "3:c"]);
    assert.deepEqual([...log.iterate()].map((event) => event.id), [
      { producer: "p", sequence: 1 },
      { producer: "p", sequence: 2 },
      { producer: "other", sequence: 1 },
    ]);
  });

  it("is durable when its repeat resolves", async () => {
    const disk = new SimulatedDisk({ seed: 3 });
    const log = await openEvents(disk);
    log.write("a", id(1));
    assert.equal(await log.append("a", id(1)), 1);
    assert.equal(log.durable, 1);
    disk.crash();
    assert.deepEqual(inShort((await openEvents(disk)).iterate()), ["1:a"]);
  });

  it("is repeated without a conflict, although it has changed the last event", async () => {
    const log = await openEvents();
    await log.append("a", { expectedLast: 0, ...id(1) });
    assert.equal(await log.append("a", { expectedLast: 0, ...id(1) }), 1);
    await assert.rejects(log.append("b", { expectedLast: 0, ...id(2) }), { code: "CONFLICT" });
    // It was not written, so it is not remembered.
    assert.equal(await log.append("b", { expectedLast: 1, ...id(2) }), 2);
  });

  it("can be a list, whose last event has the id", async () => {
    const log = await openEvents();
    assert.equal(await log.appendAll(["a", "b"], id(1)), 2);
    assert.equal(await log.appendAll(["a", "b"], id(1)), 2);
    assert.deepEqual([...log.iterate()].map((event) => event.id?.sequence), [undefined, 1]);
    assert.equal(log.last, 2);
  });

  it("is remembered across restarts, crashes and compaction", async () => {
    const disk = new SimulatedDisk({ seed: 5 });
    let log = await openEvents(disk, { segmentBytes: 4096 });
    for (let sequence = 1; sequence <= 60; sequence++) await log.append(`${sequence}`, id(sequence, "ä"));
    const known = async () => {
      for (const sequence of [1, 30, 31, 60]) assert.equal(await log.append("x", id(sequence, "ä")), sequence);
    };
    await log.close();
    log = await openEvents(disk);
    await known();
    log.compact(30);
    await known();
    disk.crash();
    log = await openEvents(disk);
    assert.equal(log.first, 31);
    await known();
    log.compact(60);
    await log.close();
    log = await openEvents(disk);
    await known();
    assert.deepEqual([log.first, log.last], [61, 60]);
    assert.equal(await log.append("new", id(61, "ä")), 61);
  });

  it("is not remembered if a crash has lost it", async () => {
    let lost = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const disk = new SimulatedDisk({ seed });
      const log = await openEvents(disk);
      await log.append("a", id(1));
      log.write("b", id(2));
      disk.crash();
      const again = await openEvents(disk);
      if (again.last === 1) lost++;
      assert.equal(await again.append("b", id(2)), 2);
      assert.deepEqual(inShort(again.iterate()), ["1:a", "2:b"]);
    }
    assert(lost > 0);
  });

  it("shows the highest sequence of its producer, also after a restart and below its oldest one", async () => {
    const disk = new SimulatedDisk({ seed: 6 });
    const log = await openEvents(disk);
    await log.appendAll(["a"], id(7));
    await log.append("b", id(3));
    await log.append("c", id(1, "other"));
    for (let sequence = 8; sequence < 8 + 2 * SEQUENCES; sequence++) log.write("d", id(sequence, "many"));
    const expected = [
      { name: "p", sequence: 7 },
      { name: "other", sequence: 1 },
      { name: "many", sequence: 7 + 2 * SEQUENCES },
    ];
    assert.deepEqual(log.producers(), expected);
    await log.close();
    const again = await openEvents(disk);
    assert.deepEqual(again.producers(), expected);
    await again.close();
  });

  it("may come out of order, and is refused if it is too old to know", async () => {
    const log = await openEvents();
    for (let sequence = 2; sequence <= 2 * SEQUENCES; sequence += 2) await log.append("even", id(sequence));
    assert.equal(await log.append("odd", id(2 * SEQUENCES - 1)), SEQUENCES + 1);
    // One more than are remembered: the lowest is forgotten.
    await assert.rejects(log.append("a", id(2)), {
      code: "STALE_SEQUENCE",
      message: 'Cannot append sequence 2 of producer "p": the log remembers its sequences above 2, and this one may ' +
        "have been written; find out by reading the log",
    });
    await assert.rejects(log.append("a", id(1)), { code: "STALE_SEQUENCE" });
    assert.equal(await log.append("a", id(4)), 2);
    assert.equal(log.last, SEQUENCES + 1);
  });

  it("is forgotten once more producers have written since than are remembered", async () => {
    const log = await openEvents();
    await log.append("a", id(1, "first"));
    await log.append("a", id(1, "second"));
    await log.append("b", id(2, "first"));
    for (let n = 0; n < PRODUCERS - 1; n++) log.write("x", id(1, `p${n}`));
    const { last } = log;
    assert.equal(await log.append("b", id(2, "first")), 3);
    assert.equal(await log.append("a", id(1, "second")), last + 1);
  });

  it("is remembered if producers that were forgotten since wrote before it", async () => {
    const disk = new SimulatedDisk();
    const log = await openEvents(disk);
    const write = (producer: string, sequence: number) => log.write("x", id(sequence, producer));
    const names = (letter: string, count: number) => Array.from({ length: count }, (_, n) => letter + n);
    const kept = names("kept", 1000);
    const positions = kept.map((name) => write(name, 1));
    for (const name of names("forgotten", PRODUCERS - 1000)) write(name, 1);
    for (const name of kept) write(name, 2);
    for (const name of names("last", PRODUCERS - 1000)) {
      for (let sequence = 0; sequence <= SEQUENCES; sequence++) write(name, sequence);
    }
    // The snapshot has the kept and the last ones. Those that were forgotten come again when the log is opened.
    log.compact(positions.at(-1)!);
    await log.flush();
    disk.crash();
    const again = await openEvents(disk);
    assert.deepEqual(kept.map((name) => again.write("x", id(1, name))), positions);
  });

  it("stays too old to know after a compaction and a restart", async () => {
    const disk = new SimulatedDisk();
    const log = await openEvents(disk);
    const write = (sequence: number) => log.write("x", id(sequence));
    for (let sequence = 101; sequence <= 100 + SEQUENCES; sequence++) write(sequence);
    const through = log.last;
    // One lower than all of them, which the log forgets at once. It comes again when the log is opened.
    write(50);
    for (let sequence = 301; sequence <= 350; sequence++) write(sequence);
    assert.throws(() => log.write("x", id(120)), { code: "STALE_SEQUENCE" });
    log.compact(through);
    await log.close();
    const again = await openEvents(disk);
    assert.throws(() => again.write("x", id(120)), { code: "STALE_SEQUENCE" });
  });

  it("has a producer's name and a sequence", async () => {
    const log = await openEvents();
    const wrong = (id: unknown) => assert.rejects(log.append("a", { id } as never), { code: "INVALID_ARGUMENT" });
    await wrong({ producer: "", sequence: 1 });
    await wrong({ producer: "x".repeat(256), sequence: 1 });
    await wrong({ producer: "\ud800", sequence: 1 });
    await wrong({ producer: "p", sequence: -1 });
    await wrong({ producer: "p", sequence: 1.5 });
    await wrong({ producer: "p", sequence: 1, epoch: 1 });
    assert.equal(log.last, 0);
    assert.equal(await log.append("a", id(Number.MAX_SAFE_INTEGER, "ä".repeat(255))), 1);
    assert.deepEqual(log.read(1)?.id, { producer: "ä".repeat(255), sequence: Number.MAX_SAFE_INTEGER });
  });
});

describe("the state of an event log", () => {
  it("is stored as the log grows, so that opening reads a bounded number of entries", async () => {
    const disk = new MemoryDisk();
    const open = () => EventLog.open<string>(MemoryDisk.PATH, { fileSystem: disk });
    const log = await open();
    await log.append("first", id(1));
    for (let n = 0; n < 200; n++) await log.appendAll(new Array<string>(1000).fill("x"));
    assert(entriesRead(log.wal) <= 65_536 + 1000 + 2048, `${entriesRead(log.wal)} entries`);
    assert.equal(await log.append("first", id(1)), 1);
    const { last } = log;
    await log.close();
    const again = await open();
    assert(entriesRead(again.wal) <= 1024, `${entriesRead(again.wal)} entries after a clean close`);
    assert.equal(again.last, last);
    assert.equal([...again.iterate()].length, 200_001);
    assert.equal(await again.append("first", id(1)), 1);
    assert.equal(await again.append("next", { expectedLast: last }), again.wal.lastIndex);
  });

  it("is not stored if it is larger than an entry may be", async () => {
    const disk = new MemoryDisk();
    const log = await EventLog.open<string>(MemoryDisk.PATH, { fileSystem: disk, maxEntryBytes: 100 });
    for (let n = 0; n < 2000; n++) log.write("x", id(n));
    await log.close();
    const again = await EventLog.open<string>(MemoryDisk.PATH, { fileSystem: disk });
    assert.equal(again.wal.lastIndex, 2000);
    assert.equal(again.write("x", id(1999)), 2000);
  });

  it("is found out by reading if the entry that stores it is damaged", async () => {
    const disk = new SimulatedDisk();
    const log = await openEvents(disk);
    for (let n = 1; n <= 1100; n++) log.write("x", id(n));
    await log.close();
    const [path] = disk.files().filter((name) => name.endsWith(".seg"));
    const content = new TextDecoder("latin1").decode(disk.content(path!));
    disk.flip(path!, content.lastIndexOf('"producers"'));
    const again = await openEvents(disk, { onDamage: "keep" });
    // What is damaged can have been an event.
    assert.equal(again.last, 1101);
    assert.equal(again.write("x", id(1100)), 1100);
    assert.throws(() => again.write("x", id(1)), { code: "STALE_SEQUENCE" });
  });

  it("has the ids of damaged events again after these are repaired from a copy", async () => {
    const disk = new SimulatedDisk();
    const log = await openEvents(disk);
    for (const [nth, event] of ["first", "middle", "last"].entries()) await log.append(event, id(nth));
    const copies = log.wal.entries(1, 3);
    await log.close();
    const [path] = disk.files().filter((name) => name.endsWith(".seg"));
    disk.flip(path!, new TextDecoder("latin1").decode(disk.content(path!)).indexOf('"middle"'));
    const damaged = await openEvents(disk, { onDamage: "keep" });
    assert.throws(() => damaged.read(2), { code: "DAMAGED_ENTRY" });
    damaged.wal.repair(copies);
    await damaged.close();
    const healed = await openEvents(disk);
    assert.equal(healed.write("middle", id(1)), 2);
    assert.deepEqual(inShort(healed.iterate()), ["1:first", "2:middle", "3:last"]);
  });

  it("shows in a reader that is brought up to date", async () => {
    const disk = new SimulatedDisk();
    const writer = await openEvents(disk);
    const reader = await openEvents(disk, { readOnly: true });
    assert.equal(reader.last, 0);
    await writer.append("a");
    assert.equal(await reader.refresh(), 1);
    assert.deepEqual(inShort(reader.iterate()), ["1:a"]);
    assert.equal(await writer.refresh(), 1);
  });

  it("is not found in a snapshot that another program has taken", async () => {
    const disk = new SimulatedDisk();
    const log = await openEvents(disk);
    await log.append("a");
    log.wal.compact(1, { data: new TextEncoder().encode("no state") });
    await log.close();
    await assert.rejects(openEvents(disk), { code: "ENCODING", index: 1 });
  });
});
