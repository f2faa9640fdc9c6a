/** A snapshot reaches a node over slow links, and little of it is sent twice. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Action, type AppendEntries, type Message, type RaftConfig, RaftNode } from "../src/raft/mod.ts";
import { WalLogError } from "../mod.ts";
import { MemoryLog } from "../src/api/memory_log.ts";
import type { NodeId, Snapshot } from "../src/api/types.ts";
import { LinkedCluster } from "./raft_links.ts";

/** A round trip of 100 ms, and 100 Mbit/s. */
const SLOW = { delay: 50, bandwidth: 12_500, tick: 50 };
const PIECE = 64 * 1024;
const CONFIG = { checkQuorum: true, noOp: true, maxBatch: 256, maxBatchBytes: 1024 * 1024, snapshotChunkBytes: PIECE };
const MIB = 1024 * 1024;

/** A leader, and a node that needs its snapshot, on a link that is cut. */
function withSnapshot(
  bytes: number,
  config: Partial<RaftConfig> = {},
): { cluster: LinkedCluster; id: NodeId; away: NodeId } {
  const cluster = new LinkedCluster([1n, 2n, 3n], { ...CONFIG, ...config }, SLOW);
  const { id } = cluster.elect();
  const away = [...cluster.nodes.keys()].find((one) => one !== id)!;
  cluster.setCut(id, away, true);
  for (let i = 0; i < 10; i++) cluster.step(id, { type: "propose", command: new Uint8Array(10) });
  cluster.run(500);
  const data = Uint8Array.from({ length: bytes }, (_, i) => i % 251);
  cluster.step(id, { type: "snapshot", index: cluster.applied(id), data });
  return { cluster, id, away };
}

/** Runs until a node has a snapshot, or a time limit has passed. Returns the time, in milliseconds. */
function untilInstalled(cluster: LinkedCluster, node: NodeId, each: () => void = () => {}): number {
  const before = cluster.now;
  const { log } = cluster.nodes.get(node)!;
  while (log.snapshotIndex === 0 && cluster.now - before < 60_000) cluster.run(1, each);
  assert.ok(log.snapshotIndex > 0, "it does not arrive");
  return cluster.now - before;
}

test("pieces follow each other without waiting for answers", () => {
  const { cluster, id, away } = withSnapshot(8 * MIB);
  cluster.setCut(id, away, false);
  const before = cluster.link(id, away).bytes;
  // The transmission takes 671 ms. One piece each round trip would take 12,800 ms.
  const took = untilInstalled(cluster, away);
  assert.ok(took < 2000, `${took} ms`);
  const ratio = (cluster.link(id, away).bytes - before) / (8 * MIB);
  assert.ok(ratio < 1.05, `${ratio} times the snapshot was sent`);
  assert.deepEqual(cluster.nodes.get(away)!.log.snapshot()?.data, cluster.nodes.get(id)!.log.snapshot()?.data);
});

test("at most maxInflightBytes of a snapshot are in flight", () => {
  const { cluster, id, away } = withSnapshot(8 * MIB, { maxInflightBytes: MIB });
  cluster.setCut(id, away, false);
  let [sent, acknowledged, most] = [0, 0, 0];
  cluster.passes = (from, to, message) => {
    if (message.type === "installSnapshot" && to === away) sent = Math.max(sent, message.offset! + PIECE);
    if (message.type === "installSnapshotReply" && from === away) acknowledged = message.nextOffset ?? acknowledged;
    most = Math.max(most, sent - acknowledged);
    return true;
  };
  untilInstalled(cluster, away);
  assert.ok(most >= MIB - PIECE && most <= MIB + 20 * PIECE, `${most} bytes were under way`);
});

for (const length of [300, 3000]) {
  test(`a cut of ${length} ms costs no more than the pieces in flight`, () => {
    const { cluster, id, away } = withSnapshot(8 * MIB, { maxInflightBytes: MIB });
    cluster.setCut(id, away, false);
    cluster.run(700);
    const before = cluster.link(id, away).bytes;
    cluster.setCut(id, away, true);
    cluster.run(length);
    cluster.setCut(id, away, false);
    untilInstalled(cluster, away);
    assert.ok(before > MIB, "some had arrived");
    const bytes = cluster.link(id, away).bytes;
    assert.ok(bytes < 8 * MIB + 2.5 * MIB, `${bytes} bytes were sent`);
  });
}

