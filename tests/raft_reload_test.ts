/** Certificates are replaced while a transport runs. */

import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { describe, it } from "node:test";
import { createServer } from "node:tls";
import type { TransportTls } from "../src/raft/mod.ts";
import { refuses } from "./raft_nodes.ts";
import { clusterDigest, encodeHello } from "../src/raft/transport/framing.ts";
import { certificate, close, CLUSTER, LOOPBACK, Probe, tlsOf, until, vote } from "./transports.ts";

const OLD = certificate("ca.pem");
const NEXT = certificate("ca-next.pem");

const tls = (name: "node-1" | "node-2" | "next-2", ca: string): TransportTls => (
  { ca, cert: certificate(`${name}.pem`), key: certificate(`${name}.key`) }
);
const probe = (id: bigint, options: TransportTls) => new Probe(id, { reconnectDelay: [10, 20], tls: options }).start();

describe("a transport that reloads its certificates", () => {
  it("keeps its connections, and uses the new certificates in both directions", async () => {
    const one = await probe(1n, tls("node-1", NEXT));
    const two = await probe(2n, tls("node-2", OLD));
    one.transport.setPeer(2n, two.address);
    two.transport.setPeer(1n, one.address);
    await until(() => one.reasons.length > 0 && two.reasons.length > 0, "refused: node 1 does not trust node 2");
    // Node 1 trusts only the new authority, so it accepts node 2 if and only if node 2 presents its new certificate.
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

  it("rejects invalid certificates, and continues as before", async () => {
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

/** The fingerprint of a certificate. */
function fingerprint(name: string): string {
  return new X509Certificate(certificate(name)).fingerprint256;
}

describe("a transport with revoked certificates", () => {
  const node = (name: "node-1" | "node-2" | "node-3", ...revoked: string[]) => ({ ...tlsOf(name), revoked });
  const REVOKED = "its certificate is revoked";

  for (const form of [(text: string) => text, (text: string) => text.replaceAll(":", "").toLowerCase()]) {
    it(`neither hears nor calls their nodes: ${form("AB:CD")}`, async () => {
      const one = await probe(1n, node("node-1", form(fingerprint("node-2.pem"))));
      const two = await probe(2n, tlsOf("node-2"));
      const three = await probe(3n, tlsOf("node-3"));
      for (const a of [one, two, three]) {
        for (const b of [one, two, three]) a.transport.setPeer(b.transport.id, b.address);
      }
      await until(() => one.isConnectedTo(3n) && three.isConnectedTo(1n), "others are not concerned");
      await until(() => one.reasonsOfCallers.includes(REVOKED), "the caller is refused");
      await until(
        () => one.events.some((event) => event.type === "disconnected" && event.reason === REVOKED),
        "not called",
      );
      two.transport.send(1n, vote(1, 2n));
      one.transport.send(2n, vote(1, 1n));
      three.transport.send(1n, vote(3, 3n));
      await until(() => one.received.length > 0, "heard");
      assert.deepEqual([one.received, two.received], [[vote(3, 3n)], []]);
      assert.ok(!one.isConnectedTo(2n) && !two.isConnectedTo(1n));
      await close(one, two, three);
    });
  }

  it("ends their connections when the list is reloaded, and no others", async () => {
    const probes = [
      await probe(1n, tlsOf("node-1")),
      await probe(2n, tlsOf("node-2")),
      await probe(3n, tlsOf("node-3")),
    ];
    const [one, two, three] = probes as [Probe, Probe, Probe];
    for (const a of probes) for (const b of probes) a.transport.setPeer(b.transport.id, b.address);
    const all = () => probes.every((a) => probes.every((b) => a === b || a.isConnectedTo(b.transport.id)));
    await until(all, "connected");
    one.transport.reload(node("node-1", fingerprint("node-2.pem")));
    const ended = one.events.flatMap((event) => event.type === "disconnected" ? [[event.peer, event.direction]] : []);
    assert.deepEqual(ended, [[2n, "in"], [2n, "out"]], "at once");
    assert.deepEqual([one.isConnectedTo(2n), one.isConnectedTo(3n)], [false, true]);
    await until(() => !two.isConnectedTo(1n), "the other side notices");
    assert.ok(three.isConnectedTo(1n) && two.isConnectedTo(3n));
    // A new certificate lets the node in again, and a reload without a list keeps the list.
    one.transport.reload(tls("node-1", `${OLD}${NEXT}`));
    const { connections } = two.transport.stats().get(1n)!;
    await until(() => one.reasonsOfCallers.filter((reason) => reason === REVOKED).length > 2, "still refused");
    two.transport.reload(tls("next-2", `${OLD}${NEXT}`));
    await until(() => one.isConnectedTo(2n) && two.isConnectedTo(1n), "connected");
    assert.equal(two.transport.stats().get(1n)!.connections, connections + 1);
    await close(...probes);
  });

  it("does not open a connection whose certificate is revoked during the handshake", async () => {
    const one = await probe(1n, tlsOf("node-1"));
    const { ca, cert, key } = tlsOf("node-2") as { ca: string; cert: string; key: string };
    const server = createServer({ ca, cert, key, requestCert: true }, (socket) => {
      socket.on("error", () => {});
      socket.once("data", () => {
        one.transport.reload(node("node-1", fingerprint("node-2.pem")));
        socket.write(encodeHello({ from: 2n, to: 1n, cluster: clusterDigest(CLUSTER) }));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, LOOPBACK.host, resolve));
    const { port } = server.address() as { port: number };
    one.transport.setPeer(2n, { ...LOOPBACK, port });
    await until(() => one.reasons.length > 0, "refused");
    assert.deepEqual([one.reasons[0], one.events.some(({ type }) => type === "connected")], [REVOKED, false]);
    await close(one);
    await new Promise((resolve) => server.close(resolve));
  });

  it("rejects invalid fingerprints, and its own certificate", () => {
    const attempt = (...revoked: string[]) => () => new Probe(1n, { tls: node("node-1", ...revoked) });
    const { message } = refuses(attempt("12:34"), "INVALID_ARGUMENT");
    assert.equal(message, 'Cannot make a transport: tls.revoked has "12:34", which is not a SHA-256 fingerprint');
    refuses(attempt(fingerprint("node-2.pem"), 5 as never), "INVALID_ARGUMENT");
    refuses(() => new Probe(1n, { tls: { ...tlsOf("node-1"), revoked: "none" as never } }), "INVALID_ARGUMENT");
    assert.match(refuses(attempt(fingerprint("node-1.pem")), "INVALID_ARGUMENT").message, /tls.cert is in tls.revoked/);
  });
});
