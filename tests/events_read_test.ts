/** Reading and following an event log. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { EventLog } from "../src/events/mod.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { inShort, openEvents, takeEvents } from "./event_logs.ts";
import { outcome } from "./followed_log.ts";
import { inTemporaryFolder } from "./temporary.ts";

async function filled(count: number): Promise<EventLog<string>> {
  const log = await openEvents(undefined, { segmentBytes: 4096 });
  await log.appendAll(Array.from({ length: count }, (_, i) => `e${i + 1}`));
  return log;
}

describe("reading an event log", () => {
  it("finds events by position, and none where there is none", async () => {
    const log = await filled(3);
    assert.equal(log.read(2)?.event, "e2");
    assert.deepEqual([log.read(0), log.read(4), log.read(1000)], [undefined, undefined, undefined]);
    assert.throws(() => log.read(-1), { code: "INVALID_ARGUMENT" });
  });

  it("goes through a range, durable or not", async () => {
    const log = await filled(5);
    log.write("e6");
    assert.deepEqual(inShort(log.iterate(2, 3)), ["2:e2", "3:e3"]);
    assert.deepEqual(inShort(log.iterate(5)), ["5:e5", "6:e6"]);
    assert.deepEqual([log.first, log.last, log.durable], [1, 6, 5]);
  });

  it("says where the log begins if the position is gone", async () => {
    const log = await filled(200);
    log.compact(150);
    assert.equal(log.first, 151);
    const gone = { code: "COMPACTED", index: 151, message: /position 7 of the log at .*: it begins at position 151/ };
    assert.throws(() => log.read(7), gone);
    assert.throws(() => log.iterate(7), gone);
    assert.throws(() => log.follow({ from: 7 }), gone);
    assert.equal(log.read(151)?.event, "e151");
  });

  it("says where to go on if a compaction overtakes an iteration", async () => {
    const log = await openEvents();
    for (let n = 1; n <= 6; n++) await log.append(`${n}`.repeat(200_000));
    const events = log.iterate();
    assert.equal(events.next().value?.position, 1);
    log.compact(5);
    assert.throws(() => [...events], { code: "COMPACTED", index: 6 });
    assert.equal([...log.iterate(6)].length, 1);
  });

  it("is possible around damage in a log that was opened with onDamage", async () => {
    const disk = new SimulatedDisk();
    const log = await openEvents(disk);
    for (const event of ["a", "b", "c"]) await log.append(event.repeat(600));
    await log.close();
    // The last of the entries, each of which has a sector of its own.
    const [path] = disk.files().filter((name) => name.endsWith(".seg"));
    disk.flip(path!, disk.content(path!).findLastIndex((byte) => byte === "c".charCodeAt(0)));
    await assert.rejects(openEvents(disk), { code: "CORRUPT" });
    const damaged = await openEvents(disk, { onDamage: "keep" });
    assert.equal(damaged.read(2)?.event[0], "b");
    assert.throws(() => damaged.read(3), { code: "DAMAGED_ENTRY" });
    const seen: number[] = [];
    assert.throws(() => {
      for (const { position } of damaged.iterate()) seen.push(position);
    }, { code: "DAMAGED_ENTRY" });
    assert.deepEqual(seen, [1, 2]);
    assert.equal(damaged.last, 3);
  });

  it("is possible in an empty log", async () => {
    const log = await openEvents();
    assert.deepEqual([log.first, log.last, log.durable], [1, 0, 0]);
    assert.deepEqual([...log.iterate()], []);
    assert.equal(log.read(1), undefined);
  });
});

describe("following an event log", () => {
  it("returns events once they are durable, and waits for more", async () => {
    const log = await openEvents();
    const followed = log.follow();
    log.write("a");
    const first = followed.next();
    assert.equal(await outcome(first), "waiting");
    await log.flush();
    assert.equal((await first).value?.event, "a");
    const more = Promise.all([followed.next(), followed.next(), followed.next()]);
    await log.appendAll(["b", "c"]);
    await log.append("d");
    assert.deepEqual((await more).map(({ value }) => value?.event), ["b", "c", "d"]);
  });

  it("answers calls that overlap in order, with entries of the log's own between the events", async () => {
    const log = await openEvents();
    const followed = log.follow();
    const order: string[] = [];
    const calls = Array.from({ length: 4 }, async (_, nth) => {
      const { value } = await followed.next();
      order.push(`${nth}:${value?.event}`);
    });
    for (const event of ["a", "b", "c", "d"]) {
      log.acknowledge(event, log.last);
      log.write(event);
    }
    await log.flush();
    await Promise.all(calls);
    assert.deepEqual(order, ["0:a", "1:b", "2:c", "3:d"]);
  });

  it("begins behind the last durable event unless it is told where", async () => {
    const log = await filled(3);
    const followed = log.follow();
    await log.append("e4");
    assert.deepEqual(await takeEvents(followed, 1), ["4:e4"]);
    assert.deepEqual(await takeEvents(log.follow({ from: 2 }), 2), ["2:e2", "3:e3"]);
  });

  it("ends with the signal, with the loop, and with the log", async () => {
    const log = await filled(1);
    const stop = new AbortController();
    const waiting = log.follow({ signal: stop.signal }).next();
    stop.abort(new Error("enough"));
    await assert.rejects(waiting, /enough/);
    const left = log.follow();
    const pending = left.next();
    await left.return?.();
    assert.deepEqual(await pending, { done: true, value: undefined });
    const closed = log.follow().next();
    await log.close();
    assert.deepEqual(await closed, { done: true, value: undefined });
  });

  it("works beside the writer, on a log opened for reading", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "events.wal");
      const writer = await EventLog.open<string>(path);
      const reader = await EventLog.open<string>(path, { readOnly: true });
      await assert.rejects(reader.append("a"), { code: "READ_ONLY" });
      const followed = reader.follow({ from: 1 });
      await writer.append("a");
      assert.deepEqual(await takeEvents(followed, 1), ["1:a"]);
      await writer.append("b");
      assert.deepEqual(await takeEvents(followed, 1), ["2:b"]);
      assert.equal(await reader.wal.refresh(), 2);
      assert.deepEqual(inShort(reader.iterate()), ["1:a", "2:b"]);
      await reader.close();
      await writer.close();
    });
  });

  it("goes on after a restart from the position of the last event", async () => {
    const disk = new SimulatedDisk();
    const log = await openEvents(disk);
    await log.appendAll(["a", "b"]);
    await log.close();
    const again = await openEvents(disk);
    await again.append("c");
    assert.deepEqual(await takeEvents(again.follow({ from: 2 }), 2), ["2:b", "3:c"]);
  });
});
