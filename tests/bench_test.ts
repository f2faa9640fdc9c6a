/** The benchmark's statistics, verdicts, and the page that it renders from the JSON. */

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { barChart } from "../bench/charts/bars.ts";
import { lineChart, ticks } from "../bench/charts/lines.ts";
import { Commands } from "../bench/commands.ts";
import { benchCases } from "../bench/cases.ts";
import { FULL, QUICK } from "../bench/extent.ts";
import { renderPage } from "../bench/markdown.ts";
import { readRecorded } from "../bench/render.ts";
import {
  type BenchResult,
  FASTEST_PEER,
  judge,
  type SideResult,
  summarizeSide,
  type Target,
} from "../bench/results.ts";
import { differences, quantile, ratios, summarize } from "../bench/statistics.ts";
import { table } from "../bench/text.ts";
import { durationText, parseSize, rateText, sizeText } from "../bench/units.ts";
import type { Sample } from "../bench/workloads.ts";
import { skipReason } from "./skip.ts";

/** A side with a number of entries per second in each round. */
function side(name: string, rates: readonly number[], isPeer = false): SideResult {
  const samples = rates.map((rate): Sample => ({ seconds: 1, count: rate, bytes: rate * 128 }));
  return summarizeSide({ name, title: name.toUpperCase(), isPeer, samples }, "entries");
}

function verdictOf(target: Target, sides: readonly SideResult[]): [number | undefined, boolean | undefined] {
  const { measured, isMet } = judge(target, sides);
  return [measured?.median, isMet];
}

describe("Statistics", () => {
  it("take the middle of an odd number of samples, and between the two of an even one", () => {
    assert.deepEqual(summarize([9, 1, 5]), { median: 5, min: 1, max: 9 });
    assert.deepEqual(summarize([4, 1, 2, 9]), { median: 3, min: 1, max: 9 });
    assert.deepEqual(summarize([7]), { median: 7, min: 7, max: 7 });
  });

  it("compare numbers as numbers, and do not change their input", () => {
    const numbers = [100, 9, 20];
    assert.equal(quantile(numbers, 0.5), 20);
    assert.deepEqual(numbers, [100, 9, 20]);
  });

  it("find the slowest of a hundred", () => {
    const numbers = Array.from({ length: 101 }, (_, i) => i);
    assert.equal(quantile(numbers, 0.99), 99);
    assert.equal(quantile([0, 10], 0.99), 9.9);
  });

  it("refuse to summarize no samples", () => {
    assert.throws(() => summarize([]), RangeError);
  });

  it("divide round by round, so that a slow round is slow on both sides", () => {
    assert.deepEqual(ratios([10, 100, 30], [5, 50, 10]), [2, 2, 3]);
    assert.deepEqual(differences([10, 100], [5, 50]), [5, 50]);
    // The ratio of the medians would be 30 / 10.
    assert.equal(summarize(ratios([10, 100, 30], [5, 50, 10])).median, 2);
  });

  it("refuse rounds that one side does not have", () => {
    assert.throws(() => ratios([1, 2], [1]), /rounds differ: 2 on one side, 1 on the other/);
  });
});

describe("A target", () => {
  const sides = [side("wallog", [30, 40, 50]), side("bare", [60, 60, 60]), side("a", [4, 4, 4], true)];

  it("is met if the median reaches its bound", () => {
    assert.deepEqual(verdictOf({ metric: "entries", atLeast: 40 }, sides), [40, true]);
    assert.deepEqual(verdictOf({ metric: "entries", atLeast: 41 }, sides), [40, false]);
  });

  it("of a time is an upper bound", () => {
    assert.deepEqual(verdictOf({ metric: "call", atMost: 1 / 40 }, sides), [1 / 40, true]);
    assert.deepEqual(verdictOf({ metric: "call", atMost: 1 / 41 }, sides), [1 / 40, false]);
  });

  it("against another side is a ratio of each round", () => {
    assert.deepEqual(verdictOf({ metric: "entries", against: "a", atLeast: 10 }, sides), [10, true]);
    assert.deepEqual(verdictOf({ metric: "call", against: "bare", atMost: 1.4 }, sides), [1.5, false]);
  });

  it("can be a difference", () => {
    const target = { metric: "entries", against: "bare", as: "difference", atMost: -20 } as const;
    assert.deepEqual(verdictOf(target, sides), [-20, true]);
  });

  it("against the fastest peer finds it among the peers, and not among the others", () => {
    const more = [...sides, side("b", [8, 8, 8], true), side("c", [2, 2, 2], true)];
    const outcome = judge({ metric: "entries", against: FASTEST_PEER, atLeast: 5 }, more);
    assert.equal(outcome.measured?.median, 5);
    assert.match(outcome.text, /at least 5\.00x the speed of the fastest peer \(B\)/);
  });

  it("against a side that could not run is neither met nor missed", () => {
    const missing: SideResult = { name: "bare", title: "bare", isPeer: false, samples: [], unavailable: "no disk" };
    const outcome = judge({ metric: "entries", against: "bare", atLeast: 1 }, [sides[0]!, missing]);
    assert.deepEqual([outcome.measured, outcome.isMet], [undefined, undefined]);
    assert.equal(judge({ metric: "entries", against: FASTEST_PEER, atLeast: 1 }, [sides[0]!]).isMet, undefined);
  });

  it("distinguishes the goal from the minimum", () => {
    const outcome = judge({ metric: "entries", atLeast: 15, goal: 45 }, sides);
    assert.deepEqual([outcome.isMet, outcome.isGoalMet], [true, false]);
  });
});

