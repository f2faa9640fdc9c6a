/**
 * Random histories: a `WalLog` on real files, closed and reopened at random points, against a `MemoryLog`.
 * fast-check prints the seed and the shrunk history of a failure.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import fc from "fast-check";
import { MemoryLog, type Retention, WalLog, WalLogError } from "../mod.ts";
import { assertSameEntries, assertSameState, stateOf } from "./model.ts";
import { indexAt, type Mutation, mutationOf, type Operation, operations, PLACE, type Place } from "./operations.ts";
import { inTemporaryFolder } from "./temporary.ts";

/** Histories to try. */
const RUNS = 120;

/** The most steps of a history. */
const STEPS_MAX = 24;

/** The steps of a log: operations, reopening, reads and retentions. */
type Step =
  | Operation
  | { readonly type: "sync" | "syncSync" | "reopen" | "close and open" | "read only" }
  | { readonly type: "retain" | "advance" | "release"; readonly name: string; readonly place: Place }
  | { readonly type: "read"; readonly from: Place; readonly to: Place; readonly maxBytes: number };

const STEP: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: operations() },
  {
    weight: 4,
    arbitrary: fc.constantFrom<Step>(
      { type: "sync" },
      { type: "syncSync" },
      { type: "reopen" },
      { type: "close and open" },
      { type: "read only" },
    ),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constantFrom("retain" as const, "retain" as const, "advance" as const, "release" as const),
      name: fc.constantFrom("follower", "archive"),
      place: PLACE,
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant("read" as const), from: PLACE, to: PLACE, maxBytes: fc.nat(100_000) }),
  },
);

/** The code of the error that a call throws; `undefined` if it throws none. */
function refusalOf(mutation: Mutation, log: MemoryLog | WalLog): string | undefined {
  try {
    mutation.perform(log);
  } catch (error) {
    if (error instanceof WalLogError) return error.code;
    throw error;
  }
}

/** A log on files and a log in memory, which get the same steps. */
class LogAndModel {
  readonly model = new MemoryLog();
  private readonly path: string;
  private readonly segmentBytes: number;
  private log: WalLog;
  /** The retentions that both logs hold, by name. */
  private readonly retained = new Map<string, readonly Retention[]>();

  constructor(path: string, segmentBytes: number) {
    this.path = path;
    this.segmentBytes = segmentBytes;
    this.log = WalLog.openSync(path, { segmentBytes });
  }

  /** Does a step on both, and compares them. */
  async do(step: Step): Promise<void> {
    const name = await this.perform(step);
    assertSameState(stateOf(this.log), stateOf(this.model), `after ${name}`);
  }

  /** Closes the log on files and opens it again, for the last comparison. */
  end(): void {
    this.reopen();
    assertSameState(stateOf(this.log), stateOf(this.model), "after the last reopening");
  }

  close(): void {
    this.log.closeSync();
  }

  /** Does a step; returns a description. */
  private async perform(step: Step): Promise<string> {
    const { model, log } = this;
    switch (step.type) {
      case "sync":
        assert.equal(await log.sync(), model.lastIndex, "the index that sync resolves to");
        return step.type;
      case "syncSync":
        assert.equal(log.syncSync(), model.lastIndex, "the index that syncSync returns");
        return step.type;
      case "retain":
      case "advance":
      case "release":
        this.retain(step);
        assert.deepEqual(log.retentions, model.retentions, "retentions");
        return step.type;
      case "reopen":
        this.reopen();
        return step.type;
      case "close and open":
        this.forget();
        await log.close();
        this.log = await WalLog.open(this.path, { segmentBytes: this.segmentBytes });
        return step.type;
      case "read only":
        this.readBesideWriter();
        return step.type;
      case "read":
        return this.read(step);
      default: {
        const mutation = mutationOf(step, model);
        assert.equal(refusalOf(mutation, model), mutation.refusal, `MemoryLog: ${mutation.name}`);
        assert.equal(refusalOf(mutation, log), mutation.refusal, `WalLog: ${mutation.name}`);
        return mutation.name;
      }
    }
  }

  private reopen(): void {
    this.forget();
    this.log.closeSync();
    this.log = WalLog.openSync(this.path, { segmentBytes: this.segmentBytes });
  }

  /** Forgets retentions, because a log that is opened has none. */
  private forget(): void {
    for (const [ofModel] of this.retained.values()) ofModel!.release();
    this.retained.clear();
  }

  /** Retains entries in both logs, or moves or releases what they retain. */
  private retain({ type, name, place }: Extract<Step, { name: string }>): void {
    const { retained, model, log } = this;
    const index = indexAt(place, model.firstIndex, model.lastIndex + 2);
    const held = retained.get(name);
    if (held === undefined) {
      if (type === "retain") retained.set(name, [model, log].map((log) => log.retain(name, index)));
      return;
    }
    if (type === "release") retained.delete(name);
    for (const retention of held) {
      if (type === "release") retention.release();
      else retention.advance(index);
    }
  }

  private readBesideWriter(): void {
    const { model } = this;
    const reader = WalLog.openSync(this.path, { readOnly: true });
    try {
      // Retentions exist only in the writer's process.
      const seen = new MemoryLog();
      seen.setHardState(model.hardState);
      if (model.snapshotIndex > 0) seen.applySnapshot(model.snapshot()!);
      seen.append(model.entries(model.snapshotIndex + 1, model.lastIndex));
      assertSameState(stateOf(reader), stateOf(seen), "a reader beside the writer");
    } finally {
      reader.closeSync();
    }
  }

  private read({ from: fromPlace, to: toPlace, maxBytes }: Extract<Step, { type: "read" }>): string {
    const { model, log } = this;
    const from = indexAt(fromPlace, 0, model.lastIndex + 1);
    const to = indexAt(toPlace, from, model.lastIndex + 1);
    const name = `reading ${from} to ${to}, at most ${maxBytes} bytes`;
    assertSameEntries(log.entries(from, to, { maxBytes }), model.entries(from, to, { maxBytes }), name);
    const first = Math.max(from, model.firstIndex);
    assertSameEntries([...log.iterate(first, to)], model.entries(first, to), `iterating ${first} to ${to}`);
    return name;
  }
}

describe("random histories", () => {
  // The timeout is for slow disks. The test takes a few seconds.
  it("leave a log on files in the state of a log in memory, at each step", { timeout: 120_000 }, async () => {
    const history = fc.array(STEP, { minLength: 1, maxLength: STEPS_MAX, size: "max" });
    const segmentBytes = fc.integer({ min: 4 * 1024, max: 64 * 1024 });
    await fc.assert(
      fc.asyncProperty(history, segmentBytes, (steps, segmentBytes) =>
        inTemporaryFolder(async (folder) => {
          const both = new LogAndModel(join(folder, "raft.wal"), segmentBytes);
          try {
            for (const step of steps) await both.do(step);
            both.end();
          } finally {
            both.close();
          }
        })),
      { numRuns: RUNS },
    );
  });
});
