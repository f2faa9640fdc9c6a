/** Answers to a damaged node: which ones it accepts, and which nodes it asks. */

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message, RepairReply } from "../src/raft/mod.ts";
import type { LogEntry, NodeId } from "../mod.ts";
import { encodeMembership } from "../src/raft/membership.ts";
import { appendEach } from "./history.ts";
import { type DiskCluster, ENTRIES, IDS, sends, written } from "./raft_damaged_nodes.ts";

/** A node with one damaged entry that hears from no other node, and its requests. */
function asking(cluster: DiskCluster, damaged: number) {
  cluster.stop(2n);
  cluster.damage(2n, damaged, damaged, "headers");
  cluster.passes = () => false;
  cluster.boot(2n);
  const node = cluster.node(2n);
  for (let tick = 0; tick < 10; tick++) {
    for (const asked of sends(node.step({ type: "tick" }))) {
      if (asked.type !== "repairRequest") continue;
      const answer = (changes: Partial<RepairReply>): Message => ({
        type: "repairReply",
        term: 1,
        from: 1n,
        request: asked.request,
        leads: false,
        commitIndex: ENTRIES,
        lastIndex: ENTRIES,
        members: IDS,
        prevTerm: 0,
        entries: [],
        ...changes,
      });
      return { node, asked, answer };
    }
  }
  throw new Error("the node does not ask");
}

test("an answer to a request from before a restart is ignored", () => {
  const cluster = written();
  const { node, asked, answer } = asking(cluster, 10);
  assert.deepEqual([asked.first, asked.last], [10, 11]);
  const entries = cluster.node(1n).log.entries(10, 10);
  node.step({ type: "message", message: answer({ entries, request: asked.request + 1 }) });
  assert.ok(node.isDamaged);
  node.step({ type: "message", message: answer({ entries }) });
  assert.equal(node.isDamaged, false);
});

test("an uncommitted copy does not replace an entry without a surviving header", () => {
  const cluster = written();
  // Between terms 1 and 3, nothing shows the entry's term.
  const command = new TextEncoder().encode("of term 2");
  const lost: LogEntry = { term: 2, index: ENTRIES + 1, kind: "normal", command };
  cluster.logs.get(2n)!.append([lost, { ...lost, term: 3, index: ENTRIES + 2 }]);
  const { node, answer } = asking(cluster, ENTRIES + 1);
  const other = { ...lost, term: 3, command: new TextEncoder().encode("of term 3") };
  node.step({ type: "message", message: answer({ entries: [other], prevTerm: 1, lastIndex: ENTRIES + 1 }) });
  assert.ok(node.isDamaged);
  node.step({ type: "message", message: answer({ entries: [lost], prevTerm: 1, commitIndex: ENTRIES + 1 }) });
  assert.equal(node.isDamaged, false);
  assert.deepEqual(node.log.entry(ENTRIES + 1), lost);
});

test("a committed entry does not follow an uncommitted one, which is dropped", () => {
  const cluster = written();
  const command = new TextEncoder().encode("of a leader that few had heard of");
  const own = [[1, 2], [2, 2], [3, 4]].map(([behind, term]): LogEntry => (
    { term: term!, index: ENTRIES + behind!, kind: "normal", command }
  ));
  appendEach(cluster.logs.get(2n)!, own);
  const { node, answer } = asking(cluster, ENTRIES + 2);
  const committed: LogEntry = { term: 3, index: ENTRIES + 2, kind: "normal", command: new Uint8Array(command.length) };
  const behind = { lastIndex: ENTRIES + 2, entries: [committed] };
  node.step({ type: "message", message: answer({ ...behind, prevTerm: 3, commitIndex: ENTRIES }) });
  node.step({ type: "message", message: answer({ ...behind, prevTerm: 0, commitIndex: ENTRIES + 2 }) });
  assert.ok(node.isDamaged, "neither tells what is committed in front of it");
  assert.equal(node.log.lastIndex, ENTRIES + 3);
  node.step({ type: "message", message: answer({ ...behind, prevTerm: 3, commitIndex: ENTRIES + 2 }) });
  assert.equal(node.isDamaged, false);
  assert.equal(node.log.lastIndex, ENTRIES);
});

