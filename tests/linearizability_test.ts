/** The checker of histories, on known good and bad ones. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { historyText } from "../scripts/cluster/history.ts";
import {
  checkHistory,
  describeCounterexample,
  type Effect,
  type Operation,
} from "../scripts/cluster/linearizability.ts";
import { Random } from "../src/testing/mod.ts";

const NEVER = Infinity;

function operation(called: number, returned: number, effect: Effect, key = "k"): Operation {
  return { key, called, returned, ...effect };
}
const get = (found: string | null): Effect => ({ kind: "get", found });
const put = (value: string): Effect => ({ kind: "put", value });
const cas = (expected: string | null, value: string, found?: string | null): Effect => (
  { kind: "cas", expected, value, ...found === undefined ? {} : { found } }
);

const GOOD: Readonly<Record<string, readonly Operation[]>> = {
  "nothing at all": [],
  "one after the other": [operation(1, 2, put("a")), operation(3, 4, get("a")), operation(5, 6, put("b"))],
  "a read of nothing before any write": [operation(1, 2, get(null)), operation(3, 4, put("a"))],
  "a read during a write, of what was before": [operation(1, 4, put("a")), operation(2, 3, get(null))],
  "a read during a write, of what comes": [operation(1, 4, put("a")), operation(2, 3, get("a"))],
  "two writes at once, read in either order": [
    operation(1, 5, put("a")),
    operation(2, 6, put("b")),
    operation(3, 7, get("b")),
    operation(8, 9, get("a")),
  ],
  "a write without an answer that happened long after": [
    operation(1, NEVER, put("a")),
    operation(2, 3, get(null)),
    operation(4, 5, put("b")),
    operation(6, 7, get("b")),
    operation(8, 9, get("a")),
  ],
  "a write without an answer that never happened": [operation(1, NEVER, put("a")), operation(2, 3, get(null))],
  "a read without an answer": [operation(1, NEVER, get("whatever")), operation(2, 3, get(null))],
  "swaps that found what they expected, and one that did not": [
    operation(1, 2, cas(null, "a", null)),
    operation(3, 4, cas("a", "b", "a")),
    operation(5, 6, cas("a", "c", "b")),
    operation(7, 8, get("b")),
  ],
  "a swap without an answer, seen": [
    operation(1, 2, put("a")),
    operation(3, NEVER, cas("a", "b")),
    operation(4, 5, get("a")),
    operation(6, 7, get("b")),
  ],
  "a chain of swaps without answers, seen at its end": [
    operation(1, NEVER, cas(null, "a")),
    operation(2, NEVER, cas("a", "b")),
    operation(3, NEVER, cas("b", "c")),
    operation(4, 5, get(null)),
    operation(6, 7, get("c")),
  ],
  "keys that have nothing to do with each other": [
    operation(1, 2, put("a"), "x"),
    operation(3, 4, get(null), "y"),
    operation(5, 6, get("a"), "x"),
  ],
};

const BAD: Readonly<Record<string, readonly Operation[]>> = {
  "an acknowledged write that is lost": [operation(1, 2, put("a")), operation(3, 4, get(null))],
  "a stale read": [
    operation(1, 2, put("a")),
    operation(3, 4, put("b")),
    operation(5, 6, get("a")),
  ],
  "a text from nowhere": [operation(1, 2, get("a"))],
  "a text that is read before it is written": [operation(1, 2, get("a")), operation(3, 4, put("a"))],
  "two reads that see two writes in two orders": [
    operation(1, 9, put("a")),
    operation(2, 10, put("b")),
    operation(3, 4, get("a")),
    operation(5, 6, get("b")),
    operation(7, 8, get("a")),
  ],
  "a write that happens twice": [
    operation(1, 2, put("a")),
    operation(3, 4, put("b")),
    operation(5, 6, get("b")),
    operation(7, 8, get("a")),
  ],
  "a write without an answer that happens twice": [
    operation(1, NEVER, put("a")),
    operation(2, 3, get("a")),
    operation(4, 5, put("b")),
    operation(6, 7, get("a")),
  ],
  "a write without an answer that happens before its call": [operation(1, 2, get("a")), operation(3, NEVER, put("a"))],
  "two swaps of the same text that both succeed": [
    operation(1, 2, put("a")),
    operation(3, 5, cas("a", "b", "a")),
    operation(4, 6, cas("a", "c", "a")),
  ],
  "a swap that says it failed and did not": [
    operation(1, 2, put("a")),
    operation(3, 4, cas("z", "b", "a")),
    operation(5, 6, get("b")),
  ],
  "a key with a good history beside one with a bad one": [
    operation(1, 2, put("a"), "x"),
    operation(3, 4, get("a"), "x"),
    operation(5, 6, get("a"), "y"),
  ],
};

/** A history of a store that handles one request at a time, with overlapping clients, some without an answer. */
function randomHistory(random: Random, length: number, clients: number): Operation[] {
  const history: Operation[] = [];
  const busy: { readonly called: number; readonly kind: Effect["kind"]; effect?: Effect; isMute: boolean }[] = [];
  let text: string | null = null;
  let now = 0;
  while (history.length < length) {
    now++;
    const open = busy.filter(({ effect }) => effect === undefined);
    if (busy.length < clients && random.chance(0.5)) {
      busy.push({ called: now, kind: random.pick(["get", "put", "cas"]), isMute: random.chance(0.05) });
    } else if (open.length > 0 && random.chance(0.6)) {
      const one = random.pick(open);
      const value = `${now}`;
      if (one.kind === "get") one.effect = get(text);
      else if (one.kind === "put") one.effect = put(text = value);
      else {
        const expected: string | null = random.chance(0.5) ? text : `${random.below(now)}`;
        one.effect = one.isMute ? cas(expected, value) : cas(expected, value, text);
        if (expected === text) text = value;
      }
    } else {
      const at = busy.findIndex(({ effect }) => effect !== undefined);
      if (at < 0) continue;
      const [{ called, effect, isMute }] = busy.splice(at, 1) as [typeof busy[number]];
      history.push(operation(called, isMute ? NEVER : now, effect!));
    }
  }
  // An operation with an effect belongs to the history, even if it has not returned.
  for (const { called, effect, isMute } of busy) {
    if (effect !== undefined) history.push(operation(called, isMute ? NEVER : ++now, effect));
  }
  return history;
}

