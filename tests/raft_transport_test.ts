/** Messages over TCP on the loopback interface, and reconnecting. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLogError } from "../mod.ts";
import { TcpTransport } from "../src/raft/mod.ts";
import { close, CLUSTER, connected, HOUR_MS, large, LOOPBACK, Probe, tlsOf, until, vote } from "./transports.ts";

describe("a TCP transport", () => {
  it("delivers messages in order, in each direction between three nodes", async () => {
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

  it("delivers a message of megabytes between small ones, and drops a too large one", async () => {
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

  it("drops messages for unknown nodes, invalid messages, and messages of others", async () => {
    const [one, two] = await connected([1n, 2n]) as [Probe, Probe];
    one.transport.send(3n, vote(1));
    one.transport.send(2n, vote(-1));
    one.transport.send(2n, vote(1, 3n));
    one.transport.send(2n, vote(2));
    await until(() => two.received.length === 1, "a message");
    assert.deepEqual(two.received, [vote(2)]);
    assert.deepEqual(one.reasons.length, 3);
    assert.match(one.reasons[0]!, /the node's address is unknown/);
    assert.match(one.reasons[1]!, /the term must be a safe integer/);
    assert.match(one.reasons[2]!, /it is from node 3/);
    await close(one, two);
  });

  it("reconnects to a peer that restarted, and to one that has moved", async () => {
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

  it("queues nothing for a peer without a connection, and counts dropped messages", async () => {
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

  it("connects at once to a peer that calls, despite the delay", async () => {
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

  it("refuses invalid options, a second start, and a start after it was closed", async () => {
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
