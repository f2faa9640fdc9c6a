/**
 * Bars side by side: a group for each runtime, a bar for each store.
 *
 * @module
 */

import type { Summary } from "../statistics.ts";
import { line, picture, rectangle, text } from "./svg.ts";

/** A bar, or why there is none. */
export interface Bar {
  readonly label: string;
  /** Whether it is the one that the chart is about. */
  readonly isOurs: boolean;
  readonly summary?: Summary;
  /** The text instead of a bar. */
  readonly missing?: string;
}

/** Bars that belong together. */
export interface BarGroup {
  readonly title: string;
  readonly bars: readonly Bar[];
}

/** A chart of bars. */
export interface BarChart {
  readonly title: string;
  readonly subtitle: string;
  readonly groups: readonly BarGroup[];
  /** A value with its unit. */
  readonly text: (value: number) => string;
}

const WIDTH = 760;
const LABELS_WIDTH = 190;
const VALUES_WIDTH = 120;
const TOP = 62;
const BAR_HEIGHT = 16;
const ROW_HEIGHT = 22;
const GROUP_HEIGHT = 28;
const BOTTOM = 14;

/** Draws bars from zero, to the same scale in all groups, with a line from the least to the greatest sample. */
export function barChart({ title, subtitle, groups, text: valueText }: BarChart): string {
  const values = groups.flatMap(({ bars }) => bars.map(({ summary }) => summary?.max ?? 0));
  const scale = (WIDTH - LABELS_WIDTH - VALUES_WIDTH) / (Math.max(...values) || 1);
  const parts: string[] = [];
  let y = TOP;
  for (const { title, bars } of groups) {
    parts.push(text(16, y + 16, title, `style="font-weight: 600"`));
    y += GROUP_HEIGHT;
    const top = y;
    for (const { label, isOurs, summary, missing } of bars) {
      const middle = y + ROW_HEIGHT / 2;
      parts.push(text(LABELS_WIDTH - 8, middle + 4, label, `text-anchor="end"`));
      if (summary === undefined) {
        parts.push(text(LABELS_WIDTH + 6, middle + 4, missing ?? "not measured", `class="faint" font-style="italic"`));
      } else {
        const { median, min, max } = summary;
        const name = isOurs ? "fill0" : "other";
        parts.push(rectangle(LABELS_WIDTH, middle - BAR_HEIGHT / 2, median * scale, BAR_HEIGHT, name));
        parts.push(line(LABELS_WIDTH + min * scale, middle, LABELS_WIDTH + max * scale, middle, "whisker"));
        parts.push(text(LABELS_WIDTH + max * scale + 8, middle + 4, valueText(median)));
      }
      y += ROW_HEIGHT;
    }
    parts.push(line(LABELS_WIDTH, top, LABELS_WIDTH, y, "axis"));
  }
  return picture(WIDTH, y + BOTTOM, title, subtitle, parts);
}
