import assert from "node:assert/strict";
import { HEADER_OFFSETS } from "../src/format/header_block.ts";
import { resolve } from "node:path";
import { test } from "node:test";
import { type Action, type Message, RaftNode, type RepairReply } from "../src/raft/mod.ts";
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
import { FRAME_HEADER_BYTES, KIND_ENTRIES } from "../src/format/frame.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { encodeMembership } from "../src/raft/membership.ts";
import { appendEach, framesOf } from "./history.ts";
import { Cluster } from "./raft_cluster.ts";

const FOLDER = resolve("/raft.wal");
const ENTRIES = 60;
const IDS: readonly NodeId[] = [1n, 2n, 3n];

/** Three nodes on disks. */
class DiskCluster extends Cluster {
  readonly disks: Map<NodeId, SimulatedDisk> = new Map(IDS.map((id) => [id, new SimulatedDisk({ seed: Number(id) })]));
  readonly logs: Map<NodeId, WalLog> = new Map();

  constructor(config: ConstructorParameters<typeof Cluster>[1] = {}) {
    super([], { maxBatch: 8, ...config });
    for (const id of IDS) this.boot(id);
  }

  /** Starts a node over its disk. */
  boot(id: NodeId): void {
    const { fileSystem } = this.disks.get(id)!;
    const log = WalLog.openSync(FOLDER, { fileSystem, segmentBytes: 4096, onDamage: "keep" });
    this.logs.set(id, log);
    this.start(id, IDS.filter((peer) => peer !== id), log);
  }

  /** Closes a node's log. */
  stop(id: NodeId): SimulatedDisk {
    this.logs.get(id)!.closeSync();
    this.nodes.delete(id);
    return this.disks.get(id)!;
  }

  /** The files of a node's segments. */
  segments(id: NodeId): string[] {
    return this.disks.get(id)!.files().filter((path) => path.endsWith(".seg"));
  }

  /** Damages the frames of entries on a stopped node's disk: their headers, or only their commands. */
  damage(id: NodeId, from: number, to: number, what: "headers" | "commands"): void {
    const disk = this.disks.get(id)!;
    let count = 0;
    for (const path of this.segments(id)) {
      for (const { kind, index, offset } of framesOf(disk.content(path))) {
        if (kind !== KIND_ENTRIES || index < from || index > to) continue;
        disk.flip(path, offset + (what === "headers" ? 9 : FRAME_HEADER_BYTES));
        count++;
      }
    }
    assert.equal(count, to - from + 1);
  }

  write(id: NodeId, count: number): void {
    for (let i = 0; i < count; i++) this.propose(id, `command ${i} ${"x".repeat(300)}`);
    this.tick(3, [id]);
  }
}

/** A cluster led by node 1 that has committed some entries on all nodes. */
function written(config?: ConstructorParameters<typeof Cluster>[1]): DiskCluster {
  const cluster = new DiskCluster(config);
  cluster.elect(1n);
  cluster.write(1n, ENTRIES);
  for (const id of IDS) assert.equal(cluster.node(id).commitIndex, ENTRIES);
  return cluster;
}

/** A node's log is whole again, now and when it is opened anew, and is what the leader's is. */
function assertHealed(cluster: DiskCluster, id: NodeId, like: NodeId = 1n): void {
  assert.equal(cluster.node(id).isDamaged, false);
  const expected = cluster.node(like).log.entries(1, cluster.node(like).log.lastIndex);
  const disk = cluster.stop(id);
  const log = WalLog.openSync(FOLDER, { fileSystem: disk.fileSystem });
  assert.deepEqual(log.entries(1, log.lastIndex), expected);
  log.closeSync();
}

const sends = (actions: Action[]): Message[] => actions.flatMap((one) => one.type === "send" ? [one.message] : []);

for (const what of ["headers", "commands"] as const) {
  test(`a node that cannot read ${what} of some entries fetches them, repairs its log, and takes part again`, () => {
    const cluster = written();
    cluster.stop(2n);
    cluster.damage(2n, 10, 25, what);
    cluster.boot(2n);
    assert.ok(cluster.node(2n).isDamaged);
    cluster.tick(3, [2n]);
    cluster.write(1n, 5);
    assert.equal(cluster.node(2n).commitIndex, ENTRIES + 5);
    assertHealed(cluster, 2n);
  });
}

