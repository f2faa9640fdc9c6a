/** Proposals whose fate a replica cannot follow. The test plays the leader. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RaftNode } from "../src/raft/mod.ts";
import { Proposals } from "../src/replica/proposals.ts";
import { failsWith } from "./replica_nodes.ts";

const ENTRY = Uint8Array.of(0, 1);
const ONCE = { timeout: 60_000, signal: undefined, isIdentified: true };
const PLAIN = { ...ONCE, isIdentified: false };
const ANSWER = { type: "answer", answer: "its own" } as const;
const OTHER = { type: "answer", answer: "of another" } as const;

/** Proposals of a leader of a cluster of one, whose actions nobody carries out. */
function ofLeader(): { readonly node: RaftNode; readonly proposals: Proposals<string> } {
  const node = new RaftNode({ id: 1n });
  while (!node.isLeader) node.step({ type: "tick" });
  const unused = { forward: () => Promise.reject(new Error("it leads")), appliedIndex: () => 0 };
  const proposals = new Proposals<string>({ ...unused, node: () => node, carryOut: () => {} });
  return { node, proposals };
}

/** Proposals of a follower, and the numbers of those that it has passed on. */
function ofFollower(appliedIndex = 0): { readonly proposals: Proposals<string>; readonly forwarded: number[] } {
  const node = new RaftNode({ id: 1n, peers: [2n, 3n] });
  const heartbeat = { type: "appendEntries", term: 1, leader: 2n, prevLogIndex: 0, prevLogTerm: 0 } as const;
  node.step({ type: "message", message: { ...heartbeat, entries: [], leaderCommit: 0 } });
  const forwarded: number[] = [];
  const proposals = new Proposals<string>({
    node: () => node,
    carryOut: () => {},
    forward: (_, id) => Promise.resolve(void forwarded.push(id)),
    appliedIndex: () => appliedIndex,
  });
  return { proposals, forwarded };
}

describe("a proposal that a leader's snapshot covers", () => {
  it("has an unknown outcome without an id, and is not proposed again", async () => {
    const { node, proposals } = ofLeader();
    const waiting = proposals.add(ENTRY, PLAIN);
    const { lastIndex } = node.log;
    proposals.restored(lastIndex);
    proposals.check();
    await assert.rejects(waiting, failsWith("TIMEOUT", "unknown"));
    assert.equal(node.log.lastIndex, lastIndex);
  });

  it("is proposed again with an id, and gets the answer of that entry", async () => {
    const { node, proposals } = ofLeader();
    const waiting = proposals.add(ENTRY, ONCE);
    const before = node.log.lastIndex;
    proposals.restored(before);
    proposals.check();
    assert.equal(node.log.lastIndex, before + 1);
    proposals.applied(before, node.term, OTHER);
    proposals.applied(before + 1, node.term, ANSWER);
    assert.equal(await waiting, "its own");
  });

  it("has an unknown outcome with an id, if the replica ends before it is proposed again", async () => {
    const { proposals } = ofLeader();
    const waiting = proposals.add(ENTRY, ONCE);
    proposals.restored(100);
    proposals.end(undefined);
    await assert.rejects(waiting, failsWith("CLOSED", "unknown"));
  });
});

describe("a proposal", () => {
  it("is proposed again if an entry of another term is applied at its index", async () => {
    const { node, proposals } = ofLeader();
    const waiting = proposals.add(ENTRY, PLAIN);
    const index = node.log.lastIndex;
    proposals.applied(index, node.term + 1, OTHER);
    proposals.check();
    assert.equal(node.log.lastIndex, index + 1);
    proposals.applied(index + 1, node.term, ANSWER);
    assert.equal(await waiting, "its own");
    assert.deepEqual(proposals.counts, { applied: 1, notApplied: 0, unknown: 0 });
  });
});

