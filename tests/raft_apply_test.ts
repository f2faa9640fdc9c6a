/** Applying committed entries: one page per step, from the state machine's position. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Action, type Message, type RaftConfig, RaftNode } from "../src/raft/mod.ts";
import { WalLog, type WalLogError } from "../mod.ts";
import { MemoryLog } from "../src/api/memory_log.ts";
import { firstOfTerm } from "../src/raft/terms.ts";
import { Random, SimulatedDisk } from "../src/testing/mod.ts";
import type { Index, LogEntry, RaftLog, Term } from "../src/api/types.ts";
import { Cluster } from "./raft_cluster.ts";
import { appendEach } from "./history.ts";

const entry = (index: Index, term: Term = 1, bytes = 36): LogEntry => (
  { term, index, kind: "normal", command: new Uint8Array(bytes) }
);
/** A log of entries of term 1. Each counts as 100 bytes. */
function logOf<L extends RaftLog>(log: L, entries: number): L {
  log.append(Array.from({ length: entries }, (_, i) => entry(i + 1)));
  log.setHardState({ term: 1, votedFor: null });
  return log;
}

/** A leader's message that everything up to an index is committed. */
const committed = (index: Index, leaderCommit = index): Message => (
  { type: "appendEntries", term: 1, leader: 2n, prevLogIndex: index, prevLogTerm: 1, entries: [], leaderCommit }
);

/** The indexes to apply, and whether there are more. */
function applied(actions: readonly Action[]): (Index | "more")[] {
  return actions.flatMap((action): (Index | "more")[] =>
    action.type === "apply" ? [action.index] : action.type === "moreToApply" ? ["more"] : []
  );
}

const PEERS = { id: 1n, peers: [2n, 3n] };
const APPLY_MORE = { type: "applyMore" } as const;
const TICK = { type: "tick" } as const;

test("a step returns at most maxApplyBytes of entries, and reports that there are more", () => {
  const node = RaftNode.withLog({ ...PEERS, maxApplyBytes: 300 }, logOf(new MemoryLog(), 10));
  assert.deepEqual(applied(node.step({ type: "message", message: committed(10) })), [1, 2, 3, "more"]);
  assert.deepEqual([node.commitIndex, node.lastApplied], [10, 3]);
  assert.deepEqual(applied(node.step(APPLY_MORE)), [4, 5, 6, "more"]);
  assert.deepEqual(applied(node.step(APPLY_MORE)), [7, 8, 9, "more"]);
  assert.deepEqual(node.step(APPLY_MORE).map(({ type }) => type), ["apply"]);
  assert.deepEqual(node.step(APPLY_MORE), []);
});

test("every step returns more of the remaining entries, without a request", () => {
  const node = RaftNode.withLog({ ...PEERS, maxApplyBytes: 1 }, logOf(new MemoryLog(), 4));
  assert.deepEqual(applied(node.step({ type: "message", message: committed(4) })), [1, "more"]);
  assert.deepEqual(applied(node.step(TICK)), [2, "more"]);
  assert.deepEqual(applied(node.step({ type: "message", message: committed(4) })), [3, "more"]);
  assert.deepEqual(applied(node.step(TICK)), [4]);
});

test("by default, a page has a few megabytes", () => {
  const node = RaftNode.withLog(PEERS, logOf(new MemoryLog(), 100_000));
  const page = applied(node.step({ type: "message", message: committed(100_000) }));
  assert.equal(page.at(-1), "more");
  assert.ok(page.length * 100 < 5 * 1024 * 1024, `${page.length} entries`);
});

test("the hint to take a snapshot comes after a page, for the entries returned so far", () => {
  const node = RaftNode.withLog({ ...PEERS, maxApplyBytes: 300, snapshotThreshold: 3 }, logOf(new MemoryLog(), 10));
  const hints = (actions: Action[]) => actions.filter(({ type }) => type === "snapshot");
  assert.deepEqual(hints(node.step({ type: "message", message: committed(10) })), [
    { type: "snapshot", index: 3, term: 1 },
  ]);
  node.step({ type: "snapshot", index: 3, data: new Uint8Array() });
  assert.equal(node.log.snapshotIndex, 3);
});

test("a read is ready when the entries that it needs were returned", () => {
  const cluster = new Cluster([1n, 2n, 3n], { maxApplyBytes: 1 });
  cluster.elect(1n);
  cluster.passes = ({ message }) => message.type !== "appendEntriesReply";
  for (let i = 0; i < 4; i++) cluster.propose(1n, `${i}`);
  cluster.passes = () => true;
  const order = (): (string | number)[] =>
    cluster.done.flatMap(({ node, action }) =>
      node === 1n && (action.type === "apply" || action.type === "readReady")
        ? [action.type === "apply" ? action.index : "ready"]
        : []
    );
  cluster.propose(1n, "last");
  const before = cluster.sent.length;
  assert.equal(cluster.node(1n).commitIndex, 5);
  assert.ok(cluster.node(1n).lastApplied < 5);
  cluster.step(1n, { type: "readIndex", id: 1 });
  while (cluster.node(1n).lastApplied < 5) cluster.step(1n, APPLY_MORE);
  assert.deepEqual(order(), [1, 2, 3, 4, 5, "ready"]);
  assert.ok(cluster.sent.length - before <= 4, "one round of heartbeats is enough");
});

