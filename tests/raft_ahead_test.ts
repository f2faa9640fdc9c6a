/** A leader sends entries and heartbeats before its own flush is complete, and counts itself after the flush. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { MemoryLog } from "../mod.ts";
import type { Index } from "../src/api/types.ts";
import { type Action, type AppendEntries, type Message, type RaftConfig, RaftNode } from "../src/raft/mod.ts";
import { propose, refuses, TICK } from "./raft_nodes.ts";

/** A log whose flushes end when the test releases them. */
class SlowLog extends MemoryLog {
  readonly flushes: { readonly end: () => void; readonly fail: (error: unknown) => void }[] = [];
  isSlow = false;
  override sync(): Promise<Index> {
    const upTo = this.lastIndex;
    if (!this.isSlow) return Promise.resolve(upTo);
    return new Promise((resolve, reject) => this.flushes.push({ end: () => resolve(upTo), fail: reject }));
  }
}

/** A node and its messages that it sent ahead. */
class Subject {
  readonly log = new SlowLog();
  readonly ahead: { readonly to: bigint; readonly message: AppendEntries }[] = [];
  readonly node: RaftNode;
  /** The actions that steps have returned, in order. */
  readonly done: Action[] = [];
  /** The error that sending throws. */
  breaks: Error | undefined;

  constructor(config: Partial<RaftConfig> = {}) {
    this.node = new RaftNode({
      id: 1n,
      peers: [2n, 3n],
      sendAhead: ({ to, message }) => {
        if (this.breaks !== undefined) throw this.breaks;
        this.ahead.push({ to, message: message as AppendEntries });
      },
      ...config,
    }, this.log);
  }

  /** Makes the node the leader of a cluster of three. From then on, flushes are slow. */
  async elect(): Promise<this> {
    const granted = { voteGranted: true, from: 2n } as const;
    while (!this.node.isLeader) {
      await this.step(TICK);
      await this.receive({ type: "preVoteReply", term: this.node.term, ...granted });
      await this.receive({ type: "requestVoteReply", term: this.node.term, ...granted });
    }
    for (const from of [2n, 3n]) await this.acknowledge(from, 0);
    this.log.isSlow = true;
    this.ahead.length = this.done.length = 0;
    return this;
  }

  /** Steps the node, and runs everything that does not wait for a flush. */
  async step(event: Parameters<RaftNode["step"]>[0]): Promise<void> {
    this.node.stepAsync(event).then((actions) => this.done.push(...actions), () => {});
    await turn();
  }

  receive(message: Message): Promise<void> {
    return this.step({ type: "message", message });
  }

  /** Delivers a follower's acknowledgement of all entries up to an index. */
  acknowledge(from: bigint, matchIndex: Index): Promise<void> {
    const { term } = this.node;
    return this.receive({
      type: "appendEntriesReply",
      term,
      success: true,
      from,
      matchIndex,
      conflictIndex: 0,
      conflictTerm: 0,
    });
  }

  async endFlush(): Promise<void> {
    this.log.flushes.shift()!.end();
    await turn();
  }

  /** The entries sent ahead to a node: the indexes in each message. An empty message is a heartbeat. */
  sentTo(id: bigint): Index[][] {
    return this.ahead.filter(({ to }) => to === id).map(({ message }) => message.entries.map(({ index }) => index));
  }

