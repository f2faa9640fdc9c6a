/** Damaged nodes fetch the entries that they cannot read. */

import assert from "node:assert/strict";
import { HEADER_OFFSETS } from "../src/format/header_block.ts";
import { test } from "node:test";
import type { Message } from "../src/raft/mod.ts";
import { WalLogError } from "../mod.ts";
import { KIND_ENTRIES } from "../src/format/frame.ts";
import { framesOf } from "./history.ts";
import { assertHealed, DiskCluster, ENTRIES, IDS, sends, written } from "./raft_damaged_nodes.ts";

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

test("a damaged node neither votes, acknowledges, asks for votes nor claims to lead", () => {
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

test("two nodes of three with different damage heal each other without a leader", () => {
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

test("a damaged uncommitted last entry is dropped for a leader that does not have it", () => {
  const cluster = written();
  cluster.passes = ({ to }) => to === 2n;
  cluster.propose(1n, "only on 1 and 2");
  cluster.passes = ({ from, to }) => from !== 1n && to !== 1n && from !== 2n && to !== 2n;
  // Node 3 never had the entry. Node 2 can no longer read it.
  cluster.stop(2n);
  cluster.damage(2n, ENTRIES + 1, ENTRIES + 1, "headers");
  cluster.stop(1n);
  cluster.damage(1n, ENTRIES + 1, ENTRIES + 1, "headers");
  cluster.boot(2n);
  cluster.boot(1n);
  cluster.passes = () => true;
  cluster.tick(9);
  // Two of three nodes might have acknowledged it. Without a leader, no node may decide that it was not committed.
  assert.deepEqual(IDS.map((id) => cluster.node(id).isDamaged), [true, true, false]);
  assert.deepEqual(IDS.map((id) => cluster.node(id).log.lastIndex), [ENTRIES + 1, ENTRIES + 1, ENTRIES]);

  const other = written();
  other.passes = ({ from, to }) => from === 1n && to === 2n;
  other.propose(1n, "only on 1 and 2");
  other.stop(1n);
  other.stop(2n);
  other.damage(2n, ENTRIES + 1, ENTRIES + 1, "headers");
  other.passes = () => true;
  // Node 1 loses all entries after the commit index, as a leader elected without it would truncate them.
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

test("a leader's snapshot replaces entries that cannot be repaired", () => {
  const cluster = written();
  // Node 2 was the leader in term 2, and no other node has received its entries.
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
