/** Commands on their way, when leaders change and the disk fails: what their callers are told. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLogError } from "../mod.ts";
import type { RaftNode } from "../src/raft/mod.ts";
import { Proposals } from "../src/replica/proposals.ts";
import { failsWith } from "./replica_nodes.ts";

/** Proposals to a simulated node that the test controls. */
class Subject {
  isLeader = true;
  leader: bigint | null = 1n;
  commitIndex = 0;
  /** Where the next command goes. */
  next = { index: 1, term: 1 };
  error: Error | undefined;
  /** The error with which the replica ends. */
  fatal: unknown;
  /** Terms of committed entries, by index. */
  readonly terms = new Map<number, number>();
  readonly proposals: Proposals<string>;

  constructor() {
    const node = {
      id: 1n,
      log: { termAt: (index: number) => this.terms.get(index) },
      proposeAsync: () => {
        if (this.error !== undefined) throw this.error;
        return { ...this.next, actions: Promise.resolve([]) };
      },
    };
    for (const name of ["isLeader", "leader", "commitIndex"] as const) {
      Object.defineProperty(node, name, { get: () => this[name] });
    }
    this.proposals = new Proposals<string>({
      node: () => node as unknown as RaftNode,
      carryOut: (actions) => void actions.catch((error) => this.fatal = error),
      forward: () => Promise.resolve(),
      appliedIndex: () => 0,
    });
  }

  propose(index: number, term: number, isIdentified = false): Promise<string> {
    this.next = { index, term };
    return this.proposals.add(new Uint8Array(1), { isIdentified, timeout: 10_000, signal: undefined });
  }
}

/** Whether a promise is settled by now. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const open = Symbol();
  return await Promise.race([promise.catch(() => {}), Promise.resolve().then(() => open)]) !== open;
}

describe("a command", () => {
  it("waits although a later leader has put another one at its index, until one of them is applied", async () => {
    const subject = new Subject();
    const first = subject.propose(5, 2);
    const second = subject.propose(5, 4);
    subject.proposals.check();
    assert.equal(subject.proposals.size, 2);
    subject.isLeader = false;
    subject.leader = null;
    // The log of the first leader wins after all, as in figure 8 of the Raft paper.
    subject.proposals.applied(5, 2, { type: "answer", answer: "first" });
    assert.equal(await first, "first");
    assert.equal(await isSettled(second), false);
    // The second one is dead, so it is proposed again.
    subject.isLeader = true;
    subject.next = { index: 6, term: 6 };
    subject.error = undefined;
    subject.proposals.check();
    subject.proposals.applied(6, 6, { type: "answer", answer: "second" });
    assert.equal(await second, "second");
  });

  it("is proposed again when an entry of a later term is committed before its index", async () => {
    const subject = new Subject();
    const command = subject.propose(5, 2);
    subject.commitIndex = 4;
    subject.terms.set(4, 3);
    subject.isLeader = false;
    subject.leader = null;
    subject.proposals.check();
    subject.isLeader = true;
    subject.next = { index: 6, term: 3 };
    subject.proposals.check();
    subject.proposals.applied(6, 3, { type: "answer", answer: "once" });
    assert.equal(await command, "once");
  });

  it("whose write failed may have been applied, and the replica ends", async () => {
    const subject = new Subject();
    subject.error = new WalLogError("POISONED", "Cannot append: the disk failed");
    await assert.rejects(subject.propose(1, 1), failsWith("POISONED", "unknown"));
    assert.equal(subject.fatal, subject.error);
    subject.fatal = undefined;
    subject.error = new WalLogError("NO_SPACE", "Cannot append: the disk is full");
    await assert.rejects(subject.propose(1, 1), failsWith("NO_SPACE", "not-applied"));
    assert.equal(subject.fatal, undefined);
  });
});
