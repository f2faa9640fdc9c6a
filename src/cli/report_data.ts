/**
 * What the report shows, gathered from a log: where its bytes and entries lie, and what is wrong with them.
 *
 * @module
 */

import type { Codec } from "../codec/codec.ts";
import type { Damage } from "../api/report.ts";
import { TERM_UNKNOWN } from "../format/numbers.ts";
import { type LiveFrame, liveFrames } from "../log/live_frames.ts";
import type { Segment } from "../log/segment.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import type { Index, Term } from "../api/types.ts";
import type { Inspection, SegmentView } from "./inspect.ts";
import { nameOf } from "./text.ts";

/** Rows of the map; with more segments, a row holds several. */
const ROWS_MAX = 40;
/** Cells of the longest row. */
const CELLS = 160;

/** A stretch of a row, as parts of its length. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** A row of the map: a segment, or several. */
export interface MapRow {
  /** The segment's name without the extension, or the numbers of the first and the last. */
  readonly label: string;
  /** Bytes of log in it. */
  readonly bytes: number;
  /** How long it is beside the longest one: a part of 1. */
  readonly part: number;
  /** What entries it holds; `undefined` if none. */
  readonly range: { readonly first: Index; readonly last: Index } | undefined;
  /** Entries that begin in each cell. */
  readonly cells: readonly number[];
  /** Where segments begin within it, but for the first. */
  readonly borders: readonly number[];
  /** Where terms begin. */
  readonly terms: readonly { readonly at: number; readonly term: Term }[];
  /** What is damaged. */
  readonly damage: readonly (Stretch & { readonly damage: Damage })[];
  /** What was torn off. */
  readonly torn: Stretch | undefined;
  /** Where the last entry ends that the disk proves to be durable, if that is here. */
  readonly proven: number | undefined;
}

/** A class of the histogram: commands from `least` bytes on, below the next class's. */
export interface SizeClass {
  readonly least: number;
  readonly most: number;
  readonly entries: number;
  readonly bytes: number;
}

/** What the report shows. */
export interface ReportData {
  readonly found: Inspection;
  readonly rows: readonly MapRow[];
  /** Where each term begins, as far as that is known. */
  readonly terms: readonly (readonly [Index, Term])[];
  /** Bytes of log in a cell. */
  readonly cellBytes: number;
  /** Files that are missing or cannot be read at all. */
  readonly missing: readonly Damage[];
  readonly sizes: readonly SizeClass[];
}

/**
 * Gathers what the report shows. Reads the headers of all entries.
 *
 * @param found The log.
 * @returns What to show.
 */
export function gather(found: Inspection): ReportData {
  const { segments, opened } = found;
  const groups = grouped(segments, Math.max(1, Math.ceil(segments.length / ROWS_MAX)));
  const spans = new Map(segments.map(({ segment }) => [segment, spanOf(segment, found)]));
  const lengthOf = (group: readonly SegmentView[]) => group.reduce((sum, { segment }) => sum + spans.get(segment)!, 0);
  const longest = Math.max(...groups.map(lengthOf), 1);
  const terms = termsOf(segments);
  const begins = new Set(terms.map(([index]) => index));
  // Class 0 is of no bytes, class n of those from 2^(n-1) on.
  const sizes = Array.from({ length: 32 }, () => ({ entries: 0, bytes: 0 }));
  const paths = new Set(segments.map(({ segment }) => segment.path));
  return {
    found,
    rows: groups.map((group) => makeRow(group, spans, found, longest, begins, sizes)),
    terms,
    cellBytes: longest / CELLS,
    missing: opened.report.damage.filter(({ path, kind }) => !paths.has(path) && kind !== "snapshot"),
    sizes: histogram(sizes),
  };
}

/** Where terms begin: not where one goes on in the next segment, nor behind entries whose terms are lost. */
function termsOf(segments: readonly SegmentView[]): [Index, Term][] {
  const found: [Index, Term][] = [];
  for (const { terms } of segments) {
    for (const [index, term] of terms) {
      if (term !== TERM_UNKNOWN && term !== found.at(-1)?.[1]) found.push([index, term]);
    }
  }
  return found;
}

function grouped(segments: readonly SegmentView[], size: number): SegmentView[][] {
  const groups: SegmentView[][] = [];
  for (let at = 0; at < segments.length; at += size) groups.push(segments.slice(at, at + size));
  return groups;
}

