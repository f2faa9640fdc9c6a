/** Nodes know the cluster of each log, and record which log belongs to which node. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { type Message, type Origin, RaftNode } from "../src/raft/mod.ts";
import { decodeMembership, encodeMembership } from "../src/raft/membership.ts";
import { decodeMeta, encodeMeta } from "../src/raft/snapshot_meta.ts";
import { Cluster } from "./raft_cluster.ts";
import { cluster, CONFIG, IdentifiedLog, IDS, led, logOf, told, X, Y } from "./raft_identified_logs.ts";

test("two clusters with accidentally equal logs do not merge, and both report it", () => {
  for (const own of [Y, undefined]) {
    const nodes = led();
    const lonely = nodes.start(4n, [], new IdentifiedLog(own));
    while (!lonely.isLeader) nodes.step(4n, { type: "tick" });
    nodes.propose(4n, "mine");
    // The term is later, so that the node would follow. Its entries have the same terms as those of the others.
    nodes.node(1n).step({ type: "tick" });
    nodes.step(1n, { type: "addServer", id: 4n });
    nodes.tick(100);
    nodes.propose(1n, "y = 2");
    assert.deepEqual([...nodes.applied.get(4n)!.values()], ["mine"]);
    assert.equal(logOf(nodes, 4n).identity.cluster, own);
    const reasons = told(nodes);
    const theirs = own === undefined
      ? `it belongs to the cluster ${X}, and this node's log to none`
      : `it belongs to the cluster ${X}, and this node to ${Y}`;
    assert.ok(reasons.some((one) => String(one) === String([4n, 1n, theirs])), String(reasons));
    // The other side also receives any message from it.
    const message: Message = { type: "preVote", term: 9, candidate: 4n, lastLogIndex: 9, lastLogTerm: 9 };
    const origin = logOf(nodes, 4n).identity;
    const actions = [1, 2].flatMap(() => nodes.node(1n).step({ type: "message", message, origin }));
    const ours = own === undefined
      ? `its log belongs to no cluster, and this node's to ${X}`
      : `it belongs to the cluster ${Y}, and this node to ${X}`;
    assert.deepEqual(actions, [{ type: "refused", from: 4n, reason: ours }], "once");
  }
});

for (const how of ["entries", "a snapshot"]) {
  test(`a joining node joins the cluster of the leader that sends it ${how}`, () => {
    const nodes = led();
    if (how === "a snapshot") {
      nodes.step(1n, { type: "snapshot", index: nodes.node(1n).lastApplied, data: new Uint8Array(3) });
    }
    const joining = nodes.join(4n, new IdentifiedLog(undefined));
    const message: Message = {
      type: "requestVote",
      term: 9,
      candidate: 2n,
      lastLogIndex: 9,
      lastLogTerm: 9,
      force: true,
    };
    const [refused] = joining.step({ type: "message", message, origin: logOf(nodes, 2n).identity });
    assert.deepEqual(refused, { type: "refused", from: 2n, reason: "this node's log belongs to no cluster yet" });
    assert.deepEqual([joining.term, logOf(nodes, 4n).identity.cluster], [0, undefined]);
    nodes.step(1n, { type: "addServer", id: 4n });
    nodes.tick(20);
    assert.equal(logOf(nodes, 4n).identity.cluster, X);
    assert.equal(joining.lastApplied, nodes.node(1n).lastApplied);
  });
}

/** The first message of a leader. */
function appendOf(leader: bigint, term: number, indexes: readonly number[], other: object = {}): Message {
  const entries = indexes.map((index) => ({ term, index, kind: "normal" as const, command: new Uint8Array(1) }));
  return { type: "appendEntries", term, leader, prevLogIndex: 0, prevLogTerm: 0, entries, leaderCommit: 0, ...other };
}

test("a joining node joins no cluster because of a message that it does not write", () => {
  const stranger = { cluster: Y, incarnation: randomUUID() };
  const own = { cluster: X, incarnation: randomUUID() };
  const snapshot = { index: 9, term: 3, config: IDS, data: new Uint8Array(3) };
  const install: Message = { type: "installSnapshot", term: 3, leader: 7n, snapshot, offset: 0, done: false };
  const messages: [what: string, message: Message][] = [
    ["refused", appendOf(7n, 3, [7])],
    ["empty", appendOf(7n, 3, [])],
    ["of an old term", appendOf(7n, 1, [1])],
    ["of entries behind what the log has", appendOf(7n, 3, [8], { prevLogIndex: 7, prevLogTerm: 3 })],
    ["of a piece of a snapshot", install],
    ["of an old snapshot", { type: "installSnapshot", term: 1, leader: 7n, snapshot }],
  ];
  for (const [what, message] of messages) {
    const log = new IdentifiedLog(undefined);
    log.setHardState({ term: 2, votedFor: null });
    const node = RaftNode.withLog({ ...CONFIG, id: 4n, joining: true }, log);
    try {
      node.step({ type: "message", message, origin: stranger });
    } catch (error) {
      assert.equal((error as { code?: string }).code, "INVALID_ARGUMENT");
      assert.deepEqual([what, node.term], ["refused", 2]);
    }
    assert.deepEqual([log.identity.cluster, log.lastIndex], [undefined, 0], what);
    // Also in the term of the other cluster's leader.
    node.step({ type: "message", message: appendOf(1n, 3, [1]), origin: own });
    assert.deepEqual([log.identity.cluster, log.lastIndex], [X, 1], what);
    const [refused] = node.step({ type: "message", message: appendOf(7n, 4, [1]), origin: stranger });
    assert.deepEqual([refused?.type, node.term], ["refused", 3], what);
  }
});

