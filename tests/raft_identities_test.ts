/** Nodes know each other's logs: those of another cluster, and those that are not the ones that members had. */

import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { type Action, type AppendEntriesReply, type Message, type Origin, RaftNode } from "../src/raft/mod.ts";
import type { Index, NodeId } from "../src/api/types.ts";
import { MemoryLog } from "../src/api/memory_log.ts";
import { decodeMembership, encodeMembership } from "../src/raft/membership.ts";
import { decodeMeta, encodeMeta } from "../src/raft/snapshot_meta.ts";
import { Cluster } from "./raft_cluster.ts";

const IDS = [1n, 2n, 3n];
const X = "5e14d2b3-2688-89cd-e2a3-98a722e0ab5d";
const Y = "00000000-0000-4000-8000-000000000007";
const CONFIG = { strictMembership: true, noOp: true, checkQuorum: true };

/** A log in memory that has an identity, as one on a disk has. */
class IdentifiedLog extends MemoryLog {
  identity: Origin;

  constructor(cluster: string | undefined, incarnation: string = randomUUID()) {
    super();
    this.identity = { cluster, incarnation };
  }

  foundCluster(cluster: string): void {
    this.identity = { ...this.identity, cluster };
  }

  /** A copy of the files as they were when the log ended at an index. */
  copy(last: Index = this.lastIndex): IdentifiedLog {
    const copy = new IdentifiedLog(this.identity.cluster, this.identity.incarnation);
    copy.setHardState(this.hardState);
    copy.append(this.entries(1, last));
    return copy;
  }
}

/** Nodes whose logs belong to a cluster. */
function cluster(config: object = {}): Cluster {
  const made = new Cluster([], { ...CONFIG, ...config });
  for (const id of IDS) made.start(id, IDS.filter((peer) => peer !== id), new IdentifiedLog(X));
  return made;
}

/** Those with a leader, who has written down whose logs are whose. */
function led(config: object = {}): Cluster {
  const made = cluster(config);
  made.elect(1n);
  made.propose(1n, "x = 1");
  made.tick(12);
  return made;
}

const logOf = (nodes: Cluster, id: NodeId) => nodes.node(id).log as IdentifiedLog;

/** What applications were told of refused and lost nodes: by whom, of whom, and why. */
function told({ done }: Cluster): unknown[] {
  return done.flatMap(({ node, action }: { node: NodeId; action: Action }) => {
    if (action.type === "refused") return [[node, action.from, action.reason]];
    return action.type === "memberLost" ? [[node, action.id, action.reason]] : [];
  });
}

