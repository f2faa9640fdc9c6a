/** Merging messages of steps that share a flush. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Action, type AppendEntries, type AppendEntriesReply, type Message, RaftNode } from "../src/raft/mod.ts";
import { addActions, mergeSends, takeAhead } from "../src/raft/merging.ts";
import { Random } from "../src/testing/mod.ts";
import type { LogEntry, NodeId } from "../src/api/types.ts";
import { Cluster } from "./raft_cluster.ts";

const BOUNDS = { maxBatch: 64, maxBatchBytes: Infinity };

const send = (to: NodeId, message: Message): Action => ({ type: "send", to, message });

/** Entries of term 3 after an index, each of the given number of bytes. */
function entries(prevLogIndex: number, count: number, bytes = 1): AppendEntries {
  return {
    type: "appendEntries",
    term: 3,
    leader: 1n,
    prevLogIndex,
    prevLogTerm: 3,
    entries: Array.from({ length: count }, (_, i): LogEntry => (
      { term: 3, index: prevLogIndex + 1 + i, kind: "normal", command: new Uint8Array(bytes) }
    )),
    leaderCommit: 0,
  };
}

function reply(matchIndex: number, more: Partial<AppendEntriesReply> = {}): AppendEntriesReply {
  const conflict = { conflictIndex: 0, conflictTerm: 0 };
  return { type: "appendEntriesReply", term: 3, success: true, from: 2n, matchIndex, ...conflict, ...more };
}

/** The result of merging messages to one node, each from its own step. */
function merged(messages: readonly Message[], bounds: Partial<typeof BOUNDS> = {}): Message[] {
  const steps = messages.map((message) => [send(2n, message)]);
  mergeSends(steps, { ...BOUNDS, ...bounds });
  return steps.flat().map((action) => (action as { message: Message }).message);
}

const ranges = (messages: readonly Message[]): number[][] =>
  messages.map((message) => {
    const { prevLogIndex, entries } = message as AppendEntries;
    return [prevLogIndex, entries.length];
  });

test("proposals that share a flush go to each follower in as few messages as possible", async () => {
  const cluster = new Cluster([1n, 2n, 3n]);
  const leader = cluster.elect(1n);
  cluster.propose(1n, "so that the followers are ready for more");
  const command = new TextEncoder().encode("x");
  const steps = await Promise.all(
    Array.from({ length: 100 }, () => leader.stepAsync({ type: "propose", command })),
  );
  const sent = steps.flat().filter((action) => action.type === "send");
  for (const id of [2n, 3n]) {
    const toIt = sent.filter(({ to }) => to === id).map(({ message }) => message);
    assert.deepEqual(ranges(toIt), [[1, 64], [65, 36]]);
    const answers = await Promise.all(
      toIt.map((message) => cluster.node(id).stepAsync({ type: "message", message })),
    );
    const replies = answers.flat().filter((action) => action.type === "send").map(({ message }) => message);
    assert.deepEqual(replies.map((one) => (one as AppendEntriesReply).matchIndex), [101]);
    await leader.stepAsync({ type: "message", message: replies[0]! });
  }
  assert.equal(leader.commitIndex, 101);
});

test("a step with its own flush sends the same as step", async () => {
  const [one, other] = [new RaftNode({ id: 1n, peers: [2n] }), new RaftNode({ id: 1n, peers: [2n] })];
  const answers: Message[] = [
    { type: "preVoteReply", term: 0, voteGranted: true, from: 2n },
    { type: "requestVoteReply", term: 1, voteGranted: true, from: 2n },
    reply(0, { term: 1 }),
  ];
  const events = [
    ...Array(20).fill({ type: "tick" }),
    ...answers.map((message) => ({ type: "message", message })),
    ...Array(3).fill({ type: "propose", command: new Uint8Array(3) }),
    { type: "readIndex", id: 1 },
    { type: "tick" },
  ];
  for (const event of events) assert.deepEqual(await one.stepAsync(event), other.step(event));
  assert.equal(one.log.lastIndex, 3);
});

test("entries are merged up to the bounds of a message, and heartbeats with their neighbours", () => {
  assert.deepEqual(ranges(merged([entries(4, 2), entries(6, 1), entries(7, 0), entries(7, 3)])), [[4, 6]]);
  assert.deepEqual(ranges(merged([entries(4, 2), entries(6, 2), entries(8, 1)], { maxBatch: 3 })), [[4, 2], [6, 3]]);
  const large = [entries(0, 1, 30), entries(1, 0), entries(1, 2, 5), entries(3, 1, 5), entries(4, 1, 6)];
  assert.deepEqual(ranges(merged(large, { maxBatchBytes: 20 })), [[0, 1], [1, 3], [4, 1]]);
});

