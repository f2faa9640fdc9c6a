/** Codecs of an event log, and the envelope around an event. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bytes, type EventCodec, EventLog, json, type StandardSchema, text } from "../src/events/mod.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { openEvents, PATH, takeEvents } from "./event_logs.ts";

interface Deposit {
  readonly account: number;
  readonly amount: number;
}

/** A validator as libraries make them: it returns a value of its own. */
const schema: StandardSchema<Deposit> = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value) => {
      const { account, amount } = value as Partial<Deposit>;
      if (typeof account !== "number") return { issues: [{ message: "account: expected a number" }] };
      return { value: { account, amount: Math.round(amount ?? 0) } };
    },
  },
};

function open<E>(codec: EventCodec<E> | StandardSchema<E>, disk = new SimulatedDisk()): Promise<EventLog<E>> {
  return EventLog.open<E>(PATH, { codec, fileSystem: disk.fileSystem });
}

/** Events come back as they were, also from a log that was closed. */
async function roundTrips<E>(codec: EventCodec<E>, events: readonly E[]): Promise<void> {
  const disk = new SimulatedDisk();
  const log = await open(codec, disk);
  await log.appendAll(events);
  await log.close();
  const again = await open(codec, disk);
  assert.deepEqual([...again.iterate()].map(({ event }) => event), events);
}

