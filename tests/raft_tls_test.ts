/** Transports with TLS, and certificates that do not name the node. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { describe, it } from "node:test";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { fileURLToPath } from "node:url";
import { WalLogError } from "../mod.ts";
import { locateRuntime, RUNTIME_NAMES } from "../scripts/runtimes.ts";
import { encodeMessage } from "../src/raft/mod.ts";
import { clusterDigest, encodeHello } from "../src/raft/transport/framing.ts";
import { whatIsWrongWith } from "../src/raft/transport/identity.ts";
import {
  both,
  close,
  CLUSTER,
  HOUR_MS,
  large,
  LOOPBACK,
  Probe,
  RawConnection,
  tlsOf,
  until,
  vote,
} from "./transports.ts";

const CHILD = fileURLToPath(new URL("./transport_child.ts", import.meta.url));

describe("a transport with TLS", () => {
  it("refuses invalid or mismatched certificates and keys in every runtime", () => {
    const tls = tlsOf("node-1");
    const broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    const cases: readonly (readonly [Partial<typeof tls>, RegExp])[] = [
      [{ ca: "garbage" }, /tls.ca is not a PEM certificate/],
      [{ ca: tls.key }, /tls.ca is not a PEM certificate/],
      [{ ca: tls.ca + broken }, /tls.ca is not a PEM certificate/],
      [{ cert: "garbage" }, /tls.cert is not a PEM certificate/],
      [{ cert: Uint8Array.of(48, 130, 1, 0) }, /tls.cert is not a PEM certificate/],
      [{ cert: tls.cert + broken }, /tls.cert is not a PEM certificate/],
      [{ key: "garbage" }, /tls.key is not a PEM private key/],
      [{ key: tls.cert }, /tls.key is not a PEM private key/],
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

  it("accepts several certificates, text around them, and bytes", async () => {
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

  it("does not let a node act as another, even with a certificate of the cluster", async () => {
    // Node 3 claims to be node 2, before the real one connects.
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

  it("sends nothing to a called node with the certificate of another", async () => {
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

  it("accepts configured names of nodes, also one name for all", async () => {
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

  it("compares names exactly, and uses a common name only if there is no other", () => {
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
    assert.equal(
      whatIsWrongWith(unsigned as TLSSocket, 1n, tls),
      "its certificate is not from this cluster's authority",
    );
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

  it("sends nothing to a called node with a certificate of another authority", async () => {
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

  it("drops callers that do not complete TLS, and does not wait for them when closed", async () => {
    const probe = await new Probe(1n, { tls: tlsOf("node-1"), timeout: 50 }).start();
    const half = Uint8Array.of(0x16, 3, 1, 1, 0, 1, 0, 0, 200);
    const slow = [new RawConnection(probe.address), new RawConnection(probe.address)];
    slow[1]!.socket.write(half);
    await until(() => slow.every(({ isClosed }) => isClosed) && probe.events.length === 2, "sent away");
    assert.deepEqual(probe.reasons, Array(2).fill("the TLS handshake took more than 50 ms"));
    await close(probe);

    const patient = await new Probe(1n, { tls: tlsOf("node-1"), timeout: HOUR_MS }).start();
    const callers = Array.from({ length: 70 }, () => new RawConnection(patient.address));
    for (const [i, { socket }] of callers.entries()) if (i % 2 === 0) socket.write(half);
    await until(() => callers.filter(({ isClosed }) => isClosed).length === 6, "six were sent away");
    assert.deepEqual(patient.reasons, Array(6).fill("too many callers without a hello"));
    // The runtime's own time limit takes minutes.
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
