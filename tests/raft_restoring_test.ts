/** The application restores installed snapshots, and writes its own snapshots in pieces. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Message, RaftNode } from "../src/raft/mod.ts";
import { MemoryLog, type NodeId, type SnapshotSource, WalLogError } from "../mod.ts";
import { CountingLog } from "./raft_open_snapshots.ts";

const IDS: readonly NodeId[] = [1n, 2n, 3n];

/** A piece of a leader's snapshot. */
function piece(index: number, offset: number, done: boolean, length = 10): Message {
  const snapshot = { index, term: 1, config: [...IDS], data: new Uint8Array(length).fill(index) };
  return { type: "installSnapshot", term: 1, leader: 1n, snapshot, offset, done };
}

/** A leader's snapshot in one message. */
function whole(index: number): Message {
  const snapshot = { index, term: 1, config: [...IDS], data: new Uint8Array(20).fill(index) };
  return { type: "installSnapshot", term: 1, leader: 1n, snapshot };
}

test("the application can read a snapshot after a later one has replaced it", async () => {
  for (const length of [20, undefined]) {
    const log = new CountingLog();
    const node = RaftNode.withLog({ id: 2n, peers: [1n, 3n] }, log);
    const take = async (index: number) => {
      const message = length === undefined ? whole(index) : piece(index, 0, true, length);
      const [action] = await node.stepAsync({ type: "message", message });
      assert.ok(action?.type === "restoreSnapshot");
      return action;
    };
    const actions = await Promise.all([take(5), take(7), take(8)]);
    assert.equal(log.snapshotIndex, 8);
    assert.deepEqual(actions.map(({ index }) => index), [5, 7, 8]);
    const [five, seven, eight] = actions.map(({ index }) => new Uint8Array(20).fill(index));
    assert.deepEqual([actions[0]!.data, actions[0]!.data], [five, five]);
    assert.deepEqual({ ...actions[1] }, { type: "restoreSnapshot", index: 7, term: 1, data: seven });
    const { source } = actions[2]!;
    assert.deepEqual([source.index, source.term, source.read(0, 20)], [8, 1, eight]);
    if (length === undefined) continue;
    assert.deepEqual([log.opened, log.closed], [3, 2]);
    source.close();
  }
});

/** A log whose reads fail while the test requests it. */
class FailingLog extends MemoryLog {
  fails: "opening" | "reading" | null = null;
  override openSnapshotSource(): SnapshotSource | undefined {
    const error = new WalLogError("IO", "Cannot read: the test says so");
    if (this.fails === "opening") throw error;
    const source = super.openSnapshotSource()!;
    const read = source.read.bind(source);
    return Object.assign(source, {
      read: (offset: number, length: number) => {
        if (this.fails === "reading") throw error;
        return read(offset, length);
      },
    });
  }
}

test("a snapshot that cannot be opened for the application is restored later, and nothing is applied before", () => {
  const log = new FailingLog();
  const node = RaftNode.withLog({ id: 2n, peers: [1n, 3n] }, log);
  const take = (message: Message) => node.step({ type: "message", message }).map(({ type }) => type);
  log.fails = "opening";
  assert.deepEqual(take(piece(5, 0, true))[0], "logFailed");
  assert.equal(log.snapshotIndex, 5);
  const entries = [{ term: 1, index: 6, kind: "normal", command: new Uint8Array(1) }] as const;
  const append = { type: "appendEntries", term: 1, leader: 1n, prevLogIndex: 5, prevLogTerm: 1 } as const;
  assert.ok(!take({ ...append, entries, leaderCommit: 6 }).includes("apply"));
  log.fails = null;
  assert.deepEqual(node.step({ type: "tick" }).map(({ type }) => type), ["restoreSnapshot", "apply"]);
});

test("a node ends whose application cannot read a snapshot", () => {
  const log = new FailingLog();
  const node = RaftNode.withLog({ id: 2n, peers: [1n, 3n] }, log);
  const [restore] = node.step({ type: "message", message: piece(5, 0, true) });
  assert.ok(restore?.type === "restoreSnapshot");
  log.fails = "reading";
  const isEnd = (error: unknown) => error instanceof WalLogError && error.code === "POISONED";
  assert.throws(() => restore.data, isEnd);
  assert.throws(() => node.step({ type: "tick" }), isEnd);
});

test("a node accepts its own snapshot that was written in pieces", () => {
  const log = new MemoryLog();
  const node = RaftNode.withLog({ id: 1n, maxSnapshotBytes: 100 }, log);
  while (!node.isLeader) node.step({ type: "tick" });
  for (let i = 0; i < 5; i++) node.step({ type: "propose", command: new Uint8Array(1) });
  const written = (index: number, bytes: number) => {
    const target = log.createSnapshotTarget({ index, term: 1, config: [1n] });
    target.write(new Uint8Array(bytes).fill(index));
    return target;
  };
  const refused = (index: number, data: ReturnType<typeof written>) => {
    assert.throws(() => node.step({ type: "snapshot", index, data }), { code: "INVALID_ARGUMENT" });
    assert.equal(log.snapshotIndex, 0);
  };
  refused(3, written(3, 101));
  refused(3, written(4, 100));
  refused(3, {} as never);
  assert.deepEqual([6, 0].map((index) => node.snapshotMeta(index)), [undefined, undefined]);
  const late = written(6, 10);
  node.step({ type: "snapshot", index: 6, data: late });
  assert.deepEqual([late.isOpen, log.snapshotIndex], [false, 0]);

  assert.deepEqual(node.snapshotMeta(3), { index: 3, term: 1, config: [1n] });
  node.step({ type: "snapshot", index: 3, data: written(3, 100) });
  assert.deepEqual(log.snapshot()?.data, new Uint8Array(100).fill(3));
  assert.equal(log.lastIndex, 5);
  const stale = written(3, 10);
  node.step({ type: "snapshot", index: 3, data: stale });
  assert.deepEqual([stale.isOpen, log.snapshot()?.data.length], [false, 100]);
});

test("a node restarts a snapshot that the log discarded for lack of space", () => {
  class FullLog extends MemoryLog {
    isFull = false;
    override createSnapshotTarget(...args: Parameters<MemoryLog["createSnapshotTarget"]>) {
      const target = super.createSnapshotTarget(...args);
      const write = target.write.bind(target);
      return Object.assign(target, {
        write: (bytes: Uint8Array) => {
          if (!this.isFull) return write(bytes);
          target.abort();
          throw new WalLogError("NO_SPACE", "Cannot write: the test says so");
        },
      });
    }
  }
  const log = new FullLog();
  const node = RaftNode.withLog({ id: 2n, peers: [1n, 3n] }, log);
  const take = (message: Message) => node.step({ type: "message", message }).map(({ type }) => type);
  assert.deepEqual(take(piece(5, 0, false)), ["send"]);
  log.isFull = true;
  assert.deepEqual(take(piece(5, 10, true)), ["logFailed"]);
  log.isFull = false;
  assert.deepEqual(take(piece(5, 10, true)), ["send"], "from the beginning");
  take(piece(5, 0, false));
  assert.deepEqual(take(piece(5, 10, true)), ["restoreSnapshot", "send"]);
  assert.deepEqual(log.snapshot()?.data, new Uint8Array(20).fill(5));
});