describe("the codec", () => {
  it("json takes every value that JSON has", async () => {
    await roundTrips<unknown>(json, [
      null,
      0,
      -1.5,
      "",
      "ä€😀\ud800",
      [],
      [1, [2]],
      { a: { b: null } },
      true,
      "\ufeffa",
    ]);
  });

  it("json takes events of all sizes, also together", async () => {
    const sizes = [5, 5400, 5600, 16_000, 17_000, 70_000];
    await roundTrips<unknown>(json, sizes.flatMap((size) => ["x".repeat(size), "€".repeat(size)]));
  });

  it("json returns bytes that stay as they are", async () => {
    const [one, other] = [json.encode("one"), json.encode("other")];
    assert.deepEqual([json.decode(one), json.decode(other)], ["one", "other"]);
    const log = await open<unknown>(json);
    await log.append("third");
    assert.deepEqual([json.decode(one), json.decode(other)], ["one", "other"]);
  });

  it("text takes strings, also empty ones and those that begin with a byte order mark", async () => {
    await roundTrips(text, ["", "a", "\ufeffä€😀", "line\n"]);
  });

  it("bytes takes bytes, and returns arrays with a buffer of their own", async () => {
    await roundTrips(bytes, [new Uint8Array(0), new Uint8Array([0, 255]), new Uint8Array(5000).fill(7)]);
    const log = await open(bytes);
    await log.appendAll([new Uint8Array([1, 2]), new Uint8Array([3])]);
    for (const { event } of log.iterate()) assert.equal(event.buffer.byteLength, event.length);
  });

  it("can encode all events into one buffer", async () => {
    const buffer = new Uint8Array(8);
    const encode = (event: string) => buffer.subarray(0, new TextEncoder().encodeInto(event, buffer).written);
    await roundTrips({ encode, decode: text.decode }, ["one", "two", "three"]);
  });

  it("can be an object with encode and decode that uses itself", async () => {
    class Prefixed implements EventCodec<string> {
      readonly prefix = ">";
      encode(event: string): Uint8Array {
        return text.encode(this.prefix + event);
      }
      decode(bytes: Uint8Array<ArrayBuffer>): string {
        return text.decode(bytes).slice(this.prefix.length);
      }
    }
    await roundTrips(new Prefixed(), ["a", "b"]);
  });

  it("can be a Standard Schema, which validates what is written and what is read", async () => {
    const disk = new SimulatedDisk();
    const log = await open(schema, disk);
    await log.append({ account: 7, amount: 1.6 });
    assert.deepEqual(log.read(1)?.event, { account: 7, amount: 2 });
    await assert.rejects(log.append({ account: "7", amount: 1 } as never), {
      code: "INVALID_EVENT",
      message: "Cannot append the event: the codec rejects it: account: expected a number",
    });
    await log.close();
    const other = await open<unknown>(json, disk);
    await other.append({ amount: 3 });
    await other.close();
    const again = await open(schema, disk);
    assert.throws(() => again.read(2), { code: "ENCODING", index: 2 });
  });

  it("must not be an asynchronous schema", async () => {
    const validate = (value: unknown) => Promise.resolve({ value: value as string });
    const log = await open<string>({ "~standard": { version: 1, vendor: "test", validate } });
    await assert.rejects(log.append("a"), { code: "INVALID_EVENT", message: /asynchronous/ });
  });

  it("must not be an asynchronous schema whose promise is of another kind", async () => {
    const validate = () => ({ then: (resolve: (result: unknown) => void) => resolve({ issues: [{ message: "no" }] }) });
    const log = await open<string>({ "~standard": { version: 1, vendor: "test", validate: validate as never } });
    await assert.rejects(log.append("a"), { code: "INVALID_EVENT", message: /asynchronous/ });
    assert.equal(log.last, 0);
  });

  it("must not be an asynchronous schema, whose rejection does not end the process", async () => {
    const validate = () => Promise.reject(new Error("the database is down"));
    const log = await open<string>({ "~standard": { version: 1, vendor: "test", validate } });
    await assert.rejects(log.append("a"), { code: "INVALID_EVENT", message: /asynchronous/ });
    // A rejection that nobody handles fails the test by now.
    await new Promise((resolve) => setTimeout(resolve, 0));
  });

  it("must be one", async () => {
    for (const codec of [null, 7, {}, { encode() {} }, { "~standard": {} }]) {
      await assert.rejects(open(codec as never), { code: "INVALID_ARGUMENT" });
    }
  });

  it("rejects an event with INVALID_EVENT, and nothing of the list is written", async () => {
    const transferred = new Uint8Array([1, 2]);
    structuredClone(transferred.buffer, { transfer: [transferred.buffer] });
    const rejected: [EventCodec<never>, unknown][] = [
      [json as EventCodec<never>, undefined],
      [json as EventCodec<never>, 1n],
      [text as EventCodec<never>, 1],
      [text as EventCodec<never>, "\ud800"],
      [bytes as EventCodec<never>, [1]],
      [bytes as EventCodec<never>, transferred],
      [{ encode: () => transferred, decode: () => {} } as never, 1],
      [{ encode: () => "text", decode: () => {} } as never, 1],
      [{ encode: () => undefined, decode: () => {} } as never, 1],
    ];
    for (const [codec, event] of rejected) {
      const log = await open<never>(codec);
      await assert.rejects(log.append(event as never), { code: "INVALID_EVENT" });
      assert.equal(log.last, 0);
    }
    const log = await open<unknown>(json);
    await assert.rejects(log.appendAll([1, 2, () => {}]), {
      code: "INVALID_EVENT",
      message: "Cannot append event 2 of the list: the codec rejects it: JSON has no value for a function",
    });
    assert.equal(log.last, 0);
    assert.equal(await log.append(3), 1);
  });

  it("passes on what encode throws as the cause", async () => {
    const cause = new Error("no");
    const log = await open<string>({
      ...text,
      encode: () => {
        throw cause;
      },
    });
    await assert.rejects(log.append("a"), { code: "INVALID_EVENT", cause });
  });

  it("json refuses bytes that are no UTF-8, and takes U+FFFD", async () => {
    const disk = new SimulatedDisk();
    const writer = await open(bytes, disk);
    await writer.appendAll([new TextEncoder().encode('"\ufffd"'), new Uint8Array([0x22, 0xff, 0x22])]);
    await writer.close();
    const log = await open<string>(json, disk);
    const seen: string[] = [];
    assert.throws(() => {
      for (const { event } of log.iterate()) seen.push(event);
    }, { code: "ENCODING", index: 2 });
    assert.deepEqual(seen, ["\ufffd"]);
  });

  it("json never joins events that are no JSON to others", async () => {
    const cases = [
      ['{"a":"}', '{"}', "1,2"],
      ["1,2", '"a', 'b"'],
      ["[1", "2]", "1,2,3"],
      ["[[1]", "[2]]", "[1],[2]"],
      ["", "1,2"],
      ["1", ",2"],
      [" 1 ", "]"],
    ];
    for (const events of cases) {
      const disk = new SimulatedDisk();
      const writer = await open(text, disk);
      await writer.appendAll(events);
      await writer.close();
      const log = await open<unknown>(json, disk);
      const bad = events.findIndex((event) => event !== " 1 " && event !== "1") + 1;
      assert.throws(() => [...log.iterate()], { code: "ENCODING", index: bad }, events.join(" | "));
    }
  });

  it("fails at an event that it cannot decode, and the others can be read", async () => {
    const disk = new SimulatedDisk();
    const writer = await open(text, disk);
    await writer.appendAll(["1", "no JSON", "3"]);
    await writer.close();
    const log = await open<number>(json, disk);
    const seen: number[] = [];
    assert.throws(() => {
      for (const { event } of log.iterate()) seen.push(event);
    }, { code: "ENCODING", index: 2 });
    for (const { event } of log.iterate(3)) seen.push(event);
    assert.deepEqual(seen, [1, 3]);
    assert.throws(() => log.read(2), { code: "ENCODING", index: 2 });
    const followed = log.follow({ from: 1 });
    assert.deepEqual(await takeEvents(followed, 1), ["1:1"]);
    await assert.rejects(followed.next(), { code: "ENCODING", index: 2 });
    assert.deepEqual(await followed.next(), { done: true, value: undefined });
    assert.deepEqual(await takeEvents(log.follow({ from: 3 }), 1), ["3:3"]);
  });
});

