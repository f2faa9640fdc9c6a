/** Bytes that are not a message, and messages that cannot be encoded. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { decodeMessage, encodeMessage, type Message } from "../src/raft/mod.ts";
import { Random } from "../src/testing/mod.ts";
import { MESSAGE } from "./raft_messages.ts";
import { decodedOr, fromHex, hex, isNotWritten, isRefused, MUTANTS, RUNS, SNAPSHOT } from "./raft_bytes.ts";

describe("bytes that are not a message", () => {
  it("are refused if a message is cut anywhere, or one byte too long", () => {
    fc.assert(
      fc.property(MESSAGE, (message) => {
        const bytes = encodeMessage(message);
        // A snapshot's data has no length: it fills the rest of the message.
        const fixed = "snapshot" in message ? bytes.length - message.snapshot.data.length : bytes.length;
        for (let length = 0; length < fixed; length++) assert.equal(decodedOr(bytes.subarray(0, length)), undefined);
        if ("snapshot" in message) return;
        const longer = new Uint8Array(bytes.length + 1);
        longer.set(bytes);
        assert.equal(decodedOr(longer), undefined);
      }),
      { numRuns: RUNS },
    );
  });

  it("are refused or are a message's only form, for all mutations of a message", () => {
    const random = new Random(6);
    const originals = fc.sample(MESSAGE, { numRuns: 500, seed: 6 }).map(encodeMessage);
    let accepted = 0;
    for (let i = 0; i < MUTANTS; i++) {
      const bytes = mutated(random.pick(originals), random);
      const message = decodedOr(bytes);
      if (message === undefined) continue;
      accepted++;
      assert.equal(hex(encodeMessage(message)), hex(bytes));
    }
    assert.ok(accepted > MUTANTS / 20 && accepted < MUTANTS * 0.9, `${accepted} of ${MUTANTS} were messages`);
  });

  it("are refused or are a message's only form, for random bytes", () => {
    const random = new Random(7);
    let accepted = 0;
    for (let i = 0; i < MUTANTS; i++) {
      const bytes = new Uint8Array(random.below(60));
      random.fill(bytes);
      // The first three bytes decide most. With random values, few messages would get further.
      bytes.set([1, 1 + random.below(14), random.below(4)].slice(0, bytes.length));
      const message = decodedOr(bytes);
      if (message === undefined) continue;
      accepted++;
      assert.equal(hex(encodeMessage(message)), hex(bytes));
    }
    assert.ok(accepted > 0, "none was a message");
  });

  it("are refused for an unknown version, type or flag", () => {
    isRefused(fromHex("02 09 00 07 0100000000000000"), /expected version 1, found 2/);
    isRefused(fromHex("01 00 00 07 0100000000000000"), /unknown type 0/);
    isRefused(fromHex("01 11 00 07 0100000000000000 05 00 05"), /unknown refusal 5/);
    isRefused(fromHex("01 7f 00 07 0100000000000000"), /unknown type 127/);
    isRefused(fromHex("01 09 01 07 0100000000000000"), /unknown flags 1 of timeoutNow/);
    isRefused(fromHex("01 07 02 07 0100000000000000 00 00 00"), /a whole snapshot is flagged as the last piece/);
    const neither = /a piece that is neither the first nor the last has meta/;
    isRefused(fromHex("01 07 05 07 0100000000000000 00 00 00 01 01 09"), neither);
  });

  it("are refused for a number that is too large or has too many bytes", () => {
    isRefused(fromHex("01 09 00 ffffffffffffff1f 0100000000000000"), /a number is beyond 2\^53 - 1/);
    isRefused(fromHex("01 09 00 ffffffffffffffff 0100000000000000"), /a number is beyond 2\^53 - 1/);
    isRefused(fromHex("01 09 00 8700 0100000000000000"), /a number has more bytes than it needs/);
    // The maximum index, and one entry after it.
    const last = "ffffffffffffff0f";
    isRefused(fromHex(`01 05 00 07 0100000000000000 ${last} 00 00 01 00 00`), /index or term is beyond 2\^53 - 1/);
    isRefused(fromHex(`01 05 00 07 0100000000000000 00 ${last} 00 01 01 00`), /index or term is beyond 2\^53 - 1/);
  });

  it("are refused for an impossible count or size, before anything is allocated", () => {
    const huge = "ffffffffffffff0f";
    isRefused(fromHex(`01 05 00 07 0100000000000000 00 00 00 ${huge}`), /entries do not fit into 0 bytes/);
    isRefused(fromHex(`01 05 00 07 0100000000000000 00 00 00 01 00 ${huge}`), /expected \d+ more bytes/);
    isRefused(fromHex(`01 07 00 07 0100000000000000 00 00 ${huge}`), /ids do not fit into 0 bytes/);
    isRefused(fromHex(`01 0b 00 07 0100000000000000 00 00 00 00 00 ${huge}`), /entries do not fit into 0 bytes/);
    const start = fromHex("01 05 00 07 0100000000000000 00 00 00 818004");
    const many = new Uint8Array(start.length + 2 * 65_537);
    many.set(start);
    isRefused(many, /65537 entries are more than 65536/);
  });

  it("are refused for too many ids in any list", () => {
    for (const head of ["01 07 00 07 0100000000000000 01 01", "01 0b 00 07 0100000000000000 01 01 01"]) {
      const start = fromHex(`${head} 818004`);
      const many = new Uint8Array(start.length + 8 * 65_537 + 2);
      many.set(start);
      isRefused(many, /65537 ids are more than 65536/);
    }
  });
});

describe("an invalid message", () => {
  const append: Message = {
    type: "appendEntries",
    term: 1,
    leader: 1n,
    prevLogIndex: 3,
    prevLogTerm: 1,
    entries: [],
    leaderCommit: 0,
  };
  const entry = { term: 1, index: 4, kind: "normal", command: new Uint8Array() } as const;

  it("is not encoded: numbers and ids out of range, an unknown type or kind", () => {
    for (const term of [-1, 0.5, NaN, 2 ** 53]) isNotWritten({ type: "timeoutNow", term, leader: 1n }, /the term must/);
    for (const leader of [-1n, 2n ** 64n]) isNotWritten({ type: "timeoutNow", term: 1, leader }, /ids are bigints/);
    isNotWritten({ type: "unheardOf", term: 1, from: 1n } as unknown as Message, /unknown type unheardOf/);
    const strange = { ...entry, kind: "strange" as "normal" };
    isNotWritten({ ...append, entries: [strange] }, /entry 4 has the unknown kind strange/);
  });

  it("is not encoded: entries with a gap, with decreasing terms, or too many", () => {
    isNotWritten({ ...append, entries: [{ ...entry, index: 5 }] }, /the entry after index 3 must be 4, found 5/);
    isNotWritten(
      { ...append, entries: [{ ...entry, term: 0 }] },
      /the term of entry 4 less the previous term/,
    );
    const last = { ...append, prevLogIndex: 2 ** 53 - 1, entries: [{ ...entry, index: 2 ** 53 }] };
    isNotWritten(last, /an entry's index must be a safe integer/);
    const latest = { ...append, prevLogTerm: 2 ** 53 - 1, entries: [{ ...entry, term: 2 ** 53 }] };
    isNotWritten(latest, /the term of entry 4 must be a safe integer/);
    const many = Array.from({ length: 65_537 }, (_, i) => ({ ...entry, index: 4 + i }));
    isNotWritten({ ...append, entries: many }, /at most 65536 entries are allowed, found 65537/);
    const repair = {
      type: "repairReply",
      term: 1,
      from: 1n,
      request: 1,
      leads: false,
      members: [],
      prevTerm: 0,
    } as const;
    isNotWritten({ ...repair, commitIndex: 1, lastIndex: 9, entries: [entry, entry] }, /the gap before entry 4/);
  });

  it("is not encoded: more ids than a list may have", () => {
    const ids = Array.from({ length: 65_537 }, (_, i) => BigInt(i));
    const snapshot = (config: bigint[]): Message => (
      { type: "installSnapshot", term: 1, leader: 1n, snapshot: { ...SNAPSHOT, config } }
    );
    const reply = (members: bigint[]): Message => (
      {
        ...{ type: "repairReply", term: 1, from: 1n, request: 1, leads: false, commitIndex: 1, lastIndex: 9 },
        ...{ members, prevTerm: 0, entries: [] },
      }
    );
    for (const message of [snapshot, reply]) {
      isNotWritten(message(ids), /at most 65536 ids are allowed, found 65537/);
      const most = message(ids.slice(1));
      assert.deepEqual(decodeMessage(encodeMessage(most)), most);
    }
  });

  it("has at most 1 MiB of meta, and not none that it speaks of", () => {
    const message = (bytes: number): Message => {
      const snapshot = { ...SNAPSHOT, meta: new Uint8Array(bytes) };
      return { type: "installSnapshot", term: 1, leader: 1n, snapshot };
    };
    isNotWritten(message(1024 * 1024 + 1), /at most 1048576 bytes of meta are allowed, found 1048577/);
    const most = message(1024 * 1024);
    assert.deepEqual(decodeMessage(encodeMessage(most)), most);
    isRefused(fromHex("01 07 04 07 0100000000000000 00 00 00 00"), /meta has 0 bytes/);
    const start = fromHex("01 07 04 07 0100000000000000 00 00 00 818040");
    const more = new Uint8Array(start.length + 1024 * 1024 + 1);
    more.set(start);
    isRefused(more, /meta has 1048577 bytes/);
  });

  it("is not encoded: a piece of a snapshot without the flag for the last one", () => {
    isNotWritten(
      { type: "installSnapshot", term: 1, leader: 1n, snapshot: SNAPSHOT, offset: 0 },
      /offset and done/,
    );
    isNotWritten(
      { type: "installSnapshot", term: 1, leader: 1n, snapshot: SNAPSHOT, done: true },
      /offset and done/,
    );
  });
});

/** A copy with one to three bytes changed, inserted or removed. */
function mutated(bytes: Uint8Array, random: Random): Uint8Array {
  const copy = [...bytes];
  for (let i = 1 + random.below(3); i > 0; i--) {
    const at = random.below(copy.length + 1);
    switch (random.below(4)) {
      case 0:
        copy.splice(at, 1);
        break;
      case 1:
        copy.splice(at, 0, random.below(256));
        break;
      case 2:
        copy[Math.min(at, Math.max(copy.length - 1, 0))] = random.pick([0, 1, 127, 128, 255]);
        break;
      case 3:
        copy[Math.min(at, Math.max(copy.length - 1, 0))]! ^= 1 << random.below(8);
    }
  }
  return Uint8Array.from(copy);
}
