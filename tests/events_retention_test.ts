/** Dropping the oldest events of an event log, by hand and by its limits. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EventLog, type EventLogOptions, text } from "../src/events/mod.ts";
import { expired, segmentBytesOf } from "../src/events/retention.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { eventsOf, inShort, openEvents, openFilled, PATH, settle, takeDeliveries } from "./event_logs.ts";
import { MemoryDisk } from "./memory_disk.ts";
import { withinSpace } from "./simulated_machine.ts";

const MB = 1_000_000;

function open(disk: MemoryDisk, options: EventLogOptions<string>): Promise<EventLog<string>> {
  return EventLog.open<string>(MemoryDisk.PATH, { fileSystem: disk, ...options });
}

/** Bytes of the log's files. */
function bytesOn(disk: MemoryDisk): number {
  return [...disk.contents().values()].reduce((sum, { length }) => sum + length, 0);
}

describe("compaction of an event log", () => {
  it("refuses a position that the log does not have", async () => {
    const log = await openFilled();
    for (const position of [-1, 1.5, 6, "1"]) {
      assert.throws(() => log.compact(position as number), {
        code: "INVALID_ARGUMENT",
        message: /Cannot compact: expected a position from 0 to 5/,
      });
    }
    for (const options of [{ force: true }, { passConsumers: 1 }, null, true]) {
      assert.throws(() => log.compact(1, options as never), { code: "INVALID_ARGUMENT" });
    }
    assert.throws(() => log.compact(6, { passConsumers: true }), { code: "INVALID_ARGUMENT" });
    log.compact(0);
    assert.equal(log.first, 1);
    const reader = await openEvents(undefined, { readOnly: true });
    assert.throws(() => reader.compact(0), { code: "READ_ONLY" });
  });

  it("is durable, with everything that was written", async () => {
    const disk = new SimulatedDisk({ seed: 2 });
    const log = await openFilled(disk);
    log.write("f");
    log.compact(4);
    disk.crash();
    assert.deepEqual(inShort((await openEvents(disk)).iterate()), ["5:e", "6:f"]);
  });

  it("passes consumers if it is told to, and they continue behind it", async () => {
    const disk = new SimulatedDisk({ seed: 2 });
    const log = await openFilled(disk);
    const running = log.consume("running", { maxInFlight: 9 });
    await takeDeliveries(running, 1);
    log.acknowledge("ahead", 4);
    log.compact(3, { passConsumers: true });
    assert.equal(log.first, 4);
    const positions = [{ name: "running", position: 3, lag: 2 }, { name: "ahead", position: 4, lag: 1 }];
    assert.deepEqual(log.consumers(), positions);
    disk.crash();
    const again = await openEvents(disk);
    // The acknowledgement of the one that was ahead was not flushed.
    assert.equal(again.consumers()[0]!.position, 3);
    assert.equal(eventsOf(await takeDeliveries(again.consume("running"), 1)), "d");
  });

  it("passes consumers for good, although the log still has an older state of them", async () => {
    const disk = new SimulatedDisk({ seed: 4 });
    const log = await openEvents(disk);
    await log.appendAll(new Array<string>(1100).fill("x"));
    log.acknowledge("slow", 5);
    await log.close();
    const again = await openEvents(disk);
    again.compact(500, { passConsumers: true });
    disk.crash();
    const last = await openEvents(disk);
    assert.equal(last.consumers()[0]!.position, 500);
    assert.equal((await takeDeliveries(last.consume("slow"), 1))[0]!.position, 501);
  });

  it("passes no consumer if it fails", async () => {
    const disk = new SimulatedDisk();
    const log = await openFilled(disk);
    log.acknowledge("slow", 1);
    await settle();
    disk.failAfter("ENOSPC", 0, "create");
    assert.throws(() => log.compact(4, { passConsumers: true }), { code: "NO_SPACE" });
    assert.deepEqual([log.first, log.consumers()[0]!.position], [1, 1]);
    log.compact(4, { passConsumers: true });
    assert.deepEqual([log.first, log.consumers()[0]!.position], [5, 4]);
  });

  it("ends a consumer that it passes with COMPACTED", async () => {
    const log = await openEvents(undefined, { maxEntryBytes: 300_000 });
    for (let n = 0; n < 6; n++) await log.append(`${n}`.repeat(200_000));
    const running = log.consume("running", { maxInFlight: 9 });
    await takeDeliveries(running, 1);
    log.compact(5, { passConsumers: true });
    await assert.rejects(async () => {
      for (let n = 0; n < 6; n++) await running.next();
    }, { code: "COMPACTED", index: 6 });
    assert.equal((await takeDeliveries(log.consume("running"), 1))[0]!.position, 6);
  });

  it("is possible on a full disk, and makes room", async () => {
    const disk = new SimulatedDisk();
    const space = { left: Infinity };
    const log = await openEvents(disk, { fileSystem: withinSpace(disk.fileSystem, space), segmentBytes: 8192 });
    const event = "x".repeat(1000);
    for (let n = 0; n < 40; n++) await log.append(event);
    space.left = 0;
    for (;;) {
      try {
        await log.append(event);
      } catch (error) {
        assert.equal((error as { code?: string }).code, "NO_SPACE");
        break;
      }
    }
    log.compact(30);
    assert.equal(log.first, 31);
    await log.append(event);
    await log.close();
  });
});

