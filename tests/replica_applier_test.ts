/** The order in which a replica applies commands, restores snapshots and answers reads. */

import assert from "node:assert/strict";
import { setTimeout } from "node:timers/promises";
import { describe, it } from "node:test";
import { Applier, type ApplierHost } from "../src/replica/applier.ts";
import { Clients } from "../src/replica/clients.ts";
import { encodeCommand } from "../src/replica/command.ts";
import { encodeHead } from "../src/replica/snapshot_data.ts";
import type { Snapshots } from "../src/replica/snapshots.ts";
import type { SnapshotSource } from "../src/api/types.ts";
import { until } from "./transports.ts";

const MIB = 1024 * 1024;

/** A snapshot of a client's table and some text. */
function sourceOf(index: number, text: string, closed: () => void = () => {}): SnapshotSource {
  const parts = [encodeHead(new Clients()), new TextEncoder().encode(text)];
  const data = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  data.set(parts[0]!);
  data.set(parts[1]!, parts[0]!.length);
  return {
    ...{ index, term: 1, config: [1n], meta: new Uint8Array(), dataBytes: data.length },
    read: (offset, length) => data.slice(offset, offset + length),
    close: closed,
  };
}

/** An applier whose state machine records its calls. */
class Subject {
  readonly done: string[] = [];
  readonly pages: number[] = [];
  /** Commands that the log still has. */
  readonly log = new Map<number, Uint8Array<ArrayBuffer>>();
  readonly applier: Applier<number>;
  pause: () => Promise<unknown> = () => Promise.resolve();

  constructor(host: Partial<ApplierHost<number>> = {}) {
    const snapshots = { abort: () => Promise.resolve(), restored() {}, count() {}, beginIfDue() {} };
    this.applier = new Applier<number>(
      {
        apply: async (entries) => {
          this.pages.push(entries.reduce((sum, { command }) => sum + command.length, 0));
          this.done.push(`apply ${entries.map(({ index }) => index)}`);
          await this.pause();
          this.done.push("applied");
          return entries.map(({ index }) => index);
        },
        snapshot: () => Promise.resolve(),
        restore: async (from) => void this.done.push(`restore ${await new Response(from).text()}`),
      },
      snapshots as unknown as Snapshots,
      {
        commandAt: (index) => this.log.get(index),
        applied: (index) => void this.done.push(`answer ${index}`),
        restored: (index) => void this.done.push(`restored ${index}`),
        drained: () => void this.done.push("drained"),
        failed: (error) => void this.done.push(`failed ${error.message}`),
        ...host,
      },
    );
  }

  apply(index: number, bytes = 1): void {
    const command = encodeCommand(new Uint8Array(bytes), undefined) as Uint8Array<ArrayBuffer>;
    this.applier.apply(index, 1, command);
  }

  async drained(): Promise<void> {
    await until(() => this.done.includes("drained"), "everything is done");
  }
}

describe("an applier", () => {
  it("skips all commands that a leader's snapshot has replaced, and holds reads until it is restored", async () => {
    const subject = new Subject();
    // The second command is too large to be kept in memory beside the first, and the log has lost it.
    subject.apply(1, 15 * MIB);
    subject.apply(2, 2 * MIB);
    subject.apply(3);
    subject.applier.call(() => subject.done.push("read 7"));
    subject.applier.restore(3, sourceOf(3, "state"));
    subject.apply(4);
    await subject.drained();
    assert.deepEqual(subject.done, [
      ...["apply 1", "applied", "answer 1"],
      ...["restore state", "restored 3", "read 7"],
      ...["apply 4", "applied", "answer 4", "drained"],
    ]);
    assert.equal(subject.applier.appliedIndex, 4);
  });

  it("lets a reader see the state before it applies more", async () => {
    const seen: boolean[] = [];
    let isApplying = false;
    const subject = new Subject();
    const read = async () => {
      // A caller that awaits a read runs a few microtasks later.
      for (let hop = 0; hop < 10; hop++) await undefined;
      seen.push(isApplying);
    };
    subject.pause = async () => {
      isApplying = true;
      await setTimeout(5);
      isApplying = false;
    };
    for (let i = 1; i <= 5; i++) {
      subject.apply(i);
      subject.applier.call(() => void read());
    }
    await subject.drained();
    assert.deepEqual(seen, [false, false, false, false, false]);
  });

  it("gives the state machine pages of up to 4 MiB, and a larger command alone", async () => {
    const subject = new Subject();
    const sizes = [MIB, MIB, MIB, 2 * MIB, 6 * MIB, 1, 1];
    sizes.forEach((size, i) => subject.apply(i + 1, size));
    await subject.drained();
    assert.deepEqual(subject.done.filter((one) => /^apply/.test(one)), [
      "apply 1,2,3",
      "apply 4",
      "apply 5",
      "apply 6,7",
    ]);
    assert.ok(subject.pages.every((bytes) => bytes <= 6 * MIB));
  });

  it("closes the snapshots that it does not restore any more", async () => {
    let closed = 0;
    const subject = new Subject();
    subject.pause = () => setTimeout(20);
    subject.apply(1);
    subject.applier.restore(1, sourceOf(1, "one", () => closed++));
    await until(() => subject.done.length === 1, "the command is being applied");
    subject.applier.restore(2, sourceOf(2, "two", () => closed++));
    await subject.applier.stop();
    assert.deepEqual([subject.done, closed], [["apply 1", "applied", "answer 1"], 2]);
    subject.applier.restore(3, sourceOf(3, "three", () => closed++));
    assert.equal(closed, 3, "one that arrives after the end");
  });
});
