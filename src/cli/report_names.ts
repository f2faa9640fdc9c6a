/**
 * The line below something in the report: marks and names at places along it. Marks are always shown, names only where
 * they cover nothing.
 *
 * @module
 */

import { percent } from "./report_html.ts";

/** The narrowest and the widest track. In pixels. */
const NARROW_PX = 300;
const WIDE_PX = 690;
/** The greatest width of a character. In pixels. */
export const CHARACTER_PX = 7;
/** The least distance between two names. In pixels. */
const GAP_PX = 8;

/** Marks and a name at a place. */
export interface Item {
  /** The place, as a part of the row. */
  readonly at: number;
  /** The marks as HTML, and the width that they need. In pixels. */
  readonly marks: string;
  readonly marksPx: number;
  /** The name. */
  readonly name: string | undefined;
}

/** A stretch of a track, in pixels. */
type Span = readonly [from: number, to: number];

/** A width of the page, and the stretches that are taken. */
interface Track {
  readonly px: number;
  readonly taken: Span[];
}

/**
 * Draws the line. Some names are shown only on a wide page.
 *
 * @param items The marks and names. If two names are too close to each other, the first one is shown.
 * @param part The length of the row, as a part of the track.
 * @returns HTML.
 */
export function nameLine(items: readonly Item[], part: number = 1): string {
  const spansOf = ({ at, marksPx, name = "" }: Item, isEnd: boolean, px: number): { marks: Span; name: Span } => {
    const place = at * part * px;
    const [near, far] = [marksPx, marksPx + name.length * CHARACTER_PX];
    return isEnd
      ? { marks: [place - near, place], name: [place - far, place - near] }
      : { marks: [place, place + near], name: [place + near, place + far] };
  };
  // An item that would extend beyond the end of the track is drawn to the left of its place.
  const placed = items.map((item) => {
    const { name: [, to] } = spansOf(item, false, NARROW_PX);
    return { item, isEnd: to > NARROW_PX };
  });
  const tracks = [NARROW_PX, WIDE_PX].map((px): Track => ({
    px,
    taken: placed.filter(({ item }) => item.marksPx > 0).map(({ item, isEnd }) => spansOf(item, isEnd, px).marks),
  }));
  const drawn = placed.map(({ item, isEnd }) => {
    const fits = tracks.map(({ px, taken }) => isFree(spansOf(item, isEnd, px).name, taken));
    const [isNarrow, isWide] = [fits[0]! && fits[1]!, fits[1]!];
    if (item.name !== undefined && isWide) {
      for (const { px, taken } of isNarrow ? tracks : tracks.slice(1)) taken.push(spansOf(item, isEnd, px).name);
    }
    const name = item.name === undefined || !isWide
      ? ""
      : `<span class="name${isNarrow ? "" : " roomy"}">${item.name}</span>`;
    if (item.marks + name === "") return "";
    return `<span class="item${isEnd ? " end" : ""}" style="left:${percent(item.at)}">${item.marks}${name}</span>`;
  });
  return `<div class="names">${drawn.join("")}</div>`;
}

/** Whether a name keeps its distance. The marks in front of a name touch it. */
function isFree([from, to]: Span, taken: readonly Span[]): boolean {
  return taken.every((other) => {
    const isBeside = to === other[0] || from === other[1];
    return isBeside || to + GAP_PX <= other[0] || other[1] + GAP_PX <= from;
  });
}