test("while it is damaged, a node neither votes nor acknowledges nor asks for votes, and says that it does not lead", () => {
  const cluster = written();
  cluster.stop(2n);
  cluster.damage(2n, 10, 10, "headers");
  cluster.passes = () => false;
  cluster.boot(2n);
  const node = cluster.node(2n);
  const before = node.log.hardState;
  const message = (message: Message) => node.step({ type: "message", message });
  const ask = { candidate: 3n, lastLogIndex: 1000, lastLogTerm: 9 };
  assert.deepEqual(message({ type: "preVote", term: 9, ...ask }), []);
  assert.deepEqual(message({ type: "requestVote", term: 9, force: true, ...ask }), []);
  const prev = { prevLogIndex: ENTRIES, prevLogTerm: 1, entries: [], leaderCommit: ENTRIES };
  assert.deepEqual(message({ type: "appendEntries", term: 9, leader: 3n, ...prev }), []);
  assert.deepEqual(message({ type: "timeoutNow", term: 1, leader: 1n }), []);
  for (let tick = 0; tick < 100; tick++) {
    for (const sent of sends(node.step({ type: "tick" }))) assert.equal(sent.type, "repairRequest");
  }
  assert.throws(
    () => node.step({ type: "propose", command: new Uint8Array() }),
    (error) => error instanceof WalLogError && error.code === "NOT_LEADER",
  );
  assert.deepEqual(node.log.hardState, before);
});

test("two nodes of three with different damage heal each other, with nobody to lead them", () => {
  for (const what of ["commands", "headers"] as const) {
    const cluster = written();
    for (const id of IDS) cluster.stop(id);
    cluster.damage(2n, 10, 20, what);
    cluster.damage(3n, 21, 30, what);
    for (const id of [2n, 3n]) cluster.boot(id);
    cluster.tick(9, [2n, 3n]);
    cluster.boot(1n);
    cluster.elect(2n);
    cluster.write(2n, 1);
    assert.equal(cluster.applied.get(3n)!.size, ENTRIES + 1);
    for (const id of [2n, 3n]) assertHealed(cluster, id, 1n);
  }
});

test("a damaged last entry that was never committed is given up for a leader that does not have it", () => {
  const cluster = written();
  cluster.passes = ({ to }) => to === 2n;
  cluster.propose(1n, "only on 1 and 2");
  cluster.passes = ({ from, to }) => from !== 1n && to !== 1n && from !== 2n && to !== 2n;
  // Node 3 never had it; node 2 cannot read it any more.
  cluster.stop(2n);
  cluster.damage(2n, ENTRIES + 1, ENTRIES + 1, "headers");
  cluster.stop(1n);
  cluster.damage(1n, ENTRIES + 1, ENTRIES + 1, "headers");
  cluster.boot(2n);
  cluster.boot(1n);
  cluster.passes = () => true;
  cluster.tick(9);
  // Two of three might have acknowledged it. Nobody leads, and so nobody may decide that it was not committed.
  assert.deepEqual(IDS.map((id) => cluster.node(id).isDamaged), [true, true, false]);
  assert.deepEqual(IDS.map((id) => cluster.node(id).log.lastIndex), [ENTRIES + 1, ENTRIES + 1, ENTRIES]);

  const other = written();
  other.passes = ({ from, to }) => from === 1n && to === 2n;
  other.propose(1n, "only on 1 and 2");
  other.stop(1n);
  other.stop(2n);
  other.damage(2n, ENTRIES + 1, ENTRIES + 1, "headers");
  other.passes = () => true;
  // Node 1 loses everything behind the commit index, as one that was elected without it would have.
  other.boot(1n);
  other.node(1n).log.truncate(ENTRIES + 1);
  other.elect(3n);
  other.boot(2n);
  other.tick(6, [2n, 3n]);
  other.write(3n, 1);
  assertHealed(other, 2n, 3n);
});

test("entries that the others have compacted away come as a snapshot", () => {
  for (const snapshotChunkBytes of [0, 10]) {
    const cluster = written({ snapshotChunkBytes });
    cluster.stop(2n);
    cluster.damage(2n, 10, 12, "headers");
    const data = new TextEncoder().encode("the state after 30 commands");
    cluster.step(1n, { type: "snapshot", index: 30, data });
    cluster.boot(2n);
    cluster.tick(30, [1n, 2n]);
    assert.equal(cluster.node(2n).isDamaged, false);
    assert.equal(cluster.node(2n).log.snapshotIndex, 30);
    const restored = cluster.done.filter(({ node, action }) => node === 2n && action.type === "restoreSnapshot");
    assert.deepEqual(restored.map(({ action }) => action.type === "restoreSnapshot" && action.data), [data]);
    assert.equal(cluster.node(2n).commitIndex, ENTRIES);
    assert.equal(cluster.node(2n).log.lastIndex, ENTRIES, "what follows the snapshot was kept");
  }
});

