/** Iterating over events whose texts are decoded together. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type EventCodec, EventLog, json, text } from "../src/events/mod.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { inShort, openEvents, PATH } from "./event_logs.ts";

/** A log of JSON in which another codec has written texts. */
async function written(texts: readonly string[]): Promise<EventLog<unknown>> {
  const disk = new SimulatedDisk();
  const writer = await openEvents(disk, { codec: text });
  await writer.appendAll(texts);
  await writer.close();
  return EventLog.open<unknown>(PATH, { fileSystem: disk.fileSystem });
}

/** The positions that an iteration returns before it fails, and its error. */
function failing(log: EventLog<unknown>): { positions: number[]; error: Error } {
  const positions: number[] = [];
  try {
    for (const { position } of log.iterate()) positions.push(position);
  } catch (error) {
    return { positions, error: error as Error };
  }
  throw new Error("the iteration did not fail");
}

function errorOf(action: () => unknown): Error {
  try {
    action();
  } catch (error) {
    return error as Error;
  }
  throw new Error("the action did not fail");
}

describe("iterating over events of JSON", () => {
  it("returns each event as reading it does, with ids, wide characters and entries of the log's own", async () => {
    const disk = new SimulatedDisk();
    const log = await openEvents(disk);
    for (let n = 1; n <= 400; n++) {
      const id = n % 3 === 0 ? { producer: "prodüzent", sequence: n } : undefined;
      const event = ["plain", "ümlaut", "€uro", "😀"][n >> 5 & 3]!.repeat(n % 7 * n % 50);
      await log.append(event, { id });
      if (n % 5 === 0) log.acknowledge("consümer", log.last);
    }
    await log.flush();
    for (const one of [log, await openEvents(disk, { readOnly: true })]) {
      const all = [...one.iterate()];
      assert.equal(all.length, 400);
      for (const event of all) assert.deepEqual(event, one.read(event.position));
    }
  });

  it("fails as reading does at an event that separates texts", async () => {
    for (const texts of [["1", "2\0", "3"], ["1", "\0", "3"], ["1", '"\0"', "3"], ["1", "2\0 3", "4"]]) {
      const log = await written(texts);
      const { positions, error } = failing(log);
      assert.deepEqual(positions, [1], JSON.stringify(texts));
      assert.equal(error.message, errorOf(() => log.read(2)).message);
      assert.deepEqual(inShort(log.iterate(3)), [`3:${texts[2]}`]);
    }
  });

  it("fails with the error of the event alone", async () => {
    const log = await written(["1", '{"a":nothing}', "3"]);
    const { positions, error } = failing(log);
    assert.deepEqual(positions, [1]);
    assert.equal(error.message, errorOf(() => log.read(2)).message);
  });

  it("fails at entries that no event log has written, after the events before them", async () => {
    for (const [kind, first] of [["normal", 0], ["config", 1], ["config", 3]] as const) {
      const log = await openEvents();
      await log.appendAll(["a", "b"]);
      log.wal.append([{ term: 1, index: 3, kind, command: new Uint8Array(9).fill(first) }]);
      const { positions, error } = failing(log);
      assert.deepEqual(positions, [1, 2]);
      assert.equal(error.message, errorOf(() => log.read(3)).message);
    }
  });

  it("ends behind entries of the log's own", async () => {
    const log = await openEvents();
    log.acknowledge("consumer", 0);
    assert.deepEqual([...log.iterate()], []);
    await log.append("a");
    log.acknowledge("consumer", log.last);
    await log.flush();
    assert.deepEqual(inShort(log.iterate()).length, 1);
  });

  it("fails at the next event after the log was closed", async () => {
    const log = await openEvents();
    await log.appendAll(["a", "b", "c"]);
    const events = log.iterate();
    assert.equal(events.next().value?.event, "a");
    await log.close();
    assert.throws(() => events.next(), { code: "CLOSED" });
  });

  it("leaves iterations that take turns apart", async () => {
    const log = await openEvents();
    await log.appendAll(Array.from({ length: 300 }, (_, nth) => `${nth}`.repeat(50)));
    const [one, other] = [log.iterate(), log.iterate(150)];
    for (let nth = 0; nth < 151; nth++) {
      assert.equal(one.next().value?.event, `${nth}`.repeat(50));
      assert.equal(other.next().value?.event, `${nth + 149}`.repeat(50));
    }
  });

  it("does not call a codec that has parse for another purpose", async () => {
    const codec = { ...(json as EventCodec<string>), parse: () => "wrong" };
    const log = await openEvents(undefined, { codec });
    await log.append("a");
    assert.deepEqual(inShort(log.iterate()), ["1:a"]);
  });
});
