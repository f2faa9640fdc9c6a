/**
 * The results of a benchmark run: samples, their summaries, and verdicts. The documentation is rendered from this JSON.
 *
 * @module
 */

import type { Machine } from "./machine.ts";
import { differences, ratios, summarize, type Summary } from "./statistics.ts";
import { durationText, MIB, rateText, short } from "./units.ts";
import type { Sample } from "./workloads.ts";

/** A metric of a sample. */
export interface Metric {
  /** The noun for it, as in "3x the time". */
  readonly noun: string;
  /** Whether more of it is better. */
  readonly isRate: boolean;
  /** The number in a sample. */
  readonly of: (sample: Sample) => number;
  /** Formats the number with its unit. */
  readonly text: (value: number) => string;
}

const count = (sample: Sample): number => sample.count / sample.seconds;

/** All metrics. */
export const METRICS = {
  entries: { noun: "speed", isRate: true, of: count, text: (value: number) => `${rateText(value)} entries/s` },
  commits: { noun: "speed", isRate: true, of: count, text: (value: number) => `${rateText(value)} commits/s` },
  bytes: {
    noun: "speed",
    isRate: true,
    of: (sample: Sample) => sample.bytes / sample.seconds / 1e9,
    text: (value: number) => `${short(value)} GB/s`,
  },
  time: { noun: "time", isRate: false, of: (sample: Sample) => sample.seconds, text: durationText },
  call: { noun: "time", isRate: false, of: (sample: Sample) => sample.seconds / sample.count, text: durationText },
  memory: {
    noun: "memory",
    isRate: false,
    of: (sample: Sample) => sample.bytes / MIB,
    text: (value: number) => `${short(value)} MiB`,
  },
} as const satisfies Record<string, Metric>;

/** The name of a metric. */
export type MetricName = keyof typeof METRICS;

/** Stands for the fastest peer of the case. */
export const FASTEST_PEER = "fastest peer";

/** The target of a case: for the first side's number, or for its ratio or difference to another side's number. */
export interface Target {
  readonly metric: MetricName;
  /** The name of the side to compare with, or {@link FASTEST_PEER}; undefined for the number itself. */
  readonly against?: string;
  /** How it is compared. Default: as a ratio. */
  readonly as?: "ratio" | "difference";
  readonly atMost?: number;
  readonly atLeast?: number;
  /** A better value than the target. */
  readonly goal?: number;
}

/** The outcome of a target. */
export interface Outcome {
  readonly target: Target;
  /** The target in words. */
  readonly text: string;
  /** The measured values over the rounds; missing if there was nothing to compare with. */
  readonly measured?: Summary;
  /** Whether the median is good enough. */
  readonly isMet?: boolean;
  /** Whether it reaches the goal. */
  readonly isGoalMet?: boolean;
}

/** One side of a comparison. */
export interface SideResult {
  readonly name: string;
  readonly title: string;
  readonly isPeer: boolean;
  /** One sample for each round; empty if the side could not run. */
  readonly samples: readonly Sample[];
  /** Why it could not run. */
  readonly unavailable?: string;
  /** The case's metric over the rounds. */
  readonly summary?: Summary;
}

/** One case in one runtime. */
export interface CaseResult {
  readonly name: string;
  readonly title: string;
  /** A description of the work. */
  readonly note: string;
  readonly metric: MetricName;
  readonly runtime: string;
  readonly sides: readonly SideResult[];
  readonly outcomes: readonly Outcome[];
  /** The machine of a later run of this case. */
  readonly again?: Machine;
}

/** A run of the benchmark. */
export interface BenchResult {
  readonly kind: "bench";
  readonly mode: "quick" | "full";
  readonly machine: Machine;
  readonly rounds: number;
  readonly runtimes: readonly { readonly name: string; readonly title: string; readonly version: string }[];
  readonly cases: readonly CaseResult[];
}

/** A side with the summary of its samples. */
export function summarizeSide(side: Omit<SideResult, "summary">, metric: MetricName): SideResult {
  return side.samples.length === 0 ? side : { ...side, summary: summarize(side.samples.map(METRICS[metric].of)) };
}

/**
 * Compares a case with a target.
 *
 * @param target The target of the first side.
 * @param sides The sides of the case. The log is the first one.
 */
export function judge(target: Target, sides: readonly SideResult[]): Outcome {
  const metric: Metric = METRICS[target.metric];
  const [ours] = sides;
  const theirs = target.against === undefined ? undefined : sideAgainst(target.against, metric, sides);
  const text = targetText(target, theirs?.title);
  if (ours === undefined || ours.samples.length === 0) return { target, text };
  if (target.against !== undefined && (theirs === undefined || theirs.samples.length === 0)) return { target, text };
  const values = ours.samples.map(metric.of);
  const others = theirs?.samples.map(metric.of);
  const combine = target.as === "difference" ? differences : ratios;
  const measured = summarize(others === undefined ? values : combine(values, others));
  const reaches = (bound: number) => target.atLeast === undefined ? measured.median <= bound : measured.median >= bound;
  const isMet = reaches((target.atLeast ?? target.atMost)!);
  return { target, text, measured, isMet, ...(target.goal === undefined ? {} : { isGoalMet: reaches(target.goal) }) };
}

function sideAgainst(name: string, metric: Metric, sides: readonly SideResult[]): SideResult | undefined {
  if (name !== FASTEST_PEER) return sides.find((side) => side.name === name);
  const speed = ({ samples }: SideResult) => {
    const { median } = summarize(samples.map(metric.of));
    return metric.isRate ? median : -median;
  };
  return sides.filter(({ isPeer, samples }) => isPeer && samples.length > 0).sort((a, b) => speed(b) - speed(a))[0];
}

/** Formats a number for a target: "3x", or with the metric's unit. */
export function targetNumber(target: Target, value: number): string {
  const isRatio = target.against !== undefined && target.as !== "difference";
  return isRatio ? `${value < 10 ? value.toFixed(2) : short(value)}x` : METRICS[target.metric].text(value);
}

function targetText(target: Target, title: string | undefined): string {
  const { noun } = METRICS[target.metric];
  const bound = targetNumber(target, (target.atLeast ?? target.atMost)!);
  const limit = `${target.atLeast === undefined ? "at most" : "at least"} ${bound}`;
  const goal = target.goal === undefined ? "" : `; goal ${targetNumber(target, target.goal)}`;
  if (target.against === undefined) return `${limit}${goal}`;
  const other = target.against === FASTEST_PEER ? `the fastest peer${title === undefined ? "" : ` (${title})`}` : title;
  return target.as === "difference" ? `${limit} more than ${other}${goal}` : `${limit} the ${noun} of ${other}${goal}`;
}

/**
 * Replaces cases of an earlier run by those that ran again.
 *
 * @param before The earlier run.
 * @param after The later run of some of its cases.
 * @returns The earlier run with the later cases, which record the time of their run.
 */
export function replaceCases(before: BenchResult, after: BenchResult): BenchResult {
  const isSame = (one: CaseResult, other: CaseResult) => one.name === other.name && one.runtime === other.runtime;
  return {
    ...before,
    cases: before.cases.map((one) => {
      const found = after.cases.find((other) => isSame(one, other));
      return found === undefined ? one : { ...found, again: after.machine };
    }),
  };
}
