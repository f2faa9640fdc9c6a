/** Limits on the memory for incoming snapshots. */

import assert from "node:assert/strict";
import { test } from "node:test";
import {
  encodeMessage,
  type InstallSnapshot,
  type InstallSnapshotReply,
  type RaftConfig,
  RaftNode,
  type SendAction,
} from "../src/raft/mod.ts";
import { MemoryLog } from "../mod.ts";
import { Cluster } from "./raft_cluster.ts";

const IDS = [1n, 2n, 3n];

/**
 * A cluster with a snapshot of the leader that node 3 needs, and the sizes of the messages that carry it. The snapshot
 * has meta.
 */
function withMeta(
  bytes: number,
  metaBytes: number,
  config: Partial<RaftConfig>,
): { cluster: Cluster; sizes: number[] } {
  const cluster = new Cluster(IDS, { maxMessageBytes: 20_000, ...config });
  const leader = cluster.elect(1n);
  const sizes: number[] = [];
  cluster.passes = ({ to }) => to !== 3n;
  cluster.propose(1n, "x = 1");
  const meta = Uint8Array.from({ length: metaBytes }, (_, i) => i);
  leader.log.compact(1, { config: IDS, meta, data: new Uint8Array(bytes).fill(7) });
  cluster.propose(1n, "x = 2");
  cluster.passes = ({ message }) => {
    if (message.type === "installSnapshot") sizes.push(encodeMessage(message).length);
    return true;
  };
  cluster.tick(30);
  return { cluster, sizes };
}

for (
  const [how, bytes, metaBytes, config] of [
    ["with the whole", 5000, 3000, {}],
    ["with the last piece", 50_000, 3000, {}],
    ["with the last piece, under flow control", 50_000, 3000, { maxInflightMessages: 10 }],
    ["behind the last piece, for which it is too large", 15_000, 15_000, {}],
    ["behind the last piece, for which it is too large, under flow control", 15_000, 15_000, {
      maxInflightMessages: 10,
    }],
    ["without data", 0, 3000, {}],
    ["without data, in pieces", 0, 3000, { snapshotChunkBytes: 100 }],
  ] as const
) {
  test(`a snapshot's meta is sent ${how}`, () => {
    const { cluster, sizes } = withMeta(bytes, metaBytes, config);
    const [sent, taken] = [1n, 3n].map((id) => cluster.node(id).log.snapshot());
    assert.equal(taken?.meta?.length, metaBytes);
    assert.deepEqual(taken, sent);
    assert.ok(Math.max(...sizes) <= 20_000, `messages of ${sizes} bytes`);
    assert.equal(cluster.node(3n).commitIndex, 2);
  });
}

const CONFIG = { id: 1n, peers: [2n, 3n], electionTimeout: [10, 20], maxSnapshotBytes: 1000 } as const;

/** A piece of a snapshot. */
function piece(offset: number, length: number, other: Partial<InstallSnapshot> & { index?: number } = {}) {
  const { index = 9, ...fields } = other;
  const snapshot = { index, term: 1, config: IDS, data: new Uint8Array(length).fill(index) };
  const message = { type: "installSnapshot", term: 1, leader: 2n, snapshot, offset, done: false, ...fields } as const;
  return { type: "message", message } as const;
}

/** The node's answer: the offset of the next piece; `undefined` if the snapshot is complete. */
function take(node: RaftNode, event: ReturnType<typeof piece>): number | undefined {
  const [send] = node.step(event).filter(({ type }) => type === "send") as SendAction[];
  return (send!.message as InstallSnapshotReply).nextOffset;
}

test("a piece that is empty is refused, unless it is the last", () => {
  const node = new RaftNode(CONFIG);
  assert.throws(() => node.step(piece(0, 0)), { code: "INVALID_ARGUMENT" });
  assert.deepEqual([node.leader, node.term], [null, 0], "nothing has changed");
  assert.equal(take(node, piece(0, 10)), 10);
  assert.equal(take(node, piece(10, 0, { done: true })), undefined);
  assert.deepEqual(node.log.snapshot()?.data, new Uint8Array(10).fill(9));
});

