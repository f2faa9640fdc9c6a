/** Messages over TCP on the loopback, and callers who have no business there. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { createServer, type Socket } from "node:net";
import process from "node:process";
import { describe, it } from "node:test";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { fileURLToPath } from "node:url";
import { WalLogError } from "../mod.ts";
import { locateRuntime, RUNTIME_NAMES } from "../scripts/runtimes.ts";
import { encodeMessage, type Message, TcpTransport, type TcpTransportOptions } from "../src/raft/mod.ts";
import { encodeBehind } from "../src/raft/codec/encode.ts";
import { clusterDigest, encodeHello, HELLO_BYTES, StreamReader } from "../src/raft/transport/framing.ts";
import { whatIsWrongWith } from "../src/raft/transport/identity.ts";
import { Outbox } from "../src/raft/transport/outbox.ts";
import { Random } from "../src/testing/mod.ts";
import { skipReason } from "./skip.ts";
import { CLUSTER, connected, LOOPBACK, Probe, RawConnection, tlsOf, until } from "./transports.ts";

const CHILD = fileURLToPath(new URL("./transport_child.ts", import.meta.url));
const HOUR_MS = 3_600_000;

/** A message that nobody else sends. */
function vote(term: number, candidate = 1n): Message {
  return { type: "preVote", term, candidate, lastLogIndex: 0, lastLogTerm: 0 };
}

/** A message of about so many bytes. */
function large(bytes: number, leader = 1n): Message {
  const data = new Uint8Array(bytes).map((_, i) => i % 251);
  return { type: "installSnapshot", term: 1, leader, snapshot: { index: 1, term: 1, config: [1n], data } };
}

/** Two nodes that know each other. */
async function both(...options: [Partial<TcpTransportOptions>, Partial<TcpTransportOptions>]): Promise<[Probe, Probe]> {
  const [one, two] = [new Probe(1n, options[0]), new Probe(2n, options[1])];
  await one.start();
  two.transport.setPeer(1n, one.address);
  await two.start();
  one.transport.setPeer(2n, two.address);
  return [one, two];
}

async function close(...probes: Probe[]): Promise<void> {
  await Promise.all(probes.map(({ transport }) => transport.close()));
}

