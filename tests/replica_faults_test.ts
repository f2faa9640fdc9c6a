/** Replicas on real sockets, damaged logs, full disks, and random faults. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { freePorts } from "../scripts/cluster/processes.ts";
import { ReplicaError } from "../src/replica/mod.ts";
import { Random, SimulatedDisk } from "../src/testing/mod.ts";
import { framesOf } from "./history.ts";
import { commandOf, failsWith, type Replicas, withReplicas } from "./replica_nodes.ts";
import { tlsOf, until } from "./transports.ts";
import { systemError, WatchedFileSystem } from "./watched_file_system.ts";

const IDS = [1n, 2n, 3n];

describe("replicas", () => {
  it(
    "work over TCP with certificates, and report connections",
    withReplicas(async (replicas) => {
      const ports = await freePorts(IDS.length);
      const peers = IDS.map((id, i) => [id, `127.0.0.1:${ports[i]}`] as const);
      await Promise.all(IDS.map((id, i) => {
        const tls = tlsOf(`node-${id}` as "node-1" | "node-2" | "node-3");
        return replicas.start(id, { transport: undefined, address: peers[i]![1], peers, tls, tickMilliseconds: 20 });
      }));
      for (const text of ["a", "b", "c"]) await replicas.propose(text);
      assert.deepEqual(await replicas.same(), ["a", "b", "c"]);
      const { events } = await replicas.leader();
      assert.ok(events.some((event) => event.type === "transport" && event.event.type === "connected"));
    }),
  );

  it(
    "find a member at the address that the log has, after a restart without it",
    withReplicas(async (replicas) => {
      const ports = await freePorts(4);
      const addresses = ports.map((port) => `127.0.0.1:${port}`);
      const peers = IDS.map((id, i) => [id, addresses[i]!] as const);
      const startAt = (id: bigint, joining = false) =>
        replicas.start(id, { transport: undefined, address: addresses[Number(id) - 1]!, peers, joining });
      await Promise.all(IDS.map((id) => startAt(id)));
      await replicas.propose("a");
      await startAt(4n, true);
      await (await replicas.leader()).replica.addMember(4n, addresses[3]!);
      // Restarted replicas are told of the first three only.
      const restarted = (await replicas.follower()).replica.id;
      await replicas.close(restarted);
      const { replica } = await startAt(restarted);
      await until(() => replica.status().appliedIndex > 0, "up to date");
      await (await replicas.leader()).replica.transferLeadership(restarted);
      await until(() => replica.status().peers.find(({ id }) => id === 4n)?.lag === 0, "replica 4 has everything");
      await replicas.propose("b");
      assert.deepEqual(await replicas.same(2), ["a", "b"]);
    }),
  );

  it(
    "repair the damaged log of one of them",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      for (let i = 0; i < 30; i++) await replicas.propose(`${i}`);
      await replicas.same();
      const { replica: { id } } = await replicas.follower();
      await replicas.close(id);
      damageAnEntry(replicas.folderOf(id));
      const { replica } = await replicas.start(id);
      assert.equal(replica.status().isDamaged, true);
      await until(() => !replica.status().isDamaged, "repaired");
      await replicas.propose("more");
      assert.equal((await replicas.same()).length, 31);
    }),
  );
});

describe("a replica on a full disk", () => {
  it(
    "refuses proposals, answers reads, and goes on when there is room",
    withReplicas(async (replicas) => {
      const fileSystem = new WatchedFileSystem();
      const { replica, journal, events } = await replicas.start(1n, { log: { fileSystem } });
      await replica.propose(commandOf("a"));
      fileSystem.fail = ({ operation }) => {
        if (operation === "write") throw systemError("ENOSPC");
      };
      for (let time = 0; time < 3; time++) {
        await assert.rejects(replica.propose(commandOf("b")), (error) => {
          assert.ok(error instanceof ReplicaError && error.isRetryable);
          return failsWith("NO_SPACE", "not-applied")(error);
        });
      }
      await replica.read();
      assert.equal(replica.status().state, "running");
      fileSystem.fail = () => {};
      assert.equal(await replica.propose(commandOf("c")), "2:c");
      assert.deepEqual(journal.commands, ["a", "c"]);
      assert.ok(!events.some(({ type }) => type === "fatal"));
    }, [1n]),
  );

  it(
    "makes its snapshot later",
    withReplicas(async (replicas) => {
      const fileSystem = new WatchedFileSystem();
      const options = { snapshotBytes: 1000, tickMilliseconds: 2, log: { fileSystem } };
      const { replica, events } = await replicas.start(1n, options);
      fileSystem.fail = ({ operation, name }) => {
        if (operation === "create" && name.includes("snap")) throw systemError("ENOSPC");
      };
      const propose = () => replica.propose(commandOf("a"));
      while (!events.some(({ type }) => type === "snapshotFailed")) await propose();
      fileSystem.fail = () => {};
      while (!events.some(({ type }) => type === "snapshotMade")) await propose();
    }, [1n]),
  );
});

/** The fate of a command, as its caller knows it. */
type Fate = "acknowledged" | "not-applied" | "unknown";