test("a snapshot larger than maxSnapshotBytes is refused, whole or in pieces", () => {
  const node = new RaftNode(CONFIG);
  assert.equal(take(node, piece(0, 600)), 600);
  const refused = [piece(600, 401), piece(2 ** 52, 1), piece(0, 1001, { offset: undefined, done: undefined })];
  const reason = "its snapshot has more than 1000 bytes (maxSnapshotBytes)";
  assert.deepEqual(refused.map((event) => node.step(event)), [[{ type: "refused", from: 2n, reason }], [], []], "once");
  assert.equal(take(node, piece(600, 400, { done: true })), undefined);
  assert.equal(node.log.snapshot()?.data.length, 1000);
});

test("a node makes no snapshot that the others would refuse", () => {
  const cluster = new Cluster(IDS, { maxSnapshotBytes: 1000 });
  cluster.elect(1n);
  cluster.propose(1n, "x = 1");
  const event = (bytes: number) => ({ type: "snapshot", index: 1, data: new Uint8Array(bytes) }) as const;
  assert.throws(() => cluster.step(1n, event(1001)), /it has 1001 bytes, at most 1000/);
  assert.equal(cluster.node(1n).log.snapshotIndex, 0);
  cluster.step(1n, event(1000));
  assert.equal(cluster.node(1n).log.snapshotIndex, 1);
});

test("pieces of an unfinished snapshot are dropped after a while", () => {
  for (const ticks of [190, 210]) {
    // The node has no clock of its own: it is not a member, and does not request votes.
    const node = new RaftNode({ ...CONFIG, peers: [], joining: true });
    assert.equal(take(node, piece(0, 300)), 300);
    for (let tick = 0; tick < ticks; tick++) node.step({ type: "tick" });
    assert.equal(take(node, piece(300, 300)), ticks === 190 ? 600 : 0);
    // Each piece shows that the transfer continues.
    for (let tick = 0; tick < 190; tick++) node.step({ type: "tick" });
    assert.equal(take(node, piece(600, 300)), ticks === 190 ? 900 : 0);
  }
});

test("pieces of another snapshot, leader or term replace earlier ones", () => {
  for (const other of [{ index: 10 }, { index: 8, term: 2 }, { leader: 3n }, { term: 2 }]) {
    const node = new RaftNode(CONFIG);
    assert.equal(take(node, piece(0, 300)), 300);
    assert.equal(take(node, piece(300, 300, other)), 0);
    assert.equal(take(node, piece(0, 300, other)), 300);
    assert.equal(take(node, piece(300, 1, { ...other, done: true })), undefined);
    assert.equal(node.log.snapshot()?.data.length, 301);
  }
});

test("late pieces of an older snapshot do not disturb a newer one", () => {
  const node = new RaftNode(CONFIG);
  assert.equal(take(node, piece(0, 300, { index: 10 })), 300);
  const late = [
    piece(0, 300),
    piece(300, 300),
    piece(300, 1, { done: true }),
    piece(0, 9, { offset: undefined, done: undefined }),
  ];
  for (const event of late) assert.equal(take(node, event), 300, "the answer says what it has of the newer one");
  assert.equal(node.log.snapshotIndex, 0);
  assert.equal(take(node, piece(300, 301, { index: 10, done: true })), undefined);
  assert.deepEqual(node.log.snapshot()?.data, new Uint8Array(601).fill(10));
});

test("pieces of a byte are held as bytes", () => {
  const node = RaftNode.withLog({ ...CONFIG, maxSnapshotBytes: 100_000 }, new MemoryLog());
  for (let offset = 0; offset < 50_000; offset++) assert.equal(take(node, piece(offset, 1)), offset + 1);
  assert.equal(take(node, piece(50_000, 1, { done: true })), undefined);
  assert.deepEqual(node.log.snapshot()?.data, new Uint8Array(50_001).fill(9));
});
