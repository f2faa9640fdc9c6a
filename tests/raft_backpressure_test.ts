/** Limits on the bytes and messages that wait at either end of a connection. */

import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { describe, it } from "node:test";
import { encodeMessage, type Message } from "../src/raft/mod.ts";
import { clusterDigest, encodeHello, HELLO_BYTES } from "../src/raft/transport/framing.ts";
import { close, CLUSTER, HOUR_MS, large, LOOPBACK, Probe, RawConnection, until, vote } from "./transports.ts";

describe("a TCP transport", () => {
  // Either a ping soon detects that the socket is full, or pings are so late that messages must detect it.
  for (const timeout of [300, HOUR_MS]) {
    const end = timeout < HOUR_MS ? ", and gives the connection up" : "";
    it(`keeps no more than its bound for a peer that reads nothing${end}`, async () => {
      const sockets: Socket[] = [];
      const deaf = createServer((socket) => {
        socket.on("error", () => {});
        socket.once("data", () => {
          socket.pause();
          socket.write(encodeHello({ from: 2n, to: 1n, cluster: clusterDigest(CLUSTER) }));
        });
        sockets.push(socket);
      });
      await new Promise<void>((resolve) => deaf.listen(0, "127.0.0.1", resolve));
      const { port } = deaf.address() as { port: number };
      const one = new Probe(1n, { maxQueueBytes: 1_000_000, timeout, reconnectDelay: [HOUR_MS, HOUR_MS] });
      one.transport.setPeer(2n, { ...LOOPBACK, port });
      await one.start();
      await until(() => one.isConnectedTo(2n), "connected");

      let most = 0;
      const message = large(50_000);
      for (let sent = 0; sent < 400; sent++) {
        one.transport.send(2n, message);
        most = Math.max(most, one.transport.stats().get(2n)!.queuedBytes);
        // Often enough to give everything to a socket that accepts it.
        if (sent % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      assert.ok(most <= 1_000_000 && most > 900_000, `${most} bytes waited`);
      assert.match(one.reasons.join(), /the send queue is full/);
      if (timeout < HOUR_MS) {
        await until(() => !one.isConnectedTo(2n), "given up");
        assert.match(one.reasons.at(-1)!, /the peer did not answer for 300 ms/);
        const { queuedBytes, sent, dropped } = one.transport.stats().get(2n)!;
        assert.equal(queuedBytes, 0);
        assert.equal(sent + dropped, 400);
      }
      await close(one);
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => deaf.close(resolve));
    });
  }

  it("reads no more from a peer while too many of its messages are unfinished", async () => {
    const finish: (() => void)[] = [];
    const two = await new Probe(2n).start(() => new Promise<void>((resolve) => finish.push(resolve)));
    const one = new Probe(1n);
    one.transport.setPeer(2n, two.address);
    await one.start();
    await until(() => one.isConnectedTo(2n), "connected");
    for (let term = 1; term <= 1000; term++) one.transport.send(2n, vote(term));
    for (let expected = 256; expected <= 1000; expected = Math.min(expected + 100, 1000)) {
      await until(() => two.received.length === expected, `${expected} messages`);
      // A reader without the limit would have read more by now: the rest arrived long ago.
      await new Promise((resolve) => setTimeout(resolve, 5));
      assert.equal(two.received.length, expected);
      if (expected === 1000) break;
      for (const done of finish.splice(0, 100)) done();
    }
    assert.deepEqual(two.received.map(({ term }) => term), Array.from({ length: 1000 }, (_, i) => i + 1));
    await close(one, two);
  });

  it("reads no more from a peer while its unfinished messages take too much memory", async () => {
    const entries = Array.from(
      { length: 50_000 },
      (_, i) => ({ term: 1, index: i + 1, kind: "normal", command: new Uint8Array() } as const),
    );
    const [term, leader] = [1, 1n];
    const many: Message = {
      ...{ type: "appendEntries", term, leader, prevLogIndex: 0, prevLogTerm: 0, entries, leaderCommit: 0 },
    };
    // The limit is 16 MiB, and the message that reaches it is accepted.
    for (const [message, most] of [[large(5_000_000), 4], [many, 2]] as const) {
      const finish: (() => void)[] = [];
      const two = await new Probe(2n).start(() => new Promise<void>((resolve) => finish.push(resolve)));
      const one = new Probe(1n, { maxQueueBytes: 1_000_000_000, timeout: HOUR_MS });
      one.transport.setPeer(2n, two.address);
      await one.start();
      await until(() => one.isConnectedTo(2n), "connected");
      for (let sent = 0; sent < 10; sent++) one.transport.send(2n, message);
      for (let expected = most; expected <= 10; expected++) {
        await until(() => two.received.length === expected, `${expected} messages`);
        // A reader without the limit would have read more by now.
        await new Promise((resolve) => setTimeout(resolve, 50));
        assert.equal(two.received.length, expected);
        finish.shift()!();
      }
      assert.deepEqual(two.received.map(({ type }) => type), Array(10).fill(message.type));
      await close(one, two);
    }
  });

  it("reads nothing from a peer that reconnects while too many of its messages are unfinished", async () => {
    const finish: (() => void)[] = [];
    const one = await new Probe(1n).start(() => new Promise<void>((resolve) => finish.push(resolve)));
    const first = new RawConnection(one.address).hello(2n, 1n);
    for (let term = 1; term <= 256; term++) first.frame(encodeMessage(vote(term, 2n)));
    await until(() => one.received.length === 256, "as many as may be unfinished");
    const second = new RawConnection(one.address).hello(2n, 1n).frame(encodeMessage(vote(257, 2n)));
    await until(() => first.isClosed && second.arrived === HELLO_BYTES, "answered");
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(one.received.length, 256);
    finish[0]!();
    await until(() => one.received.length === 257, "read");
    second.socket.destroy();
    await close(one);
  });

  it("applies backpressure to a peer with unfinished messages, and reads nothing ahead", async () => {
    const two = await new Probe(2n).start(() => new Promise<void>(() => {}));
    const one = new Probe(1n, { timeout: 200, reconnectDelay: [HOUR_MS, HOUR_MS] });
    one.transport.setPeer(2n, two.address);
    await one.start();
    await until(() => one.isConnectedTo(2n), "connected");
    for (let term = 1; term <= 256; term++) one.transport.send(2n, vote(term));
    await until(() => two.received.length === 256, "as many as may be unfinished");
    const message = large(100_000);
    // The operating system buffers some megabytes. A reader without the limit would read everything.
    for (let sent = 0; sent < 2000 && one.isConnectedTo(2n); sent++) {
      one.transport.send(2n, message);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await until(() => !one.isConnectedTo(2n), "given up, or nothing is held back");
    assert.match(one.reasons.at(-1)!, /the peer did not answer for 200 ms/);
    assert.equal(two.received.length, 256);
    await close(one, two);
  });
});
