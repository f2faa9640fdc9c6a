/** Nodes of this release and of the next one in the same cluster. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeMessage, type Message } from "../src/raft/mod.ts";
import { SINCE } from "../src/raft/codec/format.ts";
import { clusterDigest, decodeHello, encodeHello, HELLO_BYTES, type Protocol } from "../src/raft/transport/framing.ts";
import { fromHex, hex } from "./raft_bytes.ts";
import { close, CLUSTER, Probe, RawConnection, until, vote } from "./transports.ts";

/** The protocol of the next release. It also supports version 2, which introduced forwarded reads. */
const NEXT: Protocol = { versions: { least: 1, greatest: 2 }, since: { ...SINCE, readRequest: 2, readReply: 2 } };
/** Its hello from node 2 to node 1, recorded. */
const NEXT_HELLO = "57414c4c4f4752540100020002000000000000000100000000000000" +
  "9a6d35b6981441d8384c4d90fd972eced43e0c89a5c88bde9b7bed2ae975e550" + "00".repeat(32);
const THIS_HELLO = NEXT_HELLO.replace("01000200", "01000100");
/** A frame of version 1: node 2 asks node 1 for a pre-vote in term 7. */
const FRAME = "0e0000000101000702000000000000000000";

const node = (id: bigint, protocol?: Protocol) => new Probe(id, (protocol === undefined ? {} : { protocol }) as object);
const read: Message = { type: "readRequest", term: 7, from: 2n, request: 5 };

async function connect(one: Probe, two: Probe): Promise<void> {
  await Promise.all([one.start(), two.start()]);
  one.transport.setPeer(2n, two.address);
  two.transport.setPeer(1n, one.address);
  await until(() => one.isConnectedTo(2n) && two.isConnectedTo(1n), "connected");
}

describe("nodes of different releases", () => {
  it("work together in the version that both speak, and a newer one sends no type that came later", async () => {
    const [one, two] = [node(1n), node(2n, NEXT)];
    await connect(one, two);
    two.transport.send(1n, read);
    two.transport.send(1n, vote(1, 2n));
    one.transport.send(2n, vote(2, 1n));
    await until(() => one.received.length > 0 && two.received.length > 0, "messages");
    assert.deepEqual([one.received, two.received], [[vote(1, 2n)], [vote(2, 1n)]]);
    assert.deepEqual(two.reasons, ["the peer uses protocol version 1, which has no readRequest"]);
    assert.deepEqual([one, two].map(({ transport }) => [...transport.stats().values()].map(({ version }) => version)), [
      [1],
      [1],
    ]);
    assert.equal(two.transport.stats().get(1n)!.dropped, 1);
    await close(one, two);
  });

  it("send each other the new types once both have the newer release", async () => {
    const [one, two] = [node(1n, NEXT), node(2n, NEXT)];
    await connect(one, two);
    two.transport.send(1n, read);
    await until(() => one.received.length > 0, "a message");
    assert.deepEqual([one.received, two.transport.stats().get(1n)!.version], [[read], 2]);
    await close(one, two);
    assert.equal(two.transport.stats().get(1n)!.version, 0);
  });

  it("send no new type before they know the other's version", async () => {
    const [one, two] = [node(1n, NEXT), node(2n)];
    await Promise.all([one.start(), two.start()]);
    one.transport.setPeer(2n, two.address);
    // The connection is in progress, and this message would wait for it.
    one.transport.send(2n, { ...read, from: 1n });
    one.transport.send(2n, vote(3, 1n));
    await until(() => two.received.length > 0, "a message");
    assert.deepEqual(two.received, [vote(3, 1n)]);
    await close(one, two);
  });

  it("say hello and send messages in their recorded bytes", async () => {
    const probe = await node(1n).start();
    const own = encodeHello({ from: 2n, to: 1n, cluster: clusterDigest(CLUSTER) });
    const [next, current] = [NEXT_HELLO, THIS_HELLO].map(fromHex);
    assert.equal(hex(own), hex(current!));
    assert.deepEqual(decodeHello(next!).versions, NEXT.versions);
    for (const [hello, term] of [[next!, 1], [current!, 2]] as const) {
      const caller = new RawConnection(probe.address);
      caller.socket.write(hello);
      caller.socket.write(fromHex(FRAME));
      await until(() => probe.received.length === term, "a message");
      await until(() => caller.arrived >= HELLO_BYTES, "a hello");
      caller.socket.destroy();
    }
    const message = { type: "preVote", term: 7, candidate: 2n, lastLogIndex: 0, lastLogTerm: 0 } as const;
    assert.deepEqual(probe.received, [message, message]);
    assert.equal(hex(encodeMessage(message)), FRAME.slice(8));
    await close(probe);
  });
});
