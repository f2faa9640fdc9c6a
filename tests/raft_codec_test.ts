/** Messages are encoded and decoded. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { decodeMessage, encodeMessage, type Message } from "../src/raft/mod.ts";
import { Cluster } from "./raft_cluster.ts";
import { MESSAGE } from "./raft_messages.ts";
import { BIG_ID, hex, RUNS, SNAPSHOT } from "./raft_bytes.ts";

describe("a message", () => {
  it("is the same after encoding and decoding", () => {
    fc.assert(
      fc.property(MESSAGE, (message) => assert.deepEqual(decodeMessage(encodeMessage(message)), message)),
      { numRuns: RUNS },
    );
  });

  it("has its own bytes, which changes of the message do not affect", () => {
    const command = Uint8Array.of(1, 2, 3);
    const entries = [{ term: 1, index: 1, kind: "normal", command }] as const;
    const bytes = encodeMessage(
      { type: "appendEntries", term: 1, leader: 1n, prevLogIndex: 0, prevLogTerm: 0, entries, leaderCommit: 0 },
    );
    const before = hex(bytes);
    command.fill(0);
    assert.equal(hex(bytes), before);
  });

  it("can be decoded from the middle of an array", () => {
    const message: Message = { type: "installSnapshot", term: 7, leader: BIG_ID, snapshot: SNAPSHOT };
    const bytes = encodeMessage(message);
    const around = new Uint8Array(bytes.length + 20).fill(255);
    around.set(bytes, 7);
    assert.deepEqual(decodeMessage(around.subarray(7, 7 + bytes.length)), message);
  });

  it("that nodes really send is decoded, from elections to pieces of snapshots", () => {
    const cluster = new Cluster([1n, 2n, 3n], {
      noOp: true,
      snapshotChunkBytes: 3,
      checkQuorum: true,
      forwardReads: true,
      forwardProposals: true,
    });
    cluster.elect(1n);
    for (let i = 0; i < 20; i++) cluster.propose(1n, `command ${i}`);
    cluster.step(2n, { type: "propose", command: new Uint8Array(3), id: 1 });
    for (const id of [1n, 2n]) cluster.step(id, { type: "readIndex", id: 1 });
    cluster.step(1n, { type: "snapshot", index: 15, data: new TextEncoder().encode("a state") });
    cluster.join(4n);
    cluster.step(1n, { type: "addLearner", id: 4n });
    cluster.tick(20);
    cluster.step(1n, { type: "transferLeadership", target: 2n });
    const types = new Set<string>();
    for (const { message } of cluster.sent) {
      types.add(message.type);
      assert.deepEqual(decodeMessage(encodeMessage(message)), withoutMeta(message));
    }
    // All types but those for damaged logs.
    assert.deepEqual([...types].sort(), Object.keys(TYPES_OF_A_SOUND_CLUSTER).sort());
    assert.equal(cluster.node(2n).isLeader, true);
  });
});

/** A decoded message. Decoding drops an empty meta, which the snapshots of these nodes have. */
function withoutMeta(message: Message): Message {
  if (message.type !== "installSnapshot") return message;
  const { meta, ...snapshot } = message.snapshot;
  assert.equal(meta?.length ?? 0, 0);
  return { ...message, snapshot };
}

type TypeOfDamagedNodes = "repairRequest" | "repairReply" | "snapshotRequest" | "snapshotReply";

const TYPES_OF_A_SOUND_CLUSTER: Readonly<Record<Exclude<Message["type"], TypeOfDamagedNodes>, true>> = {
  preVote: true,
  preVoteReply: true,
  requestVote: true,
  requestVoteReply: true,
  appendEntries: true,
  appendEntriesReply: true,
  installSnapshot: true,
  installSnapshotReply: true,
  timeoutNow: true,
  readRequest: true,
  readReply: true,
  proposeRequest: true,
  proposeReply: true,
};