describe("the envelope", () => {
  it("is a kind, a time in six bytes, and the event", async () => {
    const disk = new SimulatedDisk();
    const fileSystem = { ...disk.fileSystem, now: () => 0x0102_0304_0506 };
    const log = await openEvents(disk, { fileSystem, codec: text });
    await log.append("ä");
    assert.deepEqual([...log.wal.entry(1)!.command], [1, 6, 5, 4, 3, 2, 1, 0xc3, 0xa4]);
    assert.deepEqual(log.read(1), { position: 1, time: 0x0102_0304_0506, id: undefined, event: "ä" });
  });

  it("holds a clock that is out of range at its nearest time", async () => {
    for (const [now, time] of [[-5, 0], [2 ** 60, 2 ** 48 - 1], [1.7, 1]] as const) {
      const disk = new SimulatedDisk();
      const log = await openEvents(disk, { fileSystem: { ...disk.fileSystem, now: () => now } });
      await log.append("a");
      assert.equal(log.read(1)!.time, time);
    }
  });

  it("of a kind of a later version is skipped", async () => {
    const disk = new SimulatedDisk();
    const log = await openEvents(disk);
    await log.append("a");
    log.wal.append([{ term: 1, index: 2, command: new Uint8Array(9).fill(15) }]);
    await log.append("b");
    assert.deepEqual([...log.iterate()].map(({ event }) => event), ["a", "b"]);
    assert.equal(log.read(2), undefined);
    assert.deepEqual(await takeEvents(log.follow({ from: 1 }), 2), ["1:a", "3:b"]);
    log.wal.append([{ term: 1, index: 4, command: new Uint8Array(9).fill(15) }]);
    await log.close();
    const again = await openEvents(disk);
    assert.equal(again.last, 3);
    assert.equal(await again.append("c", { expectedLast: 3 }), 5);
  });

  it("of another program is no event", async () => {
    const disk = new SimulatedDisk();
    const log = await openEvents(disk);
    log.wal.append([{ term: 1, index: 1, command: new Uint8Array(9) }]);
    log.wal.append([{ term: 1, index: 2, kind: "config", command: new Uint8Array(9).fill(1) }]);
    log.wal.append([{ term: 1, index: 3, command: new Uint8Array([1]) }]);
    log.wal.append([{ term: 1, index: 4, command: new Uint8Array(9).fill(16) }]);
    for (const index of [1, 2, 3, 4]) {
      assert.throws(() => log.read(index), { code: "ENCODING", index });
      assert.throws(() => [...log.iterate(index)], { code: "ENCODING", index });
    }
  });
});