for (const pieces of ["in pieces", "whole"]) {
  test(`a snapshot that is sent ${pieces} is not sent again while it is on its way`, () => {
    // The transmission takes longer than many heartbeats.
    const { cluster, id, away } = withSnapshot(16 * MIB, pieces === "whole" ? { snapshotChunkBytes: 0 } : {});
    cluster.setCut(id, away, false);
    untilInstalled(cluster, away);
    const bytes = cluster.link(id, away).bytes;
    assert.ok(bytes < 1.05 * 16 * MIB, `${bytes} bytes were sent`);
    assert.equal(cluster.nodes.get(id)!.isLeader, true);
  });
}

test("a node catches up while the cluster writes and makes snapshots", () => {
  const cluster = new LinkedCluster([1n, 2n, 3n], { ...CONFIG, snapshotThreshold: 2000 }, SLOW);
  cluster.done = (node, action: Action) => {
    if (action.type !== "snapshot") return;
    cluster.step(node, { type: "snapshot", index: action.index, data: new Uint8Array(2 * MIB) });
  };
  const { id } = cluster.elect();
  const [away, other] = [...cluster.nodes.keys()].filter((one) => one !== id) as [NodeId, NodeId];
  const write = () => cluster.step(id, { type: "propose", command: new Uint8Array(200) });
  cluster.setCut(id, away, true);
  cluster.run(6000, write);
  assert.ok(cluster.nodes.get(id)!.log.snapshotIndex > 0);
  cluster.setCut(id, away, false);
  const lag = () => cluster.applied(other) - cluster.applied(away);
  for (let ms = 0; ms < 10_000 && lag() > 10; ms += 100) cluster.run(100, write);
  assert.ok(lag() <= 10, `it lacks ${lag()} entries`);
});

test("reads are answered while a snapshot is being sent", () => {
  const { cluster, id, away } = withSnapshot(16 * MIB);
  const ready: number[] = [];
  cluster.done = (node, action) => {
    if (node === id && action.type === "readReady") ready.push(action.id);
  };
  cluster.setCut(id, away, false);
  let asked = 0;
  untilInstalled(cluster, away, () => {
    if (cluster.now % 100 === 0) cluster.step(id, { type: "readIndex", id: ++asked });
  });
  cluster.run(500);
  assert.ok(asked >= 10, `${asked} reads`);
  assert.deepEqual(ready, Array.from({ length: asked }, (_, i) => i + 1));
});

/** A log whose snapshot cannot be read while the test requests it. */
class UnreadableLog extends MemoryLog {
  isUnreadable = false;
  override snapshot(): Snapshot | undefined {
    if (this.isUnreadable) throw new WalLogError("IO", "Cannot read the snapshot: the test says so");
    return super.snapshot();
  }
}

/** A leader of three in term 1 with a snapshot at index 5, and node 2, which needs it. */
function sending(
  bytes: number,
  config: Partial<RaftConfig>,
  log: MemoryLog = new MemoryLog(),
): { leader: RaftNode; step: (message: Message) => number[] } {
  const leader = RaftNode.withLog({ ...CONFIG, ...config, id: 1n, peers: [2n, 3n] }, log);
  const granted = { voteGranted: true, from: 3n };
  while (leader.role !== "candidate") {
    leader.step({ type: "tick" });
    leader.step({ type: "message", message: { type: "preVoteReply", term: leader.term, ...granted } });
  }
  leader.step({ type: "message", message: { type: "requestVoteReply", term: 1, ...granted } });
  for (let i = 0; i < 5; i++) leader.step({ type: "propose", command: new Uint8Array(1) });
  const conflict = { conflictIndex: 0, conflictTerm: 0 };
  leader.step({
    type: "message",
    message: { type: "appendEntriesReply", term: 1, success: true, from: 3n, matchIndex: 6, ...conflict },
  });
  leader.step({ type: "snapshot", index: 5, data: new Uint8Array(bytes) });
  const step = (message: Message) =>
    leader.step({ type: "message", message }).flatMap((action) =>
      action.type === "send" && action.to === 2n && action.message.type === "installSnapshot"
        ? [action.message.offset!]
        : []
    );
  return { leader, step };
}

const rejection = (more: object = {}): Message => (
  {
    ...{ type: "appendEntriesReply", term: 1, success: false, from: 2n, matchIndex: 0 },
    ...{ conflictIndex: 1, conflictTerm: 0, ...more },
  } as Message
);
const upTo = (nextOffset: number): Message => (
  { type: "installSnapshotReply", term: 1, from: 2n, lastIndex: 0, nextOffset }
);

