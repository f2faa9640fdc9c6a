/** Connections of a TCP transport that fall silent, end, or are never established. */

import assert from "node:assert/strict";
import { connect, createServer, type Server, type Socket } from "node:net";
import { describe, it } from "node:test";
import { WalLogError } from "../mod.ts";
import { type Address, encodeMessage, MemoryNetwork, MemoryTransport, type Message } from "../src/raft/mod.ts";
import { ANSWER, clusterDigest, encodeHello, HELLO_BYTES, PING } from "../src/raft/transport/framing.ts";
import { CLUSTER, LOOPBACK, Probe, RawConnection, until } from "./transports.ts";

const HOUR_MS = 3_600_000;

/** A message that no other node sends. */
function vote(term: number, candidate: bigint): Message {
  return { type: "preVote", term, candidate, lastLogIndex: 0, lastLogTerm: 0 };
}

async function close(...probes: Probe[]): Promise<void> {
  await Promise.all(probes.map(({ transport }) => transport.close()));
}

/** A server on the loopback interface whose behaviour the test chooses. */
class Listener {
  readonly sockets: Socket[] = [];
  readonly #server: Server;

  constructor(onCall: (socket: Socket) => void) {
    this.#server = createServer((socket) => {
      this.sockets.push(socket);
      socket.on("error", () => {});
      onCall(socket);
    });
  }

  async start(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  get address(): Address {
    return { ...LOOPBACK, port: (this.#server.address() as { port: number }).port };
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/**
 * A network that silently loses all data while it is cut. Existing connections do not recover, as if TCP never tried
 * again.
 */
class Network {
  isCut = false;
  #cuts = 0;
  readonly #listeners: Listener[] = [];
  readonly #onward: Socket[] = [];

  /** Makes a route to a node. */
  async to({ host, port }: Address): Promise<Address> {
    const listener = await new Listener((socket) => {
      if (this.isCut) return;
      const cuts = this.#cuts;
      const onward = connect({ host, port });
      this.#onward.push(onward);
      onward.on("error", () => {});
      for (const [from, to] of [[socket, onward], [onward, socket]] as const) {
        from.on("data", (chunk) => void (cuts === this.#cuts && to.write(chunk)));
        from.on("close", () => void (cuts === this.#cuts && to.destroy()));
      }
    }).start();
    this.#listeners.push(listener);
    return listener.address;
  }

  cut(): void {
    this.isCut = true;
    this.#cuts++;
  }

  async close(): Promise<void> {
    for (const socket of this.#onward) socket.destroy();
    await Promise.all(this.#listeners.map((listener) => listener.close()));
  }
}

describe("a connection that falls silent", () => {
  it("is closed by both sides, and is made again when the network is back", async () => {
    const options = { timeout: 400, reconnectDelay: [10, 50] } as const;
    const [one, two] = await Promise.all([new Probe(1n, options).start(), new Probe(2n, options).start()]);
    const network = new Network();
    one.transport.setPeer(2n, await network.to(two.address));
    two.transport.setPeer(1n, await network.to(one.address));
    await until(() => one.isConnectedTo(2n) && two.isConnectedTo(1n), "connected");

    network.cut();
    // Unacknowledged data is in flight too.
    one.transport.send(2n, vote(1, 1n));
    const gaveUp = (probe: Probe, direction: string) =>
      probe.events.some((event) => event.type === "disconnected" && event.direction === direction);
    await until(() => gaveUp(one, "out") && gaveUp(two, "out"), "given up by who sends");
    await until(() => gaveUp(one, "in") && gaveUp(two, "in"), "given up by who listens");
    assert.ok(one.reasons.includes("the peer did not answer for 400 ms"), one.reasons.join());
    assert.ok(two.reasons.includes("it was silent for 2000 ms"), two.reasons.join());
    assert.deepEqual([one.received, two.received], [[], []]);

    network.isCut = false;
    await until(() => one.isConnectedTo(2n) && two.isConnectedTo(1n), "connected again");
    one.transport.send(2n, vote(2, 1n));
    two.transport.send(1n, vote(3, 2n));
    await until(() => one.received.length > 0 && two.received.length > 0, "heard");
    assert.deepEqual([one.received, two.received], [[vote(3, 2n)], [vote(2, 1n)]]);
    await close(one, two);
    await network.close();
  });

  it("is kept as long as the other side answers, with nothing to send", async () => {
    const two = await new Probe(2n).start();
    const one = new Probe(1n, { timeout: 200, peers: [[2n, two.address]] });
    await one.start();
    await until(() => one.isConnectedTo(2n), "connected");
    // Five times the time after which an unanswered connection is closed.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    assert.deepEqual([one.reasons, two.reasons], [[], []]);
    assert.equal(one.transport.stats().get(2n)!.connections, 1);
    await close(one, two);
  });

  it("does not count as silent if each ping is answered", async () => {
    const one = await new Probe(1n).start();
    const caller = new RawConnection(one.address).hello(2n, 1n);
    for (let pings = 0; pings < 5; pings++) {
      await until(() => caller.arrived === HELLO_BYTES + pings * ANSWER.length, "answered");
      caller.socket.write(PING);
    }
    caller.socket.destroy();
    await close(one);
  });

  it("is kept while a large message arrives slowly", async () => {
    const one = await new Probe(1n).start();
    const caller = new RawConnection(one.address).hello(2n, 1n).frame(new Uint8Array(1000), 1_000_000);
    await until(() => caller.arrived === HELLO_BYTES, "answered");
    await until(() => {
      caller.socket.write(new Uint8Array(1));
      return caller.arrived >= HELLO_BYTES + 3 * ANSWER.length;
    }, "answered in the middle of it");
    assert.equal(caller.isClosed, false);
    caller.socket.destroy();
    await close(one);
  });

  it("is not kept alive by answers of another kind", async () => {
    const talker = await new Listener((socket) => {
      socket.write(encodeHello({ from: 2n, to: 1n, cluster: clusterDigest(CLUSTER) }));
      socket.write(Uint8Array.of(0, 0, 1));
    }).start();
    const one = new Probe(1n, { peers: [[2n, talker.address]], reconnectDelay: [HOUR_MS, HOUR_MS] });
    await one.start();
    await until(() => one.reasons.length > 0, "an end");
    assert.deepEqual(one.reasons, ["the peer sent unexpected data"]);
    await close(one);
    await talker.close();
  });
});

describe("a connection that ended", () => {
  it("is made again after a growing delay, even if it opens each time", async () => {
    const fickle = await new Listener((socket) => {
      socket.write(encodeHello({ from: 2n, to: 1n, cluster: clusterDigest(CLUSTER) }));
      socket.once("data", () => socket.end());
    }).start();
    const one = new Probe(1n, { peers: [[2n, fickle.address]], reconnectDelay: [1, HOUR_MS] });
    const started = performance.now();
    await one.start();
    await until(() => one.transport.stats().get(2n)!.connections === 9, "nine calls");
    // Half of 1 + 2 + ... + 128, and timers may be early by a little each.
    assert.ok(performance.now() - started >= 100, `nine calls in ${performance.now() - started} ms`);
    await close(one);
    await fickle.close();
  });

  for (const how of ["close", "removePeer"] as const) {
    it(`is not made again if its end is answered with ${how}`, async () => {
      let calls = 0;
      const fickle = await new Listener((socket) => {
        calls++;
        socket.once("data", () => socket.end());
      }).start();
      const one: Probe = new Probe(1n, {
        peers: [[2n, fickle.address]],
        reconnectDelay: [1, 1],
        onEvent: () => void (how === "close" ? one.transport.close() : one.transport.removePeer(2n)),
      });
      await one.start();
      await until(() => calls === 1, "a call");
      // Many times the delay.
      await new Promise((resolve) => setTimeout(resolve, 100));
      assert.equal(calls, 1);
      await close(one);
      await fickle.close();
    });
  }

  it("by a second call of the peer does not open, if that is answered with a close", async () => {
    const one: Probe = new Probe(1n, {
      onEvent: (event) => {
        one.events.push(event);
        if (event.type === "disconnected") void one.transport.close();
      },
    });
    await one.start();
    const first = new RawConnection(one.address).hello(2n, 1n);
    await until(() => first.arrived === HELLO_BYTES, "answered");
    const second = new RawConnection(one.address).hello(2n, 1n);
    await until(() => first.isClosed && second.isClosed, "both are gone");
    assert.equal(second.arrived, 0);
    assert.deepEqual(one.events.map(({ type }) => type), ["connected", "disconnected", "refused"]);
    await close(one);
  });
});

describe("a transport that is closed while it starts", () => {
  it("does not start and does not listen", async () => {
    const one = new Probe(1n);
    const started = assert.rejects(one.start(), (error) => error instanceof WalLogError && error.code === "CLOSED");
    await one.transport.close();
    await started;
    assert.equal(one.transport.address, undefined);
  });

  it("leaves its port to others", async () => {
    const free = await new Listener(() => {}).start();
    const { address } = free;
    await free.close();
    const one = new Probe(1n, { listen: address });
    const started = assert.rejects(one.start());
    await one.transport.close();
    await started;
    const two = await new Probe(2n, { listen: address }).start();
    await close(two);
  });
});

describe("a transport without TLS", () => {
  it("limits callers, even with made-up ids", async () => {
    const one = new Probe(1n, { reconnectDelay: [60_000, 60_000] });
    one.know(100n, 110n);
    await one.start();
    const callers: RawConnection[] = [];
    const call = async (id: bigint) => {
      const caller = new RawConnection(one.address).hello(id, 1n);
      callers.push(caller);
      await until(() => caller.arrived === HELLO_BYTES, `${id} is answered`);
    };
    for (let id = 2n; id < 10n; id++) await call(id);
    const late = new RawConnection(one.address).hello(10n, 1n);
    await until(() => late.isClosed, "sent away");
    assert.deepEqual(one.reasonsOfCallers, ["too many peers without a known address are connected"]);
    await call(2n);
    for (let id = 100n; id < 110n; id++) await call(id);
    for (const { socket } of callers) socket.destroy();
    await close(one);
  });

  it("holds at most one unfinished message of made-up callers", async () => {
    const one = await new Probe(1n, { maxMessageBytes: 4 * 1024 * 1024 }).start();
    const callers = [2n, 3n, 4n, 5n].map((id) => new RawConnection(one.address).hello(id, 1n));
    await until(() => callers.every(({ arrived }) => arrived === HELLO_BYTES), "answered");
    const unfinished = new Uint8Array(3 * 1024 * 1024);
    for (const caller of callers) caller.frame(unfinished, unfinished.length + 1);
    await until(() => callers.filter(({ isClosed }) => isClosed).length === 3, "all but one are sent away");
    const reason = "too many bytes of incomplete messages are buffered";
    assert.deepEqual(one.reasonsOfCallers, [reason, reason, reason]);
    for (const { socket } of callers) socket.destroy();
    await close(one);
  });

  it("accepts a message of the largest size from a caller without a known address", async () => {
    const one = await new Probe(1n, { maxMessageBytes: 4 * 1024 * 1024 }).start();
    const caller = new RawConnection(one.address).hello(2n, 1n);
    const snapshot = { index: 1, term: 1, config: [1n], data: new Uint8Array(4 * 1024 * 1024 - 100) };
    caller.frame(encodeMessage({ type: "installSnapshot", term: 1, leader: 2n, snapshot }));
    await until(() => one.received.length === 1, "received");
    caller.socket.destroy();
    await close(one);
  });
  it("reports why it drops messages that are sent before it has started", () => {
    const one = new Probe(1n, { peers: [[2n, { ...LOOPBACK, port: 1 }]] });
    one.transport.send(2n, vote(1, 1n));
    assert.deepEqual(one.reasons, ["the transport was not started"]);
  });
});

describe("a transport within a process", () => {
  it("delivers only in its own node's name, and nothing after it is closed", async () => {
    const network = new MemoryNetwork();
    const [one, two] = [new MemoryTransport(1n, network), new MemoryTransport(2n, network)];
    const code = (code: string) => (error: unknown) => error instanceof WalLogError && error.code === code;
    assert.throws(() => one.send(2n, vote(1, 3n)), code("INVALID_ARGUMENT"));
    await two.close();
    await assert.rejects(two.start(() => {}), code("CLOSED"));
    assert.equal(network.receivers.size, 0);
  });
});
