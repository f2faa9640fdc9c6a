/** Nodes that have lost their vote, or the end of their log. */

import assert from "node:assert/strict";
import { HEADER_OFFSETS } from "../src/format/header_block.ts";
import { test } from "node:test";
import { type Message, RaftNode } from "../src/raft/mod.ts";
import {
  type Damage,
  type HardState,
  type LogEntry,
  type Lost,
  MemoryLog,
  type NewEntry,
  type NodeId,
  WalLog,
  WalLogError,
} from "../mod.ts";
import { KIND_ENTRIES } from "../src/format/frame.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { framesOf } from "./history.ts";
import { Cluster } from "./raft_cluster.ts";
import { DiskCluster, ENTRIES, FOLDER, IDS, sends, written } from "./raft_damaged_nodes.ts";

/** A node's newest segment, with the hard state, is destroyed by bit rot. The end of the log is still known. */
function withHardStateLost(): DiskCluster {
  const cluster = written();
  // Node 2 votes in a term that nobody wins.
  const vote = {
    type: "requestVote",
    term: 5,
    candidate: 3n,
    lastLogIndex: 1000,
    lastLogTerm: 4,
    force: true,
  } as const;
  // The term comes first, in its own frame, and then an entry. Two lost hard states could also be a truncation and an
  // entry.
  cluster.node(2n).step({ type: "message", message: { ...vote, lastLogIndex: 0, lastLogTerm: 0 } });
  const entry = cluster.node(1n).log.entry(ENTRIES)!;
  cluster.logs.get(2n)!.append([{ ...entry, index: ENTRIES + 1 }]);
  const [reply] = sends(cluster.node(2n).step({ type: "message", message: vote }));
  assert.equal(reply!.type === "requestVoteReply" && reply.voteGranted, true);
  const disk = cluster.disks.get(2n)!;
  cluster.logs.get(2n)!.append([{ ...entry, index: ENTRIES + 2 }]);
  cluster.logs.get(2n)!.syncSync();
  cluster.nodes.delete(2n);
  disk.restart();
  const path = cluster.segments(2n).at(-1)!;
  for (const { kind, offset } of framesOf(disk.content(path))) if (kind === 2) disk.flip(path, offset + 9);
  return cluster;
}

test("a node that lost its vote learns all terms from the others, and votes in none of them", () => {
  const cluster = withHardStateLost();
  const open = () =>
    WalLog.openSync(FOLDER, { fileSystem: cluster.disks.get(2n)!.fileSystem, segmentBytes: 4096, onDamage: "keep" });
  const log = open();
  assert.throws(() => log.append([]), (error) => error instanceof WalLogError && error.code === "CORRUPT");
  log.closeSync();
  cluster.disks.get(2n)!.restart();
  cluster.passes = ({ from, to }) => from !== 3n && to !== 3n;
  cluster.boot(2n);
  const node = cluster.node(2n);
  cluster.tick(9, [2n]);
  assert.ok(node.isDamaged, "one of the others has not answered");
  // The candidate that node 2 had voted for.
  cluster.node(3n).log.setHardState({ term: 5, votedFor: 3n });
  const peer = cluster.node(3n).log;
  cluster.start(3n, [1n, 2n], peer);
  cluster.passes = () => true;
  cluster.tick(9, [2n]);
  assert.equal(node.isDamaged, false);
  assert.deepEqual(node.log.hardState, { term: 5, votedFor: 2n });
  const again = {
    type: "requestVote",
    term: 5,
    candidate: 1n,
    lastLogIndex: 1000,
    lastLogTerm: 4,
    force: true,
  } as const;
  assert.deepEqual(
    sends(node.step({ type: "message", message: again })).map((sent) =>
      sent.type === "requestVoteReply" && sent.voteGranted
    ),
    [false],
  );
});

/** Zeroes the frames of a stopped node's newest segment, from the first up to the last of a kind. */
function zeroFrames(cluster: DiskCluster, id: NodeId, from: number, to: number): void {
  const disk = cluster.disks.get(id)!;
  const path = cluster.segments(id).at(-1)!;
  const frames = framesOf(disk.content(path));
  disk.zero(path, frames[from]!.offset, frames.at(to)!.end - frames[from]!.offset);
}