test("pieces are resent only if an answer shows that the node started over", () => {
  const { step } = sending(100, { snapshotChunkBytes: 10, maxInflightBytes: 30 });
  assert.deepEqual(step(rejection()), [0, 10, 20]);
  assert.deepEqual(step(rejection()), []);
  assert.deepEqual(step(upTo(0)), []);
  assert.deepEqual(step(upTo(10)), [30]);
  assert.deepEqual(step(upTo(10)), []);
  assert.deepEqual(step(upTo(200)), [], "there is no such offset");
  assert.deepEqual(step(upTo(30)), [40, 50]);
  assert.deepEqual(step(upTo(0)), [0, 10, 20]);
  assert.deepEqual(step(upTo(60)), [60, 70, 80]);
  // It has the whole snapshot, and could not install it.
  assert.deepEqual(step(upTo(100)), [100]);
});

test("a node that needs a snapshot but does not answer gets none", () => {
  const { leader } = sending(100, { snapshotChunkBytes: 10, checkQuorum: false });
  for (let tick = 0; tick < 30; tick++) {
    for (const action of leader.step({ type: "tick" })) {
      assert.ok(action.type !== "send" || action.message.type !== "installSnapshot");
    }
  }
});

test("a node that is no longer damaged gets the snapshot that it still needs", () => {
  const log = new UnreadableLog();
  const { leader, step } = sending(100, { snapshotChunkBytes: 10, maxInflightBytes: 30 }, log);
  const request: Message = { type: "repairRequest", term: 1, from: 2n, request: 1, first: 2, last: 4 };
  assert.deepEqual(step(request), [0, 10, 20]);
  leader.step({ type: "snapshot", index: 6, data: new Uint8Array(40) });
  log.isUnreadable = true;
  assert.deepEqual(step({ ...request, last: 6 }), []);
  log.isUnreadable = false;
  assert.deepEqual(step(rejection()), [0, 10, 20]);
});

test("a damaged node gets pieces again only if none arrive for a while", () => {
  const { step } = sending(100, { snapshotChunkBytes: 10, maxInflightBytes: 30 });
  const request: Message = { type: "repairRequest", term: 1, from: 2n, request: 1, first: 2, last: 4 };
  assert.deepEqual(step(request), [0, 10, 20]);
  assert.deepEqual([step(request), step(request)], [[], []]);
  assert.deepEqual(step(upTo(10)), [30]);
  assert.deepEqual([step(request), step(request)], [[], []]);
  assert.deepEqual(step(request), [10, 20, 30]);
});

/** The leader's next numbered heartbeat to node 2. */
function heartbeatOf({ leader }: ReturnType<typeof sending>): AppendEntries {
  for (let tick = 0; tick < 10; tick++) {
    for (const action of leader.step({ type: "tick" })) {
      if (action.type !== "send" || action.to !== 2n || action.message.type !== "appendEntries") continue;
      if (action.message.round !== undefined) return action.message;
    }
  }
  throw new Error("no heartbeat");
}

const DAMAGED: Message = { type: "repairRequest", term: 1, from: 2n, request: 1, first: 2, last: 4 };

test("a node that has streamed past a snapshot gets its lost pieces again", () => {
  const bounds = { snapshotChunkBytes: 10, maxInflightBytes: 30, trailingEntries: 2 };
  const one = sending(100, { ...bounds, strictMembership: false });
  // It acknowledged all pieces and restarts with damage. Other nodes repair it while the pieces are lost.
  one.step(rejection({ success: true, matchIndex: 6, conflictIndex: 0 }));
  assert.deepEqual(one.step(DAMAGED), [0, 10, 20]);
  const { prevLogIndex, round } = heartbeatOf(one);
  assert.deepEqual(one.step(rejection({ rejectedIndex: prevLogIndex, round })), [0, 10, 20]);
});

test("a node that was healed during a snapshot transfer gets entries", () => {
  const one = sending(100, { snapshotChunkBytes: 10, maxInflightBytes: 30, trailingEntries: 4 });
  assert.deepEqual(one.step(DAMAGED), [0, 10, 20]);
  const { prevLogIndex, round } = heartbeatOf(one);
  assert.equal(prevLogIndex, 2);
  const message = rejection({ success: true, matchIndex: prevLogIndex, conflictIndex: 0, round });
  const [action] = one.leader.step({ type: "message", message });
  assert.ok(action?.type === "send" && action.message.type === "appendEntries");
  assert.deepEqual(action.message.entries.map(({ index }) => index), [3, 4, 5, 6]);
});