describe("the limits of an event log", () => {
  it("keep a number of events, and little more", async () => {
    const disk = new MemoryDisk();
    const options = { retention: { maxCount: 800 } };
    let log = await open(disk, options);
    for (let n = 1; n <= 5000; n++) {
      log.write(`${n}`);
      const kept = log.last - log.first + 1;
      assert(n < 800 || kept >= 800, `kept ${kept} positions`);
      assert(kept <= 1020, `kept ${kept} positions`);
    }
    const { first } = log;
    await log.close();
    log = await open(disk, options);
    assert(log.first >= first);
    const events = [...log.iterate()];
    assert(events.length >= 800 && events.length <= 1000, `${events.length} events`);
    assert.equal(events.at(-1)?.event, "5000");
    for (let n = 5001; n <= 7000; n++) log.write(`${n}`);
    assert([...log.iterate()].length <= 1000);
    await log.close();
  });

  it("keep a number of bytes, and the files little more", async () => {
    const disk = new MemoryDisk();
    const log = await open(disk, { retention: { maxBytes: MB } });
    const event = "x".repeat(1000);
    for (let n = 0; n < 6000; n++) {
      log.write(event);
      if (n % 500 === 0) await log.flush();
    }
    const kept = [...log.iterate()].length * 1009;
    assert(kept >= MB && kept <= 1.2 * MB, `kept ${kept} bytes`);
    assert(bytesOn(disk) < 1.7 * MB, `${bytesOn(disk)} bytes of files`);
    assert(log.wal.stats().segments <= 12);
    await log.close();
  });

  it("keep a number of bytes of events, however many ids the log knows", async () => {
    const disk = new MemoryDisk();
    const options = { codec: text, retention: { maxBytes: 100_000 } };
    let log = await open(disk, options);
    const write = (n: number) => {
      const { pendingBytes } = log;
      const id = { producer: `producer-${n % 40}`, sequence: Math.trunc(n / 40) };
      log.write("x".repeat(100), { id });
      return log.pendingBytes - pendingBytes;
    };
    let n = 0;
    while (n < 5200) write(n++);
    const { lastIndex } = log.wal;
    let written = 0;
    while (n < 9200) written += write(n++);
    const states = log.wal.lastIndex - lastIndex - 4000;
    assert(states >= 4 && written < 2 * 4000 * 140, `${states} states, ${written} bytes in all`);
    // The state has 70,000 bytes: so far apart are its marks.
    const kept = [...log.iterate()].length * 100;
    assert(kept >= 100_000 && kept <= 190_000, `kept ${kept} bytes`);
    const before = log.wal.lastIndex;
    for (let times = 0; times < 5; times++) {
      await log.close();
      log = await open(disk, options);
      for (let more = 0; more < 130; more++) write(n++);
    }
    assert(log.wal.lastIndex - before - 650 <= 2);
    await log.close();
  });

  it("keep a small number of events, however many ids the log knows", async () => {
    const disk = new MemoryDisk();
    const options = { retention: { maxCount: 80 } };
    let log = await open(disk, options);
    let n = 0;
    const write = (count: number) => {
      for (const end = n + count; n < end; n++) {
        log.write(`${n}`, { id: { producer: `producer-${n % 40}`, sequence: Math.trunc(n / 40) } });
      }
    };
    const kept = () => [...log.iterate()].length;
    write(6000);
    for (let times = 0; times < 100; times++, write(3)) {
      assert(kept() >= 80 && kept() <= 100, `kept ${kept()} events`);
    }
    // The state is stored when the other entries have as many bytes: the files have more than what can be read.
    const { first } = log;
    assert(log.wal.firstIndex < first - 100);
    assert.throws(() => log.read(first - 1), { code: "COMPACTED", index: first });
    assert.throws(() => log.iterate(first - 1), { code: "COMPACTED", index: first });
    assert.throws(() => log.follow({ from: first - 1 }), { code: "COMPACTED", index: first });
    await log.consume("new").return?.();
    assert.equal(log.consumers()[0]!.position, first - 1);
    log.forget("new");
    await log.close();
    log = await open(disk, options);
    // Closing the log stores the state in some cases, and opening it drops events, too.
    for (let times = 0; times < 5; times++) {
      write(times * 300);
      const { first: before } = log;
      while (log.first === before) write(1);
      const { first: after } = log;
      await log.close();
      log = await open(disk, options);
      assert(log.first >= after && kept() >= 80);
    }
    const { first: next } = log;
    log.acknowledge("slow", next + 5);
    write(200);
    assert.equal(log.first, next + 6);
    await log.close();
  });

  it("drop events by age while the log is written, and when it is opened", async () => {
    let now = Date.UTC(2026);
    const disk = new SimulatedDisk();
    const options = { fileSystem: { ...disk.fileSystem, now: () => now }, retention: { maxAgeMs: 8000 } };
    const log = await openEvents(disk, options);
    for (let n = 0; n < 40; n++) {
      log.write(`${n}`);
      now += 500;
      const { time } = log.iterate().next().value!;
      assert(now - time <= 8000 + 1000 + 1000, `the oldest event has ${now - time} ms`);
    }
    assert([...log.iterate()].length >= 15);
    await log.close();
    now += 100_000;
    const again = await openEvents(disk, options);
    // What was written since the last mark stays.
    assert([...again.iterate()].length <= 2);
    await again.close();
  });

  it("drop events by age although the log is closed soon after each event", async () => {
    let now = Date.UTC(2026);
    const disk = new SimulatedDisk();
    const options = { fileSystem: { ...disk.fileSystem, now: () => now }, retention: { maxAgeMs: 8000 } };
    for (let n = 0; n < 60; n++) {
      const log = await openEvents(disk, options);
      log.write(`${n}`);
      const { time } = log.iterate().next().value!;
      assert(now - time <= 8000 + 1000 + 500, `the oldest event has ${now - time} ms`);
      await log.close();
      now += 500;
    }
  });

  it("wait for a consumer, unless they are told to pass it", async () => {
    for (const passConsumers of [false, true]) {
      const log = await open(new MemoryDisk(), { retention: { maxCount: 80, passConsumers } });
      log.acknowledge("slow", 0);
      for (let n = 1; n <= 1000; n++) log.write(`${n}`);
      assert.equal(log.first === 1, !passConsumers);
      log.acknowledge("slow", log.last);
      for (let n = 1; n <= 20; n++) log.write(`${n}`);
      assert([...log.iterate()].length <= 200);
      await log.close();
    }
  });

  it("are refused if they are no numbers above 0, or unknown", async () => {
    const wrong = (retention: unknown) =>
      assert.rejects(openEvents(undefined, { retention: retention as never }), { code: "INVALID_ARGUMENT" });
    await wrong({ maxBytes: 0 });
    await wrong({ maxAgeMs: -1 });
    await wrong({ maxCount: NaN });
    await wrong({ maxCount: "5" });
    await wrong({ maxEvents: 5 });
    await wrong({ maxCount: 5, passConsumers: "no" });
    for (const retention of [null, 5, "no"]) await wrong(retention);
  });

  it("set the size of segments, which can be set otherwise", async () => {
    assert.equal(segmentBytesOf({}), undefined);
    assert.equal(segmentBytesOf({ maxBytes: 10 }), 64 * 1024);
    assert.equal(segmentBytesOf({ maxBytes: 8 * MB }), MB);
    assert.equal(segmentBytesOf({ maxBytes: 2e9 }), 64 * 1024 * 1024);
    const disk = new SimulatedDisk();
    const log = await openEvents(disk, { retention: { maxBytes: 100 * MB }, segmentBytes: 4096 });
    for (let n = 0; n < 20; n++) await log.append("x".repeat(1000));
    assert(log.wal.stats().segments > 3);
    assert(disk.files().some((name) => name.startsWith(PATH)));
    await settle();
  });

  it("count from marks on, the highest that is beyond any of them", () => {
    const mark = (position: number) => ({
      position,
      count: position * 10,
      bytes: position * 100,
      time: position * 1000,
    });
    const log = { marks: [1, 2, 3, 4].map(mark), count: 50, bytes: 500 };
    assert.equal(expired(log, {}, 1e9), 0);
    assert.equal(expired(log, { maxCount: 30 }, 0), 2);
    assert.equal(expired(log, { maxBytes: 401 }, 0), 0);
    assert.equal(expired(log, { maxBytes: 400 }, 0), 1);
    assert.equal(expired(log, { maxAgeMs: 500, maxBytes: 400 }, 3501), 3);
    assert.equal(expired(log, { maxAgeMs: 500 }, 3500), 2);
  });
});