describe("a TCP transport", () => {
  it("delivers what is sent, in order, each way between three nodes", async () => {
    const probes = await connected([1n, 2n, 3n]);
    for (let term = 1; term <= 500; term++) {
      for (const { transport: { id }, transport } of probes) {
        for (const to of [1n, 2n, 3n]) if (to !== id) transport.send(to, vote(term, id));
      }
    }
    for (const { transport: { id }, received } of probes) {
      await until(() => received.length >= 1000, "1000 messages");
      for (const from of [1n, 2n, 3n]) {
        if (from === id) continue;
        const terms = received.filter((message) => "candidate" in message && message.candidate === from).map((m) =>
          m.term
        );
        assert.deepEqual(terms, Array.from({ length: 500 }, (_, i) => i + 1));
      }
    }
    await close(...probes);
    assert.equal(probes[0]!.transport.address, undefined);
  });

  it("delivers a message of megabytes between small ones, and drops one that is larger than allowed", async () => {
    const [one, two] = await connected([1n, 2n], { maxMessageBytes: 5_000_100 }) as [Probe, Probe];
    one.transport.send(2n, vote(1));
    one.transport.send(2n, large(5_000_000));
    one.transport.send(2n, large(5_000_101));
    one.transport.send(2n, vote(2));
    await until(() => two.received.length === 3, "three messages");
    assert.deepEqual(two.received, [vote(1), large(5_000_000), vote(2)]);
    assert.match(one.reasons.join(), /at most 5000100 are allowed \(maxMessageBytes\)/);
    await close(one, two);
  });

  it("drops what is for a node of which nobody has said where it is, what cannot be encoded, and what others say", async () => {
    const [one, two] = await connected([1n, 2n]) as [Probe, Probe];
    one.transport.send(3n, vote(1));
    one.transport.send(2n, vote(-1));
    one.transport.send(2n, vote(1, 3n));
    one.transport.send(2n, vote(2));
    await until(() => two.received.length === 1, "a message");
    assert.deepEqual(two.received, [vote(2)]);
    assert.deepEqual(one.reasons.length, 3);
    assert.match(one.reasons[0]!, /nobody has said where the node is/);
    assert.match(one.reasons[1]!, /the term must be a safe integer/);
    assert.match(one.reasons[2]!, /it is from node 3/);
    await close(one, two);
  });

  it("connects again to a peer that died and came back, and to one that has moved", async () => {
    const [one, two] = await connected([1n, 2n], { reconnectDelay: [5, 20] }) as [Probe, Probe];
    const { port } = two.address;
    await close(two);
    await until(() => !one.isConnectedTo(2n), "disconnected");
    one.transport.send(2n, vote(1));

    const again = new Probe(2n, { listen: { ...LOOPBACK, port } });
    await again.start();
    await until(() => one.isConnectedTo(2n), "connected again");
    one.transport.send(2n, vote(2));
    await until(() => again.received.some(({ term }) => term === 2), "a message");
    assert.equal(one.transport.stats().get(2n)!.connections, 2);

    const moved = await new Probe(2n).start();
    one.transport.setPeer(2n, moved.address);
    await until(() => one.isConnectedTo(2n), "connected elsewhere");
    one.transport.send(2n, vote(3));
    await until(() => moved.received.length === 1, "a message");
    assert.deepEqual(moved.received, [vote(3)]);
    await close(one, again, moved);
  });

  it("keeps nothing for a peer that is not connected, and counts what it drops", async () => {
    const lost = await new Probe(2n).start();
    const { port } = lost.address;
    await close(lost);
    const one = new Probe(1n, { reconnectDelay: [HOUR_MS, HOUR_MS] });
    one.transport.setPeer(2n, { ...LOOPBACK, port });
    await one.start();
    one.transport.send(2n, large(100_000));
    assert.equal(one.transport.stats().get(2n)!.queuedBytes, 0, "entries do not wait while it connects");
    one.transport.send(2n, vote(1));
    await until(() => one.reasons.length > 0, "nobody there");
    one.transport.send(2n, vote(2));
    const { queuedBytes, sent, dropped } = one.transport.stats().get(2n)!;
    assert.deepEqual([queuedBytes, sent, dropped], [0, 0, 3]);

    const two = new Probe(2n, { listen: { ...LOOPBACK, port } });
    two.transport.setPeer(1n, one.address);
    await two.start();
    await until(() => one.isConnectedTo(2n), "connected");
    one.transport.send(2n, vote(3));
    await until(() => two.received.length > 0, "a message");
    assert.deepEqual(two.received, [vote(3)]);
    await close(one, two);
  });

  it("connects at once to a peer that calls, whatever the delay", async () => {
    const lost = await new Probe(2n).start();
    const { port } = lost.address;
    await close(lost);
    const one = new Probe(1n, { reconnectDelay: [HOUR_MS, HOUR_MS] });
    one.transport.setPeer(2n, { ...LOOPBACK, port });
    await one.start();
    await until(() => one.reasons.length > 0, "nobody there");

    const two = new Probe(2n, { listen: { ...LOOPBACK, port } });
    two.transport.setPeer(1n, one.address);
    await two.start();
    await until(() => one.isConnectedTo(2n) && two.isConnectedTo(1n), "both connected");
    await close(one, two);
  });

  // With a ping before long, which finds that the socket has enough; or so late that messages must find out.
  for (const timeout of [300, HOUR_MS]) {
    const end = timeout < HOUR_MS ? ", and gives the connection up" : "";
    it(`keeps no more than its bound for a peer that takes nothing${end}`, async () => {
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
        // Often enough for a socket that takes anything to be given all of it.
        if (sent % 5 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      }
      assert.ok(most <= 1_000_000 && most > 900_000, `${most} bytes waited`);
      assert.match(one.reasons.join(), /too much waits to be sent/);
      if (timeout < HOUR_MS) {
        await until(() => !one.isConnectedTo(2n), "given up");
        assert.match(one.reasons.at(-1)!, /the peer does not answer for 300 ms/);
        const { queuedBytes, sent, dropped } = one.transport.stats().get(2n)!;
        assert.equal(queuedBytes, 0);
        assert.equal(sent + dropped, 400);
      }
      await close(one);
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => deaf.close(resolve));
    });
  }

  it("reads no more of a peer while too many of its messages are unfinished", async () => {
    const finish: (() => void)[] = [];
    const two = await new Probe(2n).start(() => new Promise<void>((resolve) => finish.push(resolve)));
    const one = new Probe(1n);
    one.transport.setPeer(2n, two.address);
    await one.start();
    await until(() => one.isConnectedTo(2n), "connected");
    for (let term = 1; term <= 1000; term++) one.transport.send(2n, vote(term));
    for (let expected = 256; expected <= 1000; expected = Math.min(expected + 100, 1000)) {
      await until(() => two.received.length === expected, `${expected} messages`);
      // Whoever would read more would have done so by now: the rest arrived long ago.
      await new Promise((resolve) => setTimeout(resolve, 5));
      assert.equal(two.received.length, expected);
      if (expected === 1000) break;
      for (const done of finish.splice(0, 100)) done();
    }
    assert.deepEqual(two.received.map(({ term }) => term), Array.from({ length: 1000 }, (_, i) => i + 1));
    await close(one, two);
  });

  it("reads no more of a peer while its unfinished messages take too much memory, by bytes or by entries", async () => {
    const entries = Array.from(
      { length: 50_000 },
      (_, i) => ({ term: 1, index: i + 1, kind: "normal", command: new Uint8Array() } as const),
    );
    const [term, leader] = [1, 1n];
    const many: Message = {
      ...{ type: "appendEntries", term, leader, prevLogIndex: 0, prevLogTerm: 0, entries, leaderCommit: 0 },
    };
    // 16 MiB are allowed, and the one with which they are reached.
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
        // Whoever would read more would have done so by now.
        await new Promise((resolve) => setTimeout(resolve, 50));
        assert.equal(two.received.length, expected);
        finish.shift()!();
      }
      assert.deepEqual(two.received.map(({ type }) => type), Array(10).fill(message.type));
      await close(one, two);
    }
  });

  it("reads nothing of a peer that calls again while too many of its messages are unfinished", async () => {
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

  it("lets a peer feel that its messages are unfinished, and reads nothing ahead", async () => {
    const two = await new Probe(2n).start(() => new Promise<void>(() => {}));
    const one = new Probe(1n, { timeout: 200, reconnectDelay: [HOUR_MS, HOUR_MS] });
    one.transport.setPeer(2n, two.address);
    await one.start();
    await until(() => one.isConnectedTo(2n), "connected");
    for (let term = 1; term <= 256; term++) one.transport.send(2n, vote(term));
    await until(() => two.received.length === 256, "as many as may be unfinished");
    const message = large(100_000);
    // The operating system takes some megabytes; whoever would read ahead takes all there is.
    for (let sent = 0; sent < 2000 && one.isConnectedTo(2n); sent++) {
      one.transport.send(2n, message);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    await until(() => !one.isConnectedTo(2n), "given up, or nothing is held back");
    assert.match(one.reasons.at(-1)!, /the peer does not answer for 200 ms/);
    assert.equal(two.received.length, 256);
    await close(one, two);
  });

  it("is not made of options that make no sense, nor started twice, nor after it was closed", async () => {
    const options = { id: 1n, cluster: CLUSTER, listen: LOOPBACK };
    for (
      const wrong of [
        { id: -1n },
        { cluster: "" },
        { listen: { host: "", port: 0 } },
        { listen: { host: "127.0.0.1", port: 65_536 } },
        { peers: [[2n, LOOPBACK]] as const },
        { maxMessageBytes: 0 },
        { maxQueueBytes: NaN },
        { reconnectDelay: [10, 5] as const },
        { timeout: 0 },
        { tls: { ...tlsOf("node-1"), ca: "" } },
        { tls: { ...tlsOf("node-1"), nodeName: "node-1" as never } },
      ]
    ) {
      assert.throws(
        () => new TcpTransport({ ...options, ...wrong }),
        (error) => error instanceof WalLogError && error.code === "INVALID_ARGUMENT",
        JSON.stringify(wrong, (_, value) => typeof value === "bigint" ? String(value) : value),
      );
    }
    const [one, taken] = [await new Probe(1n).start(), new Probe(2n, options)];
    const code = (code: string) => (error: unknown) => error instanceof WalLogError && error.code === code;
    await assert.rejects(one.transport.start(() => {}), code("INVALID_ARGUMENT"));
    const second = new Probe(2n, { listen: one.address });
    await assert.rejects(second.transport.start(() => {}), code("IO"));
    await close(one, taken);
    await second.start();
    await close(second);
    await assert.rejects(one.transport.start(() => {}), code("CLOSED"));
    one.transport.send(2n, vote(1));
  });
});

describe("a caller", () => {
  it("who says garbage is refused, and nothing of it is delivered", async () => {
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
    assert.ok(probe.events.every((event) => event.type === "refused" && event.reason === "it says no hello"));
    assert.deepEqual(probe.received, []);
    await close(probe);
  });

  it("who says nothing, or half a hello, is sent away after a while", async () => {
    const probe = await new Probe(1n, { timeout: 50 }).start();
    const silent = new RawConnection(probe.address);
    const slow = new RawConnection(probe.address);
    slow.socket.write("WALLOG");
    await until(() => silent.isClosed && slow.isClosed, "sent away");
    assert.deepEqual(probe.reasons, ["it said no hello for 50 ms", "it said no hello for 50 ms"]);
    await close(probe);
  });

  it("keeps nobody out by coming again and again: the first of those from where most come has to go", {
    skip: skipReason(process.platform === "darwin" && "macOS has one loopback address, unless it is told to have more"),
  }, async () => {
    const probe = await new Probe(1n).start();
    const callers = Array.from({ length: 64 }, () => new RawConnection(probe.address));
    const other = new RawConnection(probe.address, "127.0.0.2");
    // No more than can wait to be accepted in any runtime.
    const more = Array.from({ length: 30 }, () => new RawConnection(probe.address));
    await until(() => [...callers, ...more].filter(({ isClosed }) => isClosed).length === 31, "as many were sent away");
    assert.equal(other.isClosed, false);
    other.hello(2n, 1n);
    const late = new RawConnection(probe.address).hello(3n, 1n);
    await until(() => other.arrived === HELLO_BYTES && late.arrived === HELLO_BYTES, "both are answered");
    for (const { socket } of [...callers, ...more]) socket.destroy();
    await close(probe);
  });

  it("is one of at most 64 who have not said hello", async () => {
    const probe = await new Probe(1n).start();
    const callers = Array.from({ length: 70 }, () => new RawConnection(probe.address));
    await until(() => callers.filter(({ isClosed }) => isClosed).length === 6, "six were sent away");
    assert.deepEqual(probe.reasons, Array(6).fill("too many have said no hello"));
    for (const { socket } of callers) socket.destroy();
    await until(() => probe.events.length === 70, "all are gone");
    const late = new RawConnection(probe.address).hello(2n, 1n);
    await until(() => late.arrived === HELLO_BYTES, "one of later is answered");
    await close(probe);
  });

  it("is one of at most 256 peers; those that are connected may call again", async () => {
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
    // Only the first is told why.
    assert.deepEqual(callers.map(({ arrived }) => arrived), [HELLO_BYTES, 0, 0]);
    assert.deepEqual(probe.reasons.sort(), [
      "it is of another cluster",
      "it says that it is this node",
      "it wants node 3",
    ]);
    await close(probe);
  });

  it("who speaks for another node, or in no message, or of too large a one, loses the connection", async () => {
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
    assert.match(probe.reasons[0]!, /it speaks for node 3/);
    assert.match(probe.reasons[1]!, /Cannot decode a message/);
    assert.match(probe.reasons[2]!, /Cannot decode a message of 1 bytes/);
    assert.match(probe.reasons[3]!, /1001 bytes are announced, at most 1000 are allowed/);
    await close(probe);
  });

  it("who calls again takes the place of the earlier call", async () => {
    const probe = await new Probe(1n).start();
    const first = new RawConnection(probe.address).hello(2n, 1n);
    await until(() => first.arrived === HELLO_BYTES, "answered");
    const second = new RawConnection(probe.address).hello(2n, 1n).frame(encodeMessage(vote(9, 2n)));
    await until(() => first.isClosed && probe.received.length === 1, "the first is gone");
    assert.equal(second.isClosed, false);
    second.socket.destroy();
    await close(probe);
  });

  it("who was called and is not the node that was wanted is told nothing", async () => {
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

describe("one who is called", () => {
  for (
    const [what, { from, to, cluster }, reason] of [
      ["for another node", { from: 3n, to: 1n, cluster: CLUSTER }, "it is node 3"],
      ["to another node", { from: 2n, to: 3n, cluster: CLUSTER }, "it means node 3"],
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

describe("a transport with TLS", () => {
  it("is not made of certificates and keys that are none, or that do not belong together, in any runtime", () => {
    const tls = tlsOf("node-1");
    const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    const cases: readonly (readonly [Partial<typeof tls>, RegExp])[] = [
      [{ ca: "garbage" }, /tls.ca is no certificate/],
      [{ ca: tls.key }, /tls.ca is no certificate/],
      [{ ca: tls.ca + broken }, /tls.ca is no certificate/],
      [{ cert: "garbage" }, /tls.cert is no certificate/],
      [{ cert: Uint8Array.of(48, 130, 1, 0) }, /tls.cert is no certificate/],
      [{ cert: tls.cert + broken }, /tls.cert is no certificate/],
      [{ key: "garbage" }, /tls.key is no private key/],
      [{ key: tls.cert }, /tls.key is no private key/],
      [{ key: tlsOf("node-2").key }, /tls.key is not the key of tls.cert/],
      [{ cert: `${tls.ca}${tls.cert}` }, /tls.key is not the key of tls.cert/],
    ];
    for (const [wrong, reason] of cases) {
      assert.throws(() => new Probe(1n, { tls: { ...tls, ...wrong } }), (error) => {
        assert.ok(error instanceof WalLogError && error.code === "INVALID_ARGUMENT", String(error));
        assert.match(error.message, reason);
        return true;
      });
    }
  });

  it("takes several certificates at once, text around them, and bytes", async () => {
    const bytes = (pem: string | Uint8Array) => new TextEncoder().encode(pem as string);
    const [first, second] = [tlsOf("node-1"), tlsOf("node-2")];
    const many = `the old\n${tlsOf("stranger").ca}\nthe new\n${first.ca}`.replaceAll("\n", "\r\n");
    const [one, two] = await both(
      { tls: { ca: many, cert: `whose\n${first.cert}${first.ca}`, key: first.key } },
      { tls: { ca: bytes(second.ca), cert: bytes(second.cert), key: bytes(second.key) } },
    );
    await until(() => one.isConnectedTo(2n) && two.isConnectedTo(1n), "connected");
    await close(one, two);
  });

  it("carries messages between nodes with certificates of the cluster's authority", async () => {
    for (const second of ["node-2", "common"] as const) {
      const [one, two] = await both({ tls: tlsOf("node-1") }, { tls: tlsOf(second) });
      await until(() => one.isConnectedTo(2n) && two.isConnectedTo(1n), "connected");
      one.transport.send(2n, vote(1));
      two.transport.send(1n, large(3_000_000, 2n));
      await until(() => one.received.length === 1 && two.received.length === 1, "a message each way");
      assert.deepEqual(one.received, [large(3_000_000, 2n)]);
      await close(one, two);
    }
  });

  it("does not let a node speak for another, for all that its certificate is of the cluster", async () => {
    // Node 3 says that it is node 2, and says so well before the true one does.
    const one = await new Probe(1n, { tls: tlsOf("node-1") }).start();
    const three = new Probe(2n, { tls: tlsOf("node-3"), reconnectDelay: [HOUR_MS, HOUR_MS] });
    three.transport.setPeer(1n, one.address);
    await three.start();
    three.transport.send(1n, vote(1, 2n));
    await until(() => one.reasons.length > 0 && three.reasons.length > 0, "refused");
    assert.deepEqual(one.events.map(({ type }) => type), ["refused"]);
    assert.deepEqual(one.reasons, ["its certificate does not name node-2"]);
    const two = new Probe(2n, { tls: tlsOf("node-2") });
    two.transport.setPeer(1n, one.address);
    await two.start();
    await until(() => two.isConnectedTo(1n), "the true one is connected");
    two.transport.send(1n, vote(2, 2n));
    await until(() => one.received.length > 0, "a message");
    assert.deepEqual(one.received, [vote(2, 2n)]);
    await close(one, two, three);
  });

  it("tells nothing to a node that it calls and that is another by its certificate", async () => {
    const three = await new Probe(2n, { tls: tlsOf("node-3") }).start();
    const one = new Probe(1n, { tls: tlsOf("node-1"), reconnectDelay: [HOUR_MS, HOUR_MS] });
    one.transport.setPeer(2n, three.address);
    await one.start();
    one.transport.send(2n, vote(1));
    await until(() => one.reasons.length > 0 && three.reasons.length > 0, "refused by the caller");
    assert.deepEqual(one.reasons, ["its certificate does not name node-2"]);
    assert.ok(three.events.every(({ type }) => type === "refused"));
    assert.deepEqual(three.received, []);
    await close(one, three);
  });

  it("takes the names of nodes from whoever knows them, also one for all", async () => {
    const nodeName = () => "localhost";
    const [one, two] = await both({ tls: { ...tlsOf("node-1"), nodeName } }, { tls: { ...tlsOf("node-1"), nodeName } });
    await until(() => one.isConnectedTo(2n) && two.isConnectedTo(1n), "connected");
    await close(one, two);
  });

  for (const kind of ["dns", "uri", "email", "directory"] as const) {
    it(`does not take a name of another node from within a name of a certificate: ${kind}`, async () => {
      const one = await new Probe(1n, { tls: tlsOf("node-1") }).start();
      const three = new Probe(2n, { tls: tlsOf(`posing-${kind}`), reconnectDelay: [HOUR_MS, HOUR_MS] });
      three.transport.setPeer(1n, one.address);
      await three.start();
      three.transport.send(1n, vote(1, 2n));
      await until(() => one.events.length > 0, "an event");
      assert.deepEqual(one.reasons, ["its certificate does not name node-2"]);
      assert.deepEqual(one.received, []);
      await close(one, three);
    });
  }

  it("takes a name only as it is written, and of a common name only where there is no other", () => {
    const tls = tlsOf("node-1");
    const { raw } = new X509Certificate(tls.cert);
    const named = (certificate: object, id = 1n) => {
      const socket = { authorized: true, getPeerCertificate: () => ({ raw, ...certificate }) };
      return whatIsWrongWith(socket as TLSSocket, id, tls) === undefined;
    };
    assert.ok(named({ subjectaltname: "DNS:a, DNS:node-1" }));
    assert.equal(named({ subjectaltname: "DNS:a, DNS:node-2" }, 2n), false, "the certificate itself has another name");
    assert.ok(named({ subjectaltname: "", subject: { CN: "node-1" } }));
    assert.ok(named({ subject: { CN: "node-18446744073709551615" } }, 2n ** 64n - 1n));
    for (
      const other of [
        {},
        { subject: "node-1" },
        { subject: { CN: ["node-1", "node-2"] } },
        { subject: { CN: "NODE-1" } },
        { subjectaltname: "DNS:node-2", subject: { CN: "node-1" } },
        { subjectaltname: "DNS:*" },
        { subjectaltname: "DNS:node-11" },
        { subjectaltname: "URI:node-1, IP Address:127.0.0.1" },
      ]
    ) assert.equal(named(other), false, JSON.stringify(other));
    const unsigned = { authorized: false, getPeerCertificate: () => ({ subjectaltname: "DNS:node-1" }) };
    assert.equal(whatIsWrongWith(unsigned as TLSSocket, 1n, tls), "its certificate is not of this cluster");
  });

  it("refuses callers without a certificate, with one of another authority, and without TLS", async () => {
    const probe = await new Probe(1n, { tls: tlsOf("node-1") }).start();
    const { host, port } = probe.address;
    const { ca } = tlsOf("node-1");
    const own = tlsOf("stranger");
    let answers = 0;
    for (const shown of [{}, { cert: own.cert as string, key: own.key as string }]) {
      const socket = connectTls({ host, port, ca: ca as string, ...shown, checkServerIdentity: () => undefined });
      let isClosed = false;
      socket.on("error", () => {});
      socket.on("data", () => answers++);
      socket.on("close", () => isClosed = true);
      socket.on("end", () => socket.destroy());
      socket.on(
        "secureConnect",
        () => socket.write(encodeHello({ from: 2n, to: 1n, cluster: clusterDigest(CLUSTER) })),
      );
      await until(() => isClosed, "refused");
    }
    const plain = new RawConnection(probe.address).hello(2n, 1n).frame(encodeMessage(vote(1, 2n)));
    await until(() => plain.isClosed, "refused");
    await until(() => probe.events.length >= 3, "all were refused");
    assert.ok(probe.events.every(({ type }) => type === "refused"), JSON.stringify(probe.reasons));
    assert.equal(answers, 0);
    assert.deepEqual(probe.received, []);
    await close(probe);
  });

  it("tells nothing to one that it calls and that has a certificate of another authority", async () => {
    const two = await new Probe(2n, { tls: { ...tlsOf("stranger") } }).start();
    const one = new Probe(1n, { tls: tlsOf("node-1"), reconnectDelay: [HOUR_MS, HOUR_MS] });
    one.transport.setPeer(2n, two.address);
    await one.start();
    one.transport.send(2n, vote(1));
    await until(() => one.reasons.length > 0 && two.reasons.length > 0, "refused by the caller");
    assert.equal(one.isConnectedTo(2n), false);
    assert.ok(two.events.every(({ type }) => type === "refused"));
    assert.deepEqual(two.received, []);
    await close(one, two);
  });

  it("sends callers away who do not get on with TLS, and does not wait for them when it is closed", async () => {
    const probe = await new Probe(1n, { tls: tlsOf("node-1"), timeout: 50 }).start();
    const half = Uint8Array.of(0x16, 3, 1, 1, 0, 1, 0, 0, 200);
    const slow = [new RawConnection(probe.address), new RawConnection(probe.address)];
    slow[1]!.socket.write(half);
    await until(() => slow.every(({ isClosed }) => isClosed) && probe.events.length === 2, "sent away");
    assert.deepEqual(probe.reasons, Array(2).fill("TLS has not come about for 50 ms"));
    await close(probe);

    const patient = await new Probe(1n, { tls: tlsOf("node-1"), timeout: HOUR_MS }).start();
    const callers = Array.from({ length: 70 }, () => new RawConnection(patient.address));
    for (const [i, { socket }] of callers.entries()) if (i % 2 === 0) socket.write(half);
    await until(() => callers.filter(({ isClosed }) => isClosed).length === 6, "six were sent away");
    assert.deepEqual(patient.reasons, Array(6).fill("too many have said no hello"));
    // Not when the runtime has had enough of them, which takes minutes.
    let isClosed = false;
    void close(patient).then(() => isClosed = true);
    await until(() => isClosed && callers.every(({ isClosed }) => isClosed), "all are gone");
  });

  for (const name of RUNTIME_NAMES) {
    it(`talks to one in ${name}`, async () => {
      const one = await new Probe(1n, { tls: tlsOf("node-1") }).start();
      const [binary, ...prefix] = locateRuntime(name).run;
      const child = spawn(binary, [...prefix, CHILD, String(one.address.port)], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const ended = new Promise((resolve) => child.on("close", resolve));
      try {
        const port = await new Promise<number>((resolve) => child.stdout.once("data", (text) => resolve(Number(text))));
        one.transport.setPeer(2n, { ...LOOPBACK, port });
        await until(() => one.isConnectedTo(2n), "connected");
        for (let term = 1; term <= 100; term++) one.transport.send(2n, vote(term));
        await until(() => one.received.length === 100, "100 answers");
        assert.deepEqual(one.received.map(({ term }) => term), Array.from({ length: 100 }, (_, i) => i + 1));
        one.transport.send(2n, { type: "timeoutNow", term: 1, leader: 1n });
        assert.equal(await ended, 0);
      } finally {
        child.kill("SIGKILL");
        await close(one);
      }
    });
  }
});

describe("what waits to be sent", () => {
  it("comes out as it went in, in chunks, however large the frames are", () => {
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
        const chunk = outbox.take();
        assert.ok((chunk?.length ?? 0) <= 65_536);
        for (const byte of chunk ?? []) taken.push(byte);
      }
    }
    for (let chunk = outbox.take(); chunk !== undefined; chunk = outbox.take()) {
      for (const byte of chunk) taken.push(byte);
    }
    assert.ok(sent.length === taken.length && sent.every((byte, i) => byte === taken[i]));
    assert.deepEqual([outbox.bytes, outbox.length], [0, 0]);
  });

  it("is bounded, whatever its frames; one alone may be larger than the bound", () => {
    const outbox = new Outbox(10_000);
    let small = 0;
    while (small < 100 && outbox.push(new Uint8Array(1))) small++;
    assert.ok(small > 10 && small < 100, `${small} frames of a byte`);
    outbox.clear();
    assert.equal(outbox.push(new Uint8Array(1_000_000)), true);
    assert.equal(outbox.push(new Uint8Array(1)), false);
  });

  it("is bounded by what it holds in memory, however little of it was written", () => {
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

  it("is put together again from any pieces", () => {
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

  it("is joined if it arrives in a great many small pieces, and left alone in large ones", () => {
    const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => i % 251);
    const reader = new StreamReader();
    reader.push(Uint8Array.of(160, 134, 1, 0));
    for (const byte of bytes) reader.push(Uint8Array.of(byte));
    const joined = reader.peek(4).buffer.byteLength;
    assert.ok(joined > 90_000 && joined <= 100_004, `the first ${joined} bytes are one piece`);
    assert.deepEqual(reader.takeFrame(100_000), bytes);

    for (let i = 0; i < 5000; i++) reader.push(new Uint8Array(1000));
    assert.equal(reader.peek(4).buffer.byteLength, 1000);
  });
});
