/** The key-value service of `examples/kv`, with its replicas in one process. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import { describe, it } from "node:test";
import { WalLogError } from "../mod.ts";
import { createService } from "../examples/kv/http.ts";
import { OutcomeUnknown, Replica } from "../examples/kv/replica.ts";
import { encodeWrite, Store } from "../examples/kv/store.ts";
import { HttpClient } from "../scripts/cluster/http_client.ts";
import { MemoryNetwork, MemoryTransport, type RaftTransport } from "../src/raft/mod.ts";
import { framesOf } from "./history.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { Probe, until } from "./transports.ts";

const IDS = [1n, 2n, 3n];

/** Replicas in one process. */
class Replicas {
  readonly network = new MemoryNetwork();
  readonly all = new Map<bigint, Replica>();
  readonly failures: unknown[] = [];
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  folderOf(id: bigint): string {
    return join(this.#folder, String(id));
  }

  async start(id: bigint, transport: RaftTransport = new MemoryTransport(id, this.network)): Promise<Replica> {
    const replica = await Replica.start({
      ...{ id, transport, folder: this.folderOf(id), peers: IDS.filter((other) => other !== id) },
      ...{ tickMs: 10, snapshotThreshold: 50, onFailure: (error) => this.failures.push(error) },
    });
    this.all.set(id, replica);
    return replica;
  }

  async close(id: bigint): Promise<void> {
    const replica = this.all.get(id);
    this.all.delete(id);
    await replica?.close();
  }

  /** The leader of the latest term that has a follower. */
  async leader(): Promise<Replica> {
    let leader: Replica | undefined;
    await until(() => {
      const latest = Math.max(...this.statuses.map(({ term }) => term));
      leader = [...this.all.values()].find(({ status }) => status.role === "leader" && status.term === latest);
      const id = leader?.status.id;
      return this.statuses.filter((status) => status.leader === id && status.term === latest).length >= 2;
    }, "a leader");
    return leader!;
  }

  get statuses(): Replica["status"][] {
    return [...this.all.values()].map(({ status }) => status);
  }

  async same(): Promise<void> {
    await until(() => {
      const contents = [...this.all.values()].map((replica) => replica.contents);
      return contents.every(({ applied, digest }) =>
        applied === contents[0]!.applied && digest === contents[0]!.digest
      );
    }, "all have the same");
  }

  async end(): Promise<void> {
    for (const id of IDS) await this.close(id);
    assert.deepEqual(this.failures, []);
  }
}

async function withReplicas(body: (replicas: Replicas) => Promise<void>): Promise<void> {
  await inTemporaryFolder(async (folder) => {
    const replicas = new Replicas(folder);
    try {
      await body(replicas);
    } finally {
      await replicas.end();
    }
  });
}

/** Writes a number of keys to the current leader. */
async function writeMany(replicas: Replicas, from: number, to: number): Promise<void> {
  for (let i = from; i <= to; i++) {
    const leader = await replicas.leader();
    await leader.write({ key: `k${i}`, value: `v${i}` });
  }
}

describe("the store of a key-value service", () => {
  it("has a digest of all its texts, and a snapshot that restores each of them", () => {
    const store = new Store();
    const digests = new Set([store.digest()]);
    for (const [key, value] of [["b", "1"], ["a", "2"], ["", ""], ["ä", "\ufeff\0"], ["b", "3"]] as const) {
      store.apply(encodeWrite({ key, value }));
      digests.add(store.digest());
    }
    assert.equal(digests.size, 6);
    const restored = new Store();
    restored.restore(store.snapshot());
    for (const key of ["a", "b", "", "ä"]) assert.equal(restored.get(key), store.get(key));
    assert.equal(restored.digest(), store.digest());
    restored.apply(encodeWrite({ key: "a", value: "2", expected: "1" }));
    assert.equal(restored.digest(), store.digest());
  });

  it("has the same digest for every order of the same writes", () => {
    const [one, other] = [new Store(), new Store()];
    for (const key of ["a", "b", "c"]) one.apply(encodeWrite({ key, value: key }));
    for (const key of ["c", "a", "b"]) other.apply(encodeWrite({ key, value: key }));
    assert.equal(one.digest(), other.digest());
  });
});

const notLeader = (error: unknown) => error instanceof WalLogError && error.code === "NOT_LEADER";

describe("a replicated key-value service", () => {
  it("writes, swaps and reads through its leader; the others refuse and name the leader", async () => {
    await withReplicas(async (replicas) => {
      for (const id of IDS) await replicas.start(id);
      const leader = await replicas.leader();
      assert.equal(await leader.read("k"), null);
      assert.equal(await leader.write({ key: "k", value: "a" }), null);
      assert.equal(await leader.write({ key: "k", value: "b", expected: "x" }), "a");
      assert.equal(await leader.read("k"), "a");
      assert.equal(await leader.write({ key: "k", value: "b", expected: "a" }), "a");
      assert.equal(await leader.write({ key: "k", value: "c", expected: null }), "b");
      assert.equal(await leader.read("k"), "b");
      const follower = [...replicas.all.values()].find((replica) => replica !== leader)!;
      await assert.rejects(follower.write({ key: "k", value: "z" }), notLeader);
      await assert.rejects(follower.read("k"), notLeader);
      assert.equal(String(follower.leader), leader.status.id);
      await replicas.same();
    });
  });

  it("answers no requests through an isolated leader, and loses no writes of the new one", async () => {
    await withReplicas(async (replicas) => {
      for (const id of IDS) await replicas.start(id);
      const former = await replicas.leader();
      await former.write({ key: "k", value: "before" });
      const cutOff = BigInt(former.status.id);
      replicas.network.passes = (from, to) => from !== cutOff && to !== cutOff;
      const stale = former.read("k").then(() => "answered", () => "not answered");
      const lost = former.write({ key: "k", value: "lost" }).then(() => "acknowledged", (error) => error);

      await until(
        () => replicas.statuses.some(({ role, id }) => role === "leader" && id !== String(cutOff)),
        "another",
      );
      const leader = await replicas.leader();
      await leader.write({ key: "k", value: "after" });
      assert.equal(await stale, "not answered");
      replicas.network.passes = () => true;
      assert.ok(await lost instanceof OutcomeUnknown);
      await replicas.same();
      assert.equal(await (await replicas.leader()).read("k"), "after");
    });
  });

  it("updates a replica that was away while the log was compacted", async () => {
    await withReplicas(async (replicas) => {
      for (const id of IDS) await replicas.start(id);
      await writeMany(replicas, 1, 20);
      const away = [...replicas.all.values()].find(({ status }) => status.role !== "leader")!;
      const id = BigInt(away.status.id);
      await replicas.close(id);
      await writeMany(replicas, 21, 150);
      assert.ok(replicas.statuses.every(({ snapshotIndex }) => snapshotIndex > 50));
      const again = await replicas.start(id);
      await replicas.same();
      assert.ok(again.status.applied > 150);
      // The replica's state survives a restart.
      await replicas.close(id);
      await replicas.start(id);
      await replicas.same();
    });
  });

  it("repairs the log of a replica from the others", async () => {
    await withReplicas(async (replicas) => {
      for (const id of IDS) await replicas.start(id);
      await writeMany(replicas, 1, 30);
      await replicas.same();
      const id = BigInt([...replicas.all.values()].find(({ status }) => status.role !== "leader")!.status.id);
      await replicas.close(id);
      damageAnEntry(replicas.folderOf(id));
      const damaged = await replicas.start(id);
      assert.equal(damaged.status.isDamaged, true);
      await until(() => !damaged.status.isDamaged, "repaired");
      await writeMany(replicas, 31, 40);
      await replicas.same();
    });
  });

  it("works the same over TCP", async () => {
    await withReplicas(async (replicas) => {
      const probes = IDS.map((id) => new Probe(id));
      for (const { transport } of probes) await replicas.start(transport.id, transport);
      for (const { transport } of probes) {
        for (const { address, transport: { id } } of probes) transport.setPeer(id, address);
      }
      await writeMany(replicas, 1, 120);
      assert.equal(await (await replicas.leader()).read("k77"), "v77");
      await replicas.same();
    });
  });
});

describe("its HTTP interface", () => {
  it("answers as documented", async () => {
    await withReplicas(async (replicas) => {
      const http = new HttpClient(4, false);
      const urls = new Map<bigint, string>();
      const cuts: (readonly bigint[])[] = [];
      const servers = [];
      for (const id of IDS) {
        const replica = await replicas.start(id);
        const server = createService({ replica, urls, cut: id === 1n ? (ids) => cuts.push(ids) : undefined });
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
        urls.set(id, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
        servers.push(server);
      }
      const leader = BigInt((await replicas.leader()).status.id);
      const follower = IDS.find((id) => id !== leader)!;
      const ask = async (id: bigint, method: "GET" | "PUT", path: string, body?: string) => {
        const answer = await http.request(method, `${urls.get(id)}${path}`, { body, timeoutMs: 20_000 });
        return [answer.status, answer.location ?? answer.body];
      };
      assert.deepEqual(await ask(leader, "GET", "/kv/a%2Fb"), [404, ""]);
      assert.deepEqual(await ask(leader, "PUT", "/kv/a%2Fb", "größer"), [204, ""]);
      assert.deepEqual(await ask(leader, "GET", "/kv/a%2Fb"), [200, "größer"]);
      assert.deepEqual(await ask(leader, "PUT", "/kv/a%2Fb?absent", "x"), [412, '"größer"']);
      assert.deepEqual(await ask(leader, "PUT", "/kv/c?expected=x", "y"), [412, "null"]);
      assert.deepEqual(await ask(leader, "PUT", `/kv/a%2Fb?expected=${encodeURIComponent("größer")}`, "x"), [204, ""]);
      assert.deepEqual(await ask(leader, "GET", "/kv/a%2Fb"), [200, "x"]);
      assert.deepEqual(await ask(follower, "GET", "/kv/k?x=1"), [307, `${urls.get(leader)}/kv/k?x=1`]);
      assert.deepEqual(await ask(follower, "PUT", "/kv/k", "v"), [307, `${urls.get(leader)}/kv/k`]);
      assert.deepEqual(await ask(leader, "PUT", "/kv/k", "v".repeat(1024 * 1024 + 1)), [
        413,
        "more than 1048576 bytes",
      ]);
      assert.deepEqual((await ask(leader, "GET", "/else"))[0], 404);
      assert.equal(JSON.parse((await ask(follower, "GET", "/status"))[1] as string).leader, String(leader));
      assert.deepEqual((await ask(1n, "PUT", "/cut", "2,3"))[0], 204);
      assert.deepEqual(cuts, [[2n, 3n]]);
      assert.deepEqual((await ask(2n, "PUT", "/cut", "1"))[0], 404);

      replicas.network.passes = () => false;
      await until(() => replicas.statuses.every(({ leader }) => leader === null), "nobody leads");
      assert.deepEqual(await ask(follower, "PUT", "/kv/k", "v"), [503, "no leader is known"]);
      http.close();
      for (const server of servers) await new Promise((resolve) => server.close(resolve));
    });
  });

  it("refuses invalid requests, and stores texts byte for byte", async () => {
    await withReplicas(async (replicas) => {
      for (const id of IDS) await replicas.start(id);
      const replica = await replicas.leader();
      const follower = [...replicas.all.values()].find((other) => other !== replica)!;
      const urls = new Map(IDS.map((id) => [id, `http://replica-${id}`]));
      const servers = [replica, follower].map((replica) => createService({ replica, urls, cut: () => {} }));
      for (const server of servers) await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      const [port, followerPort] = servers.map((server) => (server.address() as AddressInfo).port);
      const statusOf = async (request: string, body?: string | Uint8Array) =>
        Number(/^HTTP\/1.1 (\d+) /.exec(await exchange(port!, request, body))?.[1]);

      for (const path of ["/kv/%zz", "/kv/%ED%A0%80", "/kv/", "/kv/?absent", "*"]) {
        assert.equal(await statusOf(`GET ${path}`), 400, path);
        assert.equal(await statusOf(`PUT ${path}`, "v"), 400, path);
      }
      assert.equal(await statusOf("PUT /kv/k?expected=%ff", "v"), 400);
      assert.equal(await statusOf("PUT /kv/k", Uint8Array.of(0x61, 0xff)), 400);
      assert.equal(await statusOf("PUT /kv/k", "€".repeat(350_000)), 413);
      assert.equal(await statusOf("PUT /cut", "abc"), 400);
      assert.equal(await statusOf("GET //"), 404);
      assert.equal(await replica.read("k"), null);
      for (const [path, allow] of [["/kv/k", "GET, PUT"], ["/status", "GET"], ["/cut", "PUT"]]) {
        const answer = await exchange(port!, `POST ${path}`, "");
        assert.match(answer, /^HTTP\/1.1 405 /);
        assert.equal(/^allow: (.*)\r$/im.exec(answer)?.[1], allow);
      }

      for (const [path, key] of [["/kv/x/..", "x/.."], ["/kv/%2e%2e", ".."], ["http://other/kv/a?absent", "a"]]) {
        assert.equal(await statusOf(`PUT ${path}`, `at ${key}`), 204, path);
        assert.equal(await replica.read(key!), `at ${key}`);
      }
      assert.equal(await statusOf("PUT /kv/mark", Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)), 204);
      assert.equal(await replica.read("mark"), "\ufeffa");
      const sent = await exchange(followerPort!, "PUT http://other/kv/%2e%2e?expected=x", "v");
      const leader = urls.get(BigInt(replica.status.id));
      assert.equal(/^location: (.*)\r$/im.exec(sent)?.[1], `${leader}/kv/%2e%2e?expected=x`);
      for (const server of servers) await new Promise((resolve) => server.close(resolve));
    });
  });
});

/** Sends a raw request, which not every HTTP client would send; returns the answer. */
function exchange(port: number, request: string, body?: string | Uint8Array): Promise<string> {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const length = bytes === undefined ? "" : `content-length: ${bytes.length}\r\n`;
  return new Promise((resolve, reject) => {
    let answer = "";
    const socket = connect(port, "127.0.0.1", () => {
      socket.write(`${request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${length}\r\n`);
      if (bytes !== undefined) socket.write(bytes);
    });
    socket.setEncoding("latin1").on("data", (text: string) => answer += text);
    socket.on("error", reject);
    socket.on("close", () => resolve(answer));
  });
}

/** Flips a bit in the command of an entry in the middle of a log. */
function damageAnEntry(folder: string): void {
  const name = readdirSync(folder).filter((name) => name.endsWith(".seg")).sort().at(-1)!;
  const bytes = readFileSync(join(folder, name));
  const entries = framesOf(bytes).filter(({ kind, length }) => kind === 1 && length > 0);
  const { end } = entries[Math.floor(entries.length / 2)]!;
  bytes[end - 9]! ^= 1;
  writeFileSync(join(folder, name), bytes);
}