test("a joining node does not combine pieces of snapshots of two clusters", () => {
  const log = new IdentifiedLog(undefined);
  const node = RaftNode.withLog({ ...CONFIG, id: 4n, joining: true }, log);
  const piece = (cluster: string, offset: number): void => {
    const snapshot = { index: 9, term: 3, config: IDS, data: new Uint8Array(3).fill(cluster === X ? 1 : 2) };
    const message: Message = {
      ...{ type: "installSnapshot", term: 3, leader: 1n, snapshot, offset, done: offset === 3 },
    };
    node.step({ type: "message", message, origin: { cluster, incarnation: Y } });
  };
  for (const [cluster, offset] of [[Y, 0], [X, 3], [X, 0], [X, 3]] as const) piece(cluster, offset);
  assert.equal(log.identity.cluster, X);
  assert.deepEqual(log.snapshot()!.data, new Uint8Array(6).fill(1));
});

test("a leader accepts from a log without a cluster only that an added node is empty", () => {
  const nodes = led();
  nodes.passes = ({ to, from }) => to !== 4n && from !== 4n;
  nodes.join(4n, new IdentifiedLog(undefined));
  nodes.step(1n, { type: "addServer", id: 4n });
  const leader = nodes.node(1n);
  const { term } = leader;
  const origin = logOf(nodes, 4n).identity;
  const reply = (from: bigint, matchIndex: number): Message => (
    { type: "appendEntriesReply", term, success: matchIndex > 0, from, matchIndex, conflictIndex: 1, conflictTerm: 0 }
  );
  const isRefused = (message: Message): boolean =>
    leader.step({ type: "message", message, origin }).some(({ type }) => type === "refused");
  assert.equal(isRefused(reply(4n, 0)), false);
  assert.equal(isRefused({ type: "installSnapshotReply", term, from: 4n, lastIndex: 0, nextOffset: 5 }), false);
  assert.equal(isRefused(reply(4n, 1)), true);
  assert.equal(isRefused(reply(9n, 0)), true);
});

test("each reason is reported once, and the memory for strangers is bounded", () => {
  const node = RaftNode.withLog({ ...CONFIG, id: 1n, peers: [2n, 3n] }, new IdentifiedLog(X));
  const uuid = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
  const vote = (candidate: bigint): Message => (
    { type: "preVote", term: 1, candidate, lastLogIndex: 0, lastLogTerm: 0 }
  );
  const count = (from: bigint, cluster: string | undefined): number =>
    node.step({ type: "message", message: vote(from), origin: { cluster, incarnation: Y } }).length;
  const both = [0, 1, 0, 1, 0, 1].map((n) => count(5n, n === 0 ? undefined : uuid(7)));
  assert.deepEqual(both, [1, 1, 0, 0, 0, 0]);
  // The node remembers 256 nodes. Node 5 is among them until the last one is added.
  for (let id = 0; id < 255; id++) assert.equal(count(BigInt(1000 + id), Y), 1);
  assert.deepEqual([count(5n, undefined), count(1000n, Y)], [0, 0]);
  assert.deepEqual([count(2000n, Y), count(1000n, Y), count(5n, undefined)], [1, 0, 1]);
  // It remembers 16 reasons for each node.
  for (let n = 1; n <= 16; n++) assert.equal(count(6n, uuid(n)), 1);
  assert.deepEqual([count(6n, uuid(1)), count(6n, uuid(17)), count(6n, uuid(2)), count(6n, uuid(1))], [0, 1, 0, 1]);
});

test("a node that has entries, or is not joining, joins no cluster", () => {
  const append = { type: "appendEntries", term: 9, leader: 2n, prevLogIndex: 0, prevLogTerm: 0 } as const;
  const message: Message = { ...append, entries: [], leaderCommit: 0 };
  for (const joining of [true, false]) {
    const log = new IdentifiedLog(undefined);
    if (joining) log.append([{ term: 1, index: 1, kind: "normal", command: new Uint8Array() }]);
    const node = RaftNode.withLog({ id: 1n, joining }, log);
    const origin = { cluster: X, incarnation: randomUUID() };
    assert.deepEqual(node.step({ type: "message", message, origin }).map(({ type }) => type), ["refused"]);
    assert.deepEqual([node.term, log.identity.cluster], [0, undefined]);
  }
});

