/** The judge of `deno task power`, and its model of the histories. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { decode, type Decoded } from "../scripts/power/decoder.ts";
import { type Contents, Model, nextStep, NOTHING, type Step } from "../scripts/power/history.ts";
import { Judge } from "../scripts/power/judge.ts";
import type { Orders, Report } from "../scripts/power/orders.ts";
import { Random } from "../scripts/power/random.ts";
import { filesOf, objectsOf, Writer } from "../scripts/power/writer.ts";
import { skip } from "./format_decoder.ts";
import { inTemporaryFolder } from "./temporary.ts";

const KEY = "a history";
const STEPS = 12;

/** The steps of the history, and the contents before and after each. */
function historyOf(count: number): { steps: Step[]; states: Contents[] } {
  const [random, model] = [new Random(`history ${KEY}`), new Model()];
  const states = [model.contents()];
  const steps = Array.from({ length: count }, () => {
    const step = nextStep(random, model);
    model.apply(step);
    states.push(model.contents());
    return step;
  });
  return { steps, states };
}

const { steps, states } = historyOf(STEPS + 1);

/** A judge that has seen a guest begin {@link STEPS} steps, and acknowledge some; and what the next decoding returns. */
function judgeAfter(durable: number): { judge: Judge; next: { decoded: Decoded } } {
  const next = { decoded: { verdict: "clean", damage: null, contents: NOTHING } as Decoded };
  const judge = new Judge(() => next.decoded);
  judge.begin(KEY);
  judge.take({ is: "found", files: {}, store: {} });
  judge.take({ is: "opened", contents: NOTHING, verdict: "clean" });
  steps.slice(0, STEPS).forEach(({ kind }, i) => judge.take({ is: "begun", number: i + 1, kind }));
  judge.take({ is: "durable", number: durable });
  assert.equal(judge.problem, undefined);
  judge.begin("the next");
  return { judge, next };
}

/** What a judge says about contents after a cut. */
function judged(durable: number, contents: Contents, damage: string | null = null): string | undefined {
  const { judge, next } = judgeAfter(durable);
  next.decoded = { verdict: "torn", damage, contents };
  judge.take({ is: "found", files: {}, store: {} });
  return judge.problem;
}

describe("the judge of power cuts", () => {
  it("has a history whose states all differ where the tests need it", () => {
    const texts = states.map((state) => JSON.stringify(state));
    assert.ok(new Set(texts).size > STEPS / 2, steps.map(({ kind }) => kind).join());
  });

  it("accepts the states from the last acknowledged step to the last one begun, and no others", () => {
    const durable = 6;
    const allowed = new Set(states.slice(durable, STEPS + 1).map((state) => JSON.stringify(state)));
    for (const state of states) {
      assert.equal(judged(durable, state) === undefined, allowed.has(JSON.stringify(state)));
    }
    assert.match(judged(durable, NOTHING)!, /not a state of the history/);
  });

  it("rejects another command, another vote and another snapshot", () => {
    const last = states[STEPS]!;
    const [index, entry] = Object.entries(last.entries)[0]!;
    assert.notEqual(
      judged(0, { ...last, entries: { ...last.entries, [index]: { ...entry, command: "00" } } }),
      undefined,
    );
    assert.notEqual(judged(0, { ...last, hardState: { term: 99, votedFor: "1" } }), undefined);
    const snapshot = { index: 1, term: 1, config: [], meta: "", data: "" };
    assert.notEqual(judged(0, { ...last, snapshot }), undefined);
  });

  it("rejects damage", () => {
    assert.match(judged(0, states[STEPS]!, "no valid frame at byte 1")!, /reports damage: no valid frame/);
  });

  it("rejects a library that disagrees with the decoder about contents or verdict", () => {
    for (const [contents, verdict] of [[NOTHING, "torn"], [states[STEPS]!, "clean"]] as const) {
      const { judge, next } = judgeAfter(2);
      next.decoded = { verdict: "torn", damage: null, contents: states[STEPS]! };
      judge.take({ is: "found", files: {}, store: {} });
      judge.take({ is: "opened", contents, verdict });
      assert.match(judge.problem!, /the library .* the decoder/);
    }
  });

  it("keeps what one cut has left for the next one", () => {
    const { judge, next } = judgeAfter(3);
    next.decoded = { verdict: "torn", damage: null, contents: states[STEPS]! };
    judge.take({ is: "found", files: {}, store: {} });
    judge.begin("after an early cut");
    next.decoded = { verdict: "clean", damage: null, contents: states[3]! };
    judge.take({ is: "found", files: {}, store: {} });
    assert.match(judge.problem!, /not a state of the history/);
  });

  it("rejects a guest that does another step", () => {
    const { judge, next } = judgeAfter(3);
    next.decoded = { verdict: "clean", damage: null, contents: states[STEPS]! };
    judge.take({ is: "found", files: {}, store: {} });
    judge.take({ is: "begun", number: 2, kind: "append" });
    assert.match(judge.problem!, /the guest begins step 2/);
  });

  it("notes that the guest failed, and what it was doing", () => {
    const { judge } = judgeAfter(3);
    judge.take({ is: "mounting" });
    judge.take({ is: "failed", message: "EIO" });
    assert.deepEqual([judge.failure, judge.phase, judge.problem], ["EIO", "mounting", undefined]);
  });
});

describe("the history of power cuts", () => {
  it("has the same effect on the library as on the model, read by the decoder", { skip }, async () => {
    for (let seed = 1; seed <= 2; seed++) {
      await inTemporaryFolder(async (folder) => {
        const [path, store] = [join(folder, "log"), join(folder, "store")];
        const judge = new Judge(decode);
        for (let life = 0; life < 2; life++) {
          const key = `${seed}/${life}`;
          const orders: Orders = { fs: "", key, steps: 80, segmentBytes: 4096, ships: life === 1 };
          const take = (report: Report) => judge.take(report);
          judge.begin(key);
          take({ is: "found", files: life === 0 ? {} : filesOf(path), store: objectsOf(store) });
          await new Writer(path, store, orders, take).write();
          take({ is: "found", files: filesOf(path), store: objectsOf(store) });
          assert.equal(judge.problem, undefined, `seed ${seed}`);
        }
        assert.deepEqual([judge.counts.judged, judge.counts.acknowledged], [2, 160]);
        const { archives, behind, promises } = judge.archiveCounts;
        assert.deepEqual([archives, behind], [4, 2]);
        assert.ok(promises > 5);
      });
    }
  });
});