describe("a proposal that was passed on to the leader", () => {
  it("gets its answer when it is applied, before or after the leader says where it is", async () => {
    for (const isEarly of [true, false]) {
      const { proposals, forwarded } = ofFollower(isEarly ? 5 : 0);
      const waiting = proposals.add(ENTRY, PLAIN);
      const tell = () => proposals.proposed({ type: "proposed", id: forwarded[0]!, index: 5, term: 1 });
      if (!isEarly) tell();
      proposals.applied(4, 1, OTHER);
      proposals.applied(5, 1, ANSWER);
      if (isEarly) tell();
      assert.equal(await waiting, "its own");
      assert.equal(proposals.size, 0);
    }
  });

  it("has an unknown outcome if it was applied before, and its answer is not known", async () => {
    const { proposals, forwarded } = ofFollower(5);
    const waiting = proposals.add(ENTRY, PLAIN);
    proposals.proposed({ type: "proposed", id: forwarded[0]!, index: 5, term: 1 });
    await assert.rejects(waiting, failsWith("TIMEOUT", "unknown"));
  });

  it("is passed on again if the leader has refused it because it leads no more", async () => {
    const { proposals, forwarded } = ofFollower();
    const waiting = proposals.add(ENTRY, PLAIN);
    const [id] = forwarded as [number];
    proposals.failed({ type: "proposalFailed", id, outcome: "not-applied", code: "NOT_LEADER" });
    proposals.check();
    assert.equal(forwarded.length, 2);
    proposals.proposed({ type: "proposed", id: forwarded[1]!, index: 7, term: 2 });
    proposals.applied(7, 2, ANSWER);
    assert.equal(await waiting, "its own");
  });

  it("is rejected if the leader has no room for it", async () => {
    const { proposals, forwarded } = ofFollower();
    for (const code of ["OVERLOADED", "NO_SPACE"] as const) {
      const waiting = proposals.add(ENTRY, ONCE);
      proposals.failed({ type: "proposalFailed", id: forwarded.at(-1)!, outcome: "not-applied", code });
      await assert.rejects(waiting, failsWith(code, "not-applied"));
    }
  });

  it("is passed on again with an id only, if its outcome is unknown", async () => {
    const { proposals, forwarded } = ofFollower();
    for (const options of [PLAIN, ONCE]) {
      const waiting = proposals.add(ENTRY, options);
      waiting.catch(() => {});
      proposals.failed({ type: "proposalFailed", id: forwarded.at(-1)!, outcome: "unknown", code: null });
      proposals.check();
      if (options === PLAIN) await assert.rejects(waiting, failsWith("TIMEOUT", "unknown"));
    }
    assert.equal(forwarded.length, 3);
    // What was unknown once stays so.
    proposals.failed({ type: "proposalFailed", id: forwarded[2]!, outcome: "not-applied", code: "OVERLOADED" });
    assert.equal(proposals.size, 0);
  });

  it("has an unknown outcome if the leader does not answer in time", async () => {
    const { proposals } = ofFollower();
    const waiting = proposals.add(ENTRY, { ...PLAIN, timeout: 0 });
    proposals.check();
    await assert.rejects(waiting, failsWith("TIMEOUT", "unknown"));
  });

  it("is proposed again once another entry is applied at its index", async () => {
    const { proposals, forwarded } = ofFollower();
    const [first, second] = [proposals.add(ENTRY, PLAIN), proposals.add(ENTRY, PLAIN)];
    proposals.proposed({ type: "proposed", id: forwarded[0]!, index: 5, term: 3 });
    proposals.proposed({ type: "proposed", id: forwarded[1]!, index: 5, term: 2 });
    // The entry of the earlier term may be the one that is committed.
    proposals.check();
    assert.equal(forwarded.length, 2);
    proposals.applied(5, 3, OTHER);
    proposals.check();
    assert.equal(forwarded.length, 3);
    proposals.proposed({ type: "proposed", id: forwarded[2]!, index: 6, term: 3 });
    proposals.applied(6, 3, ANSWER);
    assert.deepEqual(await Promise.all([first, second]), ["of another", "its own"]);
  });
});