test("a node with a damaged snapshot gets the same one, or a later one", () => {
  for (const index of [30, 40]) {
    const cluster = written();
    const data = new Uint8Array(100).fill(index);
    cluster.step(2n, { type: "snapshot", index: 30, data });
    for (const id of [1n, 3n]) cluster.step(id, { type: "snapshot", index, data });
    const disk = cluster.stop(2n);
    disk.flip(disk.files().find((path) => path.endsWith(".snap"))!, 60);
    cluster.boot(2n);
    cluster.passes = () => false;
    cluster.tick(10, [1n, 2n]);
    assert.ok(cluster.node(2n).isDamaged);
    cluster.passes = () => true;
    cluster.tick(10, [1n, 2n]);
    assert.equal(cluster.node(2n).isDamaged, false);
    assert.equal(cluster.node(2n).commitIndex, ENTRIES);
    assert.deepEqual(cluster.node(2n).log.snapshot()!.data, data);
    assert.equal(cluster.node(2n).log.snapshotIndex, index);
  }
});

test("a leader's snapshot heals what no repair can, though the leader's log has gone on behind it", () => {
  const cluster = written();
  // Node 2 has led in term 2, and nobody has heard of what it wrote.
  const log = cluster.logs.get(2n)!;
  log.setHardState({ term: 2, votedFor: 2n });
  const command = new Uint8Array(300);
  for (let index = ENTRIES + 1; index <= 2 * ENTRIES; index++) {
    log.append([{ term: 2, index, kind: "normal", command }]);
  }
  const disk = cluster.stop(2n);
  const path = cluster.segments(2n).find((path) =>
    framesOf(disk.content(path)).some(({ kind, index }) => kind === KIND_ENTRIES && index === ENTRIES + 2)
  )!;
  for (const copy of HEADER_OFFSETS) disk.flip(path, copy + 40);
  for (const id of [1n, 3n]) {
    const { log } = cluster.node(id);
    log.setHardState({ term: 2, votedFor: 2n });
    cluster.start(id, IDS.filter((peer) => peer !== id), log);
  }
  cluster.elect(3n);
  cluster.write(3n, 1);
  cluster.boot(2n);
  const { damaged } = cluster.logs.get(2n)!;
  assert.deepEqual(damaged.map(({ kind }) => kind), ["segment header"]);
  assert.ok(damaged[0]!.firstIndex! <= ENTRIES && damaged[0]!.lastIndex! > ENTRIES + 1);
  for (let round = 0; round < 3; round++) {
    cluster.tick(3, [2n, 3n]);
    assert.ok(cluster.node(2n).isDamaged);
    cluster.write(3n, 1);
  }
  const { lastIndex } = cluster.node(3n).log;
  cluster.step(3n, { type: "snapshot", index: lastIndex - 1, data: new Uint8Array(10) });
  cluster.tick(6, [2n, 3n]);
  assert.equal(cluster.node(2n).isDamaged, false);
  assert.equal(cluster.node(2n).log.lastIndex, lastIndex);
  assert.equal(cluster.node(2n).commitIndex, lastIndex);
});

/** The newest segment of a node, in which the hard state lies, has rotted away; how the log ended is still known. */
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
  // The term comes first, in a frame of its own, and an entry after it: two hard states that are lost together could be a
  // truncation and an entry as well.
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