test("entries before a common entry are equal, even if not known to be committed", () => {
  const cluster = written();
  // Between terms 1 and 3, nothing shows the entry's term.
  const lost: LogEntry = {
    term: 2,
    index: ENTRIES + 1,
    kind: "normal",
    command: new TextEncoder().encode("of term 2"),
  };
  const behind: LogEntry = { ...lost, term: 3, index: ENTRIES + 2 };
  cluster.logs.get(2n)!.append([lost, behind]);
  const { node, asked, answer } = asking(cluster, ENTRIES + 1);
  assert.deepEqual([asked.first, asked.last], [ENTRIES + 1, ENTRIES + 2]);
  node.step({ type: "message", message: answer({ entries: [lost, { ...behind, term: 4 }] }) });
  assert.ok(node.isDamaged, "they differ");
  node.step({ type: "message", message: answer({ entries: [lost, behind] }) });
  assert.equal(node.isDamaged, false);
  assert.deepEqual(node.log.entry(ENTRIES + 1), lost);
});

test("an answer of a non-member that was not asked is ignored", () => {
  const cluster = written();
  const { node, answer } = asking(cluster, 10);
  const entries = cluster.node(1n).log.entries(10, 10);
  node.step({ type: "message", message: answer({ entries, from: 9n }) });
  assert.ok(node.isDamaged);
  node.step({ type: "message", message: answer({ entries, from: 3n }) });
  assert.equal(node.isDamaged, false);
});

test("a damaged node also asks an unknown leader, and no other unknown node", () => {
  const cluster = written();
  const { node } = asking(cluster, 10);
  const vote = { candidate: 8n, lastLogIndex: 0, lastLogTerm: 0 };
  node.step({ type: "message", message: { type: "preVote", term: 7, ...vote } });
  const prev = { prevLogIndex: ENTRIES, prevLogTerm: 1, entries: [], leaderCommit: ENTRIES };
  node.step({ type: "message", message: { type: "appendEntries", term: 7, leader: 9n, ...prev } });
  const asked: NodeId[] = [];
  for (let tick = 0; tick < 10; tick++) {
    for (const action of node.step({ type: "tick" })) if (action.type === "send") asked.push(action.to);
  }
  assert.deepEqual([...new Set(asked)].sort(), [1n, 3n, 9n]);
});

test("a damaged node asks the members that a member reports, not those of another node", () => {
  const cluster = written();
  const { node, answer } = asking(cluster, 10);
  node.step({ type: "message", message: answer({ from: 9n, members: [2n, 9n] }) });
  node.step({ type: "message", message: answer({ from: 1n, members: [1n, 2n, 4n] }) });
  const asked: NodeId[] = [];
  for (let tick = 0; tick < 10; tick++) {
    for (const action of node.step({ type: "tick" })) if (action.type === "send") asked.push(action.to);
  }
  assert.deepEqual([...new Set(asked)].sort(), [1n, 3n, 4n]);
});

test("a damaged change of members is reported when it can be read again", () => {
  const cluster = written();
  const command = encodeMembership({ members: [1n, 2n, 3n, 4n], learners: [] });
  const change: LogEntry = { term: 1, index: ENTRIES + 1, kind: "config", command };
  cluster.logs.get(2n)!.append([change, { ...change, index: ENTRIES + 2, kind: "normal" }]);
  const { node, answer } = asking(cluster, ENTRIES + 1);
  assert.deepEqual(node.members, IDS);
  const good = answer({ entries: [change], prevTerm: 1, commitIndex: ENTRIES + 1 });
  const told = node.step({ type: "message", message: good });
  assert.deepEqual(told, [{ type: "membershipChanged", members: [1n, 2n, 3n, 4n] }]);
  assert.deepEqual(node.members, [1n, 2n, 3n, 4n]);
});

test("a snapshot is refused if it would drop entries that may have been acknowledged", () => {
  const cluster = written();
  // Between terms 1 and 3, nothing shows the entry's term.
  const lost: LogEntry = { term: 2, index: ENTRIES + 1, kind: "normal", command: new Uint8Array(10) };
  cluster.logs.get(2n)!.append([lost, { ...lost, term: 3, index: ENTRIES + 2 }]);
  const { node, answer } = asking(cluster, ENTRIES + 1);
  const data = new Uint8Array(10);
  const snapshot = { index: ENTRIES + 1, term: 2, config: [...IDS], data };
  const install: Message = { type: "installSnapshot", term: 4, leader: 1n, snapshot };
  assert.deepEqual(node.step({ type: "message", message: install }), []);
  assert.equal(node.log.lastIndex, ENTRIES + 2);
  // A leader that has never heard from this node has every acknowledged entry.
  node.step({ type: "message", message: answer({ term: 4, leads: true, lastIndex: ENTRIES }) });
  assert.equal(node.isDamaged, false);
  assert.equal(node.log.lastIndex, ENTRIES);
});
