/** Nodes exchange the identities of their logs and their protocol versions. */

import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { describe, it } from "node:test";
import { encodeMessage, MemoryNetwork, MemoryTransport, type Message, type Origin } from "../src/raft/mod.ts";
import { decodeHello, encodeHello, HELLO_BYTES, negotiate } from "../src/raft/transport/framing.ts";
import { clusterDigest } from "../src/raft/transport/framing.ts";
import { CLUSTER, LOOPBACK, Probe, RawConnection, until } from "./transports.ts";

const ONE = "5e14d2b3-2688-89cd-e2a3-98a722e0ab5d";
const OTHER = "00000000-0000-4000-8000-000000000007";
const INCARNATION = "11111111-2222-4333-8444-555555555555";
const HOUR_MS = 3_600_000;

/** The hello of node 2 to node 1, with protocol version 1 and without an identity of its log. It must never change. */
const RECORDED_VERSION_1 = "57414c4c4f475254" + "01000100" + "0200000000000000" + "0100000000000000" +
  "9a6d35b6981441d8384c4d90fd972eced43e0c89a5c88bde9b7bed2ae975e550" + "00".repeat(32);

function hexOf(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g)!, (byte) => parseInt(byte, 16));
}

/** The same hello with other versions. */
function recorded(least: number, greatest: number): Uint8Array {
  const bytes = fromHex(RECORDED_VERSION_1);
  bytes.set([least, 0, greatest, 0], 8);
  return bytes;
}

function vote(term: number, candidate: bigint): Message {
  return { type: "preVote", term, candidate, lastLogIndex: 0, lastLogTerm: 0 };
}

async function close(...probes: Probe[]): Promise<void> {
  await Promise.all(probes.map(({ transport }) => transport.close()));
}

const said = (cluster: string | undefined, incarnation: string | undefined = INCARNATION): Origin => (
  { cluster, incarnation }
);

describe("a hello", () => {
  it("is as it was recorded, with or without a log", () => {
    const hello = decodeHello(fromHex(RECORDED_VERSION_1));
    assert.deepEqual({ from: hello.from, to: hello.to, versions: hello.versions, origin: hello.origin }, {
      ...{ from: 2n, to: 1n, versions: { least: 1, greatest: 1 } },
      origin: { cluster: undefined, incarnation: undefined },
    });
    assert.equal(hexOf(encodeHello(hello)), RECORDED_VERSION_1);
    const bytes = encodeHello({ from: 2n, to: 1n, cluster: clusterDigest(CLUSTER), origin: said(ONE) });
    assert.equal(hexOf(bytes.subarray(60)), `${ONE}${INCARNATION}`.replaceAll("-", ""));
    assert.deepEqual(decodeHello(bytes).origin, said(ONE));
  });

  it("leads to the greatest version that both know", () => {
    const versions = (least: number, greatest: number) => ({ least, greatest });
    assert.equal(negotiate(versions(1, 1), versions(1, 1)), 1);
    assert.equal(negotiate(versions(1, 1), versions(1, 2)), 1);
    assert.equal(negotiate(versions(1, 3), versions(2, 2)), 2);
    assert.equal(negotiate(versions(1, 1), versions(2, 3)), undefined);
    assert.equal(negotiate(versions(2, 3), versions(1, 1)), undefined);
  });
});