for (const victim of ["founder", "joiner"] as const) {
  test(`a ${victim} without its vote and members does not vote twice in a term`, () => {
    const cluster = new DiskCluster();
    // Node 1 began as a cluster of one, and the others were added to it.
    const boot = (id: NodeId) => {
      const { fileSystem } = cluster.disks.get(id)!;
      const log = WalLog.openSync(FOLDER, { fileSystem, onDamage: "keep" });
      cluster.logs.set(id, log);
      if (id === 1n) cluster.start(id, [], log);
      else cluster.join(id, log);
    };
    for (const id of IDS) {
      cluster.stop(id);
      cluster.disks.set(id, new SimulatedDisk({ seed: Number(id) }));
      boot(id);
    }
    cluster.elect(1n);
    cluster.propose(1n, "a");
    for (const id of [2n, 3n]) {
      cluster.step(1n, { type: "addServer", id });
      cluster.tick(6, [1n]);
    }
    const damaged = victim === "founder" ? 1n : 3n;
    const first = victim === "founder" ? 3n : 1n;
    if (first !== 1n) cluster.elect(first);
    const only = (...ids: NodeId[]) => {
      cluster.passes = ({ from, to }) => ids.includes(from) && ids.includes(to);
    };
    // It votes for node 2, which has more entries of the first leader. Then its disk loses that vote.
    only(first, 2n);
    cluster.propose(first, "b");
    cluster.tick(3, [first]);
    only(2n, damaged);
    const second = cluster.elect(2n);
    cluster.tick(3, [2n]);
    const vote = cluster.node(damaged).log.hardState;
    assert.deepEqual(vote, { term: second.term, votedFor: 2n });
    cluster.nodes.delete(damaged);
    cluster.disks.get(damaged)!.restart();
    const frames = framesOf(cluster.disks.get(damaged)!.content(cluster.segments(damaged).at(-1)!));
    zeroFrames(cluster, damaged, 0, frames.findLastIndex(({ kind }) => kind === 2));
    only(damaged);
    boot(damaged);
    cluster.tick(9, [damaged]);
    assert.ok(cluster.node(damaged).isDamaged, "nobody was asked");
    only(first, damaged);
    cluster.tick(9, [first, damaged]);
    assert.ok(cluster.node(damaged).isDamaged, "one was not asked");
    assert.ok(
      !cluster.sent.some(({ from, message }) =>
        from === damaged && message.type === "appendEntriesReply" &&
        message.term < vote.term && message.success && message.matchIndex > 4
      ),
    );
    cluster.passes = () => true;
    cluster.tick(30);
    const { hardState } = cluster.node(damaged).log;
    assert.equal(cluster.node(damaged).isDamaged, false);
    assert.ok(hardState.term >= vote.term);
  });
}

test("a node with an unknown end of its log stays out, even after later terms and a restart", () => {
  const cluster = written();
  const log = cluster.logs.get(2n)!;
  for (let term = 2; term <= 4; term++) {
    log.setHardState({ term, votedFor: null });
    log.syncSync();
  }
  cluster.nodes.delete(2n);
  const disk = cluster.disks.get(2n)!;
  disk.restart();
  const frames = framesOf(disk.content(cluster.segments(2n).at(-1)!));
  const lastEntry = frames.findLastIndex(({ kind }) => kind === KIND_ENTRIES);
  zeroFrames(cluster, 2n, lastEntry, lastEntry);
  for (let term = 5; term <= 7; term++) {
    for (const id of [1n, 3n]) cluster.node(id).log.setHardState({ term, votedFor: null });
    for (const id of [1n, 3n]) cluster.start(id, IDS.filter((peer) => peer !== id), cluster.logs.get(id)!);
    cluster.boot(2n);
    cluster.elect(1n);
    cluster.propose(1n, `in term ${term}`);
    cluster.tick(9);
    assert.ok(cluster.node(2n).isDamaged, `in term ${term}`);
    cluster.nodes.delete(2n);
    disk.restart();
  }
});