test("a snapshot contains the identities of all logs and the cluster", () => {
  const nodes = led();
  nodes.step(1n, { type: "snapshot", index: nodes.node(1n).lastApplied, data: new Uint8Array(3) });
  const facts = decodeMeta(nodes.node(1n).log.snapshot()!.meta);
  const incarnations = new Map(IDS.map((id) => [id, logOf(nodes, id).identity.incarnation!]));
  assert.deepEqual(facts, { cluster: X, incarnations });
  // A node that starts with this configuration uses it.
  const again = RaftNode.withLog({ ...CONFIG, id: 1n, peers: [2n, 3n] }, nodes.node(1n).log);
  const message: Message = { type: "preVoteReply", term: 1, voteGranted: true, from: 3n };
  const origin = { cluster: X, incarnation: randomUUID() };
  assert.deepEqual(again.step({ type: "message", message, origin }), [{
    ...{ type: "memberLost", id: 3n, reason: "incarnation" },
  }]);
  // A node that receives the configuration uses it too.
  nodes.join(4n, new IdentifiedLog(undefined));
  nodes.step(1n, { type: "addServer", id: 4n });
  nodes.tick(12);
  assert.deepEqual(decodeMeta(nodes.node(4n).log.snapshot()!.meta), facts);
});

test("a node learns the identities of all logs from a snapshot", () => {
  const nodes = cluster();
  nodes.passes = ({ from, to }) => from !== 3n && to !== 3n;
  nodes.elect(1n);
  nodes.propose(1n, "x = 1");
  nodes.tick(12, [1n, 2n]);
  nodes.step(1n, { type: "snapshot", index: nodes.node(1n).lastApplied, data: new Uint8Array(3) });
  nodes.passes = ({ message }) => message.type !== "appendEntries" || message.entries.length === 0;
  nodes.tick(12, [1n]);
  const message: Message = { type: "preVoteReply", term: 1, voteGranted: true, from: 2n };
  const origin = { cluster: X, incarnation: randomUUID() };
  assert.deepEqual(nodes.node(3n).step({ type: "message", message, origin }), [{
    ...{ type: "memberLost", id: 2n, reason: "incarnation" },
  }]);
});

test("without strictMembership or an identity, nothing is recorded", () => {
  const config = (nodes: Cluster) =>
    nodes.node(1n).log.entries(1, 99).filter(({ kind }) => kind === "config").map((entry) =>
      decodeMembership(entry).incarnations
    );
  assert.deepEqual(config(led({ strictMembership: false })), [undefined]);
  const plain = new Cluster(IDS, CONFIG);
  plain.elect(1n);
  plain.tick(12);
  assert.deepEqual(config(plain), [undefined]);
  assert.equal(config(led()).at(-1)?.size, 3);
});

test("a configuration and a meta are read as they were written", () => {
  const incarnations = new Map([[1n, X], [2n, Y], [9n, X]]);
  for (const learners of [[], [9n], [4n, 9n]]) {
    for (const known of [incarnations, new Map([[9n, Y]])]) {
      const membership = { members: [1n, 2n], learners, incarnations: known };
      assert.deepEqual(decodeMembership({ index: 7, command: encodeMembership(membership) }), {
        index: 7,
        ...membership,
      });
    }
    const bare = { members: [1n, 2n], learners };
    assert.deepEqual(decodeMembership({ index: 7, command: encodeMembership(bare) }), { index: 7, ...bare });
  }
  const command = encodeMembership({ members: [1n], learners: [], incarnations });
  for (const length of [30, 40, 44]) {
    const cut = { index: 7, command: command.subarray(0, length) };
    assert.throws(() => decodeMembership(cut), { code: "INVALID_ARGUMENT", message: /unknown format/ });
  }
  const cluster = X;
  const addresses = new Map([[1n, "one.example:1"], [9n, "nine \u00fc"]]);
  const replacement = { from: 1n, to: 9n };
  const all = { cluster, incarnations, addresses, replacement };
  const some = [{ cluster, incarnations: new Map() }, { cluster: undefined, incarnations }, {
    ...all,
    cluster: undefined,
  }];
  for (const facts of [all, ...some]) assert.deepEqual(decodeMeta(encodeMeta(facts)), facts);
  const rest = decodeMeta(encodeMeta(all)!.subarray(0, 24 + 4 + 3 * 24 + 4 + 12 + 13 + 14));
  assert.deepEqual(rest, { cluster, incarnations, addresses: new Map([[1n, "one.example:1"]]) }, "it is cut off");
  assert.equal(encodeMeta({ cluster: undefined, incarnations: new Map() }), undefined);
  const nothing = { cluster: undefined, incarnations: new Map() };
  for (const meta of [undefined, new Uint8Array(), new Uint8Array(100)]) assert.deepEqual(decodeMeta(meta), nothing);
  const cut = encodeMeta({ cluster: X, incarnations })!.subarray(0, 60);
  assert.deepEqual(decodeMeta(cut), { cluster: X, incarnations: new Map([[1n, X]]) });
});

test("an invalid origin is refused", () => {
  const node = new RaftNode({ id: 1n });
  const message: Message = { type: "timeoutNow", term: 0, leader: 1n };
  for (const origin of [{ cluster: 7 }, { incarnation: "x" }, { cluster: X.toUpperCase() }] as unknown as Origin[]) {
    assert.throws(() => node.step({ type: "message", message, origin }), { code: "INVALID_ARGUMENT" });
  }
});