describe("Units", () => {
  it("parse sizes as people write them", () => {
    assert.deepEqual(["4GiB", "64 MiB", "128", "16k", "1.5K", "2 gb"].map(parseSize), [
      4 * 2 ** 30,
      64 * 2 ** 20,
      128,
      16_384,
      1536,
      2 * 2 ** 30,
    ]);
    for (const text of ["", "GiB", "-1", "0", "1.3", "4 GiB more", "1e9"]) {
      assert.throws(() => parseSize(text), RangeError, text);
    }
  });

  it("write three digits", () => {
    assert.deepEqual([sizeText(1536 * 2 ** 10), sizeText(2 ** 33), sizeText(17)], ["1.5 MiB", "8 GiB", "17 B"]);
    assert.deepEqual([rateText(23_140_000), rateText(250_400), rateText(1234)], ["23.1 M", "250 k", "1,230"]);
    assert.deepEqual([durationText(1.234), durationText(0.0153), durationText(8.14e-7)], [
      "1.23 s",
      "15.3 ms",
      "0.814 us",
    ]);
  });
});

describe("Commands", () => {
  it("have one size, come in complete batches, and differ from each other", () => {
    const commands = new Commands(128, 100);
    const [first, second] = [commands.batch(100), commands.batch(100)];
    assert.equal(first.length, 100);
    assert(first.every(({ length }) => length === 128));
    assert.notDeepEqual(first, second);
    assert.equal(commands.batch(7).length, 7);
  });

  it("are as many as a batch asks for, at any size", () => {
    assert.equal(new Commands(2 ** 20, 16).batch(16).length, 16);
  });
});

describe("The cases", () => {
  for (const [name, extent] of [["quick", QUICK], ["full", FULL]] as const) {
    it(`of a ${name} run have names of their own, at least five rounds, and targets with sides to compare`, () => {
      const cases = benchCases(extent, "/nowhere");
      assert.equal(new Set(cases.map(({ name }) => name)).size, cases.length);
      assert(extent.rounds >= 5);
      for (const { name, sides, targets } of cases) {
        assert.equal(sides[0]!.name, "wallog", name);
        assert.equal(new Set(sides.map(({ name }) => name)).size, sides.length, name);
        for (const { against, atLeast, atMost } of targets) {
          assert((atLeast === undefined) !== (atMost === undefined), name);
          if (against === undefined) continue;
          assert(sides.some((side) => against === FASTEST_PEER ? side.isPeer : side.name === against), name);
        }
      }
    });
  }
});

