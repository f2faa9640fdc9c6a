/** Writing to an event log: what is durable when, and what is rejected. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { EventLog, text } from "../src/events/mod.ts";
import { sealEvent } from "../src/events/envelope.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { inShort, openEvents, PATH, settle } from "./event_logs.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const command = (...bytes: number[]) => ({ term: 1, index: 1, command: new Uint8Array(bytes) });

describe("an event log", () => {
  it("keeps an appended event through a power cut", async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const disk = new SimulatedDisk({ seed });
      const log = await openEvents(disk);
      assert.equal(await log.append("a"), 1);
      log.write("b");
      assert.deepEqual([log.last, log.durable], [2, 1]);
      disk.crash();
      assert.equal(inShort((await openEvents(disk)).iterate())[0], "1:a");
    }
  });

  it("keeps a written event when the process is killed, and makes it durable with a flush", async () => {
    const disk = new SimulatedDisk();
    const log = await openEvents(disk);
    assert.deepEqual([log.write("a"), log.write("b")], [1, 2]);
    disk.restart();
    const again = await openEvents(disk);
    assert.deepEqual(inShort(again.iterate()), ["1:a", "2:b"]);
    again.write("c");
    assert.equal(await again.flush(), 3);
    disk.crash();
    assert.deepEqual(inShort((await openEvents(disk)).iterate()), ["1:a", "2:b", "3:c"]);
  });

  it("shares flushes among callers", async () => {
    const log = await openEvents();
    const positions = await Promise.all(Array.from({ length: 64 }, (_, i) => log.append(`${i}`)));
    assert.deepEqual(positions, Array.from({ length: 64 }, (_, i) => i + 1));
    assert.equal(log.wal.stats().flushes, 1);
    assert.equal(log.durable, 64);
  });

  it("stores the time of the wall clock", async () => {
    const disk = new SimulatedDisk();
    const log = await openEvents(disk);
    const before = disk.fileSystem.now();
    await log.append("a");
    const { time } = log.read(1)!;
    assert(time >= before && time <= disk.fileSystem.now(), `${time}`);
  });

  it("returns the position of the last event of a list, and of the log for an empty list", async () => {
    const log = await openEvents();
    assert.equal(await log.appendAll(["a", "b", "c"]), 3);
    assert.equal(await log.appendAll([]), 3);
    assert.deepEqual(inShort(log.iterate()), ["1:a", "2:b", "3:c"]);
  });

  it("recovers all of a list or nothing, wherever the power is cut", async () => {
    const events = Array.from({ length: 40 }, (_, i) => `${i}`.repeat(300));
    const found = new Set<number>();
    for (let after = 0; after < 60; after++) {
      const disk = new SimulatedDisk({ seed: after + 1 });
      const log = await openEvents(disk);
      await log.append("before");
      disk.failAfter("crash", after % 12);
      await log.appendAll(events).catch(() => {});
      disk.crash();
      const again = await openEvents(disk);
      assert([1, 41].includes(again.last), `${again.last} events`);
      found.add(again.last);
    }
    assert.deepEqual([...found].sort(), [1, 41]);
  });

  it("refuses a call that expects another last event, and writes nothing", async () => {
    const log = await openEvents();
    assert.equal(await log.append("a", { expectedLast: 0 }), 1);
    await assert.rejects(log.append("b", { expectedLast: 0 }), {
      code: "CONFLICT",
      index: 1,
      message: "Cannot append: expected the last event at position 0, found it at 1; read what is new, and try again",
    });
    assert.throws(() => log.write("b", { expectedLast: 2 }), { code: "CONFLICT", index: 1 });
    const both = await Promise.allSettled([log.append("b", { expectedLast: 1 }), log.append("c", { expectedLast: 1 })]);
    assert.deepEqual(both.map(({ status }) => status), ["fulfilled", "rejected"]);
    assert.deepEqual(inShort(log.iterate()), ["1:a", "2:b"]);
  });

  it("looks at the last event after the codec has run, which may have written", async () => {
    let isFirst = true;
    const log: EventLog<string> = await openEvents(undefined, {
      codec: {
        ...text,
        encode: (event: string) => {
          if (isFirst) {
            isFirst = false;
            log.write("nested");
          }
          return text.encode(event);
        },
      },
    });
    await assert.rejects(log.append("a", { expectedLast: 0 }), { code: "CONFLICT", index: 1 });
    assert.equal(await log.append("b", { expectedLast: 1 }), 2);
    assert.deepEqual(inShort(log.iterate()), ["1:nested", "2:b"]);
  });

  it("keeps events apart from those that the codec writes meanwhile", async () => {
    let isFirst = true;
    const log: EventLog<string> = await openEvents(undefined, {
      codec: {
        ...text,
        encode: (event: string) => {
          if (event === "second" && isFirst) {
            isFirst = false;
            log.write("from within");
          }
          return text.encode(event);
        },
      },
    });
    await log.appendAll(["first", "second"]);
    assert.deepEqual(inShort(log.iterate()), ["1:from within", "2:first", "3:second"]);
  });

  it("stops waiting when the signal is aborted, and keeps the event", async () => {
    const log = await openEvents();
    const stop = new AbortController();
    const waiting = log.append("a", { signal: stop.signal });
    stop.abort(new Error("enough"));
    await assert.rejects(waiting, /enough/);
    assert.deepEqual(inShort(log.iterate()), ["1:a"]);
    await log.flush();
    assert.equal(log.durable, 1);
  });

  it("writes nothing if the signal is aborted already", async () => {
    const log = await openEvents();
    await assert.rejects(log.append("a", { signal: AbortSignal.abort(new Error("too late")) }), /too late/);
    assert.equal(log.last, 0);
  });

  it("refuses unknown options and values out of their domain, and writes nothing", async () => {
    const log = await openEvents();
    const wrong = (options: unknown) => assert.rejects(log.append("a", options as never), { code: "INVALID_ARGUMENT" });
    await wrong({ expectedlast: 0 });
    await wrong({ expectedLast: -1 });
    await wrong({ expectedLast: "0" });
    await wrong({ signal: {} });
    await wrong({ id: null });
    for (const options of [null, 5, "id"]) await wrong(options);
    for (const options of [null, 5]) {
      assert.throws(() => log.write("a", options as never), { code: "INVALID_ARGUMENT" });
    }
    for (const options of [null, 5]) assert.throws(() => log.follow(options as never), { code: "INVALID_ARGUMENT" });
    await assert.rejects(EventLog.open(PATH, null as never), { code: "INVALID_ARGUMENT" });
    assert.throws(() => log.write("a", { signal: AbortSignal.timeout(1) } as never), /unknown option "signal"/);
    await assert.rejects(log.appendAll("abc" as never), { code: "INVALID_ARGUMENT" });
    await assert.rejects(openEvents(undefined, { codecs: text } as never), { code: "INVALID_ARGUMENT" });
    assert.equal(log.last, 0);
  });

  it("takes an event that fills an entry with its envelope, and none that is larger", async () => {
    const log = await openEvents(undefined, { codec: text, maxEntryBytes: 1000 });
    const id = (sequence: number) => ({ id: { producer: "p", sequence } });
    assert.equal(await log.append("x".repeat(1000 - 7)), 1);
    assert.equal(await log.append("x".repeat(1000 - 17 - 1), id(1)), 2);
    await assert.rejects(log.append("x".repeat(1000 - 6)), { code: "ENTRY_TOO_LARGE" });
    await assert.rejects(log.append("x".repeat(1000 - 17), id(2)), { code: "ENTRY_TOO_LARGE" });
    assert.equal(log.last, 2);
  });

  it("refuses an event on a full disk, and takes it when there is room", async () => {
    const disk = new SimulatedDisk();
    const log = await openEvents(disk);
    disk.failAfter("ENOSPC", 0, "write");
    await assert.rejects(log.append("a"), { code: "NO_SPACE" });
    assert.equal(log.last, 0);
    assert.equal(await log.append("b"), 1);
  });

  it("rejects all calls after a flush that failed", async () => {
    const disk = new SimulatedDisk();
    const log = await openEvents(disk);
    disk.failAfter("EIO", 0, "sync");
    await assert.rejects(log.append("a"), { code: "POISONED" });
    await assert.rejects(log.append("b"), { code: "POISONED" });
    await assert.rejects(log.close(), { code: "POISONED" });
    await assert.rejects(log.append("c"), { code: "CLOSED" });
  });

  it("does not open a log that no event log has written", async () => {
    const disk = new SimulatedDisk();
    const raft = WalLog.openSync(PATH, { fileSystem: disk.fileSystem });
    raft.append([{ term: 1, index: 1, command: new Uint8Array(3) }]);
    raft.closeSync();
    await assert.rejects(openEvents(disk), { code: "ENCODING", index: 1 });
    // It is closed again.
    WalLog.openSync(PATH, { fileSystem: disk.fileSystem }).closeSync();
  });

  for (
    const [name, write] of Object.entries<(raft: WalLog) => void>({
      "a hard state": (raft) => raft.setHardState({ term: 1, votedFor: null }),
      "a vote": (raft) => raft.setHardState({ term: 0, votedFor: 7n }),
      "a cluster": (raft) => raft.foundCluster("5e14d2b3-2688-89cd-e2a3-98a722e0ab5d"),
      "another term": (raft) => raft.append([{ term: 2, index: 1, command: sealEvent(0, utf8('""')) }]),
      "term 0": (raft) => raft.append([{ term: 0, index: 1, command: sealEvent(0, utf8('""')) }]),
      "commands in JSON": (raft) => raft.append([{ term: 1, index: 1, command: utf8('{"set":"x"}') }]),
      "a command that is too short for its name": (raft) => raft.append([command(2, 1, 1, 1, 1, 1, 1)]),
      "a name that is cut off": (raft) => raft.append([command(4, 1, 1, 1, 1, 1, 1, 9, 0, 65)]),
      "a number that is cut off": (raft) => raft.append([command(5, 1, 1, 1, 1, 1, 1, 1, 0, 65, 1)]),
      "a number of more than 53 bits": (raft) =>
        raft.append([command(2, 1, 1, 1, 1, 1, 1, 1, 0, 65, ...Array<number>(8).fill(255))]),
      "a configuration": (raft) =>
        raft.append([{ term: 1, index: 1, kind: "config", command: sealEvent(0, utf8('""')) }]),
      "a snapshot with a configuration": (raft) =>
        raft.applySnapshot({ index: 1, term: 1, config: [7n], data: utf8("") }),
      "a snapshot in JSON": (raft) => raft.applySnapshot({ index: 1, term: 1, config: [], data: utf8('{"x":1}') }),
      "a snapshot with other lists": (raft) =>
        raft.applySnapshot({ index: 1, term: 1, config: [], data: utf8('{"last":1,"producers":[["p",1,[[1]]]]}') }),
    })
  ) {
    it(`does not open a log with ${name}`, async () => {
      const disk = new SimulatedDisk();
      const raft = WalLog.openSync(PATH, { fileSystem: disk.fileSystem });
      write(raft);
      raft.closeSync();
      await assert.rejects(openEvents(disk), { code: "ENCODING" });
      await assert.rejects(openEvents(disk, { readOnly: true }), { code: "ENCODING" });
    });
  }

  it("closes by itself at the end of a block, after a flush", async () => {
    const disk = new SimulatedDisk();
    {
      await using log = await openEvents(disk);
      log.write("a");
    }
    disk.crash();
    const again = await openEvents(disk);
    assert.equal(again.wal.recovery.closed, true);
    assert.deepEqual(inShort(again.iterate()), ["1:a"]);
    await settle();
  });
});
