/** The key-value service of `examples/kv`, with its replicas in one process. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { type AddressInfo, connect } from "node:net";
import { describe, it } from "node:test";
import { createService } from "../examples/kv/service.ts";
import { encodeWrite, Store, type Write } from "../examples/kv/store.ts";
import { HttpClient } from "../scripts/cluster/http_client.ts";
import { MemoryNetwork, MemoryTransport } from "../src/raft/mod.ts";
import { Replica } from "../src/replica/mod.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { until } from "./transports.ts";

const IDS = [1n, 2n, 3n];

/** A replica with its store and its server. */
interface Served {
  readonly replica: Replica<string | null>;
  readonly store: Store;
  readonly port: number;
  readonly close: () => Promise<void>;
}

/** The service, with all replicas in this process. */
class Cluster {
  readonly network = new MemoryNetwork();
  readonly #urls = new Map<bigint, string>();
  readonly cuts: (readonly bigint[])[] = [];
  readonly all = new Map<bigint, Served>();
  readonly #http = new HttpClient(4, false);

  /** Starts a replica. Only replica 1 can be cut off. */
  async start(id: bigint, folder: string): Promise<void> {
    const store = new Store();
    const replica = await Replica.start({
      ...{ id, folder: `${folder}/${id}`, stateMachine: store, transport: new MemoryTransport(id, this.network) },
      ...{ peers: IDS.map((id) => [id, `memory:${id}`] as const), tickMilliseconds: 10, timeoutMilliseconds: 1000 },
    });
    const cut = id === 1n ? (ids: readonly bigint[]) => void this.cuts.push(ids) : undefined;
    const server = createService({ replica, store, cut });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as AddressInfo;
    this.#urls.set(id, `http://127.0.0.1:${port}`);
    const close = async () => {
      await replica.close();
      await new Promise((resolve) => server.close(resolve));
    };
    this.all.set(id, { replica, store, port, close });
  }

  /** The leader, once another replica follows it. */
  async leader(): Promise<Served> {
    let leader: Served | undefined;
    await until(() => {
      leader = [...this.all.values()].find(({ replica }) => replica.isLeader);
      return [...this.all.values()].filter(({ replica }) => replica.leader === leader?.replica.id).length > 1;
    }, "a leader");
    return leader!;
  }

  /** Asks a replica. */
  async ask(id: bigint, method: "GET" | "PUT", path: string, body?: string): Promise<[number, string]> {
    const answer = await this.#http.request(method, `${this.#urls.get(id)}${path}`, { body, timeoutMs: 20_000 });
    return [answer.status, answer.body];
  }

  async end(): Promise<void> {
    this.#http.close();
    await Promise.all([...this.all.values()].map(({ close }) => close()));
  }
}

function withCluster(body: (cluster: Cluster) => Promise<void>): () => Promise<void> {
  return () =>
    inTemporaryFolder(async (folder) => {
      const cluster = new Cluster();
      try {
        await Promise.all(IDS.map((id) => cluster.start(id, folder)));
        await body(cluster);
      } finally {
        await cluster.end();
      }
    });
}

function applyTo(store: Store, ...writes: readonly Write[]): (string | null)[] {
  return store.apply(
    writes.map((write, i) => ({ index: i + 1, term: 1, command: Uint8Array.from(encodeWrite(write)) })),
  );
}

describe("the store of a key-value service", () => {
  it("has a digest of all its texts, and a snapshot that restores each of them", async () => {
    const store = new Store();
    const digests = new Set([store.digest()]);
    for (const [key, value] of [["b", "1"], ["a", "2"], ["", ""], ["ä", "\ufeff\0"], ["b", "3"]] as const) {
      applyTo(store, { key, value });
      digests.add(store.digest());
    }
    assert.equal(digests.size, 6);
    const chunks: Uint8Array[] = [];
    const snapshot = store.snapshot(new WritableStream({ write: (chunk) => void chunks.push(chunk) }));
    // The snapshot is of the state at the time of the call.
    applyTo(store, { key: "a", value: "later" });
    await snapshot;
    const restored = new Store();
    await restored.restore(new Blob([Uint8Array.from(Buffer.concat(chunks))]).stream());
    applyTo(store, { key: "a", value: "2" });
    for (const key of ["a", "b", "", "ä"]) assert.equal(restored.get(key), store.get(key));
    assert.equal(restored.digest(), store.digest());
  });

  it("answers a write with the text that was there, and keeps it if another one was expected", () => {
    const store = new Store();
    const writes = [{ value: "a" }, { value: "b", expected: "x" }, { value: "b", expected: "a" }, {
      value: "c",
      expected: null,
    }];
    assert.deepEqual(applyTo(store, ...writes.map((write) => ({ key: "k", ...write }))), [null, "a", "a", "b"]);
    assert.equal(store.get("k"), "b");
  });

  it("has the same digest for every order of the same writes", () => {
    const [one, other] = [new Store(), new Store()];
    for (const key of ["a", "b", "c"]) applyTo(one, { key, value: key });
    for (const key of ["c", "a", "b"]) applyTo(other, { key, value: key });
    assert.equal(one.digest(), other.digest());
  });
});

