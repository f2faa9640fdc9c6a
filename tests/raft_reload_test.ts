/** Certificates are replaced while a transport goes on. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { TransportTls } from "../src/raft/mod.ts";
import { refuses } from "./raft_nodes.ts";
import { certificate, close, LOOPBACK, Probe, tlsOf, until, vote } from "./transports.ts";

const OLD = certificate("ca.pem");
const NEXT = certificate("ca-next.pem");

const tls = (name: "node-1" | "node-2" | "next-2", ca: string): TransportTls => (
  { ca, cert: certificate(`${name}.pem`), key: certificate(`${name}.key`) }
);
const probe = (id: bigint, options: TransportTls) => new Probe(id, { reconnectDelay: [10, 20], tls: options }).start();

describe("a transport that reloads its certificates", () => {
  it("goes on with its connections, and uses the new ones in both directions", async () => {
    const one = await probe(1n, tls("node-1", NEXT));
    const two = await probe(2n, tls("node-2", OLD));
    one.transport.setPeer(2n, two.address);
    two.transport.setPeer(1n, one.address);
    await until(() => one.reasons.length > 0 && two.reasons.length > 0, "refused: node 1 does not trust node 2");
    // Node 1 trusts the new authority only, so it hears node 2 if and only if node 2 shows its new certificate.
    two.transport.reload(tls("next-2", `${OLD}${NEXT}`));
    await until(() => one.isConnectedTo(2n) && two.isConnectedTo(1n), "connected both ways");
    const { connections } = two.transport.stats().get(1n)!;
    two.transport.reload(tls("next-2", `${OLD}${NEXT}`));
    two.transport.send(1n, vote(1, 2n));
    one.transport.send(2n, vote(2, 1n));
    await until(() => one.received.length === 1 && two.received.length === 1, "heard");
    assert.equal(two.transport.stats().get(1n)!.connections, connections, "a connection stays");
    await close(one, two);
  });

  it("no longer trusts an authority that it has dropped", async () => {
    const one = await probe(1n, tls("node-1", OLD));
    const two = await probe(2n, tls("node-2", OLD));
    two.transport.reload(tls("next-2", NEXT));
    one.transport.setPeer(2n, two.address);
    two.transport.setPeer(1n, one.address);
    await until(() => one.reasons.length > 0 && two.reasons.length > 1, "refused");
    assert.ok(!one.isConnectedTo(2n) && !two.isConnectedTo(1n));
    await close(one, two);
  });

  it("refuses what it cannot use, and goes on as before", async () => {
    const one = await probe(1n, tlsOf("node-1"));
    const two = await probe(2n, tlsOf("node-2"));
    const { cert, ca } = tlsOf("node-2");
    const { message } = refuses(() => two.transport.reload({ ca, cert, key: tlsOf("node-1").key }), "INVALID_ARGUMENT");
    assert.equal(message, "Cannot reload the certificates: tls.key is not the key of tls.cert");
    refuses(() => two.transport.reload({ ca, cert, key: "" }), "INVALID_ARGUMENT");
    refuses(() => two.transport.reload(undefined as never), "INVALID_ARGUMENT");
    one.transport.setPeer(2n, two.address);
    await until(() => one.isConnectedTo(2n), "connected");
    await close(one, two);
    refuses(() => two.transport.reload(tlsOf("node-2")), "CLOSED");
    const plain = await new Probe(3n, { listen: LOOPBACK }).start();
    refuses(() => plain.transport.reload(tlsOf("node-3")), "INVALID_ARGUMENT");
    await close(plain);
  });
});
