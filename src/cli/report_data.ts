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
import { type Loss, lossOf } from "./report_loss.ts";
import { type Checkpoints, checkpointsOf, type Mark, type MarkedFrame, markedFrames, marksOf } from "./report_marks.ts";
import { nameOf } from "./text.ts";

/** Rows of the map; with more segments, a row holds several. */
const ROWS_MAX = 40;
/** Cells of the longest row. */
const CELLS = 160;
/** Marks of a kind on the longest row: they must not cover each other on a narrow screen. */
const ROW_MARKS_MIN = 5;
const ROW_MARKS_MAX = 6;
/** Marks of a kind on all rows, approximately. The focus can move to each of them, so there must not be too many. */
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
  /** Votes and truncations, at parts of the row. */
  readonly marks: readonly Mark[];
  /** Checkpoints, at parts of the row. */
  readonly checkpoints: Checkpoints | undefined;
  /** What is damaged. */
  readonly damage: readonly DamagedStretch[];
  /** What was torn off. */
  readonly torn: Stretch | undefined;
  /** Where the last entry ends that the disk proves to be durable, if that is here. */
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

/** What the report shows. */
export interface ReportData {
  readonly found: Inspection;
  readonly loss: Loss;
  /** The rows of the map, in the order of the segments. */
  readonly rows: readonly (MapRow | LostRow)[];
  /** Where each term begins, as far as that is known. */
  readonly terms: readonly (readonly [Index, Term])[];
  /** Bytes of log in a cell. */
  readonly cellBytes: number;
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
  // Class 0 is of no bytes, class n of those from 2^(n-1) on.
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

/** What the rows have in common. */
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