describe("The page", () => {
  const bench: BenchResult = {
    kind: "bench",
    mode: "full",
    machine: {
      date: "2000-01-01 00:00 UTC",
      cpu: "a processor",
      cores: 2,
      memoryBytes: 2 ** 34,
      system: "a system",
      fileSystem: "ext4",
      commit: "0123456789",
      load: 0.25,
    },
    rounds: 3,
    runtimes: [{ name: "node", title: "Node", version: "24.0.0" }],
    cases: [{
      name: "recovery-128",
      title: "Recovery | small",
      note: "What was done",
      metric: "entries",
      runtime: "node",
      sides: [
        side("wallog", [20e6, 30e6, 25e6]),
        side("peer", [1e6, 1e6, 1e6], true),
        { name: "gone", title: "Gone", isPeer: true, samples: [], unavailable: "does not load: <no> addon" },
      ],
      outcomes: [],
    }],
  };
  const [one] = bench.cases;
  const judged: BenchResult = {
    ...bench,
    cases: [{
      ...one!,
      outcomes: [
        judge({ metric: "entries", atLeast: 15e6, goal: 40e6 }, one!.sides),
        judge({ metric: "entries", against: FASTEST_PEER, atLeast: 26 }, one!.sides),
      ],
    }],
  };
  const { markdown, charts } = renderPage({ bench: judged }, "charts");

  it("states the machine, the versions and the time of the measurement", () => {
    for (
      const part of ["2000-01-01 00:00 UTC", "0123456789", "a processor", "2 cores", "16 GiB", "ext4", "Node 24.0.0"]
    ) {
      assert(markdown.includes(part), part);
    }
  });

  it("states for each target the result and whether it is met", () => {
    const row = (start: string) =>
      markdown.split("\n").find((line) => line.includes(start))!.split(" | ").map((cell) =>
        cell.replace(/\|$/, "").trim()
      );
    assert.deepEqual(row("at least 15 M entries/s").slice(2), [
      "at least 15 M entries/s; goal 40 M entries/s",
      "25 M entries/s (20 M entries/s to 30 M entries/s)",
      "yes; not the goal",
    ]);
    assert.deepEqual(row("the fastest peer (PEER)").slice(2), [
      "at least 26x the speed of the fastest peer (PEER)",
      "25x (20x to 30x)",
      "no",
    ]);
  });

  it("explains why a peer could not run, in the table and in the chart", () => {
    assert.match(markdown, /\| Gone +\| Node +\| not available: does not load: <no> addon/);
    assert.match(charts.get("recovery-128.svg")!, /not available: does not load: &#60;no&#62; addon/);
  });

  it("escapes titles that would break its tables", () => {
    assert.deepEqual(table(["a", "b"], [["x|y", "1"]]), ["| a    | b   |", "| ---- | --- |", "| x\\|y | 1   |"]);
  });

  it("links every chart, and has every chart that it links", () => {
    const shown = [...markdown.matchAll(/\]\(charts\/([^)]+)\)/g)].map(([, name]) => name);
    assert.deepEqual(shown, [...charts.keys()]);
    assert.equal(shown.length, 1);
  });

  it("states that nothing is recorded if there are no results", () => {
    assert.match(renderPage({}, "charts").markdown, /No run of the cases is recorded yet/);
  });

  const page = new URL("../docs/BENCHMARKS.md", import.meta.url);
  const skip = skipReason(!existsSync(page) && "docs/BENCHMARKS.md is not recorded yet");
  it("in the repository matches the JSON in the repository", { skip }, () => {
    const rendered = renderPage(
      readRecorded(fileURLToPath(new URL("../bench/results", import.meta.url))),
      "benchmarks",
    );
    assert.equal(readFileSync(page, "utf8"), rendered.markdown);
    for (const [name, svg] of rendered.charts) {
      assert.equal(readFileSync(new URL(`../docs/benchmarks/${name}`, import.meta.url), "utf8"), svg, name);
    }
  });
});

describe("Charts", () => {
  it("have bars as long as their values, from zero", () => {
    const svg = barChart({
      title: "T",
      subtitle: "S",
      text: String,
      groups: [{
        title: "G",
        bars: [50, 100].map((value) => ({
          label: `b${value}`,
          isOurs: value === 50,
          summary: { median: value, min: value, max: value },
        })),
      }],
    });
    const [ours, other] = [/width="([\d.]+)"[^>]*fill0/, /width="([\d.]+)"[^>]*other/].map((found) =>
      Number(found.exec(svg)![1])
    );
    assert.equal(ours! * 2, other);
  });

  it("have marks at round values", () => {
    assert.deepEqual(ticks(0, 100, "linear"), [0, 20, 40, 60, 80, 100]);
    assert.deepEqual(ticks(0, 0.3, "linear").length, 7);
    assert.deepEqual(ticks(0.03, 0.3, "log10").map((mark) => Number(mark.toPrecision(3))), [0.02, 0.05, 0.1, 0.2, 0.5]);
    assert.deepEqual(ticks(3, 40_000, "log10").map(Math.round), [1, 10, 100, 1000, 10_000, 100_000]);
    assert.deepEqual(ticks(100, 1000, "log2"), [64, 128, 256, 512, 1024]);
    assert.deepEqual(ticks(8, 8, "log2").length, 2);
  });

  it("draw proportional growth as a straight line on logarithmic axes", () => {
    const points = [1, 2, 4, 8, 16].map((x) => [x, 3 * x] as const);
    const axis = { label: "", text: String };
    const svg = lineChart({
      title: "T",
      subtitle: "S",
      x: { ...axis, scale: "log2" },
      y: { ...axis, scale: "log10" },
      series: [{ name: "s", points }],
    });
    const drawn = /polyline points="([^"]+)"/.exec(svg)![1]!.split(" ").map((pair) => pair.split(",").map(Number));
    const slopes = drawn.slice(1).map(([x, y], i) => (y! - drawn[i]![1]!) / (x! - drawn[i]![0]!));
    for (const slope of slopes) assert(Math.abs(slope / slopes[0]! - 1) < 0.01, String(slopes));
  });
});
