/** Changes of the cluster that other changes cancel, under load, and the idle replica after them. */

import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { describe, it } from "node:test";
import { RaftNode } from "../src/raft/mod.ts";
import type { Replica } from "../src/replica/mod.ts";
import { isCommitted } from "../src/replica/change_conditions.ts";
import { commandOf, failsWith, withReplicas } from "./replica_nodes.ts";
import { until } from "./transports.ts";

/** Waits until the leader has recorded the incarnations of all logs, which is a change too. */
async function isSettled(replica: Replica<string>): Promise<void> {
  await until(() => {
    const { membershipIndex, commitIndex, peers } = replica.status();
    return membershipIndex > 1 && membershipIndex <= commitIndex &&
      peers.every(({ match }) => match >= membershipIndex);
  }, "the incarnations are recorded");
}

/** Begins to add replica 9, which nobody has started, and aborts that when it is a learner. */
async function abortAdding(replica: Replica<string>): Promise<void> {
  const abort = new AbortController();
  const adding = assert.rejects(replica.addMember(9n, "memory:9", { signal: abort.signal }), { message: "enough" });
  await until(() => replica.status().learners.includes(9n), "it is a learner");
  abort.abort(new Error("enough"));
  await adding;
}

describe("a change of the cluster that waits", () => {
  it(
    "gives no vote to a replica that was removed meanwhile",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      const { replica } = await replicas.leader();
      const adding = assert.rejects(replica.addMember(9n, "memory:9"), failsWith("INVALID_ARGUMENT", "unknown"));
      await until(() => replica.status().learners.includes(9n), "it is a learner");
      await replica.removeMember(9n);
      await adding;
      assert.deepEqual([replica.status().members.length, replica.status().learners], [3, []]);
    }),
  );

  it(
    "ends if its replacement is cancelled",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      const { replica } = await replicas.leader();
      const { replica: { id } } = await replicas.follower();
      for (const removed of [8n, id]) {
        const replacing = replica.replaceMember(id, 8n, "memory:8");
        const rejected = assert.rejects(replacing, failsWith("INVALID_ARGUMENT", "unknown"));
        await until(() => replica.status().replacement !== null, "it has begun");
        await replica.removeMember(removed);
        await rejected;
      }
    }),
  );

  it(
    "is a replacement that ends although commands go on and on",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      const { replica } = await replicas.leader();
      const { replica: { id } } = await replicas.follower();
      let isOver = false;
      const load = Promise.all(Array.from({ length: 8 }, async () => {
        while (!isOver) await replica.propose(commandOf("a"));
      }));
      await replicas.start(4n, { joining: true });
      await replica.replaceMember(id, 4n, "memory:4");
      isOver = true;
      await load;
      assert.ok(replica.status().members.includes(4n) && !replica.status().members.includes(id));
    }),
  );

  it(
    "leaves a learner when it is aborted, which a second call gives a vote",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      const { replica } = await replicas.leader();
      await abortAdding(replica);
      assert.deepEqual([replica.status().members.length, replica.status().learners], [3, [9n]]);
      await replicas.start(9n, { joining: true });
      await replica.addMember(9n, "memory:9");
      assert.deepEqual([replica.status().members.length, replica.status().learners], [4, []]);
    }),
  );

  it(
    "is taken back by a removal after it was aborted",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      const { replica } = await replicas.leader();
      await abortAdding(replica);
      await replica.removeMember(9n);
      const { learners, membershipIndex, commitIndex } = replica.status();
      assert.deepEqual(learners, []);
      assert.ok(membershipIndex <= commitIndex);
    }),
  );

  it(
    "is taken back by a removal although it was aborted before it was committed",
    withReplicas(async (replicas) => {
      // The leader must not give up while it is cut off for a moment.
      await replicas.startAll({ tickMilliseconds: 100 });
      const { replica } = await replicas.leader();
      await isSettled(replica);
      replicas.network.passes = () => false;
      await abortAdding(replica);
      const { learners, membershipIndex, commitIndex } = replica.status();
      assert.deepEqual(learners, [9n]);
      assert.ok(membershipIndex > commitIndex, "the status shows that the change waits");
      const removing = replica.removeMember(9n);
      replicas.network.passes = () => true;
      await removing;
      assert.deepEqual(replica.status().learners, []);
    }),
  );

  it(
    "goes on as a replacement when it is aborted",
    withReplicas(async (replicas) => {
      await replicas.startAll();
      const { replica } = await replicas.leader();
      const { replica: { id } } = await replicas.follower();
      const abort = new AbortController();
      const replacing = replica.replaceMember(id, 4n, "memory:4", { signal: abort.signal });
      await until(() => replica.status().replacement !== null, "it has begun");
      abort.abort(new Error("enough"));
      await assert.rejects(replacing, { message: "enough" });
      await replicas.start(4n, { joining: true });
      await until(() => replica.status().replacement === null, "it is complete");
      assert.ok(replica.status().members.includes(4n) && !replica.status().members.includes(id));
    }),
  );

  it("has not happened if the entry of another leader is at its index", () => {
    const node = { commitIndex: 4, leader: 2n, log: { termAt: () => 3 } };
    const isDone = isCommitted(node as unknown as RaftNode, "add a member", 5, 2);
    assert.equal(isDone(), false);
    node.commitIndex = 5;
    assert.throws(isDone, failsWith("NOT_LEADER", "unknown"));
    assert.equal(isCommitted(node as unknown as RaftNode, "add a member", 5, 3)(), true);
  });
});

describe("an idle replica", () => {
  for (const ids of [[1n], [1n, 2n, 3n]]) {
    it(
      `of ${ids.length} announces a commit once`,
      withReplicas(async (replicas) => {
        await replicas.startAll();
        const { replica } = await replicas.leader();
        await replica.propose(commandOf("a"));
        const { stepAsync } = RaftNode.prototype;
        let heartbeats = 0;
        RaftNode.prototype.stepAsync = function (event) {
          if (event.type === "heartbeat") heartbeats++;
          return stepAsync.call(this, event);
        };
        try {
          await setTimeout(100);
        } finally {
          RaftNode.prototype.stepAsync = stepAsync;
        }
        // A tick can commit an entry meanwhile. Without a limit, there would be thousands.
        assert.ok(heartbeats < 10, `${heartbeats} heartbeats`);
      }, ids),
    );
  }
});