/** Whether any order explains a history, by trying all of them. */
function isLinearizableByForce(history: readonly Operation[], text: string | null = null): boolean {
  if (history.every(({ returned }) => returned === NEVER)) return true;
  const first = Math.min(...history.map(({ returned }) => returned));
  return history.some((one) => {
    if (one.called > first) return false;
    const rest = history.filter((other) => other !== one);
    // An operation without an answer may never have happened.
    if (one.returned === NEVER && isLinearizableByForce(rest, text)) return true;
    if (one.kind === "get") return (one.returned === NEVER || one.found === text) && isLinearizableByForce(rest, text);
    if (one.kind === "put") return isLinearizableByForce(rest, one.value);
    if (one.found !== undefined && one.found !== text) return false;
    return isLinearizableByForce(rest, one.expected === text ? one.value : text);
  });
}

describe("a history is linearizable", () => {
  for (const [name, history] of Object.entries(GOOD)) {
    it(`with ${name}`, () => assert.deepEqual(checkHistory(history), { isLinearizable: true }));
  }

  it("if it comes from one store, with any overlap of clients", () => {
    for (let seed = 1; seed <= 50; seed++) {
      const history = randomHistory(new Random(seed), 400, 6);
      assert.equal(checkHistory(history).isLinearizable, true, `seed ${seed}`);
    }
  });

  it("exactly if some order explains it, compared with trying all orders", () => {
    const random = new Random(99);
    const counts = { good: 0, bad: 0 };
    for (let i = 0; i < 3000; i++) {
      const history = randomHistory(random, 6, 4).map((one) => disturbed(one, random));
      const expected = isLinearizableByForce(history);
      counts[expected ? "good" : "bad"]++;
      assert.equal(checkHistory(history).isLinearizable, expected, JSON.stringify(history));
    }
    assert.ok(counts.good > 300 && counts.bad > 300, JSON.stringify(counts));
  });
});

/** Sometimes changes the result of an operation. */
function disturbed(one: Operation, random: Random): Operation {
  if (one.kind === "put" || one.returned === NEVER || !random.chance(0.15)) return one;
  return { ...one, found: random.pick([null, `${random.below(30)}`]) };
}

describe("a history is not linearizable", () => {
  for (const [name, history] of Object.entries(BAD)) {
    it(`with ${name}`, () => assert.equal(checkHistory(history).isLinearizable, false));
  }

  it("if one read of a long history is stale, and the checker reports which", () => {
    const history: Operation[] = [];
    for (let i = 0; i < 500; i++) {
      history.push(operation(i * 4 + 1, i * 4 + 2, put(`${i}`)), operation(i * 4 + 3, i * 4 + 4, get(`${i}`)));
    }
    history[801] = operation(400 * 4 + 3, 400 * 4 + 4, get("399"));
    const { isLinearizable, counterexample } = checkHistory(history);
    assert.equal(isLinearizable, false);
    assert.equal(counterexample!.stuckAt, history[801]);
    assert.match(describeCounterexample(counterexample!), /> 1603 to 1604 +get found 399/);
  });
});

describe("a history as JSON lines", () => {
  it("has a line for each call and each return, in their order", () => {
    const text = historyText([
      { kind: "get", key: "k", called: 5, returned: 6, found: "b" },
      { kind: "put", key: "k", called: 1, returned: 4, value: "a" },
      { kind: "cas", key: "k", called: 2, returned: 3, expected: null, value: "b", found: null },
      { kind: "cas", key: "k", called: 7, returned: Infinity, expected: "b", value: "c" },
    ]);
    assert.deepEqual(text.trimEnd().split("\n").map((line) => JSON.parse(line)), [
      { at: 1, op: 1, event: "call", kind: "put", key: "k", value: "a" },
      { at: 2, op: 2, event: "call", kind: "cas", key: "k", expected: null, value: "b" },
      { at: 3, op: 2, event: "return", found: null },
      { at: 4, op: 1, event: "return" },
      { at: 5, op: 0, event: "call", kind: "get", key: "k" },
      { at: 6, op: 0, event: "return", found: "b" },
      { at: 7, op: 3, event: "call", kind: "cas", key: "k", expected: "b", value: "c" },
    ]);
  });
});
