/** Back-pressure of an event log: bytes that wait for a flush, and a stream that waits for them. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { EventLog, json } from "../src/events/mod.ts";
import { delegateTo, delegateToFile } from "../src/io/delegate.ts";
import type { FileSystem } from "../src/io/file_system.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { inShort, openEvents, PATH, settle } from "./event_logs.ts";
import { outcome, pause } from "./followed_log.ts";

/** An event of 100 bytes as JSON, and 107 in its envelope. */
const EVENT = "x".repeat(98);

describe("the bytes that wait for a flush", () => {
  it("are counted from a write to its flush", async () => {
    const log = await openEvents();
    assert.equal(log.pendingBytes, 0);
    log.write(EVENT);
    log.write(EVENT);
    assert.equal(log.pendingBytes, 214);
    const flushed = log.flush();
    log.write(EVENT);
    await flushed;
    // The flush began after the third write: it was asked for in the same turn.
    assert.equal(log.pendingBytes, 0);
    log.write(EVENT);
    await log.append(EVENT);
    assert.equal(log.pendingBytes, 0);
  });

  it("do not include what a flush covers that began before the last write", async () => {
    const log = await openEvents();
    log.write(EVENT);
    const flushed = log.flush();
    await Promise.resolve();
    await Promise.resolve();
    log.write(EVENT);
    await flushed;
    assert.deepEqual([log.pendingBytes, log.durable, log.last], [107, 1, 2]);
  });

  it("do not include what was flushed for an acknowledgement", async () => {
    const log = await openEvents(undefined, { maxPendingBytes: 300 });
    log.acknowledge("mailer", 0);
    log.write(EVENT);
    log.acknowledge("mailer", 1);
    await Promise.resolve();
    await Promise.resolve();
    assert.equal(log.wal.lastIndex, 3);
    log.write(EVENT);
    await settle();
    // The flush of the acknowledgement does not cover the second event.
    assert.deepEqual([log.wal.durableIndex, log.pendingBytes], [3, 107]);
    log.write(EVENT);
    assert.equal(log.pendingBytes, 214);
  });

  it("are bounded: beyond, events are refused until the flush", async () => {
    const log = await openEvents(undefined, { maxPendingBytes: 300 });
    log.write(EVENT);
    log.write(EVENT);
    const refused = {
      code: "OVERLOADED",
      message: "Cannot append 107 bytes: 214 bytes wait for a flush, and at most 300 may (maxPendingBytes); await " +
        "flush, and try again",
    };
    assert.throws(() => log.write(EVENT), refused);
    await assert.rejects(log.append(EVENT), { ...refused, isRetryable: true });
    assert.equal(log.last, 2);
    await log.flush();
    assert.equal(await log.append(EVENT), 3);
    // A larger one is taken if nothing waits.
    assert.equal(await log.append(EVENT.repeat(9)), 4);
  });

  it("must have a bound above 0", async () => {
    for (const maxPendingBytes of [0, -1, NaN, "1"]) {
      await assert.rejects(openEvents(undefined, { maxPendingBytes } as never), { code: "INVALID_ARGUMENT" });
    }
  });
});

describe("the stream of an event log", () => {
  it("appends events, and is closed when they are durable", async () => {
    const disk = new SimulatedDisk();
    const log = await openEvents(disk);
    const writer = log.writable().getWriter();
    for (const event of ["a", "b", "c"]) void writer.write(event);
    await writer.close();
    assert.equal(log.durable, 3);
    disk.crash();
    assert.deepEqual(inShort((await openEvents(disk)).iterate()), ["1:a", "2:b", "3:c"]);
  });

  it("flushes what was written, also if nothing follows", async () => {
    const log = await openEvents();
    await log.writable().getWriter().write("a");
    await settle();
    assert.equal(log.durable, 1);
  });

  it("waits while much waits for a flush, whoever wrote it", async () => {
    const log = await openEvents(undefined, { maxPendingBytes: 1000 });
    const stream = log.writable().getWriter();
    for (let n = 0; n < 9; n++) log.write(EVENT);
    const write = stream.write(EVENT);
    assert.equal(log.last, 9);
    await write;
    assert.equal(log.last, 10);
    await stream.close();
    assert.equal(log.last, 10);
  });

  it("lets at most half of the bound wait by itself, on a disk whose flushes take their time", async () => {
    const disk = new SimulatedDisk();
    const fileSystem: FileSystem = {
      ...delegateTo(disk.fileSystem),
      open: (path, mode) => {
        const file = disk.fileSystem.open(path, mode);
        return { ...delegateToFile(file), syncAsync: () => pause(2).then(() => file.syncAsync()) };
      },
    };
    const log = await openEvents(disk, { fileSystem, maxPendingBytes: 2140 });
    const stream = log.writable().getWriter();
    let most = 0;
    for (let n = 0; n < 40; n++) {
      await stream.write(EVENT);
      most = Math.max(most, log.pendingBytes);
    }
    assert(most > 0 && most < 1070, `${most} bytes waited`);
    await stream.close();
    assert.deepEqual([log.last, log.durable], [40, 40]);
  });

  it("fails at an event that is rejected, and keeps those before it", async () => {
    const disk = new SimulatedDisk();
    const log = await EventLog.open<unknown>(PATH, { codec: json, fileSystem: disk.fileSystem });
    const source = new ReadableStream({
      start(controller) {
        for (const event of [1, 2, undefined, 4]) controller.enqueue(event);
        controller.close();
      },
    });
    await assert.rejects(source.pipeTo(log.writable()), { code: "INVALID_EVENT" });
    await log.flush();
    assert.deepEqual(inShort(log.iterate()), ["1:1", "2:2"]);
  });

  it("fails with the log", async () => {
    const disk = new SimulatedDisk();
    const log = await openEvents(disk);
    const stream = log.writable().getWriter();
    stream.closed.catch(() => {});
    disk.failAfter("EIO", 0, "sync");
    await stream.write("a");
    await settle();
    await assert.rejects(stream.write("b"), { code: "POISONED" });
    assert.equal(await outcome(log.flush().catch(({ code }) => code)), "POISONED");
  });
});