test("a node that lost its vote learns from all others which terms there were, and votes in none of them again", () => {
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

/** Frames of a stopped node's newest segment, zeroed from the first up to one that is the last of a kind. */
function zeroFrames(cluster: DiskCluster, id: NodeId, from: number, to: number): void {
  const disk = cluster.disks.get(id)!;
  const path = cluster.segments(id).at(-1)!;
  const frames = framesOf(disk.content(path));
  disk.zero(path, frames[from]!.offset, frames.at(to)!.end - frames[from]!.offset);
}

for (const victim of ["founder", "joiner"] as const) {
  test(`a ${victim} that lost its vote and who the members are votes in no term again that it may have voted in`, () => {
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
    // It votes for node 2, which has got further with the first leader; then its disk forgets that.
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

test("a node of which nobody knows where its log ended stays out, also if it heard of later terms and starts again", () => {
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

/** A node with one entry damaged, which hears nobody, and what it asks. */
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

/** A log that has lost its hard state, and nothing else. */
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
      // Each of two may have voted for the other, in a term that nobody else has heard of.
      assert.equal(isDamaged, count === 2);
      if (!isDamaged) assert.deepEqual(log.hardState, { term: leader.term, votedFor: id });
    }
    cluster.propose(5n, "more");
    cluster.tick(6, [5n]);
    assert.equal(leader.commitIndex, 3, "the others go on");
  });
}

test("a node that is all of its cluster, and lost its vote, needs nobody to tell it", () => {
  const log = new WithoutItsVote();
  log.append([{ term: 7, index: 1, kind: "normal", command: new Uint8Array(1) }]);
  const node = RaftNode.withLog({ id: 1n, noOp: true }, log);
  for (let tick = 0; tick < 30; tick++) node.step({ type: "tick" });
  assert.deepEqual([node.isDamaged, node.isLeader, node.term], [false, true, 8]);
});

test("an answer to what a node asked before it last started is not taken", () => {
  const cluster = written();
  const { node, asked, answer } = asking(cluster, 10);
  assert.deepEqual([asked.first, asked.last], [10, 11]);
  const entries = cluster.node(1n).log.entries(10, 10);
  node.step({ type: "message", message: answer({ entries, request: asked.request + 1 }) });
  assert.ok(node.isDamaged);
  node.step({ type: "message", message: answer({ entries }) });
  assert.equal(node.isDamaged, false);
});

test("an entry of which nothing survives is not taken from one that does not know it to be committed", () => {
  const cluster = written();
  // Between terms 1 and 3, nothing tells what the term was.
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

test("a committed entry is not put behind one that was not: that one, and all behind it, is given up", () => {
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

test("what lies in front of an entry that both have is the same, though nobody knows it to be committed", () => {
  const cluster = written();
  // Between terms 1 and 3, nothing tells what the term was.
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

test("a stretch with a change of term is healed though it is longer than a message, and nobody leads", () => {
  for (const bounds of [{ maxBatch: 8 }, { maxBatchBytes: 40 }]) {
    const cluster = new DiskCluster(bounds);
    for (const id of IDS) {
      const log = cluster.logs.get(id)!;
      log.setHardState({ term: 2, votedFor: null });
      for (let index = 1; index <= ENTRIES; index++) {
        log.append([{ term: index < 20 ? 1 : 2, index, kind: "normal", command: new Uint8Array(10) }]);
      }
      cluster.stop(id);
    }
    cluster.damage(2n, 10, 30, "headers");
    for (const id of [1n, 2n]) cluster.boot(id);
    assert.ok(cluster.node(2n).isDamaged);
    cluster.tick(9, [1n, 2n]);
    assertHealed(cluster, 2n);
  }
});

test("a node asks those who speak to it, of whom its damaged log may not know", () => {
  const cluster = written();
  const { node } = asking(cluster, 10);
  const prev = { prevLogIndex: ENTRIES, prevLogTerm: 1, entries: [], leaderCommit: ENTRIES };
  node.step({ type: "message", message: { type: "appendEntries", term: 7, leader: 9n, ...prev } });
  const asked: NodeId[] = [];
  for (let tick = 0; tick < 10; tick++) {
    for (const action of node.step({ type: "tick" })) if (action.type === "send") asked.push(action.to);
  }
  assert.deepEqual([...new Set(asked)].sort(), [1n, 3n, 9n]);
});

test("a change of members that was damaged is told when it can be read again", () => {
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

test("a snapshot is not taken if what follows it may have been acknowledged and would be dropped", () => {
  const cluster = written();
  // Between terms 1 and 3, nothing tells what the term was.
  const lost: LogEntry = { term: 2, index: ENTRIES + 1, kind: "normal", command: new Uint8Array(10) };
  cluster.logs.get(2n)!.append([lost, { ...lost, term: 3, index: ENTRIES + 2 }]);
  const { node, answer } = asking(cluster, ENTRIES + 1);
  const data = new Uint8Array(10);
  const snapshot = { index: ENTRIES + 1, term: 2, config: [...IDS], data };
  const install: Message = { type: "installSnapshot", term: 4, leader: 1n, snapshot };
  assert.deepEqual(node.step({ type: "message", message: install }), []);
  assert.equal(node.log.lastIndex, ENTRIES + 2);
  // A leader that had never heard of it has everything that was ever acknowledged to anyone.
  node.step({ type: "message", message: answer({ term: 4, leads: true, lastIndex: ENTRIES }) });
  assert.equal(node.isDamaged, false);
  assert.equal(node.log.lastIndex, ENTRIES);
});

test("a node whose log lost its end, nobody knows where, stays out", () => {
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

test("a node that does not know where its log ended takes no snapshot for all of it, though it knows its vote", () => {
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

/** A log that says what it has lost, and takes no write that has no entries. */
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

test("a log that says what it has lost is not probed", () => {
  assert.equal(RaftNode.withLog({ id: 1n }, new TellingLog(false)).isDamaged, false);
  assert.equal(RaftNode.withLog({ id: 1n }, new TellingLog(true)).isDamaged, true);
});