test("a snapshot below the commit index does not lower it", () => {
  const node = RaftNode.withLog({ ...PEERS, maxApplyBytes: 1 }, logOf(new MemoryLog(), 10));
  node.step({ type: "message", message: committed(10) });
  const snapshot = { index: 5, term: 1, config: [1n, 2n, 3n], data: new Uint8Array(1) };
  const actions = node.step({ type: "message", message: { type: "installSnapshot", term: 1, leader: 2n, snapshot } });
  assert.deepEqual(actions.map(({ type }) => type), ["restoreSnapshot", "send", "apply", "moreToApply"]);
  assert.deepEqual([node.commitIndex, node.lastApplied, node.log.lastIndex], [10, 6, 10]);
});

test("a state machine that survives a restart gets only later entries", () => {
  const log = logOf(new MemoryLog(), 10);
  const node = RaftNode.withLog({ ...PEERS, applied: 7 }, log);
  assert.deepEqual([node.commitIndex, node.lastApplied], [7, 7]);
  assert.deepEqual(applied(node.step({ type: "message", message: committed(10) })), [8, 9, 10]);
  log.compact(5, { config: [1n, 2n, 3n] });
  for (const index of [0, 5]) assert.equal(RaftNode.withLog({ ...PEERS, applied: index }, log).lastApplied, 5);
});

test("a state machine that does not belong to the log is refused", () => {
  const log = logOf(new MemoryLog(), 10);
  const refusal = (config: Partial<RaftConfig>): string => {
    let message = "";
    assert.throws(() => RaftNode.withLog({ ...PEERS, ...config }, log), (error: WalLogError) => {
      message = error.message;
      return error.code === "INVALID_ARGUMENT";
    });
    return message;
  };
  assert.match(refusal({ applied: 11 }), /Cannot make a node with applied index 11: the log ends at index 10/);
  log.compact(5, { config: [1n, 2n, 3n] });
  assert.match(refusal({ applied: 4 }), /applied index 4: the snapshot at index 5 has replaced the entries after it/);
  for (const config of [{ applied: -1 }, { applied: 1.5 }, { maxApplyBytes: 0 }, { maxApplyBytes: NaN }]) {
    refusal(config);
  }
});

test("a damaged node accepts a snapshot below its applied index", () => {
  const log = WalLog.openSync(FOLDER, { fileSystem: damaged().fileSystem, onDamage: "keep" });
  assert.deepEqual(log.damaged.map(({ firstIndex }) => firstIndex), [4]);
  const node = RaftNode.withLog({ ...PEERS, applied: 9 }, log);
  assert.equal(node.isDamaged, true);
  const snapshot = { index: 6, term: 1, config: [1n, 2n, 3n], data: new Uint8Array(1) };
  const actions = node.step({ type: "message", message: { type: "installSnapshot", term: 1, leader: 2n, snapshot } });
  assert.deepEqual(actions.map(({ type }) => type), ["restoreSnapshot", "send"]);
  assert.deepEqual([node.isDamaged, node.lastApplied, log.lastIndex], [false, 6, 10]);
  assert.deepEqual(applied(node.step({ type: "message", message: committed(10) })), [7, 8, 9, 10]);
  log.closeSync();
});

const FOLDER = "/raft.wal";

/** A disk with a log of ten entries, the fourth of them rotten. */
function damaged(): SimulatedDisk {
  const disk = new SimulatedDisk({ seed: 1 });
  const log = logOf(WalLog.openSync(FOLDER, { fileSystem: disk.fileSystem }), 3);
  const marked = { ...entry(4), command: new TextEncoder().encode("the one that rots") };
  appendEach(log, [marked, ...Array.from({ length: 6 }, (_, i) => entry(i + 5))]);
  log.syncSync();
  log.closeSync();
  const path = disk.files().find((name) => name.endsWith(".seg"))!;
  const text = new TextDecoder("latin1").decode(disk.content(path));
  disk.flip(path, text.indexOf("the one that rots"), 1);
  return disk;
}

test("a term is found among many entries with few reads", () => {
  const random = new Random(3);
  for (let i = 0; i < 200; i++) {
    const log = new MemoryLog();
    let term = 1;
    for (let index = 1; index <= 1 + random.below(30); index++) {
      if (random.chance(0.3)) term += 1 + random.below(2);
      log.append([entry(index, term, 0)]);
    }
    const low = 1 + random.below(log.lastIndex);
    for (let wanted = 0; wanted <= term + 1; wanted++) {
      let expected = low;
      while (expected <= log.lastIndex && log.termAt(expected)! < wanted) expected++;
      assert.equal(firstOfTerm(log, low, log.lastIndex, wanted), expected);
    }
  }
});

test("finding where two logs differ takes few reads, even in a long term", () => {
  class CountingLog extends MemoryLog {
    reads = 0;
    override termAt(index: Index): Term | undefined {
      this.reads++;
      return super.termAt(index);
    }
  }
  const log = logOf(new CountingLog(), 50_000);
  const node = RaftNode.withLog(PEERS, log);
  log.reads = 0;
  const actions = node.step({
    type: "message",
    message: { ...committed(50_000, 0), term: 2, prevLogTerm: 2 } as Message,
  });
  assert.ok(log.reads < 50, `the follower read ${log.reads} terms`);
  const reply = actions.find((action) => action.type === "send")!.message;
  assert.deepEqual(reply.type === "appendEntriesReply" && [reply.conflictIndex, reply.conflictTerm], [1, 1]);

  const cluster = new Cluster([]);
  const leader = cluster.start(2n, [1n, 3n], log);
  cluster.start(3n, [1n, 2n], logOf(new MemoryLog(), 50_000));
  cluster.elect(2n);
  log.reads = 0;
  leader.step({
    type: "message",
    message: { ...reply, term: leader.term, conflictTerm: 1, conflictIndex: 1 } as Message,
  });
  assert.ok(log.reads < 50, `the leader read ${log.reads} terms`);
});
