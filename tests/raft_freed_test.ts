/** Memory of snapshots that are sent over TCP is freed when it is no longer needed, and not before. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setImmediate } from "node:timers";
import {
  type Address,
  type AppendEntries,
  encodeMessage,
  type InstallSnapshot,
  MemoryTransport,
  type Message,
  type Origin,
  type RaftTransport,
  type Receive,
  TcpTransport,
} from "../src/raft/mod.ts";
import { Outbox } from "../src/raft/transport/outbox.ts";
import { StreamReader } from "../src/raft/transport/stream_reader.ts";
import { bytesOf } from "./model.ts";
import { commandOf, type Replicas, withReplicas } from "./replica_nodes.ts";
import { both, close, CLUSTER, large, LOOPBACK, Probe, tlsOf, until } from "./transports.ts";

const PIECE_BYTES = 256 * 1024;

/** A piece of a snapshot. */
function piece(data: Uint8Array<ArrayBuffer>, offset: number): InstallSnapshot {
  const snapshot = { index: 1, term: 1, config: [1n], data };
  return { type: "installSnapshot", term: 1, leader: 1n, snapshot, offset, done: false };
}

/** A frame with so many bytes of content. */
function frameOf(length: number): Uint8Array {
  const frame = bytesOf(4 + length);
  new DataView(frame.buffer).setUint32(0, length, true);
  return frame;
}

describe("the chunks of a frame", () => {
  it("are freed when they are copied", () => {
    const reader = new StreamReader();
    const frame = frameOf(150_000);
    const chunks = [frame.slice(0, 65_536), frame.slice(65_536, 131_072), frame.slice(131_072)];
    for (const chunk of chunks) reader.push(chunk);
    assert.deepEqual(reader.takeFrame(200_000), frame.subarray(4));
    assert.deepEqual(chunks.map(({ buffer }) => buffer.byteLength), [0, 0, 0]);
  });

  it("are kept while an earlier message or the next frame has a part of them", () => {
    const reader = new StreamReader();
    const [small, large] = [frameOf(1000), frameOf(150_000)];
    const all = new Uint8Array([...small, ...large, ...large, ...small]);
    const chunks = [all.slice(0, 65_536), all.slice(65_536, 250_000), all.slice(250_000)];
    for (const chunk of chunks) reader.push(chunk);
    const taken = [1, 2, 3, 4].map(() => reader.takeFrame(200_000)!);
    assert.deepEqual(taken, [small, large, large, small].map((frame) => frame.subarray(4)));
    assert.equal(reader.bytes, 0);
    assert.deepEqual(chunks.map(({ buffer }) => buffer.byteLength === 0), [false, true, false]);
  });

  it("are kept if they are a part of a larger buffer", () => {
    const reader = new StreamReader();
    const frame = frameOf(150_000);
    const buffer = new Uint8Array(frame.length + 2);
    buffer.set(frame, 1);
    reader.push(buffer.subarray(1, 100_000));
    reader.push(buffer.subarray(100_000, frame.length + 1));
    assert.deepEqual(reader.takeFrame(200_000), frame.subarray(4));
    assert.equal(buffer.byteLength, frame.length + 2);
  });

  it("share no buffer with a large frame that is followed by another", () => {
    const reader = new StreamReader();
    const frame = frameOf(100_000);
    const chunk = new Uint8Array(2 * frame.length);
    chunk.set(frame);
    chunk.set(frame, frame.length);
    reader.push(chunk);
    const [one, two] = [reader.takeFrame(200_000)!, reader.takeFrame(200_000)!];
    assert.notEqual(one.buffer, two.buffer);
    assert.deepEqual([one, two], [frame.subarray(4), frame.subarray(4)]);
  });

  it("are returned by the queue with the end of a large frame, and only then", () => {
    const outbox = new Outbox(10_000_000);
    const [small, large] = [new Uint8Array(1000), new Uint8Array(100_000)];
    for (const frame of [small, large, small]) outbox.push(frame);
    const frames = [outbox.take(), outbox.take(), outbox.take()].map((chunk) => chunk?.frame);
    assert.deepEqual(frames, [undefined, large, undefined]);
  });
});

