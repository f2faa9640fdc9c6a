/** The positions of the consumers of an event log: what is kept of them, and what is kept for them. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { EventLog } from "../src/events/mod.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { eventsOf, openEvents, openFilled, settle, takeDeliveries } from "./event_logs.ts";
import { inTemporaryFolder } from "./temporary.ts";

describe("the consumers of a log", () => {
  it("have a position each, and can be moved forward by hand", async () => {
    const disk = new SimulatedDisk();
    const log = await openFilled(disk);
    log.acknowledge("a", 2);
    log.acknowledge("b", log.last);
    log.acknowledge("a", 1);
    const expected = [{ name: "a", position: 2, lag: 3 }, { name: "b", position: 5, lag: 0 }];
    assert.deepEqual(log.consumers(), expected);
    await settle();
    disk.crash();
    assert.deepEqual((await openEvents(disk)).consumers(), expected);
  });

  it("are durable after a flush that was asked for at any time", async () => {
    for (const isBusy of [false, true]) {
      for (let turns = 0; turns < 30; turns++) {
        const disk = new SimulatedDisk({ seed: turns });
        const log = await openFilled(disk);
        const [first, second] = await takeDeliveries(log.consume("mailer", { maxInFlight: 2 }), 2);
        if (isBusy) first!.ack();
        for (let turn = 0; turn < turns; turn++) await Promise.resolve();
        first!.ack();
        second!.ack();
        await log.flush();
        disk.crash();
        assert.equal((await openEvents(disk)).consumers()[0]?.position, 2);
      }
    }
  });

  it("do not change what the last event is", async () => {
    const disk = new SimulatedDisk();
    const log = await openFilled(disk);
    log.acknowledge("mailer", 5);
    await settle();
    assert.deepEqual([log.last, log.durable], [5, 5]);
    assert(log.wal.lastIndex > 5);
    const position = await log.append("f", { expectedLast: 5 });
    await log.close();
    assert.equal((await openEvents(disk)).last, position);
  });

  it("keep the events that they need from a compaction, also after a restart", async () => {
    const disk = new SimulatedDisk();
    const log = await openFilled(disk);
    log.acknowledge("slow", 2);
    log.acknowledge("fast", 5);
    log.compact(5);
    assert.equal(log.first, 3);
    await log.close();
    const again = await openEvents(disk);
    assert.equal(again.first, 3);
    assert.deepEqual(again.consumers(), [{ name: "slow", position: 2, lag: 3 }, { name: "fast", position: 5, lag: 0 }]);
    again.compact(4);
    assert.equal(again.first, 3);
    assert.equal(eventsOf(await takeDeliveries(again.consume("slow"), 1)), "c");
  });

  it("are in the state that closing a long log stores", async () => {
    const disk = new SimulatedDisk();
    const log = await openFilled(disk, 0);
    await log.appendAll(new Array<string>(2000).fill("x"));
    log.acknowledge("mailer", 1234);
    await log.close();
    const again = await openEvents(disk);
    // The state is the last entry.
    assert.equal(again.wal.entry(again.wal.lastIndex)?.command[0], 3);
    assert.deepEqual(again.consumers(), [{ name: "mailer", position: 1234, lag: 766 }]);
  });

  it("hold retentions of the log underneath, which show in its metrics", async () => {
    const log = await openFilled();
    log.acknowledge("slow", 2);
    const held = () => log.wal.retentions.map(({ name, from }) => [name, from]);
    assert.deepEqual(held(), [["slow", 3]]);
    log.acknowledge("slow", 4);
    assert.deepEqual(held(), [["slow", 5]]);
    log.wal.compact(5);
    assert.equal(log.read(5)?.event, "e");
    log.forget("slow");
    assert.deepEqual(held(), []);
    assert.equal(log.first, 6);
  });

  it("can be forgotten, so that events are not kept for them", async () => {
    const disk = new SimulatedDisk();
    const log = await openFilled(disk);
    log.acknowledge("gone", 1);
    await settle();
    log.forget("gone");
    log.forget("never there");
    await log.flush();
    disk.crash();
    const again = await openEvents(disk);
    assert.deepEqual(again.consumers(), []);
    again.compact(5);
    assert.equal(again.first, 6);
    // One of that name is new.
    await again.append("f");
    assert.equal(eventsOf(await takeDeliveries(again.consume("gone"), 1)), "f");
  });

  it("are copied with a backup, at most up to its end", async () => {
    await inTemporaryFolder(async (folder) => {
      const log = await EventLog.open<string>(join(folder, "events.wal"));
      await log.appendAll(["a", "b", "c"]);
      log.acknowledge("mailer", 1);
      await log.flush();
      const early = log.wal.lastIndex;
      await log.appendAll(["d", "e"]);
      log.acknowledge("mailer", log.last);
      log.compact(2);
      await log.flush();
      await log.wal.backup(join(folder, "early.wal"), { to: early });
      await log.wal.backup(join(folder, "copy.wal"));
      await log.close();
      const restored = async (name: string) => {
        const copy = await EventLog.open<string>(join(folder, name));
        const state = [copy.first, copy.last, copy.consumers()[0]?.position];
        await copy.close();
        return state;
      };
      // All up to position 2 was acknowledged, and that is gone from the copy as from the log.
      assert.deepEqual(await restored("early.wal"), [3, 3, 2]);
      assert.deepEqual(await restored("copy.wal"), [3, log.last, log.last]);
    });
  });

  it("are shown by a reader, which cannot change them", async () => {
    const disk = new SimulatedDisk();
    const log = await openFilled(disk);
    log.acknowledge("mailer", 2);
    await settle();
    const reader = await openEvents(disk, { readOnly: true });
    assert.deepEqual(reader.consumers(), [{ name: "mailer", position: 2, lag: 3 }]);
    for (const call of [() => reader.consume("mailer"), () => reader.acknowledge("a", 1), () => reader.forget("a")]) {
      assert.throws(call, { code: "READ_ONLY" });
    }
    log.acknowledge("mailer", 4);
    await settle();
    await reader.refresh();
    assert.deepEqual(reader.consumers(), [{ name: "mailer", position: 4, lag: 1 }]);
  });
});
