/**
 * Statistics of samples: medians, quantiles, and ratios of paired measurements.
 *
 * @module
 */

/** A summary of numbers in three values. */
export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/**
 * The quantile of some numbers, interpolated between two of them.
 *
 * @param numbers At least one, in any order.
 * @param part From 0 to 1: 0.5 is the median, 0.99 the slowest one in a hundred.
 */
export function quantile(numbers: readonly number[], part: number): number {
  if (numbers.length === 0) {
    throw new RangeError("there is no quantile of nothing");
  }
  const sorted = [...numbers].sort((a, b) => a - b);
  const place = (sorted.length - 1) * part;
  const below = sorted[Math.floor(place)]!;
  const above = sorted[Math.ceil(place)]!;
  return below + (above - below) * (place - Math.floor(place));
}

/** The median, the least and the greatest of some numbers. */
export function summarize(numbers: readonly number[]): Summary {
  return { median: quantile(numbers, 0.5), min: quantile(numbers, 0), max: quantile(numbers, 1) };
}

/**
 * Ratios of numbers that were measured in turn, round by round, so that a machine that slows down affects both sides of
 * each ratio.
 *
 * @param ours The numbers to compare, one for each round.
 * @param theirs The numbers to compare with, from the same rounds.
 */
export function ratios(ours: readonly number[], theirs: readonly number[]): number[] {
  return pairs(ours, theirs, (a, b) => a / b);
}

/** Differences of numbers that were measured in turn, round by round. */
export function differences(ours: readonly number[], theirs: readonly number[]): number[] {
  return pairs(ours, theirs, (a, b) => a - b);
}

function pairs(
  ours: readonly number[],
  theirs: readonly number[],
  combine: (a: number, b: number) => number,
): number[] {
  if (ours.length !== theirs.length) {
    throw new RangeError(`rounds differ: ${ours.length} on one side, ${theirs.length} on the other`);
  }
  return ours.map((one, round) => combine(one, theirs[round]!));
}