/** A log that has lost only its hard state. */
class WithoutItsVote extends MemoryLog {
  readonly damaged: readonly Damage[] = [];
  #isLost = true;
  override append(entries: readonly LogEntry[]): void {
    if (this.#isLost && entries.length === 0) throw new WalLogError("CORRUPT", "the hard state is lost");
    super.append(entries);
  }
  override setHardState(state: HardState, options: { readonly force?: boolean } = {}): void {
    this.#isLost &&= options.force !== true;
    super.setHardState(state);
  }
  repair(): void {}
}

for (const count of [1, 2]) {
  test(`of five nodes, ${count === 1 ? "one has lost its vote" : "two have lost their votes"}`, () => {
    const ids = [1n, 2n, 3n, 4n, 5n];
    const cluster = new Cluster(ids, { noOp: true });
    const leader = cluster.elect(5n);
    cluster.propose(5n, "committed");
    cluster.tick(3, [5n]);
    for (const id of ids.slice(0, count)) {
      const log = new WithoutItsVote();
      log.append(leader.log.entries(1, leader.log.lastIndex));
      cluster.start(id, ids.filter((peer) => peer !== id), log);
    }
    cluster.tick(9);
    for (const id of ids.slice(0, count)) {
      const { isDamaged, log } = cluster.node(id);
      // Each of two nodes may have voted for the other, in a term that no other node knows.
      assert.equal(isDamaged, count === 2);
      if (!isDamaged) assert.deepEqual(log.hardState, { term: leader.term, votedFor: id });
    }
    cluster.propose(5n, "more");
    cluster.tick(6, [5n]);
    assert.equal(leader.commitIndex, 3, "the others go on");
  });
}

test("the term of a non-member does not count for a node that lost its vote", () => {
  const node = RaftNode.withLog({ id: 1n, peers: [2n, 3n] }, new WithoutItsVote());
  const stranger = 9n;
  const last = { lastLogIndex: 0, lastLogTerm: 0 };
  const claim = { term: 7, leader: stranger, prevLogIndex: 0, prevLogTerm: 0, entries: [], leaderCommit: 0 };
  node.step({ type: "message", message: { type: "preVote", term: 7, candidate: stranger, ...last } });
  const asked = () => {
    const actions = [1, 2, 3].flatMap(() => node.step({ type: "tick" }));
    const requests = actions.flatMap((one) =>
      one.type === "send" && one.message.type === "repairRequest" ? [{ to: one.to, ...one.message }] : []
    );
    return { all: requests.map(({ to }) => to), request: requests[0]!.request };
  };
  assert.deepEqual(asked().all, [2n, 3n]);
  node.step({ type: "message", message: { type: "appendEntries", ...claim } });
  const { all, request } = asked();
  assert.deepEqual(all, [2n, 3n, stranger], "its entries would be taken, too");
  const reply = { type: "repairReply", request, leads: false, commitIndex: 0, lastIndex: 0, prevTerm: 0 } as const;
  const tell = (from: NodeId, term: number, members: NodeId[]) =>
    node.step({ type: "message", message: { ...reply, from, term, members, entries: [] } });
  tell(stranger, 1000, [1n, stranger, 10n]);
  tell(2n, 4, [1n, 2n, 3n]);
  assert.ok(node.isDamaged, "one member has not answered");
  tell(3n, 5, [1n, 2n, 3n]);
  assert.equal(node.isDamaged, false);
  assert.deepEqual(node.log.hardState, { term: 5, votedFor: 1n });
});

test("a node alone in its cluster that lost its vote needs no answer of others", () => {
  const log = new WithoutItsVote();
  log.append([{ term: 7, index: 1, kind: "normal", command: new Uint8Array(1) }]);
  const node = RaftNode.withLog({ id: 1n, noOp: true }, log);
  for (let tick = 0; tick < 30; tick++) node.step({ type: "tick" });
  assert.deepEqual([node.isDamaged, node.isLeader, node.term], [false, true, 8]);
});

test("a node whose log has an unknown end stays out", () => {
  for (const loses of ["the newest segment", "the header of the only segment"]) {
    const cluster = loses === "the newest segment" ? written() : new DiskCluster({ noOp: true });
    if (loses !== "the newest segment") cluster.elect(1n);
    const disk = cluster.stop(2n);
    const path = cluster.segments(2n).at(-1)!;
    if (loses === "the newest segment") disk.lose(path);
    else for (const copy of HEADER_OFFSETS) disk.flip(path, copy + 40);
    cluster.boot(2n);
    const { hardState } = cluster.node(2n).log;
    cluster.tick(30);
    assert.ok(cluster.node(2n).isDamaged, loses);
    assert.deepEqual(cluster.node(2n).log.hardState, hardState, "it promised something");
  }
});

test("a node with an unknown end of its log does not accept a snapshot for all of it", () => {
  const nowhere = { firstIndex: undefined, lastIndex: undefined, term: undefined };
  class WithoutItsEnd extends MemoryLog {
    readonly damaged: readonly Damage[] = [
      { ...nowhere, kind: "segment", path: "000000000002.seg", offset: 0, bytes: 8192, reason: "it is missing" },
    ];
    repair(): void {}
  }
  const node = RaftNode.withLog({ id: 2n, peers: [1n, 3n] }, new WithoutItsEnd());
  const snapshot = { index: ENTRIES, term: 9, config: [...IDS], data: new Uint8Array(10) };
  const message: Message = { type: "installSnapshot", term: 9, leader: 1n, snapshot };
  assert.deepEqual(node.step({ type: "message", message }), []);
  assert.ok(node.isDamaged);
  assert.equal(node.log.snapshotIndex, 0);
});

/** A log that reports its loss, and rejects writes without entries. */
class TellingLog extends MemoryLog {
  readonly damaged: readonly Damage[] = [];
  readonly lost: Lost;
  constructor(hardState: boolean) {
    super();
    this.lost = { hardState, tail: false, ranges: [] };
  }
  repair(): void {}
  override append(entries: readonly NewEntry[]): void {
    assert.ok(entries.length > 0, "the log is probed");
    super.append(entries);
  }
}

test("a log that reports its losses is not probed", () => {
  assert.equal(RaftNode.withLog({ id: 1n }, new TellingLog(false)).isDamaged, false);
  assert.equal(RaftNode.withLog({ id: 1n }, new TellingLog(true)).isDamaged, true);
});
