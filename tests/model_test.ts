/**
 * Random histories: a `WalLog` on real files, closed and reopened at random points, against a `MemoryLog`.
 * fast-check prints the seed and the shrunk history of a failure.
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import fc from "fast-check";
import { MemoryLog, type RaftLog, type Retention, WalLog, WalLogError } from "../mod.ts";
import {
  assertSameEntries,
  assertSameState,
  indexAt,
  type Mutation,
  mutationOf,
  type Operation,
  operations,
  PLACE,
  type Place,
  stateOf,
} from "./model.ts";
import { inTemporaryFolder } from "./temporary.ts";

/** Histories to try. */
const RUNS = 120;

/** Steps of a history at most. */
const STEPS_MAX = 24;

/** What only a log on a disk has, and bounded reads. */
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

/** The retentions that both logs hold, by name. */
type Retained = Map<string, readonly Retention[]>;

/** Retains entries in both logs, or moves or releases what they retain. */
function retain({ type, name, place }: Extract<Step, { name: string }>, logs: RaftLog[], retained: Retained): void {
  const { firstIndex, lastIndex } = logs[0]!;
  const index = indexAt(place, firstIndex, lastIndex + 2);
  const held = retained.get(name);
  if (held === undefined) {
    if (type === "retain") retained.set(name, logs.map((log) => log.retain(name, index)));
    return;
  }
  if (type === "release") retained.delete(name);
  for (const retention of held) {
    if (type === "release") retention.release();
    else retention.advance(index);
  }
}

describe("random histories", () => {
  // The time allowed is for slow disks: it takes a few seconds.
  it("leave a log on files in the state of a log in memory, at each step", { timeout: 120_000 }, async () => {
    const history = fc.array(STEP, { minLength: 1, maxLength: STEPS_MAX, size: "max" });
    const segmentBytes = fc.integer({ min: 4 * 1024, max: 64 * 1024 });
    await fc.assert(
      fc.asyncProperty(history, segmentBytes, (steps, segmentBytes) =>
        inTemporaryFolder(async (folder) => {
          const path = join(folder, "raft.wal");
          const model = new MemoryLog();
          let log = WalLog.openSync(path, { segmentBytes });
          const retained: Retained = new Map();
          // A log that is opened retains nothing.
          const forget = () => {
            for (const [of] of retained.values()) of!.release();
            retained.clear();
          };
          try {
            for (const step of steps) {
              let name: string = step.type;
              switch (step.type) {
                case "sync":
                  assert.equal(await log.sync(), model.lastIndex, "the index that sync resolves to");
                  break;
                case "syncSync":
                  assert.equal(log.syncSync(), model.lastIndex, "the index that syncSync returns");
                  break;
                case "retain":
                case "advance":
                case "release":
                  retain(step, [model, log], retained);
                  assert.deepEqual(log.retentions, model.retentions, "retentions");
                  break;
                case "reopen":
                  forget();
                  log.closeSync();
                  log = WalLog.openSync(path, { segmentBytes });
                  break;
                case "close and open":
                  forget();
                  await log.close();
                  log = await WalLog.open(path, { segmentBytes });
                  break;
                case "read only": {
                  const reader = WalLog.openSync(path, { readOnly: true });
                  try {
                    // What the writer retains, it retains for its own process.
                    const seen = new MemoryLog();
                    seen.setHardState(model.hardState);
                    if (model.snapshotIndex > 0) seen.applySnapshot(model.snapshot()!);
                    seen.append(model.entries(model.snapshotIndex + 1, model.lastIndex));
                    assertSameState(stateOf(reader), stateOf(seen), "a reader beside the writer");
                  } finally {
                    reader.closeSync();
                  }
                  break;
                }
                case "read": {
                  const from = indexAt(step.from, 0, model.lastIndex + 1);
                  const to = indexAt(step.to, from, model.lastIndex + 1);
                  const { maxBytes } = step;
                  name = `reading ${from} to ${to}, at most ${maxBytes} bytes`;
                  assertSameEntries(log.entries(from, to, { maxBytes }), model.entries(from, to, { maxBytes }), name);
                  const first = Math.max(from, model.firstIndex);
                  assertSameEntries(
                    [...log.iterate(first, to)],
                    model.entries(first, to),
                    `iterating ${first} to ${to}`,
                  );
                  break;
                }
                default: {
                  const mutation = mutationOf(step, model);
                  name = mutation.name;
                  assert.equal(refusalOf(mutation, model), mutation.refusal, `MemoryLog: ${name}`);
                  assert.equal(refusalOf(mutation, log), mutation.refusal, `WalLog: ${name}`);
                }
              }
              assertSameState(stateOf(log), stateOf(model), `after ${name}`);
            }
            forget();
            log.closeSync();
            log = WalLog.openSync(path, { segmentBytes });
            assertSameState(stateOf(log), stateOf(model), "after the last reopening");
          } finally {
            log.closeSync();
          }
        })),
      { numRuns: RUNS },
    );
  });
});
