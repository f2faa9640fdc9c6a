/**
 * Gathers the data of the report from a log: the positions of its bytes and entries, and its damage.
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
import { type Loss, lossOf } from "./report_loss.ts";
import { type Checkpoints, checkpointsOf, type Mark, type MarkedFrame, markedFrames, marksOf } from "./report_marks.ts";
import { nameOf } from "./text.ts";

/** Rows of the map; with more segments, a row holds several. */
const ROWS_MAX = 40;
/** Cells of the longest row. */
const CELLS = 160;
/** The most marks of a kind on the longest row, so that they do not cover each other on a narrow screen. */
const ROW_MARKS_MIN = 5;
const ROW_MARKS_MAX = 6;
/** The approximate number of marks of a kind on all rows. It is limited, because the focus can move to each of them. */
const MARKS_MAX = 240;

/** A stretch of a row, as parts of its length. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** A damaged place in a row. */
export interface DamagedStretch extends Stretch {
  readonly damage: Damage;
  /** The number of the damage in the report, from 1 on. */
  readonly number: number;
}

/** A row of the map: a segment, or several. */
export interface MapRow {
  readonly kind: "segments";
  /** The segment's name without the extension, or the numbers of the first and the last. */
  readonly label: string;
  /** Bytes of log in it. */
  readonly bytes: number;
  /** Its length relative to the longest row, from 0 to 1. */
  readonly part: number;
  /** The range of its entries; `undefined` if it has none. */
  readonly range: { readonly first: Index; readonly last: Index } | undefined;
  /** Entries that begin in each cell. */
  readonly cells: readonly number[];
  /** The positions at which segments begin in it, except the first one. */
  readonly borders: readonly number[];
  /** The positions at which terms begin. */
  readonly terms: readonly { readonly at: number; readonly term: Term }[];
  /** Votes and truncations, at parts of the row. */
  readonly marks: readonly Mark[];
  /** Checkpoints, at parts of the row. */
  readonly checkpoints: Checkpoints | undefined;
  /** The damaged places. */
  readonly damage: readonly DamagedStretch[];
  /** The torn end. */
  readonly torn: Stretch | undefined;
  /** The end of the last entry that is proven durable, if it is in this row. */
  readonly proven: number | undefined;
}

/** A row for a file that is missing or cannot be read at all. */
export interface LostRow {
  readonly kind: "lost";
  readonly damage: Damage;
  /** The number of the damage in the report, from 1 on. */
  readonly number: number;
}

/** A class of the histogram: commands from `least` bytes on, below the next class's. */
export interface SizeClass {
  readonly least: number;
  readonly most: number;
  readonly entries: number;
  readonly bytes: number;
}

/** The data of the report. */
export interface ReportData {
  readonly found: Inspection;
  readonly loss: Loss;
  /** The rows of the map, in the order of the segments. */
  readonly rows: readonly (MapRow | LostRow)[];
  /** The first index of each term, as far as it is known. */
  readonly terms: readonly (readonly [Index, Term])[];
  /** Bytes of log in a cell. */
  readonly cellBytes: number;
  readonly sizes: readonly SizeClass[];
}

/**
 * Gathers the data of the report. Reads the headers of all entries.
 *
 * @param found The log.
 * @returns The data.
 */
export function gather(found: Inspection): ReportData {
  const { segments, opened } = found;
  const groups = grouped(segments, Math.max(1, Math.ceil(segments.length / ROWS_MAX)));
  const spans = new Map(segments.map(({ segment }) => [segment, spanOf(segment, found)]));
  const lengthOf = (group: readonly SegmentView[]) => group.reduce((sum, { segment }) => sum + spans.get(segment)!, 0);
  const longest = Math.max(...groups.map(lengthOf), 1);
  const terms = termsOf(segments);
  // Class 0 has the empty commands, class n those of 2^(n-1) bytes or more.
  const sizes = Array.from({ length: 32 }, () => ({ entries: 0, bytes: 0 }));
  const rowMarks = Math.min(Math.max(MARKS_MAX / groups.length, ROW_MARKS_MIN), ROW_MARKS_MAX);
  const drawing: Drawing = {
    found,
    spans,
    longest,
    markBytes: longest / rowMarks,
    begins: new Set(terms.map(([index]) => index)),
    sizes,
  };
  const rows = groups.map((group) => makeRow(group, drawing));
  return {
    found,
    loss: lossOf(found),
    rows: withLostFiles(rows, groups, opened.report.damage),
    terms,
    cellBytes: longest / CELLS,
    sizes: histogram(sizes),
  };
}