test("two clusters do not merge although their logs agree by accident, and both say so", () => {
  for (const own of [Y, undefined]) {
    const nodes = led();
    const lonely = nodes.start(4n, [], new IdentifiedLog(own));
    while (!lonely.isLeader) nodes.step(4n, { type: "tick" });
    nodes.propose(4n, "mine");
    // A later term, so that it would follow; its entries are of the same terms as the others'.
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
    // The other side hears from it too: it sends whatever it wants.
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
  test(`a node that joins takes over the cluster of the leader that sends it ${how}`, () => {
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

test("a node that has entries, or is not to join, takes over no cluster", () => {
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

test("the answers of a member that lost its disk do not count until it is removed and added anew", () => {
  const nodes = led();
  const leader = nodes.node(1n);
  nodes.start(3n, [1n, 2n], new IdentifiedLog(X));
  nodes.passes = ({ from, to }) => from !== 2n && to !== 2n;
  const committed = leader.commitIndex;
  nodes.propose(1n, "x = 2");
  nodes.tick(6, [1n]);
  assert.equal(leader.commitIndex, committed, "two of three have it, of whom one has lost its log");
  assert.deepEqual(told(nodes), [[1n, 3n, "incarnation"]]);
  nodes.passes = () => true;
  nodes.tick(6, [1n]);
  assert.equal(leader.commitIndex, committed + 1);

  nodes.step(1n, { type: "removeServer", id: 3n });
  nodes.tick(6, [1n]);
  nodes.join(3n, new IdentifiedLog(undefined));
  nodes.step(1n, { type: "addServer", id: 3n });
  nodes.tick(12);
  nodes.passes = ({ from, to }) => from !== 2n && to !== 2n;
  nodes.propose(1n, "x = 3");
  nodes.tick(6, [1n]);
  assert.equal(nodes.applied.get(1n)!.get(leader.commitIndex), "x = 3");
  assert.equal(told(nodes).length, 1, "and nothing more is said");
});

test("a member that lost its disk cannot elect a leader that lacks what is committed", () => {
  const nodes = led();
  nodes.passes = ({ from, to }) => from !== 2n && to !== 2n;
  nodes.propose(1n, "x = 2");
  assert.equal(nodes.applied.get(1n)!.get(nodes.node(1n).commitIndex), "x = 2", "1 and 3 have it");
  nodes.nodes.delete(1n);
  nodes.start(3n, [1n, 2n], new IdentifiedLog(X));
  nodes.passes = ({ to }) => to !== 1n;
  nodes.tick(100, [2n]);
  assert.deepEqual([nodes.node(2n).role, nodes.node(3n).role], ["follower", "follower"]);
  assert.deepEqual(told(nodes), [[2n, 3n, "incarnation"]]);
});

test("a member that lost its disk before its log was written down is known to those who heard from it", () => {
  for (const hasHeard of [true, false]) {
    const nodes = cluster();
    const message: Message = { type: "preVote", term: 1, candidate: 2n, lastLogIndex: 0, lastLogTerm: 0 };
    const origin = logOf(nodes, 2n).identity;
    if (hasHeard) nodes.node(3n).step({ type: "message", message, origin });
    nodes.passes = ({ from, to }) => from !== 3n && to !== 3n;
    nodes.elect(1n);
    nodes.propose(1n, "x = 1");
    nodes.nodes.delete(1n);
    nodes.start(2n, [1n, 3n], new IdentifiedLog(X));
    nodes.passes = ({ to }) => to !== 1n;
    nodes.tick(100, [3n]);
    // Who has never heard of it cannot know.
    assert.equal(nodes.node(3n).role, hasHeard ? "follower" : "leader");
    assert.deepEqual(told(nodes), hasHeard ? [[3n, 2n, "incarnation"]] : []);
  }
});

test("a member that was removed and added anew while a node was away is not taken for a lost one", () => {
  const nodes = led();
  nodes.passes = ({ from, to }) => from !== 3n && to !== 3n;
  nodes.step(1n, { type: "removeServer", id: 2n });
  nodes.join(2n, new IdentifiedLog(undefined));
  nodes.passes = () => true;
  nodes.tick(6, [1n]);
  nodes.passes = ({ from, to }) => from !== 3n && to !== 3n;
  nodes.step(1n, { type: "addServer", id: 2n });
  nodes.tick(6, [1n]);
  nodes.passes = () => true;
  nodes.tick(12, [1n]);
  nodes.step(1n, { type: "transferLeadership", target: 3n });
  assert.equal(nodes.node(3n).isLeader, true);
  nodes.passes = ({ from, to }) => from !== 1n && to !== 1n;
  nodes.propose(3n, "x = 2");
  nodes.tick(6, [3n]);
  assert.equal(nodes.applied.get(3n)!.get(nodes.node(3n).commitIndex), "x = 2");
  assert.deepEqual(told(nodes), []);
});

test("a member that was restored from a backup knows that it was, and neither votes nor asks for votes", () => {
  const nodes = led();
  const backup = logOf(nodes, 3n).copy();
  // As wal-log restores it: what it has, and another incarnation.
  backup.identity = { cluster: X, incarnation: randomUUID() };
  const restored = nodes.start(3n, [1n, 2n], backup);
  nodes.passes = ({ to }) => to !== 1n;
  nodes.tick(100, [3n]);
  assert.equal(restored.role, "follower");
  const { term, log: { lastIndex: lastLogIndex, lastTerm: lastLogTerm } } = restored;
  const vote = { candidate: 2n, lastLogIndex, lastLogTerm };
  const messages: Message[] = [
    { type: "preVote", term: term + 1, ...vote },
    { type: "requestVote", term: term + 1, force: true, ...vote },
  ];
  for (const message of messages) {
    const [answer] = restored.step({ type: "message", message });
    assert.equal(answer?.type === "send" && "voteGranted" in answer.message && answer.message.voteGranted, false);
  }
  const [told3] = told(nodes) as [NodeId, NodeId, string][];
  assert.deepEqual(told3, [3n, 3n, "incarnation"]);
});

test("a copy of a member's log that lacks what it acknowledged is found out, also by a later leader", () => {
  for (const [compacted, next] of [[false, 2n], [true, 2n], [false, 1n]] as const) {
    const nodes = led(compacted ? {} : { maxBatchBytes: 1000 });
    const copy = logOf(nodes, 3n).copy(logOf(nodes, 3n).lastIndex);
    nodes.propose(1n, "x = 2");
    nodes.propose(1n, "x = 3");
    if (compacted) nodes.step(1n, { type: "snapshot", index: nodes.node(1n).lastApplied, data: new Uint8Array(3) });
    nodes.start(3n, [1n, 2n], copy);
    nodes.tick(12, [1n]);
    assert.deepEqual(told(nodes), [[1n, 3n, "behind"]]);
    nodes.passes = ({ from, to }) => from !== 2n && to !== 2n;
    const committed = nodes.node(1n).commitIndex;
    nodes.propose(1n, "x = 4");
    nodes.tick(6, [1n]);
    assert.equal(nodes.node(1n).commitIndex, committed, "its acknowledgements do not count");
    nodes.passes = () => true;
    nodes.tick(6, [1n]);
    if (next !== 1n) nodes.step(1n, { type: "transferLeadership", target: next });
    assert.equal(nodes.node(next).isLeader, true);
    nodes.tick(12, [next]);
    assert.deepEqual(told(nodes).slice(1), next === 1n ? [] : [[2n, 3n, "behind"]]);
    nodes.step(next, { type: "removeServer", id: 3n });
    nodes.tick(6, [next]);
    nodes.join(3n, new IdentifiedLog(undefined));
    nodes.step(next, { type: "addServer", id: 3n });
    nodes.tick(12, [next]);
    nodes.passes = ({ from, to }) => from !== 3n - next && to !== 3n - next;
    nodes.propose(next, "x = 5");
    nodes.tick(6, [next]);
    assert.equal(nodes.applied.get(3n)!.get(nodes.node(next).commitIndex), "x = 5");
  }
});

test("what a member acknowledged before it lost its disk counts no more", () => {
  const nodes = new Cluster([], CONFIG);
  const five = [1n, 2n, 3n, 4n, 5n];
  for (const id of five) nodes.start(id, five.filter((peer) => peer !== id), new IdentifiedLog(X));
  const leader = nodes.elect(1n);
  nodes.tick(12);
  nodes.passes = ({ from, to }) => from <= 2n && to <= 2n;
  const committed = leader.commitIndex;
  nodes.propose(1n, "x = 1");
  nodes.start(2n, [1n, 3n, 4n, 5n], new IdentifiedLog(X));
  nodes.tick(3, [1n]);
  assert.deepEqual(told(nodes), [[1n, 2n, "incarnation"]]);
  nodes.passes = ({ from, to }) => from <= 3n && to <= 3n;
  nodes.tick(6, [1n]);
  assert.equal(nodes.node(3n).log.lastIndex, leader.log.lastIndex);
  assert.equal(leader.commitIndex, committed, "two of five have it");
});

test("a rejection from before an acknowledgement is not taken for a loss", () => {
  const nodes = led();
  const leader = nodes.node(1n);
  const match = leader.log.lastIndex;
  const reply: AppendEntriesReply = {
    ...{ type: "appendEntriesReply", term: leader.term, success: false, from: 3n },
    ...{ matchIndex: 0, conflictIndex: match - 1, conflictTerm: 0 },
  };
  const origin = logOf(nodes, 3n).identity;
  for (let i = 0; i < 5; i++) nodes.step(1n, { type: "tick" });
  const asked = leader.step({ type: "message", message: reply, origin });
  assert.deepEqual(asked.map((action) => action.type === "send" && action.message.type), ["appendEntries"]);
  leader.step({ type: "message", message: reply, origin });
  const { message } = asked[0] as Extract<Action, { type: "send" }>;
  for (const answer of nodes.node(3n).step({ type: "message", message })) {
    if (answer.type === "send") leader.step({ type: "message", message: answer.message, origin });
  }
  nodes.tick(6);
  nodes.passes = ({ from, to }) => from !== 2n && to !== 2n;
  nodes.propose(1n, "x = 2");
  assert.equal(nodes.applied.get(1n)!.get(leader.commitIndex), "x = 2");
  assert.deepEqual(told(nodes), []);
});

test("a snapshot holds whose logs are whose, and the cluster", () => {
  const nodes = led();
  nodes.step(1n, { type: "snapshot", index: nodes.node(1n).lastApplied, data: new Uint8Array(3) });
  const facts = decodeMeta(nodes.node(1n).log.snapshot()!.meta);
  const incarnations = new Map(IDS.map((id) => [id, logOf(nodes, id).identity.incarnation!]));
  assert.deepEqual(facts, { cluster: X, incarnations });
  // And a node that starts with it goes by it.
  const again = RaftNode.withLog({ ...CONFIG, id: 1n, peers: [2n, 3n] }, nodes.node(1n).log);
  const message: Message = { type: "preVoteReply", term: 1, voteGranted: true, from: 3n };
  const origin = { cluster: X, incarnation: randomUUID() };
  assert.deepEqual(again.step({ type: "message", message, origin }), [{
    ...{ type: "memberLost", id: 3n, reason: "incarnation" },
  }]);
  // A node that is sent it too.
  nodes.join(4n, new IdentifiedLog(undefined));
  nodes.step(1n, { type: "addServer", id: 4n });
  nodes.tick(12);
  assert.deepEqual(decodeMeta(nodes.node(4n).log.snapshot()!.meta), facts);
});

test("a node that is sent a snapshot learns whose logs are whose", () => {
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

test("without strictMembership, or without an identity, nothing is written down", () => {
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
  const command = encodeMembership({ members: [1n], learners: [], incarnations }).subarray(8);
  assert.throws(() => decodeMembership({ index: 7, command: command.subarray(0, 40) }), { code: "INVALID_ARGUMENT" });
  for (const facts of [{ cluster: X, incarnations }, { cluster: undefined, incarnations }]) {
    assert.deepEqual(decodeMeta(encodeMeta(facts)), facts);
  }
  assert.equal(encodeMeta({ cluster: undefined, incarnations: new Map() }), undefined);
  const nothing = { cluster: undefined, incarnations: new Map() };
  for (const meta of [undefined, new Uint8Array(), new Uint8Array(100)]) assert.deepEqual(decodeMeta(meta), nothing);
  const cut = encodeMeta({ cluster: X, incarnations })!.subarray(0, 60);
  assert.deepEqual(decodeMeta(cut), { cluster: X, incarnations: new Map([[1n, X]]) });
});

test("an origin that is none is refused", () => {
  const node = new RaftNode({ id: 1n });
  const message: Message = { type: "timeoutNow", term: 0, leader: 1n };
  for (const origin of [{ cluster: 7 }, { incarnation: "x" }, { cluster: X.toUpperCase() }] as unknown as Origin[]) {
    assert.throws(() => node.step({ type: "message", message, origin }), { code: "INVALID_ARGUMENT" });
  }
});