  get applied(): Index[] {
    return this.done.flatMap((action) => action.type === "apply" ? [action.index] : []);
  }
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

describe("a leader with sendAhead", () => {
  it("sends entries while its flush is under way, in one message for those that share the flush", async () => {
    const subject = await new Subject().elect();
    for (const text of ["a", "b", "c"]) void subject.node.stepAsync(propose(text));
    await turn();
    assert.equal(subject.log.flushes.length, 1);
    assert.deepEqual(subject.sentTo(2n), [[1, 2, 3]]);
    assert.deepEqual(subject.sentTo(3n), [[1, 2, 3]]);
  });

  it("does not count itself before its flush is done", async () => {
    const subject = await new Subject().elect();
    await subject.step(propose("a"));
    await subject.acknowledge(2n, 1);
    assert.equal(subject.node.commitIndex, 0, "one of three has it for certain");
    await subject.endFlush();
    assert.equal(subject.node.commitIndex, 1);
    assert.deepEqual(subject.applied, [1]);
  });

  it("commits with a majority of others, and applies when it has the entry itself", async () => {
    const subject = await new Subject().elect();
    await subject.step(propose("a"));
    await subject.acknowledge(2n, 1);
    await subject.acknowledge(3n, 1);
    assert.equal(subject.node.commitIndex, 1);
    assert.deepEqual(subject.applied, []);
    await subject.endFlush();
    assert.deepEqual(subject.applied, [1]);
  });

  it("applies entries in order that others and its own flush have committed", async () => {
    const subject = await new Subject().elect();
    void subject.node.stepAsync(propose("a"));
    await subject.step(propose("b"));
    await subject.acknowledge(2n, 2);
    await subject.acknowledge(3n, 1);
    assert.equal(subject.node.commitIndex, 1, "two others have it");
    await subject.endFlush();
    assert.equal(subject.node.commitIndex, 2);
    assert.deepEqual(subject.applied, [1, 2]);
  });

  it("applies in order what a flush commits while steps wait for the next flush", async () => {
    const subject = await new Subject().elect();
    void subject.node.stepAsync(propose("a"));
    await subject.step(propose("b"));
    await subject.step(propose("c"));
    await subject.acknowledge(2n, 2);
    await subject.acknowledge(3n, 1);
    assert.equal(subject.node.commitIndex, 1, "the step that commits it waits for the flush of the third entry");
    await subject.endFlush();
    assert.equal(subject.node.commitIndex, 2);
    await subject.endFlush();
    assert.deepEqual(subject.applied, [1, 2]);
  });

  it("commits alone, when its flush is done", async () => {
    const subject = new Subject({ peers: [] });
    while (!subject.node.isLeader) await subject.step(TICK);
    subject.log.isSlow = true;
    await subject.step(propose("a"));
    assert.equal(subject.node.commitIndex, 0);
    await subject.endFlush();
    assert.deepEqual(subject.applied, [1]);
  });

  it("sends no entry of a term that could still be forgotten", async () => {
    const subject = new Subject({ peers: [] });
    while (!subject.node.isLeader) await subject.step(TICK);
    await subject.step(propose("first"));
    await subject.step({ type: "addLearner", id: 2n });
    const { term } = subject.node;
    await subject.receive({ type: "requestVoteReply", term: term + 1, voteGranted: false, from: 2n });
    assert.equal(subject.node.isLeader, false);
    subject.log.isSlow = true;
    subject.ahead.length = 0;
    while (!subject.node.isLeader) await subject.step(TICK);
    await subject.step(propose("a"));
    assert.deepEqual(subject.ahead, [], "the vote for itself is not durable");
    while (subject.log.flushes.length > 0) await subject.endFlush();
    await subject.acknowledge(2n, 2);
    await subject.step(propose("b"));
    assert.deepEqual(subject.sentTo(2n).at(-1), [3, 4]);
  });

  it("sends heartbeats during a flush, after the entries that wait for the next one", async () => {
    const subject = await new Subject({ maxBatchBytes: 1000 }).elect();
    await subject.step(propose("a"));
    await subject.step(propose("b"));
    assert.deepEqual(subject.sentTo(2n), [[1]]);
    for (let tick = 0; tick < 3; tick++) await subject.step(TICK);
    assert.deepEqual(subject.sentTo(2n), [[1], [2]], "the heartbeat is one with the entries");
    for (let tick = 0; tick < 3; tick++) await subject.step(TICK);
    assert.deepEqual(subject.sentTo(2n), [[1], [2], []]);
    assert.equal(subject.ahead.at(-1)!.message.prevLogIndex, 2);
    assert.equal(subject.log.flushes.length, 1);
  });

  it("steps down if its flush hangs for the least election timeout, and sends nothing any more", async () => {
    const subject = await new Subject({ electionTimeout: [10, 20] }).elect();
    await subject.step(propose("a"));
    for (let tick = 0; tick < 9; tick++) await subject.step(TICK);
    assert.equal(subject.node.isLeader, true);
    await subject.step(TICK);
    assert.equal(subject.node.isLeader, false);
    subject.ahead.length = 0;
    for (let tick = 0; tick < 30; tick++) await subject.step(TICK);
    assert.deepEqual([subject.ahead, subject.done], [[], []]);
  });

  it("stays the leader during a slow flush if it is the only member", async () => {
    const subject = new Subject({ peers: [], electionTimeout: [10, 20] });
    while (!subject.node.isLeader) await subject.step(TICK);
    subject.log.isSlow = true;
    await subject.step(propose("a"));
    for (let tick = 0; tick < 30; tick++) await subject.step(TICK);
    assert.equal(subject.node.isLeader, true);
    await subject.endFlush();
    assert.deepEqual(subject.applied, [1]);
  });

  for (const when of ["during", "after"] as const) {
    it(`does not count entries as its own that were truncated ${when} their flush`, async () => {
      const subject = await new Subject().elect();
      const { term } = subject.node;
      void subject.node.stepAsync(propose("a"));
      await subject.step(propose("b"));
      if (when === "after") await subject.endFlush();
      const entry = { term: term + 1, index: 1, kind: "normal", command: new Uint8Array(1) } as const;
      const place = { leader: 2n, prevLogIndex: 0, prevLogTerm: 0, leaderCommit: 0 };
      await subject.receive({ type: "appendEntries", term: term + 1, ...place, entries: [entry] });
      assert.deepEqual([subject.node.isLeader, subject.log.lastIndex], [false, 1]);
      // It becomes the leader again before that is flushed, and its log has the same length as before.
      const granted = { voteGranted: true, from: 3n } as const;
      while (!subject.node.isLeader) {
        await subject.step(TICK);
        await subject.receive({ type: "preVoteReply", term: subject.node.term, ...granted });
        await subject.receive({ type: "requestVoteReply", term: subject.node.term, ...granted });
      }
      await subject.step(propose("c"));
      await subject.acknowledge(3n, 2);
      if (when === "during") await subject.endFlush();
      assert.equal(subject.node.commitIndex, 0, "no flush since covers the entry at index 2");
      while (subject.log.flushes.length > 0) await subject.endFlush();
      assert.equal(subject.node.commitIndex, 2);
    });
  }

  it("survives a sendAhead that throws, and does not hide the error", async () => {
    const broken = new Error("a mistake in the application");
    const subject = await new Subject().elect();
    subject.breaks = broken;
    const thrown: unknown[] = [];
    const original = globalThis.queueMicrotask;
    globalThis.queueMicrotask = (callback) =>
      original(() => {
        try {
          callback();
        } catch (error) {
          thrown.push(error);
        }
      });
    try {
      await subject.step(propose("a"));
    } finally {
      globalThis.queueMicrotask = original;
    }
    assert.deepEqual(thrown, [broken]);
    await subject.acknowledge(2n, 1);
    await subject.endFlush();
    assert.deepEqual(subject.applied, [1]);
  });

  it("must have a function", () => {
    refuses(() => new RaftNode({ id: 1n, sendAhead: true as never }), "INVALID_ARGUMENT");
  });
});
