/** The authority that signs the nodes' certificates can be replaced while the cluster runs, as the guide describes. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Message, TransportTls } from "../src/raft/mod.ts";
import { certificate, Probe, until } from "./transports.ts";

const OLD = certificate("ca.pem");
const NEXT = certificate("ca-next.pem");
const HOUR_MS = 3_600_000;

/** A node's certificate and its trusted authorities. */
function tls(name: "node-1" | "node-2" | "next-2", ca: string): TransportTls {
  return { ca, cert: certificate(`${name}.pem`), key: certificate(`${name}.key`) };
}

function vote(candidate: bigint): Message {
  return { type: "preVote", term: 1, candidate, lastLogIndex: 0, lastLogTerm: 0 };
}

/** Starts nodes 1 and 2, which know each other's addresses. */
async function pair(one: TransportTls, two: TransportTls): Promise<[Probe, Probe]> {
  const options = { reconnectDelay: [20, HOUR_MS] as const };
  const probes = [new Probe(1n, { ...options, tls: one }), new Probe(2n, { ...options, tls: two })] as const;
  await Promise.all(probes.map((probe) => probe.start()));
  probes[0].transport.setPeer(2n, probes[1].address);
  probes[1].transport.setPeer(1n, probes[0].address);
  return [...probes];
}

describe("while the authority is replaced", () => {
  const BOTH = `${OLD}${NEXT}`;
  for (
    const [what, one, two] of [
      ["when only one of them trusts both", tls("node-1", BOTH), tls("node-2", OLD)],
      ["when both trust both", tls("node-1", BOTH), tls("node-2", BOTH)],
      ["when one has its new certificate", tls("node-1", BOTH), tls("next-2", BOTH)],
    ] as const
  ) {
    it(`nodes hear each other ${what}`, async () => {
      const probes = await pair(one, two);
      await until(() => probes[0].isConnectedTo(2n) && probes[1].isConnectedTo(1n), "connected");
      probes[0].transport.send(2n, vote(1n));
      probes[1].transport.send(1n, vote(2n));
      await until(() => probes.every(({ received }) => received.length === 1), "heard");
      await Promise.all(probes.map(({ transport }) => transport.close()));
    });
  }

  it("nodes hear each other after each step of each node", async () => {
    // The new certificate serves both nodes.
    const nodeName = () => "localhost";
    const steps = (
      old: "node-1" | "node-2",
    ) => [tls(old, OLD), tls(old, BOTH), tls("next-2", BOTH), tls("next-2", NEXT)];
    const [ofOne, ofTwo] = [steps("node-1"), steps("node-2")];
    const probes = await pair({ ...ofOne[0]!, nodeName }, { ...ofTwo[0]!, nodeName });
    const [one, two] = probes;
    let heard = 0;
    const hear = async () => {
      // Existing connections stay, so make new ones.
      one.transport.removePeer(2n);
      two.transport.removePeer(1n);
      one.transport.setPeer(2n, two.address);
      two.transport.setPeer(1n, one.address);
      await until(() => one.isConnectedTo(2n) && two.isConnectedTo(1n), "connected");
      one.transport.send(2n, vote(1n));
      two.transport.send(1n, vote(2n));
      heard++;
      await until(() => probes.every(({ received }) => received.length === heard), "heard");
    };
    for (let step = 1; step <= 3; step++) {
      one.transport.reload(ofOne[step]!);
      await hear();
      two.transport.reload(ofTwo[step]!);
      await hear();
    }
    await Promise.all(probes.map(({ transport }) => transport.close()));
  });

  it("a certificate of the old one is of no use where only the new one is trusted", async () => {
    const probes = await pair(tls("node-1", BOTH), tls("next-2", NEXT));
    await until(() => probes.every(({ reasons }) => reasons.length > 0), "refused");
    probes[0].transport.send(2n, vote(1n));
    assert.deepEqual(probes.map(({ received }) => received.length), [0, 0]);
    assert.ok(!probes[1].isConnectedTo(1n) && !probes[0].isConnectedTo(2n));
    await Promise.all(probes.map(({ transport }) => transport.close()));
  });
});
