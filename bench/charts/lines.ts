/**
 * Lines over an axis: how something grows.
 *
 * @module
 */

import { line, picture, rectangle, round, SERIES_MAX, text } from "./svg.ts";

/** An axis. */
export interface Axis {
  readonly label: string;
  /**
   * On a logarithmic scale, equal ratios have equal distances, so proportional growth is a straight line. Its marks are
   * powers of 2, or round decimal numbers.
   */
  readonly scale: "linear" | "log2" | "log10";
  /** Formats a value. */
  readonly text: (value: number) => string;
}

/** A line. */
export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** A chart of lines. */
export interface LineChart {
  readonly title: string;
  readonly subtitle: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
}

const WIDTH = 760;
const HEIGHT = 360;
const LEFT = 84;
const RIGHT = 36;
const TOP = 84;
const BOTTOM = 56;
const TICKS = 6;
/** The largest rounding error of a round number. */
const ROUNDING = 1e-9;
const LEGEND_WIDTH = 130;

/**
 * The values of an axis's marks: round ones, and few enough to read. On a logarithmic axis, they enclose all values.
 */
export function ticks(min: number, max: number, scale: Axis["scale"]): number[] {
  if (scale !== "linear") return logTicks(min, max, scale === "log2" ? 2 : 10);
  const rough = (max - min) / TICKS || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999)! * power;
  const marks: number[] = [];
  for (let i = Math.ceil(min / step - ROUNDING) + 0; i * step <= max + step * ROUNDING; i++) marks.push(i * step);
  return marks;
}

/** From the mark at or below the least value to the mark at or above the greatest. */
function logTicks(min: number, max: number, base: 2 | 10): number[] {
  for (let power = 1;; power++) {
    const step = base ** power;
    const first = Math.floor(Math.log(min) / Math.log(step) + ROUNDING);
    const last = Math.ceil(Math.log(max) / Math.log(step) - ROUNDING);
    const marks = Array.from({ length: last - first + 1 }, (_, i) => step ** (first + i));
    if (base === 10 && power === 1 && marks.length <= 3) {
      const all = marks.flatMap((mark) => [mark, 2 * mark, 5 * mark]);
      const from = all.findLastIndex((mark) => mark <= min * (1 + ROUNDING));
      const to = all.findIndex((mark) => mark >= max * (1 - ROUNDING));
      return all.slice(from, Math.max(to, from + 1) + 1);
    }
    if (marks.length <= TICKS + 3) return marks.length > 1 ? marks : [marks[0]!, marks[0]! * step];
  }
}

/** Draws lines with a mark at each point. */
export function lineChart({ title, subtitle, x, y, series }: LineChart): string {
  if (series.length > SERIES_MAX) throw new RangeError(`${series.length} lines are more than can be told apart`);
  const points = series.flatMap(({ points }) => points);
  const acrossX = range(
    points.map(([x]) => x),
    x.scale,
    false,
  );
  const acrossY = range(
    points.map(([, y]) => y),
    y.scale,
    true,
  );
  const atX = place(acrossX, x.scale, LEFT, WIDTH - RIGHT);
  const atY = place(acrossY, y.scale, HEIGHT - BOTTOM, TOP);
  const parts: string[] = [];
  for (const mark of ticks(...acrossY, y.scale)) {
    parts.push(line(LEFT, atY(mark), WIDTH - RIGHT, atY(mark), "grid"));
    parts.push(text(LEFT - 8, atY(mark) + 4, y.text(mark), `text-anchor="end"`));
  }
  // Sizes double from point to point, so the points themselves are the round values.
  const marksX = x.scale === "log2" ? everySecond([...new Set(points.map(([x]) => x))]) : ticks(...acrossX, x.scale);
  for (const mark of marksX) {
    parts.push(line(atX(mark), HEIGHT - BOTTOM, atX(mark), HEIGHT - BOTTOM + 5, "axis"));
    parts.push(text(atX(mark), HEIGHT - BOTTOM + 20, x.text(mark), `text-anchor="middle"`));
  }
  parts.push(line(LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM, "axis"));
  parts.push(line(LEFT, TOP, LEFT, HEIGHT - BOTTOM, "axis"));
  parts.push(text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, x.label, `text-anchor="middle" class="faint"`));
  parts.push(text(16, TOP - 12, y.label, `class="faint"`));
  series.forEach(({ name, points }, i) => {
    const path = points.map(([x, y]) => `${round(atX(x))},${round(atY(y))}`).join(" ");
    parts.push(`<polyline points="${path}" class="line${i}"/>`);
    for (const [x, y] of points.length > 40 ? [] : points) {
      parts.push(`<circle cx="${round(atX(x))}" cy="${round(atY(y))}" r="3" class="fill${i}"/>`);
    }
    const left = WIDTH - RIGHT - (series.length - i) * LEGEND_WIDTH;
    parts.push(rectangle(left, TOP - 21, 12, 12, `fill${i}`), text(left + 18, TOP - 11, name));
  });
  return picture(WIDTH, HEIGHT, title, subtitle, parts);
}

/** The range of an axis: from the least to the greatest value or mark. A linear axis of amounts begins at zero. */
function range(values: readonly number[], scale: Axis["scale"], isAmount: boolean): [number, number] {
  const least = Math.min(...values);
  const greatest = Math.max(...values);
  if (scale !== "linear") {
    const marks = ticks(least, greatest, scale);
    return isAmount || least === greatest ? [marks[0]!, marks.at(-1)!] : [least, greatest];
  }
  const from = isAmount ? 0 : least;
  return [from, greatest > from ? greatest * (isAmount ? 1.05 : 1) : from + 1];
}

function place(
  [min, max]: [number, number],
  scale: Axis["scale"],
  from: number,
  to: number,
): (value: number) => number {
  const part = scale === "linear"
    ? (value: number) => (value - min) / (max - min)
    : (value: number) => Math.log(value / min) / Math.log(max / min);
  return (value) => from + part(value) * (to - from);
}

/** All values, or every second one until they fit. */
function everySecond(values: readonly number[]): number[] {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted.length <= TICKS + 3 ? sorted : sorted.filter((_, i) => i % 2 === 0);
}