test("a merged message has the fields of the last one", () => {
  const first = { ...entries(4, 1), prevLogTerm: 2, leaderCommit: 3, round: 7 };
  const [one] = merged([first, { ...entries(5, 1), leaderCommit: 5 }, { ...entries(6, 1), leaderCommit: 6, round: 8 }]);
  assert.deepEqual(one, { ...entries(4, 3), prevLogTerm: 2, leaderCommit: 6, round: 8 });
  const [other] = merged([first, entries(5, 1)]);
  assert.equal((other as AppendEntries).round, 7);
});

test("messages with gaps, of other terms, or out of order are not merged", () => {
  const timeoutNow: Message = { type: "timeoutNow", term: 3, leader: 1n };
  for (
    const messages of [
      [entries(4, 2), entries(4, 3)],
      [entries(4, 2), entries(7, 1)],
      [entries(4, 2), { ...entries(6, 1), term: 4 }],
      [entries(4, 2), timeoutNow, entries(6, 1)],
      [reply(4), reply(3)],
      [reply(4), reply(0, { success: false })],
      [reply(0, { success: false }), reply(5)],
      [reply(4), reply(5, { term: 4 })],
      [reply(4, { round: 2 }), reply(5)],
      [reply(4, { round: 2 }), reply(5, { round: 1 })],
    ]
  ) assert.deepEqual(merged(messages), messages);
});

test("only the last acknowledgement is kept if it covers the earlier ones", () => {
  assert.deepEqual(merged([reply(4), reply(4), reply(6, { round: 2 })]), [reply(6, { round: 2 })]);
});

test("inputs of a step are not changed, and other actions keep their order", () => {
  const random = new Random(5);
  for (let i = 0; i < 200; i++) {
    const next = new Map<NodeId, number>([[2n, 0], [3n, 0]]);
    let applied = 0;
    const steps = Array.from(
      { length: 1 + random.below(10) },
      () =>
        Array.from({ length: random.below(6) }, (): Action => {
          if (random.chance(0.3)) return { type: "apply", index: ++applied, term: 3, command: new Uint8Array() };
          const to = random.pick([2n, 3n]);
          if (random.chance(0.1)) next.set(to, Math.max(0, next.get(to)! - 2));
          const message = entries(next.get(to)!, random.below(4));
          next.set(to, next.get(to)! + message.entries.length);
          return send(to, message);
        }),
    );
    const before = steps.map((actions) => [...actions]);
    const texts = JSON.stringify(before, (_, value) => typeof value === "bigint" ? String(value) : value);
    mergeSends(steps, { ...BOUNDS, maxBatch: 5 });
    assert.equal(JSON.stringify(before, (_, value) => typeof value === "bigint" ? String(value) : value), texts);
    const others = (step: Action[]) => step.filter(({ type }) => type !== "send");
    assert.deepEqual(steps.map(others), before.map(others));
    for (const to of next.keys()) {
      const sent = (all: Action[][]) =>
        all.flat().flatMap((action) =>
          action.type === "send" && action.to === to ? (action.message as AppendEntries).entries : []
        );
      assert.deepEqual(sent(steps), sent(before));
    }
  }
});

test("commands added to a step replace its hints about the state before them", () => {
  const apply = (index: number): Action => ({ type: "apply", index, term: 1, command: new Uint8Array(0) });
  const snapshot = (index: number): Action => ({ type: "snapshot", index, term: 1 });
  const added = (before: readonly Action[], more: readonly Action[]) => {
    const actions = [...before];
    addActions(actions, more);
    return actions;
  };
  const before = [apply(1), snapshot(1), { type: "moreToApply" } as const];
  assert.deepEqual(added(before, [apply(2), snapshot(2)]), [apply(1), apply(2), snapshot(2)]);
  assert.deepEqual(added(before, [apply(2)]), [apply(1), apply(2)], "a snapshot of 1 would have the state of 2");
  const read = { type: "readReady", id: 7, index: 1 } as const;
  assert.deepEqual(added(before, [read]), [...before, read]);
});

test("messages sent ahead keep their order, including pieces of snapshots", () => {
  const snapshot = { index: 5, term: 3, config: [1n], meta: new Uint8Array(0), data: new Uint8Array(1) };
  const piece = send(2n, { type: "installSnapshot", term: 3, leader: 1n, snapshot, offset: 0, done: false });
  const [vote, heartbeat] = [
    send(2n, { type: "requestVoteReply", term: 3, voteGranted: true, from: 1n }),
    send(2n, entries(4, 0)),
  ];
  const steps = [[vote, piece], [heartbeat]];
  assert.deepEqual(takeAhead(steps), [piece, heartbeat]);
  assert.deepEqual(steps, [[vote], []]);
});
