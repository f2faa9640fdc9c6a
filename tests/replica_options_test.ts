/** What replicas are started with, and what they tell: options, status, metrics, events. */

import assert from "node:assert/strict";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { describe, it } from "node:test";
import { prometheusText } from "../mod.ts";
import { MemoryNetwork, MemoryTransport } from "../src/raft/mod.ts";
import { type AddressLike, Replica, type ReplicaMessage, type ReplicaOptions } from "../src/replica/mod.ts";
import { toAddress } from "../src/replica/options.ts";
import { commandOf, failsWith, Journal, withReplicas } from "./replica_nodes.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { tlsOf, until } from "./transports.ts";

describe("the options of a replica", () => {
  it("are checked before anything is opened", () =>
    inTemporaryFolder(async (folder) => {
      const valid: ReplicaOptions<string> = { folder, id: 1n, address: "127.0.0.1:0", stateMachine: new Journal() };
      const transport = new MemoryTransport(2n, new MemoryNetwork());
      const wrong: readonly [object, RegExp][] = [
        [{ adress: "127.0.0.1:1" }, /unknown option "adress"; did you mean address\?/],
        [{ address: "127.0.0.1" }, /an address must be HOST:PORT/],
        [{ address: undefined }, /address is required without transport/],
        [{ folder: "" }, /folder must be a path/],
        [{ stateMachine: { apply() {} } }, /stateMachine must have a method snapshot/],
        [{ tickMilliseconds: 0 }, /tickMilliseconds must be a number from 1/],
        [{ timeoutMilliseconds: Infinity }, /timeoutMilliseconds must be a number/],
        [{ snapshotBytes: 0 }, /snapshotBytes must be a number from 1/],
        [{ id: 1 }, /ids must be bigints/],
        [{ maxUncommittedBytes: -1 }, /maxUncommittedBytes must be/],
        [{ peers: [[2n, "x"]] }, /an address must be HOST:PORT, found "x"/],
        [{ transport, id: 2n, address: undefined, peers: [[1n, "a:1"]] }, /address is required with peers/],
        [{ transport }, /the transport is of node 2, and the replica is 1/],
        [{ transport: new MemoryTransport(1n, new MemoryNetwork()), tls: tlsOf("node-1") }, /tls is for the transport/],
        [{ onEvent: 1 }, /onEvent must be a function/],
      ];
      for (const [options, message] of wrong) {
        const start = Replica.start({ ...valid, ...options } as ReplicaOptions<string>);
        await assert.rejects(start, (error: Error) => {
          assert.match(error.message, message);
          return (error as { code?: string }).code === "INVALID_ARGUMENT";
        });
      }
      // No attempt has left a lock.
      const replica = await Replica.start(valid);
      await replica.close();
    }));

  it("take addresses as texts and as objects", () => {
    const pairs: readonly [AddressLike, string, number][] = [
      ["10.0.0.1:7001", "10.0.0.1", 7001],
      ["[::1]:7001", "::1", 7001],
      ["node-1.example:1", "node-1.example", 1],
      [{ host: "a", port: 2 }, "a", 2],
    ];
    for (const [address, host, port] of pairs) assert.deepEqual(toAddress(address), { host, port });
    for (const address of ["a", ":1", "a:", "::1:7001", "a:b"]) {
      assert.throws(() => toAddress(address), { code: "INVALID_ARGUMENT" });
    }
  });
});

