/** Replicas that propose, read, make snapshots, fail and come back. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RaftNode } from "../src/raft/mod.ts";
import { commandOf, failsWith, withReplicas } from "./replica_nodes.ts";
import { until } from "./transports.ts";

describe("a replica", () => {
  it(
    "answers a proposal with the state machine's answer, and applies it everywhere",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      const { replica } = await replicas.leader();
      const answers = await Promise.all(["a", "b", "c"].map((text) => replica.propose(commandOf(text))));
      assert.deepEqual(answers, ["1:a", "2:b", "3:c"]);
      assert.deepEqual(await replicas.same(), ["a", "b", "c"]);
    }),
  );

  it(
    "passes proposals on to the leader, and answers them from its own state",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      await replicas.leader();
      const followers = [...replicas.all.values()].filter(({ replica }) => !replica.isLeader);
      await Promise.all(followers.map(async ({ replica, journal }) => {
        const texts = Array.from({ length: 100 }, (_, i) => `${replica.id}-${i}`);
        const answers = await Promise.all(texts.map((text) => replica.propose(commandOf(text))));
        for (const [i, answer] of answers.entries()) {
          assert.equal(answer, `${journal.commands.indexOf(texts[i]!) + 1}:${texts[i]}`);
        }
      }));
      assert.equal((await replicas.same(200)).length, 200);
    }),
  );

  it(
    "answers on a follower without waiting for a heartbeat",
    withReplicas(async (replicas) => {
      await replicas.startAll({ tickMilliseconds: 100 });
      await replicas.propose("a");
      await replicas.same();
      const { replica } = await replicas.follower();
      const { term } = replica.status();
      // The leader's clock stands still, so it sends no regular heartbeats.
      const { stepAsync } = RaftNode.prototype;
      RaftNode.prototype.stepAsync = function (event) {
        return event.type === "tick" && this.isLeader ? Promise.resolve([]) : stepAsync.call(this, event);
      };
      try {
        assert.equal(await replica.propose(commandOf("b")), "2:b");
        assert.equal(replica.status().term, term);
      } finally {
        RaftNode.prototype.stepAsync = stepAsync;
      }
    }),
  );

  it(
    "says that the outcome is unknown if the leader fails after it has got the command",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      const leader = await replicas.leader();
      const { replica } = await replicas.follower();
      const { id } = leader.replica;
      let isSent = false;
      replicas.network.passes = (from, to, message) => {
        if (from === id || isSent) return to !== id && from !== id;
        isSent = message.type === "proposeRequest";
        return true;
      };
      await assert.rejects(replica.propose(commandOf("a")), failsWith("TIMEOUT", "unknown"));
    }),
  );

  it(
    "reads its own writes, also of another caller",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      const { replica, journal } = await replicas.leader();
      await replica.propose(commandOf("a"));
      await replica.read();
      assert.deepEqual(journal.commands, ["a"]);
    }),
  );

  it(
    "reads what was acknowledged on every replica",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      for (let i = 1; i <= 8; i++) {
        await replicas.propose(`${i}`);
        for (const { replica, journal } of replicas.all.values()) {
          await replica.read();
          assert.equal(journal.commands.length, i);
        }
      }
    }),
  );

  it(
    "reads nothing stale on a replica that is cut off, and again when it is back",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      await replicas.propose("a");
      const { replica, journal } = await replicas.follower();
      replicas.network.passes = (from, to) => from !== replica.id && to !== replica.id;
      let isRead = false;
      const read = replica.read().then(() => isRead = true);
      await replicas.propose("b");
      assert.equal(isRead, false);
      replicas.network.passes = () => true;
      await read;
      assert.deepEqual(journal.commands, ["a", "b"]);
    }),
  );

  it(
    "waits with a read until the state machine has applied everything before it",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      const { replica, journal } = await replicas.leader();
      let release = () => {};
      journal.before = () => new Promise((resolve) => release = resolve);
      const { lastIndex } = replica.status();
      const written = replica.propose(commandOf("a"));
      await until(() => replica.status().commitIndex > lastIndex, "committed");
      let isRead = false;
      const read = replica.read().then(() => isRead = true);
      await until(() => replica.status().waitingReads === 1, "asked");
      await new Promise((resolve) => setTimeout(resolve, 100));
      assert.equal(isRead, false);
      release();
      await Promise.all([written, read]);
    }),
  );

  it(
    "applies nothing between a read that is ready and its caller",
    withReplicas(async (replicas) => {
      const { replica, journal } = await replicas.start(1n);
      const isCommitted = () => replica.status().commitIndex === replica.status().lastIndex;
      await replica.propose(commandOf("a"));
      let release = () => {};
      const held = new Promise<void>((resolve) => release = resolve);
      journal.before = () => journal.commands.length === 1 ? held : undefined;
      const first = replica.propose(commandOf("b"));
      await until(isCommitted, "the first is committed");
      let seen: string[] = [];
      const read = replica.read().then(() => seen = [...journal.commands]);
      await new Promise((resolve) => setTimeout(resolve, 100));
      const second = replica.propose(commandOf("c"));
      await until(isCommitted, "the second is committed");
      release();
      await Promise.all([first, read, second]);
      assert.deepEqual(seen, ["a", "b"]);
      assert.deepEqual(journal.commands, ["a", "b", "c"]);
    }, [1n]),
  );

  it(
    "gives commands that were committed together to the state machine in one call",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      const { replica, journal } = await replicas.leader();
      await Promise.all(Array.from({ length: 500 }, (_, i) => replica.propose(commandOf(`${i}`))));
      assert.equal(journal.commands.length, 500);
      assert.ok(journal.pages.length < 100, `${journal.pages.length} pages`);
      assert.deepEqual(await replicas.same(), Array.from({ length: 500 }, (_, i) => `${i}`));
    }),
  );

  it(
    "elects another leader when the leader is closed, and catches up when it is back",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      await replicas.propose("a");
      const { replica: { id } } = await replicas.leader();
      await replicas.close(id);
      assert.equal(await replicas.propose("b"), "2:b");
      await replicas.start(id);
      assert.equal(await replicas.propose("c"), "3:c");
      assert.deepEqual(await replicas.same(), ["a", "b", "c"]);
    }),
  );

  it(
    "waits with a proposal until there is a leader",
    withReplicas(async (replicas) => {
      const { replica } = await replicas.start(1n);
      const answer = replica.propose(commandOf("early"));
      await replicas.start(2n);
      await replicas.start(3n);
      assert.equal(await answer, "1:early");
    }),
  );

  it(
    "says that a proposal was not applied if it never found a leader, and that a read failed",
    withReplicas(async (replicas) => {
      const { replica } = await replicas.start(1n, { timeoutMilliseconds: 100 });
      await assert.rejects(replica.propose(commandOf("a")), failsWith("TIMEOUT", "not-applied"));
      await assert.rejects(replica.read(), failsWith("TIMEOUT", "not-applied"));
      assert.equal(replica.status().waitingProposals, 0);
      assert.equal(replica.status().waitingReads, 0);
    }),
  );

  it(
    "says that the outcome is unknown if a command was not committed in time",
    withReplicas(async (replicas) => {
      await replicas.startAll({ timeoutMilliseconds: 300 });
      const { replica } = await replicas.leader();
      replicas.network.passes = () => false;
      await assert.rejects(replica.propose(commandOf("a")), failsWith("TIMEOUT", "unknown"));
    }),
  );

  it(
    "proposes a command again if another leader's entry has taken its place",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      const former = await replicas.leader();
      const { id } = former.replica;
      replicas.network.passes = (from, to) => from !== id && to !== id;
      const waiting = former.replica.propose(commandOf("mine"));
      await until(
        () => [...replicas.all.values()].some(({ replica }) => replica.isLeader && replica.id !== id),
        "another leader",
      );
      const other = [...replicas.all.values()].find(({ replica }) => replica.isLeader && replica.id !== id)!;
      await other.replica.propose(commandOf("theirs"));
      replicas.network.passes = () => true;
      assert.equal(await waiting, "2:mine");
      assert.deepEqual(await replicas.same(2), ["theirs", "mine"]);
    }),
  );

  it(
    "stops waiting when its signal aborts, and applies the command all the same",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      const { replica } = await replicas.leader();
      const abort = new AbortController();
      const waiting = replica.propose(commandOf("a"), { signal: abort.signal });
      abort.abort(new Error("enough"));
      await assert.rejects(waiting, { message: "enough" });
      assert.equal(await replica.propose(commandOf("b")), "2:b");
      const before = AbortSignal.abort(new Error("too late"));
      await assert.rejects(replica.propose(commandOf("c"), { signal: before }), { message: "too late" });
      await assert.rejects(replica.read({ signal: before }), { message: "too late" });
      assert.deepEqual(await replicas.same(), ["a", "b"]);
    }),
  );

  it(
    "rejects callers when it is closed, and takes no more calls",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      const { replica } = await replicas.leader();
      replicas.network.passes = () => false;
      const proposal = replica.propose(commandOf("a"));
      const read = replica.read();
      const closed = replicas.close(replica.id);
      await assert.rejects(replica.propose(commandOf("b")), failsWith("CLOSED", "not-applied"));
      await assert.rejects(proposal, failsWith("CLOSED", "unknown"));
      await assert.rejects(read, failsWith("CLOSED", "not-applied"));
      await closed;
      assert.equal(replica.status().state, "closed");
      await assert.rejects(replica.read(), failsWith("CLOSED", "not-applied"));
      await assert.rejects(replica.addMember(4n, "memory:4"), failsWith("CLOSED", "not-applied"));
    }),
  );

  it(
    "answers callers before it closes, and hands over first",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      const { replica } = await replicas.leader();
      const waiting = Array.from({ length: 20 }, (_, i) => replica.propose(commandOf(`${i}`)));
      await replicas.close(replica.id);
      assert.equal((await Promise.all(waiting)).length, 20);
      // Nobody waits for an election timeout: another leads already.
      assert.ok([...replicas.all.values()].some(({ replica }) => replica.isLeader));
      assert.equal((await replicas.same(20)).length, 20);
    }),
  );

  it(
    "starts again with everything that it had",
    withReplicas(async (replicas) => {
      const { replica } = await replicas.start(1n);
      for (const text of ["a", "b"]) await replica.propose(commandOf(text));
      await replicas.close(1n);
      const again = await replicas.start(1n);
      assert.equal(await again.replica.propose(commandOf("c")), "3:c");
    }, [1n]),
  );

  it(
    "tells of its leader once",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      const leader = await replicas.leader();
      const { id } = leader.replica;
      const follower = await replicas.follower();
      const told = () =>
        follower.events.filter((event) => event.type === "leaderChanged" && event.leader === id).length;
      await until(() => told() === 1, "told");
      assert.ok(leader.events.some((event) => event.type === "leaderChanged" && event.role === "leader"));
      await replicas.propose("a");
      assert.equal(told(), 1);
    }),
  );
});