/** Puts rows for lost files between the rows of their neighbours. */
function withLostFiles(
  rows: readonly MapRow[],
  groups: readonly (readonly SegmentView[])[],
  damage: readonly Damage[],
): (MapRow | LostRow)[] {
  const paths = new Set(groups.flat().map(({ segment }) => segment.path));
  const lost = damage
    .map((one, at): LostRow => ({ kind: "lost", damage: one, number: at + 1 }))
    .filter(({ damage: { path, kind } }) => !paths.has(path) && kind !== "snapshot");
  return [
    ...rows.map((row, at) => ({ path: groups[at]![0]!.segment.path, row })),
    ...lost.map((row) => ({ path: row.damage.path, row })),
  ].sort((a, b) => a.path < b.path ? -1 : 1).map(({ row }) => row);
}

/**
 * The indexes at which terms begin. A term that continues in the next segment, or after entries whose terms are lost,
 * does not begin there.
 */
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

/** The bytes of a segment that belong to the log, damaged or not, without its preallocation. */
function spanOf(segment: Segment, { opened }: Inspection): number {
  const { cut, damage, harmless } = opened.report;
  const ends = [...damage, ...harmless, ...(cut === undefined ? [] : [cut])]
    .filter(({ path }) => path === segment.path)
    .map(({ offset, bytes }) => offset + bytes);
  return Math.max(segment.endOffset, ...ends);
}

/** Data that all rows share. */
interface Drawing {
  readonly found: Inspection;
  /** Bytes of log in each segment. */
  readonly spans: ReadonlyMap<Segment, number>;
  /** Bytes of the longest row. */
  readonly longest: number;
  /** The least distance between two marks, in bytes. */
  readonly markBytes: number;
  /** The indexes at which terms begin. */
  readonly begins: ReadonlySet<Index>;
  /** Counts the sizes of commands. */
  readonly sizes: { entries: number; bytes: number }[];
}

function makeRow(group: readonly SegmentView[], drawing: Drawing): MapRow {
  const { found: { opened }, spans, longest, markBytes, begins, sizes } = drawing;
  const cellBytes = longest / CELLS;
  const { report } = opened;
  const bytes = group.reduce((sum, { segment }) => sum + spans.get(segment)!, 0);
  const cells = new Array<number>(Math.max(1, Math.ceil(bytes / cellBytes))).fill(0);
  const borders: number[] = [];
  const terms: { at: number; term: Term }[] = [];
  const damage: DamagedStretch[] = [];
  const marked: MarkedFrame[] = [];
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
    for (const frame of markedFrames(opened.codec, segment)) marked.push({ ...frame, at: (start + frame.at) / bytes });
    for (const [at, one] of report.damage.entries()) {
      if (one.path === segment.path) damage.push({ ...stretch(one), damage: one, number: at + 1 });
    }
    if (report.cut?.path === segment.path) torn = stretch(report.cut);
    start += spans.get(segment)!;
  }
  const filled = group.filter(({ entries }) => entries > 0);
  const [oldest, newest] = [group[0]!.segment, group.at(-1)!.segment];
  return {
    kind: "segments",
    label: oldest === newest
      ? nameOf(oldest.path).replace(".seg", "")
      : `${oldest.header.number} to ${newest.header.number}`,
    bytes,
    part: bytes / longest,
    range: filled.length === 0 ? undefined : { first: filled[0]!.firstIndex, last: filled.at(-1)!.lastIndex },
    cells,
    borders,
    terms,
    marks: marksOf(marked, markBytes / bytes, longest / bytes),
    checkpoints: checkpointsOf(marked),
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

/** Counts the entries by the size of their commands, in powers of two. */
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
