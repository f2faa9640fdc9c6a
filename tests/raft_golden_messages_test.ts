/** The bytes of each type of message in version 1, which never change. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decodeMessage, encodeMessage, type Message } from "../src/raft/mod.ts";
import { BIG_ID, ENTRIES, fromHex, hex, SNAPSHOT } from "./raft_bytes.ts";

/**
 * A message of each type, with and without optional parts, and its bytes in version 1. Nodes of different releases
 * communicate while a cluster is updated, so a change of a line here needs a new version.
 */
const GOLDEN: readonly (readonly [string, Message])[] = [
  ["010100070300000000000000ac0206", { type: "preVote", term: 7, candidate: 3n, lastLogIndex: 300, lastLogTerm: 6 }],
  ["010201070200000000000000", { type: "preVoteReply", term: 7, voteGranted: true, from: 2n }],
  ["010200070200000000000000", { type: "preVoteReply", term: 7, voteGranted: false, from: 2n }],
  ["01030007feffffffffffffffffffffffffffff0f06", {
    type: "requestVote",
    term: 7,
    candidate: BIG_ID,
    lastLogIndex: 2 ** 53 - 1,
    lastLogTerm: 6,
    force: false,
  }],
  ["0103010703000000000000007f8001", {
    type: "requestVote",
    term: 7,
    candidate: 3n,
    lastLogIndex: 127,
    lastLogTerm: 128,
    force: true,
  }],
  ["010401070200000000000000", { type: "requestVoteReply", term: 7, voteGranted: true, from: 2n }],
  ["01050007010000000000000028052700", {
    type: "appendEntries",
    term: 7,
    leader: 1n,
    prevLogIndex: 40,
    prevLogTerm: 5,
    entries: [],
    leaderCommit: 39,
  }],
  [
    "010501070100000000000000280527050301060102030103ff0000",
    {
      type: "appendEntries",
      term: 7,
      leader: 1n,
      prevLogIndex: 40,
      prevLogTerm: 5,
      entries: ENTRIES,
      leaderCommit: 39,
      round: 5,
    },
  ],
  [
    "0106030702000000000000002b000005",
    {
      type: "appendEntriesReply",
      term: 7,
      success: true,
      from: 2n,
      matchIndex: 43,
      conflictIndex: 0,
      conflictTerm: 0,
      round: 5,
    },
  ],
  [
    "010600070200000000000000000c03",
    {
      type: "appendEntriesReply",
      term: 7,
      success: false,
      from: 2n,
      matchIndex: 0,
      conflictIndex: 12,
      conflictTerm: 3,
    },
  ],
  [
    "010606070200000000000000000c030528",
    {
      type: "appendEntriesReply",
      term: 7,
      success: false,
      from: 2n,
      matchIndex: 0,
      conflictIndex: 12,
      conflictTerm: 3,
      round: 5,
      rejectedIndex: 40,
    },
  ],
  ["010700070100000000000000ac0204020100000000000000feffffffffffffff0908", {
    type: "installSnapshot",
    term: 7,
    leader: 1n,
    snapshot: SNAPSHOT,
  }],
  ["010701070100000000000000ac0204020100000000000000feffffffffffffffe8070908", {
    type: "installSnapshot",
    term: 7,
    leader: 1n,
    snapshot: SNAPSHOT,
    offset: 1000,
    done: false,
  }],
  ["010703070100000000000000ac0204020100000000000000feffffffffffffffe8070908", {
    type: "installSnapshot",
    term: 7,
    leader: 1n,
    snapshot: SNAPSHOT,
    offset: 1000,
    done: true,
  }],
  ["010704070100000000000000ac0204020100000000000000feffffffffffffff030102030908", {
    type: "installSnapshot",
    term: 7,
    leader: 1n,
    snapshot: { ...SNAPSHOT, meta: Uint8Array.of(1, 2, 3) },
  }],
  ["010c00070200000000000000ac02281ede0264", {
    ...{ type: "snapshotRequest", term: 7, from: 2n, request: 300, least: 40, leastTerm: 30 },
    ...{ index: 350, offset: 100 },
  }],
  ["010d00070100000000000000ac02ac0204020100000000000000feffffffffffffffe8070908", {
    type: "snapshotReply",
    term: 7,
    from: 1n,
    request: 300,
    snapshot: SNAPSHOT,
    offset: 1000,
    done: false,
  }],
  ["010d03070100000000000000ac02ac0204020100000000000000feffffffffffffffe807030102030908", {
    type: "snapshotReply",
    term: 7,
    from: 1n,
    request: 300,
    snapshot: { ...SNAPSHOT, meta: Uint8Array.of(1, 2, 3) },
    offset: 1000,
    done: true,
  }],
  ["010800070200000000000000ac02", { type: "installSnapshotReply", term: 7, from: 2n, lastIndex: 300 }],
  ["01080107020000000000000000ea07", {
    type: "installSnapshotReply",
    term: 7,
    from: 2n,
    lastIndex: 0,
    nextOffset: 1002,
  }],
  ["010900070100000000000000", { type: "timeoutNow", term: 7, leader: 1n }],
  ["010a00070200000000000000ffffffffffffff0f0c29", {
    type: "repairRequest",
    term: 7,
    from: 2n,
    request: 2 ** 53 - 1,
    first: 12,
    last: 41,
  }],
  ["011000070200000000000000e807e90703010203", {
    ...{ type: "proposeRequest", term: 7, from: 2n, session: 1000, request: 1001, command: Uint8Array.of(1, 2, 3) },
  }],
  ["011100070100000000000000e9072800", {
    ...{ type: "proposeReply", term: 7, from: 1n, request: 1001, index: 40, refusal: null },
  }],
  ["011100070100000000000000e9070002", {
    ...{ type: "proposeReply", term: 7, from: 1n, request: 1001, index: 0, refusal: "OVERLOADED" },
  }],
  ["010e00070200000000000000ac02", { type: "readRequest", term: 7, from: 2n, request: 300 }],
  ["010f00070100000000000000ac0228", {
    ...{ type: "readReply", term: 7, from: 1n, request: 300, index: 40, isRefused: false },
  }],
  ["010f01070100000000000000ac0200", {
    ...{ type: "readReply", term: 7, from: 1n, request: 300, index: 0, isRefused: true },
  }],
  [
    "010b01070100000000000000052a2b030100000000000000020000000000000003000000000000000402280206010203010100",
    {
      type: "repairReply",
      term: 7,
      from: 1n,
      request: 5,
      leads: true,
      commitIndex: 42,
      lastIndex: 43,
      members: [1n, 2n, 3n],
      prevTerm: 4,
      entries: [ENTRIES[0], ENTRIES[2]],
    },
  ],
];

describe("a message", () => {
  for (const [bytes, message] of GOLDEN) {
    it(`has its recorded bytes: ${message.type}, ${bytes.replaceAll(" ", "").length / 2} bytes`, () => {
      assert.equal(hex(encodeMessage(message)), bytes.replaceAll(" ", ""));
      assert.deepEqual(decodeMessage(fromHex(bytes)), message);
    });
  }
});