describe("a node of the next version", () => {
  it("is answered, and heard, if it knows this one too", async () => {
    const probe = await new Probe(1n).start();
    for (const [greatest, term] of [[1, 1], [2, 2], [65, 3]] as const) {
      const caller = new RawConnection(probe.address);
      caller.socket.write(recorded(1, greatest));
      caller.frame(encodeMessage(vote(term, 2n)));
      await until(() => probe.received.length === term, "heard");
      await until(() => caller.arrived >= HELLO_BYTES, "answered");
    }
    await close(probe);
  });

  it("is spoken to if it knows this one too", async () => {
    const arrived: number[] = [];
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => {});
      socket.once("data", () => socket.write(recorded(1, 2)));
      socket.on("data", (chunk) => arrived.push(...chunk));
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const one = await new Probe(1n, { peers: [[2n, { ...LOOPBACK, port }]] }).start();
    await until(() => one.isConnectedTo(2n), "connected");
    const message = encodeMessage(vote(1, 1n));
    one.transport.send(2n, vote(1, 1n));
    await until(() => arrived.length >= HELLO_BYTES + 4 + message.length, "sent");
    assert.equal(
      hexOf(Uint8Array.from(arrived.slice(HELLO_BYTES + 4, HELLO_BYTES + 4 + message.length))),
      hexOf(message),
    );
    await close(one);
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  it("is refused without a common version, and learns the supported versions", async () => {
    const probe = await new Probe(1n).start();
    const caller = new RawConnection(probe.address);
    caller.socket.write(recorded(2, 3));
    await until(() => caller.isClosed, "refused");
    assert.equal(caller.arrived, HELLO_BYTES);
    assert.deepEqual(probe.reasons, ["it supports protocol versions 2 to 3, and this node 1 to 1"]);
    await close(probe);
  });
});

describe("nodes whose logs belong to different clusters", () => {
  it("refuse each other, and both say so", async () => {
    const one = new Probe(1n, { reconnectDelay: [HOUR_MS, HOUR_MS] });
    const two = new Probe(2n, { reconnectDelay: [HOUR_MS, HOUR_MS] });
    await Promise.all([one.start(undefined, () => said(ONE)), two.start(undefined, () => said(OTHER))]);
    one.transport.setPeer(2n, two.address);
    await until(() => one.reasons.length > 0 && two.reasons.length > 0, "refused");
    assert.deepEqual(one.reasons, [`it belongs to the cluster ${OTHER}, and this node to ${ONE}`]);
    assert.deepEqual(two.reasons, [`it belongs to the cluster ${ONE}, and this node to ${OTHER}`]);
    assert.equal(one.isConnectedTo(2n), false);
    await close(one, two);
  });
});

describe("the receiver of a message", () => {
  it("gets the identity of its sender's log, on request", async () => {
    for (const isAsked of [true, false]) {
      const origins: (Origin | undefined)[] = [];
      const one = new Probe(1n);
      await one.start((_, origin) => void origins.push(origin), isAsked ? () => said(ONE) : undefined);
      const two = new Probe(2n, { peers: [[1n, one.address]] });
      await two.start(undefined, () => said(undefined));
      await until(() => two.isConnectedTo(1n), "connected");
      two.transport.send(1n, vote(1, 2n));
      await until(() => origins.length === 1, "received");
      assert.deepEqual(origins, [isAsked ? said(undefined) : undefined]);
      await close(one, two);
    }
  });

  it("hears of it when the log is given to a cluster", async () => {
    const origins: (Origin | undefined)[] = [];
    const one = new Probe(1n);
    await one.start((_, origin) => void origins.push(origin), () => said(ONE));
    const log: { cluster?: string } = {};
    const two = new Probe(2n, { reconnectDelay: [1, 1], peers: [[1n, one.address]] });
    await two.start(undefined, () => said(log.cluster));
    await until(() => two.isConnectedTo(1n), "connected");
    log.cluster = ONE;
    await until(() => two.transport.stats().get(1n)!.connections === 2, "connected again");
    two.transport.send(1n, vote(1, 2n));
    await until(() => origins.length === 1, "received");
    assert.deepEqual(origins, [said(ONE)]);
    await close(one, two);
  });

  it("learns it with the next message, which is not lost", async () => {
    const origins: (Origin | undefined)[] = [];
    const one = new Probe(1n);
    await one.start((_, origin) => void origins.push(origin), () => said(ONE));
    const log: { cluster?: string } = {};
    const two = new Probe(2n, { reconnectDelay: [HOUR_MS, HOUR_MS], peers: [[1n, one.address]] });
    await two.start(undefined, () => said(log.cluster));
    await until(() => two.isConnectedTo(1n), "connected");
    two.transport.send(1n, vote(1, 2n));
    await until(() => origins.length === 1, "received");
    log.cluster = ONE;
    two.transport.send(1n, vote(2, 2n));
    await until(() => origins.length === 2, "received");
    assert.deepEqual(origins, [said(undefined), said(ONE)]);
    await close(one, two);
  });

  it("also gets it from a network within a process", async () => {
    const network = new MemoryNetwork();
    const [one, two] = [new MemoryTransport(1n, network), new MemoryTransport(2n, network)];
    const arrived = new Promise((resolve) => void one.start((_, origin) => resolve(origin)));
    await two.start(() => {}, () => said(ONE));
    two.send(1n, vote(1, 2n));
    assert.deepEqual(await arrived, said(ONE));
  });
});