describe("a replica", () => {
  it(
    "describes itself in its status and its metrics",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      await replicas.propose("a");
      const { replica, journal } = await replicas.leader();
      await replica.read();
      await assert.rejects(replica.propose(commandOf("x"), { id: { client: "", sequence: 1 } }));
      const status = replica.status();
      assert.deepEqual([status.state, status.role, status.failure], ["running", "leader", undefined]);
      assert.deepEqual([status.members, status.learners], [[1n, 2n, 3n], []]);
      assert.equal(status.peers.length, 2);
      assert.deepEqual([status.waitingProposals, status.waitingReads, status.waitingCommands], [0, 0, 0]);
      assert.equal(status.appliedIndex, journal.indexes.at(-1));
      const text = prometheusText(replica.metrics("a"));
      for (
        const line of [
          'wallog_replica_state{log="a",state="running"} 1',
          'wallog_replica_role{log="a",role="leader"} 1',
          'wallog_replica_role{log="a",role="follower"} 0',
          `wallog_replica_applied_index{log="a"} ${status.appliedIndex}`,
          'wallog_replica_members{log="a"} 3',
          'wallog_replica_proposals_total{log="a",outcome="applied"} 1',
          'wallog_replica_reads_total{log="a"} 1',
          'wallog_writable{log="a"} 1',
        ]
      ) assert.ok(text.includes(`${line}\n`), `${line}\n${text}`);
      assert.equal(text.match(/^wallog_replica_peer_lag_bytes\{.*peer="\d"\} \d+$/gm)?.length, 2);
      assert.equal(text.match(/^wallog_replica_peer_lag_entries\{.*peer="\d"\} \d+$/gm)?.length, 2);
    }),
  );

  it(
    "publishes its events on a channel too",
    withReplicas(async (replicas) => {
      const messages: ReplicaMessage[] = [];
      const listen = (message: unknown) => messages.push(message as ReplicaMessage);
      subscribe("wallog:replica", listen);
      const { replica, events } = await replicas.start(1n, { snapshotBytes: 100 });
      for (let i = 0; i < 10; i++) await replica.propose(commandOf(`${i}`));
      await until(() => events.some(({ type }) => type === "snapshotMade"), "a snapshot");
      unsubscribe("wallog:replica", listen);
      assert.deepEqual(messages.map(({ event }) => event), events);
      assert.ok(messages.every(({ id, path }) => id === 1n && path === replicas.folderOf(1n)));
      const types = new Set(events.map(({ type }) => type));
      assert.ok(types.has("leaderChanged") && types.has("snapshotMade"));
    }, [1n]),
  );

  it(
    "refuses commands that are too large, and too many at once",
    withReplicas(async (replicas) => {
      const { replica } = await replicas.start(1n, { maxUncommittedBytes: 1000, log: { maxEntryBytes: 10_000 } });
      await replica.propose(commandOf("a"));
      const tooLarge = replica.propose(new Uint8Array(10_001));
      await assert.rejects(tooLarge, failsWith("ENTRY_TOO_LARGE", "not-applied"));
      const results = await Promise.allSettled(Array.from({ length: 50 }, () => replica.propose(new Uint8Array(100))));
      const refused = results.filter((result) => result.status === "rejected");
      assert.ok(refused.length > 10 && refused.length < 50, `${refused.length} of 50`);
      for (const { reason } of refused) failsWith("OVERLOADED", "not-applied")(reason);
      assert.equal(refused.every(({ reason }) => reason.isRetryable), true);
    }, [1n]),
  );

  it(
    "reads commands from its log again that wait too long for the state machine",
    withReplicas(async (replicas) => {
      const { replica, journal } = await replicas.start(1n);
      await replica.propose(commandOf("first"));
      let release = () => {};
      let isHeld = true;
      journal.before = () => isHeld ? new Promise((resolve) => release = resolve) : undefined;
      // 40 MiB. The replica holds 16 MiB of them in memory.
      const texts = Array.from({ length: 40 }, (_, i) => `${i}-`.padEnd(1024 * 1024, "x"));
      const waiting: Promise<string>[] = [];
      for (const text of texts) {
        waiting.push(replica.propose(commandOf(text)));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      await until(() => replica.status().commitIndex === replica.status().lastIndex, "committed");
      isHeld = false;
      release();
      await Promise.all(waiting);
      assert.deepEqual(
        journal.commands.slice(1).map((text) => text.slice(0, 4)),
        texts.map((text) => text.slice(0, 4)),
      );
      assert.equal(replica.status().waitingCommands, 0);
      // After a restart, all of it is handed out again, a few MiB in a step.
      await replicas.close(1n);
      const again = await replicas.start(1n);
      await again.replica.read();
      assert.deepEqual(again.journal.commands, journal.commands);
      assert.ok(again.journal.pages.length > 5, `${again.journal.pages.length} pages`);
    }, [1n]),
  );
});
