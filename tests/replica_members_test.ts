/** Leaders of replicas that hand over, and change the cluster. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { commandOf, failsWith, withReplicas } from "./replica_nodes.ts";
import { until } from "./transports.ts";

describe("the leader of replicas", () => {
  it(
    "hands over to the member that it is told, or to any",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      await replicas.propose("a");
      await replicas.same();
      const leader = await replicas.leader();
      const target = (await replicas.follower()).replica.id;
      await leader.replica.transferLeadership(target);
      assert.equal((await replicas.leader()).replica.id, target);
      await (await replicas.leader()).replica.transferLeadership();
      assert.notEqual((await replicas.leader()).replica.id, target);
      await assert.rejects(
        replicas.all.get(target)!.replica.transferLeadership(),
        failsWith("NOT_LEADER", "not-applied"),
      );
    }),
  );

  it(
    "goes on leading if the member that is to lead does not answer",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      const { replica } = await replicas.leader();
      const target = (await replicas.follower()).replica.id;
      replicas.network.passes = (from, to) => from !== target && to !== target;
      await assert.rejects(replica.transferLeadership(target), failsWith("TIMEOUT", "not-applied"));
      await assert.rejects(replica.transferLeadership(9n), failsWith("INVALID_ARGUMENT", "not-applied"));
      assert.equal(replica.isLeader, true);
      assert.equal(await replica.propose(commandOf("a")), "1:a");
    }),
  );

  it(
    "says that it does not know the next leader, if it is cut off while it hands over",
    withReplicas(async (replicas) => {
      await replicas.startAll({ timeoutMilliseconds: 500 });
      await replicas.propose("a");
      const { replica } = await replicas.leader();
      const transfer = replica.transferLeadership();
      replicas.network.passes = (from, to) => from !== replica.id && to !== replica.id;
      await assert.rejects(transfer, (error: unknown) => {
        // The node may find that it has failed before it finds that it is cut off.
        const { outcome } = error as { readonly outcome: string };
        return failsWith("TIMEOUT", outcome)(error);
      });
    }),
  );

  it(
    "adds a member, which catches up and votes, and removes one",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      for (const text of ["a", "b"]) await replicas.propose(text);
      const added = await replicas.start(4n, { joining: true });
      const { replica } = await replicas.leader();
      await replica.addMember(4n, "memory:4");
      assert.deepEqual(replica.status().members, [1n, 2n, 3n, 4n]);
      assert.equal(replica.status().addresses.get(4n), "memory:4");
      assert.deepEqual(added.journal.commands, ["a", "b"]);
      const removed = (await replicas.follower()).replica.id;
      await replica.removeMember(removed);
      await replicas.close(removed);
      assert.ok(!replica.status().members.includes(removed));
      assert.equal(await replicas.propose("c"), "3:c");
      assert.deepEqual(await replicas.same(), ["a", "b", "c"]);
      const refused = [...replicas.all.values()].find((one) => !one.replica.isLeader)!;
      await assert.rejects(refused.replica.removeMember(4n), failsWith("NOT_LEADER", "not-applied"));
    }),
  );

  it(
    "adds a learner, which reads and never votes, and gives it a vote later",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      await replicas.propose("a");
      const { replica } = await replicas.leader();
      const learner = await replicas.start(4n, { joining: true });
      await replica.addLearner(4n, "memory:4");
      await replicas.propose("b");
      await learner.replica.read();
      assert.deepEqual(learner.journal.commands, ["a", "b"]);
      assert.equal(await learner.replica.propose(commandOf("c")), "3:c");
      const { members, learners } = replica.status();
      assert.deepEqual([members, learners], [[1n, 2n, 3n], [4n]]);
      await replica.addMember(4n, "memory:4");
      assert.deepEqual(replica.status().members, [1n, 2n, 3n, 4n]);
    }),
  );

  it(
    "replaces a member in one call",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      await replicas.propose("a");
      const { replica } = await replicas.leader();
      const { replica: { id } } = await replicas.follower();
      const added = await replicas.start(4n, { joining: true });
      await replica.replaceMember(id, 4n, "memory:4");
      await replicas.close(id);
      assert.deepEqual(replica.status().members, [1n, 2n, 3n, 4n].filter((member) => member !== id));
      await replicas.propose("b");
      assert.deepEqual(await replicas.same(2), ["a", "b"]);
      assert.deepEqual(added.journal.commands, ["a", "b"]);
    }),
  );

  it(
    "waits with a change until the one before it is committed",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      await replicas.propose("a");
      const { replica } = await replicas.leader();
      for (const id of [4n, 5n]) await replicas.start(id, { joining: true });
      await Promise.all([replica.addLearner(4n, "memory:4"), replica.addLearner(5n, "memory:5")]);
      assert.deepEqual(replica.status().learners, [4n, 5n]);
    }),
  );

  it(
    "does not call a change done that is not committed when its leadership ends",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      await replicas.propose("a");
      await replicas.same();
      // By then, the leader has recorded the incarnations of all logs, which is a change too.
      await new Promise((resolve) => setTimeout(resolve, 300));
      const { replica } = await replicas.leader();
      const added = replica.addLearner(4n, "memory:4");
      replicas.network.passes = (from, to) => from !== replica.id && to !== replica.id;
      assert.deepEqual(replica.status().learners, [4n]);
      await assert.rejects(added, failsWith("NOT_LEADER", "unknown"));
    }),
  );

  it(
    "waits with the vote of a member that has not caught up, until the wait is aborted",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      await replicas.propose("a");
      const { replica } = await replicas.leader();
      const abort = new AbortController();
      // Nobody is there.
      const adding = replica.addMember(9n, "memory:9", { signal: abort.signal });
      await until(() => replica.status().learners.includes(9n), "a learner");
      await replicas.propose("b");
      abort.abort(new Error("enough"));
      await assert.rejects(adding, { message: "enough" });
      assert.deepEqual(replica.status().members, [1n, 2n, 3n]);
    }),
  );
});