/** The bytes of a segment that hold log, or did: not the zeros ahead of the writer. */
function spanOf(segment: Segment, { opened }: Inspection): number {
  const { cut, damage, harmless } = opened.report;
  const ends = [...damage, ...harmless, ...(cut === undefined ? [] : [cut])]
    .filter(({ path }) => path === segment.path)
    .map(({ offset, bytes }) => offset + bytes);
  return Math.max(segment.endOffset, ...ends);
}

function makeRow(
  group: readonly SegmentView[],
  spans: ReadonlyMap<Segment, number>,
  found: Inspection,
  longest: number,
  begins: ReadonlySet<Index>,
  sizes: { entries: number; bytes: number }[],
): MapRow {
  const cellBytes = longest / CELLS;
  const { opened } = found;
  const { report } = opened;
  const bytes = group.reduce((sum, { segment }) => sum + spans.get(segment)!, 0);
  const cells = new Array<number>(Math.max(1, Math.ceil(bytes / cellBytes))).fill(0);
  const borders: number[] = [];
  const terms: { at: number; term: Term }[] = [];
  const damage: (Stretch & { damage: Damage })[] = [];
  let torn: Stretch | undefined;
  let proven: number | undefined;
  let start = 0;
  for (const view of group) {
    const { segment, terms: runs } = view;
    const stretch = ({ offset, bytes: length }: { offset: number; bytes: number }): Stretch => ({
      from: (start + offset) / bytes,
      to: (start + offset + length) / bytes,
    });
    if (start > 0) borders.push(start / bytes);
    const termAt = new Map(runs);
    for (const frame of framesIn(view, opened.codec)) {
      const { offset, first, lengths } = frame;
      cells[Math.floor((start + offset) / cellBytes)]! += lengths.length;
      for (const length of lengths) count(sizes, length);
      // A frame has one term, so that terms begin with frames.
      if (begins.has(first)) terms.push({ at: (start + offset) / bytes, term: termAt.get(first)! });
      const isProven = report.provenIndex >= first && report.provenIndex < first + lengths.length;
      if (isProven) proven = (start + offset + frame.bytes) / bytes;
    }
    for (const one of report.damage) {
      if (one.path === segment.path) damage.push({ ...stretch(one), damage: one });
    }
    if (report.cut?.path === segment.path) torn = stretch(report.cut);
    start += spans.get(segment)!;
  }
  const filled = group.filter(({ entries }) => entries > 0);
  const [oldest, newest] = [group[0]!.segment, group.at(-1)!.segment];
  return {
    label: oldest === newest
      ? nameOf(oldest.path).replace(".seg", "")
      : `${oldest.header.number} to ${newest.header.number}`,
    bytes,
    part: bytes / longest,
    range: filled.length === 0 ? undefined : { first: filled[0]!.firstIndex, last: filled.at(-1)!.lastIndex },
    cells,
    borders,
    terms,
    damage,
    torn,
    proven,
  };
}

/** Counts a command by its size. */
function count(sizes: { entries: number; bytes: number }[], length: number): void {
  const of = sizes[length === 0 ? 0 : 32 - Math.clz32(length)]!;
  of.entries++;
  of.bytes += length;
}

/** How many entries have commands of which size, in powers of two. */
function histogram(sizes: readonly { readonly entries: number; readonly bytes: number }[]): SizeClass[] {
  const first = sizes.findIndex(({ entries }) => entries > 0);
  const last = sizes.findLastIndex(({ entries }) => entries > 0);
  if (first < 0) return [];
  return sizes.slice(first, last + 1).map((one, i) => ({
    least: first + i === 0 ? 0 : 2 ** (first + i - 1),
    most: first + i === 0 ? 0 : 2 ** (first + i) - 1,
    ...one,
  }));
}

/** The frames of a segment that have a valid header, read from its file chunk by chunk. */
function* framesIn({ segment, firstIndex, lastIndex }: SegmentView, codec: Codec): Generator<LiveFrame> {
  const file = nodeFileSystem.open(segment.path, "read");
  try {
    yield* liveFrames(codec, file, segment, firstIndex, lastIndex);
  } finally {
    file.close();
  }
}