/** Three replicas on simulated disks, with faults and callers. */
class Storm {
  readonly fates = new Map<string, Fate>();
  /** Answers by command. All answers to a repeated command are the same. */
  readonly answers = new Map<string, Set<string>>();
  readonly random: Random;
  readonly #replicas: Replicas;
  readonly #disks = new Map<bigint, SimulatedDisk>();
  readonly #dead = new Set<bigint>();
  #isolated: bigint | undefined;
  #isOver = false;

  constructor(replicas: Replicas, seed: number) {
    this.#replicas = replicas;
    this.random = new Random(seed);
    for (const id of IDS) this.#disks.set(id, new SimulatedDisk({ seed: this.random.next() }));
    replicas.network.passes = (from, to) =>
      !this.#dead.has(from) && !this.#dead.has(to) && (from !== this.#isolated) && (to !== this.#isolated);
  }

  /** Starts a replica on its disk. Its folder is a path there. */
  async start(id: bigint): Promise<void> {
    const { fileSystem } = this.#disks.get(id)!;
    const log = { fileSystem, segmentBytes: 4096 };
    await this.#replicas.start(id, { folder: "/log", log, snapshotBytes: 2000, timeoutMilliseconds: 1000 });
  }

  /** Proposes commands with ids, each again until it is acknowledged. */
  async repeat(client: string, count: number): Promise<void> {
    for (let sequence = 1; sequence <= count; sequence++) {
      const text = `${client}-${sequence}`;
      const answers = this.answers.get(text) ?? new Set();
      this.answers.set(text, answers);
      // Some are repeated although they were acknowledged.
      for (let left = this.random.chance(0.2) ? 2 : 1; left > 0;) {
        const answer = await this.#propose(text, { client, sequence });
        if (answer === undefined) continue;
        answers.add(answer);
        left--;
      }
      this.fates.set(text, "acknowledged");
    }
  }

  /** Proposes commands without ids, each once. */
  async once(name: string): Promise<void> {
    for (let i = 1; !this.#isOver; i++) await this.#propose(`${name}-${i}`);
  }

  async #propose(
    text: string,
    id?: { readonly client: string; readonly sequence: number },
  ): Promise<string | undefined> {
    const all = [...this.#replicas.all.values()];
    const { replica } = all.find(({ replica }) => replica.isLeader && this.random.chance(0.8)) ?? this.random.pick(all);
    try {
      const answer = await replica.propose(commandOf(text), { id });
      this.fates.set(text, "acknowledged");
      return answer;
    } catch (error) {
      if (!(error instanceof ReplicaError)) throw error;
      assert.notEqual(error.code, "STALE_SEQUENCE");
      this.fates.set(text, error.outcome === "not-applied" ? "not-applied" : "unknown");
      await new Promise((resolve) => setTimeout(resolve, 5));
      return undefined;
    }
  }

  /** Lets power fail, the network isolate a replica, or a leader hand over, again and again. */
  async rage(): Promise<void> {
    while (!this.#isOver) {
      await new Promise((resolve) => setTimeout(resolve, 50 + this.random.below(150)));
      const id = this.random.pick(IDS);
      const { replica } = this.#replicas.all.get(id)!;
      const dice = this.random.below(10);
      if (dice < 4) {
        this.#dead.add(id);
        this.#disks.get(id)!.crash();
        await replica.close().catch(() => {});
        this.#dead.delete(id);
        await this.start(id);
      } else if (dice < 7) this.#isolated = this.#isolated === undefined ? id : undefined;
      else if (dice < 9) await replica.transferLeadership().catch(() => {});
      else {
        await this.#replicas.close(id);
        await this.start(id);
      }
    }
    this.#isolated = undefined;
  }

  end(): void {
    this.#isOver = true;
  }
}

describe("replicas with random faults", () => {
  for (const seed of [1, 2]) {
    it(
      `apply every acknowledged command once, in the same order everywhere: seed ${seed}`,
      withReplicas(async (replicas) => {
        const storm = new Storm(replicas, seed);
        await Promise.all(IDS.map((id) => storm.start(id)));
        await replicas.leader();
        const raging = storm.rage();
        const background = [storm.once("x"), storm.once("y")];
        await Promise.all(["ann", "bob", "cleo"].map((client) => storm.repeat(client, 60)));
        storm.end();
        await Promise.all([raging, ...background]);
        await replicas.propose("last");
        const applied = await replicas.same();
        assert.equal(new Set(applied).size, applied.length, "nothing is applied twice");
        for (const [text, fate] of storm.fates) {
          if (fate === "acknowledged") assert.ok(applied.includes(text), `${text} was acknowledged`);
          if (fate === "not-applied") assert.ok(!applied.includes(text), `${text} was not to be applied`);
        }
        assert.equal([...storm.answers.values()].filter(({ size }) => size !== 1).length, 0);
        for (const [text, [answer]] of storm.answers) assert.equal(answer, `${applied.indexOf(text) + 1}:${text}`);
      }),
    );
  }
});

/** Flips a bit in the command of an entry in the middle of a log. */
function damageAnEntry(folder: string): void {
  const name = readdirSync(folder).filter((name) => name.endsWith(".seg")).sort().at(-1)!;
  const bytes = readFileSync(join(folder, name));
  const entries = framesOf(bytes).filter(({ kind, length }) => kind === 1 && length > 0);
  const { end } = entries[Math.floor(entries.length / 2)]!;
  bytes[end - 9]! ^= 1;
  writeFileSync(join(folder, name), bytes);
}
