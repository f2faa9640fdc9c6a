/** Progress of a cluster: cases that are safe, but could wait or send endlessly. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Message, RaftNode } from "../src/raft/mod.ts";
import { encodeMembership } from "../src/raft/membership.ts";
import { MemoryLog } from "../src/api/memory_log.ts";
import { Cluster, type Letter } from "./raft_cluster.ts";

test("a leader of two that removes the other commits the removal by itself", () => {
  const cluster = new Cluster([1n, 2n], { noOp: true });
  const leader = cluster.elect(1n);
  cluster.tick(3, [1n]);
  cluster.step(1n, { type: "removeServer", id: 2n });
  assert.deepEqual(leader.members, [1n]);
  assert.equal(leader.commitIndex, leader.log.lastIndex);
  cluster.step(1n, { type: "addLearner", id: 3n });
  assert.deepEqual(leader.learners, [3n]);
  // The learner is down. It can be removed all the same.
  cluster.step(1n, { type: "removeServer", id: 3n });
  assert.deepEqual(leader.learners, []);
});

/** A leader that has compacted entries that node 3 lacks. The test decides when messages arrive. */
function sending(snapshotBytes: number) {
  const letters: Letter[] = [];
  const cluster = new Cluster([1n, 2n, 3n], { snapshotChunkBytes: 10, heartbeatInterval: 3 });
  const leader = cluster.elect(1n);
  cluster.passes = ({ to }) => to !== 3n;
  for (let i = 0; i < 10; i++) cluster.propose(1n, `${i}`);
  const snapshot = (index: number) =>
    cluster.step(1n, { type: "snapshot", index, data: new Uint8Array(snapshotBytes) });
  snapshot(5);
  cluster.passes = (letter) => {
    const isDelayed = letter.from === 3n || letter.to === 3n;
    if (isDelayed) letters.push(letter);
    return !isDelayed;
  };
  /** A tick of the leader. Messages to and from node 3 arrive. */
  const round = () => {
    const arriving = letters.splice(0);
    cluster.tick(1, [1n]);
    for (const { to, message } of arriving) cluster.step(to, { type: "message", message });
  };
  return { cluster, leader, snapshot, round };
}

test("a snapshot in pieces is sent little more than once, despite heartbeats", () => {
  const PIECES = 100;
  const { cluster, round } = sending(10 * PIECES);
  let rounds = 0;
  for (; cluster.node(3n).log.snapshotIndex === 0; rounds++) {
    assert.ok(rounds < 10 * PIECES, "it does not arrive");
    round();
  }
  const pieces = cluster.sent.filter(({ message }) => message.type === "installSnapshot").length;
  assert.ok(pieces <= 2 * PIECES + 10, `${pieces} messages for ${PIECES} pieces`);
});

test("a snapshot with a long transfer arrives, even if a later one exists", () => {
  const { cluster, snapshot, round } = sending(1000);
  for (let rounds = 0; cluster.node(3n).log.snapshotIndex === 0; rounds++) {
    assert.ok(rounds < 1000, "it does not arrive");
    // A new snapshot is taken before the first one is transferred.
    if (rounds % 50 === 40) {
      cluster.propose(1n, "more");
      snapshot(cluster.node(1n).lastApplied);
    }
    round();
  }
  assert.equal(cluster.node(3n).log.snapshotIndex, 5, "what had begun came to its end");
  for (let rounds = 0; cluster.node(3n).log.lastIndex < cluster.node(1n).log.lastIndex; rounds++) {
    assert.ok(rounds < 1000, "it does not catch up");
    round();
  }
});

test("a damaged node gets a later snapshot if the current one does not cover its losses", () => {
  const { cluster, leader, snapshot, round } = sending(1000);
  const sent = () =>
    cluster.sent.flatMap(({ to, message }) => (
      to === 3n && message.type === "installSnapshot" ? [[message.snapshot.index, message.offset]] : []
    ));
  for (let rounds = 0; sent().length === 0; rounds++) {
    assert.ok(rounds < 20, "nothing is sent");
    round();
  }
  // From here on, the node does not answer.
  snapshot(8);
  cluster.tick(3, [1n]);
  assert.deepEqual(sent(), [[5, 0], [5, 0]], "what has begun goes on");
  const asked = { type: "repairRequest", term: leader.term, from: 3n, request: 1, first: 4 } as const;
  cluster.step(1n, { type: "message", message: { ...asked, last: 5 } });
  cluster.step(1n, { type: "message", message: { ...asked, last: 7 } });
  assert.deepEqual(sent().slice(2), [[5, 0], [8, 0]]);
});

test("a learner does not ask for votes because others were removed", () => {
  const log = new MemoryLog();
  log.append([{ term: 1, index: 1, kind: "config", command: encodeMembership({ members: [1n, 2n], learners: [4n] }) }]);
  const learner = RaftNode.withLog({ id: 4n, joining: true, finishRemoval: true }, log);
  for (let tick = 0; tick < 100; tick++) assert.deepEqual(learner.step({ type: "tick" }), []);
});

test("an answer with an index beyond the leader's log does no harm", () => {
  const cluster = new Cluster([1n, 2n, 3n]);
  const leader = cluster.elect(1n);
  const beyond = 2 ** 53 - 1;
  const answers: Message[] = [
    {
      ...{ type: "appendEntriesReply", term: leader.term, success: true, from: 2n },
      ...{ matchIndex: beyond, conflictIndex: 0, conflictTerm: 0 },
    } as Message,
    { type: "installSnapshotReply", term: leader.term, from: 2n, lastIndex: beyond },
  ];
  for (const message of answers) {
    assert.throws(() => leader.step({ type: "message", message }), { code: "INVALID_ARGUMENT" });
  }
  cluster.propose(1n, "x");
  cluster.tick(6, [1n]);
  assert.deepEqual([...cluster.applied.get(2n)!.values()], ["x"]);
});

test("a node that lost its acknowledged log does not get endless messages", () => {
  const cluster = new Cluster([1n, 2n, 3n], { heartbeatInterval: 3 });
  cluster.elect(1n);
  for (let i = 0; i < 10; i++) cluster.propose(1n, `${i}`);
  // An operator must not do this: the node may also have voted, and has lost that vote.
  cluster.start(2n, [1n, 3n]);
  const before = cluster.sent.length;
  cluster.passes = () => {
    assert.ok(cluster.sent.length - before < 10_000, "no end in sight");
    return true;
  };
  cluster.tick(30);
  cluster.propose(1n, "goes on");
  cluster.tick(3);
  assert.equal(cluster.applied.get(3n)!.get(11), "goes on");
});
