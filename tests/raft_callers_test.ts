/** Unauthorized callers, and peers with a wrong identity. */

import assert from "node:assert/strict";
import { createServer } from "node:net";
import process from "node:process";
import { describe, it } from "node:test";
import { encodeMessage } from "../src/raft/mod.ts";
import { clusterDigest, encodeHello, HELLO_BYTES } from "../src/raft/transport/framing.ts";
import { Random } from "../src/testing/mod.ts";
import { skipReason } from "./skip.ts";
import { close, CLUSTER, HOUR_MS, LOOPBACK, Probe, RawConnection, until, vote } from "./transports.ts";

describe("a caller", () => {
  it("that sends garbage is refused, and nothing is delivered", async () => {
    const probe = await new Probe(1n).start();
    const random = new Random(1);
    const texts = ["GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "\x16\x03\x01\x02", "WALLOGSG", "\n"];
    const garbage = texts.map((text) => new TextEncoder().encode(text));
    for (let i = 0; i < 20; i++) {
      const bytes = new Uint8Array(1 + random.below(5000));
      random.fill(bytes);
      garbage.push(bytes);
    }
    for (const [i, bytes] of garbage.entries()) {
      const caller = new RawConnection(probe.address);
      caller.socket.write(bytes);
      await until(() => caller.isClosed, `refused: garbage ${i}`);
      assert.equal(caller.arrived, 0);
    }
    await until(() => probe.events.length === garbage.length, "all were refused");
    assert.ok(probe.events.every((event) => event.type === "refused" && event.reason === "it sent no hello"));
    assert.deepEqual(probe.received, []);
    await close(probe);
  });

  it("that sends nothing, or half a hello, is disconnected after a while", async () => {
    const probe = await new Probe(1n, { timeout: 50 }).start();
    const silent = new RawConnection(probe.address);
    const slow = new RawConnection(probe.address);
    slow.socket.write("WALLOG");
    await until(() => silent.isClosed && slow.isClosed, "sent away");
    assert.deepEqual(probe.reasons, ["it sent no hello for 50 ms", "it sent no hello for 50 ms"]);
    await close(probe);
  });

  it("cannot block others by many calls: the oldest from the busiest address is dropped", {
    skip: skipReason(process.platform === "darwin" && "macOS has one loopback address, unless it is told to have more"),
  }, async () => {
    const probe = await new Probe(1n).start();
    const callers = Array.from({ length: 64 }, () => new RawConnection(probe.address));
    const other = new RawConnection(probe.address, "127.0.0.2");
    // No more than the queue of new connections holds in any runtime.
    const more = Array.from({ length: 30 }, () => new RawConnection(probe.address));
    await until(() => [...callers, ...more].filter(({ isClosed }) => isClosed).length === 31, "as many were sent away");
    assert.equal(other.isClosed, false);
    other.hello(2n, 1n);
    const late = new RawConnection(probe.address).hello(3n, 1n);
    await until(() => other.arrived === HELLO_BYTES && late.arrived === HELLO_BYTES, "both are answered");
    for (const { socket } of [...callers, ...more]) socket.destroy();
    await close(probe);
  });

  it("is one of at most 64 without a hello", async () => {
    const probe = await new Probe(1n).start();
    const callers = Array.from({ length: 70 }, () => new RawConnection(probe.address));
    await until(() => callers.filter(({ isClosed }) => isClosed).length === 6, "six were sent away");
    assert.deepEqual(probe.reasons, Array(6).fill("too many callers without a hello"));
    for (const { socket } of callers) socket.destroy();
    await until(() => probe.events.length === 70, "all are gone");
    const late = new RawConnection(probe.address).hello(2n, 1n);
    await until(() => late.arrived === HELLO_BYTES, "one of later is answered");
    await close(probe);
  });

  it("is one of at most 256 peers; connected ones may call again", async () => {
    const probe = new Probe(1n, { reconnectDelay: [60_000, 60_000] });
    probe.know(2n, 300n);
    await probe.start();
    const callers: RawConnection[] = [];
    for (let peer = 2n; peer < 258n; peer++) {
      const caller = new RawConnection(probe.address).hello(peer, 1n);
      callers.push(caller);
      await until(() => caller.arrived === HELLO_BYTES, `${peer} is answered`);
    }
    const late = new RawConnection(probe.address).hello(258n, 1n);
    await until(() => late.isClosed || late.arrived > 0, "an end");
    assert.deepEqual([late.arrived, ...probe.reasonsOfCallers], [0, "too many peers are connected"]);

    const again = new RawConnection(probe.address).hello(257n, 1n);
    await until(() => again.arrived === HELLO_BYTES, "answered again");
    callers[0]!.socket.destroy();
    await until(() => probe.reasonsOfCallers.length === 3, "one is gone, and the one that called again");
    const next = new RawConnection(probe.address).hello(258n, 1n);
    await until(() => next.arrived === HELLO_BYTES, "there is room again");
    for (const { socket } of [...callers, again, next]) socket.destroy();
    await close(probe);
  });

  it("of another cluster, for another node, or with this node's id is refused", async () => {
    const probe = await new Probe(1n).start();
    const callers = [
      new RawConnection(probe.address).hello(2n, 1n, "another"),
      new RawConnection(probe.address).hello(2n, 3n),
      new RawConnection(probe.address).hello(1n, 1n),
    ];
    await until(() => callers.every(({ isClosed }) => isClosed), "refused");
    // Only the first caller learns the reason.
    assert.deepEqual(callers.map(({ arrived }) => arrived), [HELLO_BYTES, 0, 0]);
    assert.deepEqual(probe.reasons.sort(), [
      "it called node 3",
      "it claims to be this node",
      "it is of another cluster",
    ]);
    await close(probe);
  });

  it("that sends for another node, or sends an invalid or too large message, is disconnected", async () => {
    const probe = await new Probe(1n, { maxMessageBytes: 1000 }).start();
    const callers = [
      () => new RawConnection(probe.address).hello(2n, 1n).frame(encodeMessage(vote(1, 3n))),
      () => new RawConnection(probe.address).hello(2n, 1n).frame(Uint8Array.of(1, 2, 3)),
      () => new RawConnection(probe.address).hello(2n, 1n).frame(new Uint8Array(1)),
      () => new RawConnection(probe.address).hello(2n, 1n).frame(new Uint8Array(), 1001),
    ];
    for (const call of callers) {
      const caller = call();
      await until(() => caller.isClosed, "sent away");
      assert.equal(caller.arrived, HELLO_BYTES);
    }
    assert.deepEqual(probe.received, []);
    await until(() => probe.reasons.length === 4, "all are gone");
    assert.match(probe.reasons[0]!, /it sent a message of node 3/);
    assert.match(probe.reasons[1]!, /Cannot decode a message/);
    assert.match(probe.reasons[2]!, /Cannot decode a message of 1 bytes/);
    assert.match(probe.reasons[3]!, /1001 bytes are announced, at most 1000 are allowed/);
    await close(probe);
  });

  it("that calls again replaces its earlier call", async () => {
    const probe = await new Probe(1n).start();
    const first = new RawConnection(probe.address).hello(2n, 1n);
    await until(() => first.arrived === HELLO_BYTES, "answered");
    const second = new RawConnection(probe.address).hello(2n, 1n).frame(encodeMessage(vote(9, 2n)));
    await until(() => first.isClosed && probe.received.length === 1, "the first is gone");
    assert.equal(second.isClosed, false);
    second.socket.destroy();
    await close(probe);
  });

  it("that is not the expected node gets no message", async () => {
    const three = await new Probe(3n).start();
    const one = new Probe(1n, { reconnectDelay: [HOUR_MS, HOUR_MS] });
    one.transport.setPeer(2n, three.address);
    await one.start();
    one.transport.send(2n, vote(1));
    await until(() => one.reasons.length > 0, "disconnected");
    assert.deepEqual(three.received, []);
    await close(one, three);
  });
});

describe("a called peer", () => {
  for (
    const [what, { from, to, cluster }, reason] of [
      ["for another node", { from: 3n, to: 1n, cluster: CLUSTER }, "it is node 3"],
      ["to another node", { from: 2n, to: 3n, cluster: CLUSTER }, "it expects node 3"],
      ["in another cluster", { from: 2n, to: 1n, cluster: "another" }, "it is of another cluster"],
    ] as const
  ) {
    it(`and answers ${what} is told nothing`, async () => {
      const arrived: Uint8Array[] = [];
      const server = createServer((socket) => {
        socket.on("error", () => {});
        socket.on("data", (chunk) => arrived.push(chunk));
        socket.write(encodeHello({ from, to, cluster: clusterDigest(cluster) }));
      });
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const { port } = server.address() as { port: number };
      const one = new Probe(1n, { reconnectDelay: [HOUR_MS, HOUR_MS] });
      one.transport.setPeer(2n, { ...LOOPBACK, port });
      await one.start();
      one.transport.send(2n, vote(1));
      await until(() => one.reasons.length > 0 || one.isConnectedTo(2n), "an end");
      assert.deepEqual(one.reasons, [reason]);
      await close(one);
      await new Promise((resolve) => server.close(resolve));
      assert.ok(arrived.reduce((sum, { byteLength }) => sum + byteLength, 0) <= HELLO_BYTES);
    });
  }
});