describe("pieces of a snapshot", () => {
  for (const how of ["", ", over TLS"]) {
    it(`arrive unchanged, however many wait for the peer${how}`, async () => {
      const options = (name: "node-1" | "node-2") => ({
        maxQueueBytes: 64 * 1024 * 1024,
        ...how === "" ? {} : { tls: tlsOf(name) },
      });
      const [one, two] = await both(options("node-1"), options("node-2"));
      await until(() => one.isConnectedTo(2n), "connected");
      const pieces = Array.from({ length: 60 }, (_, i) => piece(new Uint8Array(PIECE_BYTES).fill(i + 1), i));
      for (const message of pieces) one.transport.send(2n, message);
      await until(() => two.received.length === pieces.length, "all have arrived");
      // Node's arrays are Buffers.
      assert.deepEqual(two.received.map(encodeMessage), pieces.map(encodeMessage));
      await close(one, two);
    });
  }

  it("are freed when the receiver has finished them, and not before", async () => {
    const finish: (() => void)[] = [];
    const two = await new Probe(2n).start(() => new Promise<void>((resolve) => finish.push(resolve)));
    const one = new Probe(1n);
    one.transport.setPeer(2n, two.address);
    await one.start();
    await until(() => one.isConnectedTo(2n), "connected");
    const command = bytesOf(PIECE_BYTES);
    const entries: AppendEntries = {
      ...{ type: "appendEntries", term: 1, leader: 1n, prevLogIndex: 0, prevLogTerm: 0, leaderCommit: 0 },
      entries: [{ term: 1, index: 1, kind: "normal", command }],
    };
    const whole = large(PIECE_BYTES) as InstallSnapshot;
    const sent = [piece(bytesOf(PIECE_BYTES), 7), entries, whole, piece(bytesOf(100), 7)];
    for (const message of sent) one.transport.send(2n, message);
    await until(() => two.received.length === sent.length, "all have arrived");
    // Node's arrays are Buffers.
    assert.deepEqual(two.received.map(encodeMessage), sent.map(encodeMessage));
    for (const end of finish) end();
    const [first, ...others] = two.received;
    await until(() => (first as InstallSnapshot).snapshot.data.byteLength === 0, "the piece is freed");
    assert.deepEqual(others.map(encodeMessage), sent.slice(1).map(encodeMessage));
    await close(one, two);
  });
});

describe("a replica that sends a snapshot", () => {
  /** Starts a replica with a snapshot in its log, and another that needs it. Returns the commands of the second. */
  async function transfer(replicas: Replicas, makeTransport: (id: bigint) => RaftTransport): Promise<string[]> {
    const options = (id: bigint) => ({ snapshotBytes: 1000, transport: makeTransport(id) });
    const { events, replica: first } = await replicas.start(1n, options(1n));
    await first.propose(commandOf("x".repeat(PIECE_BYTES)));
    for (let i = 0; i < 20; i++) await first.propose(commandOf(`${i}`));
    await until(() => events.some(({ type }) => type === "snapshotMade"), "made");
    await replicas.close(1n);
    // After a restart, the log keeps no entries behind its snapshot.
    const { replica } = await replicas.start(1n, options(1n));
    await replica.propose(commandOf("last"));
    const { journal } = await replicas.start(2n, { ...options(2n), joining: true });
    await replica.addMember(2n, "127.0.0.1:9");
    await until(() => journal.commands.length === 22, "up to date");
    assert.equal(journal.restores, 1);
    return journal.commands;
  }

  const COMMANDS = ["x".repeat(PIECE_BYTES), ...Array.from({ length: 20 }, (_, i) => `${i}`), "last"];

  it(
    "frees the pieces that TCP has encoded",
    withReplicas(async (replicas) => {
      const sent: InstallSnapshot[] = [];
      const transports = new Map<bigint, Watched>();
      class Watched extends TcpTransport {
        override send(to: bigint, message: Message): void {
          super.send(to, message);
          if (message.type === "installSnapshot") sent.push(message);
        }
        // The addresses in the log are not those that the system has chosen.
        override async start(receive: Receive, identity?: () => Origin): Promise<void> {
          await super.start(receive, identity);
          transports.set(this.id, this);
          for (const [id, { address }] of transports) {
            if (id === this.id) continue;
            super.setPeer(id, address!);
            transports.get(id)!.connect(this.id, this.address!);
          }
        }
        override setPeer(): void {}
        connect(id: bigint, address: Address): void {
          super.setPeer(id, address);
        }
      }
      const commands = await transfer(replicas, (id) => new Watched({ id, cluster: CLUSTER, listen: LOOPBACK }));
      assert.deepEqual(commands, COMMANDS);
      assert.ok(sent.length > 1);
      assert.deepEqual(sent.map(({ snapshot }) => snapshot.data.byteLength), sent.map(() => 0));
    }, [1n]),
  );

  it(
    "keeps the pieces that another transport may still hold",
    withReplicas(async (replicas) => {
      /** Encodes messages later. */
      class Late extends MemoryTransport {
        override send(to: bigint, message: Message): void {
          setImmediate(() => super.send(to, message));
        }
      }
      assert.deepEqual(await transfer(replicas, (id) => new Late(id, replicas.network)), COMMANDS);
    }, [1n]),
  );
});