describe("its HTTP interface", () => {
  it(
    "answers as documented",
    withCluster(async (cluster) => {
      const { replica } = await cluster.leader();
      const leader = replica.id;
      const follower = IDS.find((id) => id !== leader)!;
      const ask = (...request: Parameters<Cluster["ask"]>) => cluster.ask(...request);
      assert.deepEqual(await ask(leader, "GET", "/kv/a%2Fb"), [404, ""]);
      assert.deepEqual(await ask(leader, "PUT", "/kv/a%2Fb", "größer"), [204, ""]);
      assert.deepEqual(await ask(leader, "GET", "/kv/a%2Fb"), [200, "größer"]);
      assert.deepEqual(await ask(leader, "PUT", "/kv/a%2Fb?absent", "x"), [412, '"größer"']);
      assert.deepEqual(await ask(leader, "PUT", "/kv/c?expected=x", "y"), [412, "null"]);
      assert.deepEqual(await ask(leader, "PUT", `/kv/a%2Fb?expected=${encodeURIComponent("größer")}`, "x"), [204, ""]);
      assert.deepEqual(await ask(leader, "GET", "/kv/a%2Fb"), [200, "x"]);
      assert.deepEqual(await ask(follower, "GET", "/kv/a%2Fb?x=1"), [200, "x"]);
      assert.deepEqual(await ask(follower, "PUT", "/kv/k", "v"), [204, ""]);
      assert.deepEqual(await ask(follower, "PUT", "/kv/k?expected=x", "v"), [412, '"v"']);
      const tooLarge = "v".repeat(1024 * 1024 + 1);
      assert.deepEqual(await ask(leader, "PUT", "/kv/k", tooLarge), [413, "more than 1048576 bytes"]);
      assert.deepEqual((await ask(leader, "GET", "/else"))[0], 404);
      const status = JSON.parse((await ask(follower, "GET", "/status"))[1]);
      assert.deepEqual([status.leader, status.role, status.state], [String(leader), "follower", "running"]);
      assert.match((await ask(leader, "GET", "/metrics"))[1], /^wallog_replica_role\{log="kv",role="leader"\} 1$/m);
      assert.deepEqual((await ask(1n, "PUT", "/cut", "2,3"))[0], 204);
      assert.deepEqual(cluster.cuts, [[2n, 3n]]);
      assert.deepEqual((await ask(2n, "PUT", "/cut", "1"))[0], 404);

      cluster.network.passes = () => false;
      await until(() => IDS.every((id) => cluster.all.get(id)!.replica.leader === null), "nobody leads");
      assert.deepEqual((await ask(follower, "PUT", "/kv/k", "v"))[0], 503);
    }),
  );

  it(
    "says that the outcome of a write is unknown if it was not committed in time",
    withCluster(async (cluster) => {
      const { replica } = await cluster.leader();
      cluster.network.passes = () => false;
      assert.equal((await cluster.ask(replica.id, "PUT", "/kv/k", "v"))[0], 504);
    }),
  );

  it(
    "refuses invalid requests, and stores texts byte for byte",
    withCluster(async (cluster) => {
      const { port, store } = await cluster.leader();
      const statusOf = async (request: string, body?: string | Uint8Array) =>
        Number(/^HTTP\/1.1 (\d+) /.exec(await exchange(port, request, body))?.[1]);
      for (const path of ["/kv/%zz", "/kv/%ED%A0%80"]) {
        assert.equal(await statusOf(`GET ${path}`), 400, path);
        assert.equal(await statusOf(`PUT ${path}`, "v"), 400, path);
      }
      for (const path of ["/kv/", "/kv/?absent", "//"]) {
        assert.equal(await statusOf(`PUT ${path}`, "v"), 404, path);
      }
      assert.equal(await statusOf("PUT /kv/k?expected=%ff", "v"), 400);
      assert.equal(await statusOf("PUT /kv/k", Uint8Array.of(0x61, 0xff)), 400);
      assert.equal(await statusOf("PUT /kv/k", "€".repeat(350_000)), 413);
      assert.equal(await statusOf("POST /kv/k", ""), 404);
      assert.equal(store.get("k"), null);

      for (const [path, key] of [["/kv/x/..", "x/.."], ["/kv/%2e%2e", ".."]]) {
        assert.equal(await statusOf(`PUT ${path}`, `at ${key}`), 204, path);
        assert.equal(store.get(key!), `at ${key}`);
      }
      assert.equal(await statusOf("PUT /kv/mark", Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)), 204);
      assert.equal(store.get("mark"), "\ufeffa");
    }),
  );
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
