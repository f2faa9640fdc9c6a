/** The queue of outgoing frames, and reassembling incoming ones. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Message } from "../src/raft/mod.ts";
import { encodeBehind } from "../src/raft/codec/encode.ts";
import { Outbox } from "../src/raft/transport/outbox.ts";
import { StreamReader } from "../src/raft/transport/stream_reader.ts";
import { Random } from "../src/testing/mod.ts";

describe("a queue of outgoing frames", () => {
  it("returns its frames unchanged in chunks, at any size", () => {
    const random = new Random(3);
    const outbox = new Outbox(10_000_000);
    const sent: number[] = [];
    const taken: number[] = [];
    for (let i = 0; i < 60; i++) {
      const frame = new Uint8Array(1 + random.below(random.pick([10, 1000, 200_000])));
      random.fill(frame);
      assert.equal(outbox.push(frame), true);
      for (const byte of frame) sent.push(byte);
      while (random.chance(0.7)) {
        const chunk = outbox.take()?.bytes;
        assert.ok((chunk?.length ?? 0) <= 65_536);
        for (const byte of chunk ?? []) taken.push(byte);
      }
    }
    for (let chunk = outbox.take(); chunk !== undefined; chunk = outbox.take()) {
      for (const byte of chunk.bytes) taken.push(byte);
    }
    assert.ok(sent.length === taken.length && sent.every((byte, i) => byte === taken[i]));
    assert.deepEqual([outbox.bytes, outbox.length], [0, 0]);
  });

  it("is bounded; a single frame may exceed the bound", () => {
    const outbox = new Outbox(10_000);
    let small = 0;
    while (small < 100 && outbox.push(new Uint8Array(1))) small++;
    assert.ok(small > 10 && small < 100, `${small} frames of a byte`);
    outbox.clear();
    assert.equal(outbox.push(new Uint8Array(1_000_000)), true);
    assert.equal(outbox.push(new Uint8Array(1)), false);
  });

  it("is bounded by its memory, even if little of it was written", () => {
    const entries = Array.from(
      { length: 1000 },
      (_, i) => ({ term: 1, index: i + 1, kind: "normal", command: new Uint8Array() } as const),
    );
    const [term, leader] = [1, 1n];
    const message: Message = {
      ...{ type: "appendEntries", term, leader, prevLogIndex: 0, prevLogTerm: 0, entries, leaderCommit: 0 },
    };
    const outbox = new Outbox(1_000_000);
    let held = 0;
    for (let frame = encodeBehind(4, message); outbox.push(frame); frame = encodeBehind(4, message)) {
      held += frame.buffer.byteLength;
    }
    assert.ok(held > 0 && held <= 1_000_000, `${held} bytes are held`);
    while (outbox.take() !== undefined);
    assert.deepEqual([outbox.bytes, outbox.length], [0, 0]);
  });

  it("is reassembled from any pieces", () => {
    const random = new Random(4);
    const reader = new StreamReader();
    const frames = Array.from({ length: 200 }, (_, i) => new Uint8Array(random.below(random.pick([3, 3000]))).fill(i));
    const stream = frames.flatMap((frame) => [frame.length % 256, frame.length >> 8, 0, 0, ...frame]);
    const found: Uint8Array[] = [];
    for (let at = 0; at < stream.length;) {
      const length = 1 + random.below(random.pick([4, 4, 5000]));
      reader.push(Uint8Array.from(stream.slice(at, at + length)));
      at += length;
      for (let frame = reader.takeFrame(3000); frame !== undefined; frame = reader.takeFrame(3000)) found.push(frame);
    }
    assert.deepEqual(found, frames);
    assert.equal(reader.bytes, 0);
  });

  it("is joined if it arrives in many small pieces, but not if in large ones", () => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i % 251);
    const reader = new StreamReader();
    reader.push(Uint8Array.of(160, 134, 1, 0));
    for (const byte of bytes) reader.push(Uint8Array.of(byte));
    const joined = reader.take(4).buffer.byteLength;
    assert.ok(joined > 90_000 && joined <= 100_004, `the first ${joined} bytes are one piece`);
    assert.deepEqual(reader.take(100_000), bytes);

    for (let i = 0; i < 5000; i++) reader.push(new Uint8Array(1000));
    assert.equal(reader.take(4).buffer.byteLength, 1000);
  });
});
