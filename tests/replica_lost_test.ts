/** Proposals of which a replica loses sight, with nodes and a log in its place. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RaftNode } from "../src/raft/mod.ts";
import { Proposals } from "../src/replica/proposals.ts";
import { failsWith } from "./replica_nodes.ts";

const WAITING = { timeout: 60_000, signal: undefined };

/** A leader of a cluster of one, whose actions nobody carries out. */
function proposalsOf(): { readonly node: RaftNode; readonly proposals: Proposals<string> } {
  const node = new RaftNode({ id: 1n });
  while (!node.isLeader) node.step({ type: "tick" });
  const proposals = new Proposals<string>({ node: () => node, carryOut: (actions) => void actions });
  return { node, proposals };
}

describe("a proposal that a leader's snapshot covers", () => {
  it("has an unknown outcome without an id, and is not proposed again", async () => {
    const { node, proposals } = proposalsOf();
    const waiting = proposals.add(Uint8Array.of(0, 1), { ...WAITING, isIdentified: false });
    const { lastIndex } = node.log;
    proposals.restored(lastIndex);
    proposals.check();
    await assert.rejects(waiting, failsWith("TIMEOUT", "unknown"));
    assert.equal(node.log.lastIndex, lastIndex);
  });

  it("is proposed again with an id, and gets the answer of that entry", async () => {
    const { node, proposals } = proposalsOf();
    const waiting = proposals.add(Uint8Array.of(0, 1), { ...WAITING, isIdentified: true });
    const before = node.log.lastIndex;
    proposals.restored(before);
    proposals.check();
    assert.equal(node.log.lastIndex, before + 1);
    proposals.applied(before, node.term, { type: "answer", answer: "of another" });
    proposals.applied(before + 1, node.term, { type: "answer", answer: "its own" });
    assert.equal(await waiting, "its own");
  });

  it("has an unknown outcome with an id, if the replica ends before it is proposed again", async () => {
    const { proposals } = proposalsOf();
    const waiting = proposals.add(Uint8Array.of(0, 1), { ...WAITING, isIdentified: true });
    proposals.restored(100);
    proposals.end(undefined);
    await assert.rejects(waiting, failsWith("CLOSED", "unknown"));
  });
});

describe("a proposal", () => {
  it("is proposed again if an entry of another term is applied at its index", async () => {
    const { node, proposals } = proposalsOf();
    const waiting = proposals.add(Uint8Array.of(0, 1), { ...WAITING, isIdentified: false });
    const index = node.log.lastIndex;
    proposals.applied(index, node.term + 1, { type: "answer", answer: "of another" });
    proposals.check();
    assert.equal(node.log.lastIndex, index + 1);
    proposals.applied(index + 1, node.term, { type: "answer", answer: "its own" });
    assert.equal(await waiting, "its own");
    assert.deepEqual(proposals.counts, { applied: 1, notApplied: 0, unknown: 0 });
  });
});
