/** Limits on what a node sends and accepts. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Action, encodeMessage, type RaftConfig, RaftNode } from "../src/raft/mod.ts";
import { WalLogError } from "../mod.ts";
import type { NodeId } from "../src/api/types.ts";
import { Cluster } from "./raft_cluster.ts";

const IDS = [1n, 2n, 3n];

function refusal(action: () => unknown): WalLogError {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof WalLogError);
    return error;
  }
  throw new assert.AssertionError({ message: "nothing is refused" });
}

/** A cluster that records the largest message of each type. */
function measured(config: Partial<RaftConfig>): { cluster: Cluster; largest: Map<string, number> } {
  const cluster = new Cluster(IDS, config);
  const largest = new Map<string, number>();
  cluster.passes = ({ message }) => {
    largest.set(message.type, Math.max(largest.get(message.type) ?? 0, encodeMessage(message).byteLength));
    return true;
  };
  return { cluster, largest };
}

/** Blocks all messages to a node. */
function cutOff(cluster: Cluster, id: NodeId): () => void {
  const { passes } = cluster;
  cluster.passes = (letter) => letter.to !== id && passes(letter);
  return () => cluster.passes = passes;
}

const propose = (bytes: number) => ({ type: "propose", command: new Uint8Array(bytes) }) as const;

for (const maxBatchBytes of [undefined, 1024 * 1024]) {
  const bounded = maxBatchBytes === undefined ? "" : ", with maxBatchBytes above it";
  test(`entries go in messages that are no larger than maxMessageBytes${bounded}`, () => {
    const bounds = maxBatchBytes === undefined ? {} : { maxBatchBytes };
    const { cluster, largest } = measured({ maxMessageBytes: 20_000, maxBatch: 64, ...bounds });
    cluster.elect(1n);
    const mend = cutOff(cluster, 3n);
    for (let i = 0; i < 100; i++) cluster.step(1n, propose(i % 10 === 0 ? 15_000 : 3000));
    mend();
    cluster.tick(300);
    assert.equal(cluster.node(3n).lastApplied, 100);
    const bytes = largest.get("appendEntries")!;
    assert.ok(bytes <= 20_000 && bytes > 15_000, `a message has ${bytes} bytes`);
  });
}

test("steps that share a flush do not make a message larger than maxMessageBytes", async () => {
  const { cluster } = measured({ maxMessageBytes: 20_000 });
  const leader = cluster.elect(1n);
  cluster.step(1n, propose(1));
  const steps = await Promise.all(Array.from({ length: 50 }, () => leader.stepAsync(propose(1000))));
  const messages = steps.flat().filter((action: Action) => action.type === "send").map(({ message }) => message);
  assert.ok(messages.length < 50, "some are merged");
  for (const message of messages) assert.ok(encodeMessage(message).byteLength <= 20_000);
});

test("a command too large for a message is refused", () => {
  const { cluster, largest } = measured({ maxMessageBytes: 20_000 });
  const leader = cluster.elect(1n);
  const error = refusal(() => cluster.step(1n, propose(20_000)));
  const most = Number(/at most (\d+) \(maxMessageBytes\)/.exec(error.message)![1]);
  assert.deepEqual([error.code, leader.log.lastIndex], ["ENTRY_TOO_LARGE", 0]);
  refusal(() => cluster.step(1n, propose(most + 1)));
  cluster.step(1n, propose(most));
  assert.equal(leader.commitIndex, 1);
  assert.ok(largest.get("appendEntries")! <= 20_000);
  // By default, the limit is one entry of the maximum size of a log.
  const single = new RaftNode({ id: 1n });
  while (!single.isLeader) single.step({ type: "tick" });
  single.step(propose(64 * 1024 * 1024));
  assert.equal(single.commitIndex, 1);
});

for (const snapshotChunkBytes of [0, 50_000]) {
  const how = snapshotChunkBytes === 0 ? "without pieces" : "with larger pieces";
  test(`a snapshot ${how} is sent in messages within maxMessageBytes`, () => {
    const { cluster, largest } = measured({ maxMessageBytes: 20_000, snapshotChunkBytes });
    cluster.elect(1n);
    const mend = cutOff(cluster, 3n);
    for (let i = 0; i < 5; i++) cluster.step(1n, propose(10));
    const data = Uint8Array.from({ length: 100_000 }, (_, i) => i);
    cluster.step(1n, { type: "snapshot", index: 5, data });
    mend();
    cluster.tick(60);
    assert.deepEqual(cluster.node(3n).log.snapshot()?.data, data);
    const bytes = largest.get("installSnapshot")!;
    assert.ok(bytes <= 20_000 && bytes > 15_000, `a message has ${bytes} bytes`);
  });
}

test("a bound on messages that leaves no room for entries is refused", () => {
  const error = refusal(() => new RaftNode({ id: 1n, maxMessageBytes: 5000, maxBatch: 64 }));
  assert.match(error.message, /maxMessageBytes must be above \d+ for a maxBatch of 64, found 5000/);
  for (const config of [{ maxMessageBytes: 0 }, { maxMessageBytes: 1.5 }, { maxUncommittedBytes: -1 }]) {
    assert.equal(refusal(() => new RaftNode({ id: 1n, ...config })).code, "INVALID_ARGUMENT");
  }
});

test("a leader that cannot commit refuses commands beyond maxUncommittedBytes", () => {
  const cluster = new Cluster(IDS, { maxUncommittedBytes: 1000, noOp: true });
  const leader = cluster.elect(1n);
  const { passes } = cluster;
  cluster.passes = () => false;
  for (let i = 0; i < 5; i++) cluster.step(1n, propose(100));
  const last = leader.log.lastIndex;
  const error = refusal(() => leader.step(propose(200)));
  assert.deepEqual([error.code, error.isRetryable, error.leader], ["OVERLOADED", true, 1n]);
  assert.equal(leader.log.lastIndex, last);
  // Commands within the remaining space are accepted.
  leader.step(propose(100));
  assert.equal(refusal(() => leader.step(propose(100))).code, "OVERLOADED");
  cluster.passes = passes;
  cluster.tick(6, [1n]);
  assert.equal(leader.commitIndex, last + 1);
  for (let i = 0; i < 100; i++) cluster.step(1n, propose(100));
  assert.equal(leader.commitIndex, last + 101);
});

test("a single command may exceed maxUncommittedBytes, and empty ones count", () => {
  const cluster = new Cluster(IDS, { maxUncommittedBytes: 500 });
  const leader = cluster.elect(1n);
  cluster.passes = () => false;
  leader.step(propose(10_000));
  assert.equal(refusal(() => leader.step(propose(0))).code, "OVERLOADED");
  const other = new Cluster(IDS, { maxUncommittedBytes: 500 });
  other.elect(1n);
  other.passes = () => false;
  let taken = 0;
  const error = refusal(() => {
    for (;; taken++) other.node(1n).step(propose(0));
  });
  assert.deepEqual([error.code, taken], ["OVERLOADED", 7]);
});

test("uncommitted entries of an earlier leadership do not count", () => {
  const cluster = new Cluster(IDS, { maxUncommittedBytes: 500, checkQuorum: true });
  const leader = cluster.elect(1n);
  const { passes } = cluster;
  cluster.passes = () => false;
  leader.step(propose(1000));
  cluster.tick(20, [1n]);
  assert.equal(leader.isLeader, false);
  cluster.passes = passes;
  cluster.elect(1n);
  cluster.passes = () => false;
  leader.step(propose(100));
  assert.equal(leader.log.lastIndex, 2);
});
