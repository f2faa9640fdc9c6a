/** Consumers of an event log. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EventLog, json, text } from "../src/events/mod.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { eventsOf, openEvents, openFilled, settle, takeDeliveries, takeEvents } from "./event_logs.ts";
import { outcome } from "./followed_log.ts";

describe("a consumer", () => {
  it("gets every event from the first on, one after the other", async () => {
    const log = await openFilled();
    const seen: string[] = [];
    for await (const { position, event, ack } of log.consume("mailer")) {
      seen.push(`${position}:${event}`);
      ack();
      if (event === "e") break;
    }
    // Position 6 has the entry that names the consumer.
    assert.deepEqual(seen, ["1:a", "2:b", "3:c", "4:d", "5:e"]);
    assert.deepEqual(log.consumers(), [{ name: "mailer", position: 5, lag: 0 }]);
  });

  it("waits at the end, and for an acknowledgement if there is no room in flight", async () => {
    const log = await openFilled(undefined, 3);
    const consumer = log.consume("mailer", { maxInFlight: 2 });
    const [a, b] = await takeDeliveries(consumer, 2);
    const third = consumer.next();
    assert.equal(await outcome(third), "waiting");
    // Out of order: the first is still in flight.
    b!.ack();
    assert.equal(await outcome(third), "waiting");
    assert.deepEqual(log.consumers(), [{ name: "mailer", position: 0, lag: 3 }]);
    a!.ack();
    a!.ack();
    assert.equal((await third).value?.event, "c");
    assert.deepEqual(log.consumers(), [{ name: "mailer", position: 2, lag: 1 }]);
    const fourth = consumer.next();
    await log.append("d");
    assert.equal((await fourth).value?.event, "d");
  });

  it("goes on after a restart behind the last event up to which it has acknowledged all", async () => {
    const disk = new SimulatedDisk();
    const log = await openFilled(disk);
    const taken = await takeDeliveries(log.consume("mailer", { maxInFlight: 5 }), 5);
    for (const nth of [0, 1, 3]) taken[nth]!.ack();
    await log.close();
    const again = await openEvents(disk);
    assert.deepEqual(again.consumers(), [{ name: "mailer", position: 2, lag: 3 }]);
    assert.equal(eventsOf(await takeDeliveries(again.consume("mailer", { maxInFlight: 5 }), 3)), "cde");
  });

  it("keeps its acknowledgements through a power cut, once they had time for a flush", async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const disk = new SimulatedDisk({ seed });
      const log = await openFilled(disk);
      for (const { ack } of await takeDeliveries(log.consume("mailer", { maxInFlight: 3 }), 3)) ack();
      await settle();
      disk.crash();
      assert.deepEqual((await openEvents(disk)).consumers(), [{ name: "mailer", position: 3, lag: 2 }]);
    }
  });

  it("runs once at a time", async () => {
    const log = await openFilled();
    const consumer = log.consume("mailer");
    assert.throws(() => log.consume("mailer"), {
      code: "BUSY",
      message: 'Cannot consume as "mailer": a consumer of that name is running; end its loop first',
    });
    assert.throws(() => log.forget("mailer"), { code: "BUSY" });
    log.consume("other");
    await consumer.return?.();
    assert.equal(eventsOf(await takeDeliveries(log.consume("mailer"), 1)), "a");
  });

  it("can be started anew after an error", async () => {
    const log = await openFilled();
    await assert.rejects(async () => {
      for await (const _ of log.consume("mailer")) throw new Error("no mail today");
    }, /no mail today/);
    assert.equal(eventsOf(await takeDeliveries(log.consume("mailer"), 1)), "a");
  });

  it("can acknowledge events when its loop has ended", async () => {
    const log = await openFilled();
    const consumer = log.consume("mailer", { maxInFlight: 4 });
    const [a, b, c] = await takeDeliveries(consumer, 3);
    a!.ack();
    await consumer.return?.();
    const next = log.consume("mailer");
    assert.equal(eventsOf(await takeDeliveries(next, 1)), "b");
    c!.ack();
    assert.equal(log.consumers()[0]!.position, 1);
    b!.ack();
    assert.equal(log.consumers()[0]!.position, 3);
  });

  it("ends with the signal, whatever it waits for", async () => {
    const log = await openFilled(undefined, 1);
    const stop = new AbortController();
    const consumer = log.consume("mailer", { signal: stop.signal });
    const [a] = await takeDeliveries(consumer, 1);
    const waiting = consumer.next();
    await settle();
    stop.abort(new Error("enough"));
    await assert.rejects(waiting, /enough/);
    assert.deepEqual(await consumer.next(), { done: true, value: undefined });
    a!.ack();
    const other = new AbortController();
    const atEnd = log.consume("mailer", { signal: other.signal }).next();
    await settle();
    other.abort(new Error("enough"));
    await assert.rejects(atEnd, /enough/);
    await assert.rejects(log.consume("mailer", { signal: other.signal }).next(), /enough/);
  });

  it("gets no acknowledgement of another one of its name, which was forgotten", async () => {
    const log = await openFilled();
    const gone = log.consume("mailer", { maxInFlight: 3 });
    const taken = await takeDeliveries(gone, 3);
    await gone.return?.();
    log.forget("mailer");
    const consumer = log.consume("mailer");
    for (const { ack } of taken) ack();
    assert.equal(log.consumers()[0]!.position, 0);
    assert.equal(eventsOf(await takeDeliveries(consumer, 1)), "a");
  });

  it("makes room for another one of its name when its signal is aborted, before it was asked for an event", async () => {
    const log = await openFilled();
    const stop = new AbortController();
    const aborted = log.consume("mailer", { signal: stop.signal });
    stop.abort(new Error("enough"));
    const consumer = log.consume("mailer");
    await assert.rejects(aborted.next(), /enough/);
    assert.throws(() => log.consume("mailer"), { code: "BUSY" });
    assert.equal(eventsOf(await takeDeliveries(consumer, 1)), "a");
  });

  it("continues behind what is acknowledged by hand, also if it waits for an acknowledgement", async () => {
    const log = await openFilled();
    const consumer = log.consume("mailer", { maxInFlight: 2 });
    const [, b] = await takeDeliveries(consumer, 2);
    const waiting = consumer.next();
    assert.equal(await outcome(waiting), "waiting");
    log.acknowledge("mailer", 3);
    assert.equal((await waiting).value?.event, "d");
    b!.ack();
    assert.deepEqual(log.consumers(), [{ name: "mailer", position: 3, lag: 2 }]);
    // There is room for one more.
    assert.equal(eventsOf(await takeDeliveries(consumer, 1)), "e");
  });

  it("ends with the log, whatever it waits for", async () => {
    const log = await openFilled(undefined, 1);
    const full = log.consume("full");
    const [a] = await takeDeliveries(full, 1);
    const idle = log.consume("idle", { maxInFlight: 2 });
    await takeDeliveries(idle, 1);
    const waiting = [full.next(), idle.next()];
    await settle();
    await log.close();
    for (const one of waiting) assert.deepEqual(await one, { done: true, value: undefined });
    a!.ack();
    assert.throws(() => log.consume("full"), { code: "CLOSED" });
  });

  it("fails with the log", async () => {
    const disk = new SimulatedDisk();
    const log = await openFilled(disk, 1);
    const consumer = log.consume("mailer", { maxInFlight: 2 });
    await takeDeliveries(consumer, 1);
    const waiting = consumer.next();
    disk.failAfter("EIO", 0, "sync");
    await assert.rejects(log.append("b"), { code: "POISONED" });
    await assert.rejects(waiting, { code: "POISONED" });
  });

  it("gets its acknowledgements written together", async () => {
    const log = await openFilled(undefined, 0);
    await log.appendAll(new Array<string>(1000).fill("x"));
    const taken = await takeDeliveries(log.consume("mailer", { maxInFlight: 1000 }), 1000);
    const before = log.wal.lastIndex;
    for (const { ack } of taken.slice(0, 999)) ack();
    await settle();
    assert.equal(log.wal.lastIndex, before + 1);
    assert.equal(log.wal.durableIndex, before + 1);
    taken[999]!.ack();
    await settle();
    assert.equal(log.wal.lastIndex, before + 2);
  });

  it("has its acknowledgements written by the next one, or by closing, if the disk was full", async () => {
    const disk = new SimulatedDisk();
    const log = await openFilled(disk);
    const taken = await takeDeliveries(log.consume("mailer", { maxInFlight: 5 }), 3);
    disk.failAfter("ENOSPC", 0, "write");
    taken[0]!.ack();
    await settle();
    const before = log.wal.lastIndex;
    await log.close();
    const again = await openEvents(disk);
    assert.equal(again.wal.lastIndex, before + 1);
    assert.equal(again.consumers()[0]!.position, 1);
  });

  it("has its acknowledgements written before the next flush, if the disk was full", async () => {
    const disk = new SimulatedDisk();
    const log = await openFilled(disk);
    const taken = await takeDeliveries(log.consume("mailer", { maxInFlight: 5 }), 3);
    disk.failAfter("ENOSPC", 0, "write");
    taken[0]!.ack();
    taken[1]!.ack();
    await settle();
    await log.append("f");
    const { lastIndex } = log.wal;
    await log.flush();
    assert.equal(log.wal.lastIndex, lastIndex);
    disk.crash();
    assert.equal((await openEvents(disk)).consumers()[0]!.position, 2);
  });

  it("has its acknowledgements written, although those of another one have become too large", async () => {
    const disk = new SimulatedDisk();
    const long = "x".repeat(200);
    const log = await openFilled(disk);
    log.acknowledge(long, 0);
    log.acknowledge("mailer", 0);
    await log.close();
    const low = await openEvents(disk, { maxEntryBytes: 100 });
    low.acknowledge(long, 2);
    low.acknowledge("mailer", 2);
    await settle();
    disk.crash();
    const again = await openEvents(disk);
    assert.deepEqual(again.consumers().map(({ position }) => position), [0, 2]);
  });

  it("that is new begins at the first event there is", async () => {
    const log = await openFilled();
    log.compact(3);
    const consumer = log.consume("mailer");
    assert.deepEqual(log.consumers(), [{ name: "mailer", position: 3, lag: 2 }]);
    assert.equal(eventsOf(await takeDeliveries(consumer, 1)), "d");
  });

  it("that is new begins behind a compaction, although a retention keeps events before it", async () => {
    const disk = new SimulatedDisk();
    const log = await openFilled(disk);
    log.wal.retain("archive", 1);
    log.compact(3);
    assert.equal(log.first, 1);
    const [first] = await takeDeliveries(log.consume("mailer"), 1);
    await log.close();
    const again = await openEvents(disk);
    const [next] = await takeDeliveries(again.consume("mailer"), 1);
    assert.deepEqual([first!.event, next!.event], ["d", "d"]);
  });

  it("that has acknowledged nothing is known after a restart, and keeps its events", async () => {
    const disk = new SimulatedDisk();
    const log = await openFilled(disk);
    log.consume("mailer");
    await log.flush();
    disk.crash();
    const again = await openEvents(disk);
    assert.deepEqual(again.consumers(), [{ name: "mailer", position: 0, lag: 5 }]);
    again.compact(5);
    assert.equal(again.first, 1);
  });

  it("stops at an event that cannot be decoded, and can skip it", async () => {
    const disk = new SimulatedDisk();
    const writer = await EventLog.open<string>("/events.wal", { codec: text, fileSystem: disk.fileSystem });
    await writer.appendAll(["1", "no JSON", "3"]);
    await writer.close();
    const log = await EventLog.open<string>("/events.wal", { codec: json, fileSystem: disk.fileSystem });
    const consumer = log.consume("mailer", { maxInFlight: 9 });
    (await takeDeliveries(consumer, 1))[0]!.ack();
    await assert.rejects(consumer.next(), { code: "ENCODING", index: 2 });
    assert.deepEqual(await consumer.next(), { done: true, value: undefined });
    log.acknowledge("mailer", 2);
    assert.deepEqual(await takeEvents(log.consume("mailer"), 1), ["3:3"]);
  });

  it("is refused with values out of their domain", async () => {
    const log = await openFilled();
    const wrong = (call: () => unknown) => assert.throws(call, { code: "INVALID_ARGUMENT" });
    for (const name of ["", "x".repeat(256), "\ud800", 7]) wrong(() => log.consume(name as string));
    for (const maxInFlight of [0, 1.5, "1"]) wrong(() => log.consume("mailer", { maxInFlight } as never));
    wrong(() => log.consume("mailer", { signal: {} } as never));
    wrong(() => log.consume("mailer", { maxInflight: 1 } as never));
    for (const options of [null, 1]) wrong(() => log.consume("mailer", options as never));
    for (const position of [-1, 6, "1"]) wrong(() => log.acknowledge("mailer", position as number));
    assert.deepEqual(log.consumers(), []);
  });
});
