import assert from "node:assert/strict";
import { test } from "node:test";
import { encode, readTrace, Replay, stateOf, traceNames, TRACES } from "./raft_traces.ts";
import { skipReason } from "./skip.ts";

/**
 * The number of steps in each trace, and the step at which this library must differ from it: there, the other
 * implementation begins a membership change before its leader has committed an entry of its own term, which is unsafe.
 */
const EXPECTED: Record<string, { steps: number; partsAt?: number }> = {
  "bigid3-1": { steps: 2000 },
  "chaos5-2": { steps: 4000 },
  "elect3-1": { steps: 800 },
  "fuzz-1": { steps: 3000, partsAt: 2932 },
  "lossy3-1": { steps: 2500 },
  "lossy5-1": { steps: 2500 },
  "member-1": { steps: 3000 },
  "partition5-1": { steps: 4000 },
  "prevote3-1": { steps: 2507 },
  "single1-1": { steps: 405 },
  "snapshot3-1": { steps: 3000 },
  "transfer5-1": { steps: 2500 },
};

const there = traceNames();
const skip = skipReason(there.length === 0 && `no traces at ${TRACES}`);

test("every trace that there should be is there", { skip }, () => {
  assert.deepEqual(there, Object.keys(EXPECTED).sort());
});

let compared = 0;
for (const [name, { steps, partsAt }] of Object.entries(EXPECTED)) {
  test(`${partsAt ?? steps} steps of the trace ${name}: the same actions, errors, calls of the log, and states`, {
    skip,
  }, () => {
    const trace = readTrace(name);
    assert.equal(trace.steps.length, steps);
    const replay = new Replay();
    let done = 0;
    for (const recorded of trace.steps) {
      const { step, node, event, ...expected } = recorded;
      assert.equal(step, done, "a step is missing");
      const outcome = replay.replay(recorded);
      if (done === partsAt) {
        assert.deepEqual([event.type, outcome.error], ["AddServer", { kind: "ConfigInProgress" }]);
        assert.deepEqual(outcome.log_ops, []);
        break;
      }
      assert.deepEqual(outcome, expected, `step ${step} of ${name}, node ${node}`);
      done++;
      compared++;
    }
    assert.equal(done, partsAt ?? steps);
    if (partsAt !== undefined) return;
    assert.deepEqual(Object.keys(trace.final.nodes).sort(), [...replay.nodes.keys()].sort());
    for (const [id, { state, snapshot, entries }] of Object.entries(trace.final.nodes)) {
      const { node, log } = replay.nodes.get(id)!;
      assert.deepEqual(stateOf(node), state);
      assert.deepEqual(encode(log.snapshot() ?? null), snapshot);
      assert.deepEqual(encode(log.entries(log.snapshotIndex + 1, log.lastIndex)), entries);
    }
  });
}

test("every step of the traces was compared", { skip }, () => {
  const sum = Object.values(EXPECTED).reduce((total, { steps, partsAt }) => total + (partsAt ?? steps), 0);
  console.log(`${compared} steps of ${there.length} traces compared`);
  assert.equal(compared, sum);
});
