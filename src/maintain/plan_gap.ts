/**
 * Plans the repair of a gap: a range in which all frames are lost with their headers.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Damage } from "../api/report.ts";
import { readFull } from "../io/full.ts";
import type { SizedFile } from "../io/sized_file.ts";
import type { TakenEntry } from "../api/taken.ts";
import type { Index } from "../api/types.ts";
import { changesBefore, decodeFrameHeader, FRAME_HEADER_BYTES } from "../format/frame.ts";
import type { LogState } from "../format/state.ts";
import { scanAtOnce, scanSegment } from "../recovery/scan_segment.ts";
import { selectSegment } from "../log/select_segment.ts";
import type { Segment } from "../log/segment.ts";
import { readIndexPages, readTrailer } from "../recovery/read_index.ts";
import { layRepair } from "./repair_frames.ts";
import { misfit, type Patch, type RepairContext } from "./plan_frame.ts";

/** Plans the frames for a range without a valid header. Returns the entries in these frames. */
export function planGap(
  context: RepairContext,
  segment: Segment,
  file: SizedFile,
  gap: Damage,
  entries: ReadonlyMap<Index, TakenEntry>,
  patches: Patch[],
  pages: Map<Index, number>,
): readonly TakenEntry[] {
  const { firstIndex = 1, lastIndex = 0 } = gap;
  const end = gap.offset + gap.bytes;
  const { wanted, lost } = lostIn(segment, gap, entries);
  // The log needs nothing from the gap, and new frames would not fit the frames after it.
  if (wanted === 0 || lost.length === 0) return [];
  if (lost.length < wanted) {
    throw new WalLogError(
      "INVALID_ARGUMENT",
      `Cannot repair ${gap.path} at byte ${gap.offset}: entries ${firstIndex} to ${lastIndex} are lost together, ` +
        `got ${lost.length} of them; pass all, or truncate from index ${firstIndex} and append them`,
      { path: gap.path, offset: gap.offset },
    );
  }
  const first = lost[0]!.index;
  const state = stateAt(context, segment, file, gap.offset);
  const changes = changesBehind(context, segment, file, end) ?? state.changes;
  // The gap also held a snapshot that moved the next index.
  if (first > state.nextIndex) throw misfit(segment, gap.offset, gap.bytes, lost);
  // If the entries begin below the next index, the gap held a truncation before them.
  let cut = first < state.nextIndex
    ? { index: first, term: Math.max(context.index.termAt(first - 1) ?? 0, 0) }
    : undefined;
  const place = (from: number, to: number, some: readonly TakenEntry[]) => {
    if (to === from) return;
    const bytes = layRepair(context.codec, segment.header, from, to - from, some, changes, cut);
    if (bytes === undefined) throw misfit(segment, from, to - from, some);
    patches.push({ offset: from, bytes });
    if (some.length > 0) pages.set(some[0]!.index, from + (cut === undefined ? 0 : FRAME_HEADER_BYTES));
    cut = undefined;
  };
  // The segment index holds the starts of pages. Frames must start there again for readers that use it.
  const begun = indexedPages(context, segment, file, gap.offset, end, lost);
  begun.forEach(([at, index], i) => {
    const [to, behind] = begun[i + 1] ?? [end, Infinity];
    place(at, to, lost.filter((one) => one.index >= index && one.index < behind));
  });
  return lost;
}

/** The required starts of frames within a gap: offset, and index of the first entry from there on. */
function indexedPages(
  context: RepairContext,
  segment: Segment,
  file: SizedFile,
  from: number,
  to: number,
  lost: readonly TakenEntry[],
): readonly (readonly [offset: number, index: Index])[] {
  const begun: (readonly [number, Index])[] = [[from, 0]];
  const found = readTrailer(context.codec, file, file.size(), segment.header);
  const table = found && readIndexPages(context.codec, file, found.trailer);
  for (let at = 0; table !== undefined && at < table.length; at += 2) {
    const [first, offset] = [table[at]!, table[at + 1]!];
    if (offset < from || offset >= to || !lost.some(({ index }) => index === first)) continue;
    if (offset === from) begun.pop();
    begun.push([offset, first]);
  }
  return begun;
}

/** The log's state at the start of a gap. */
function stateAt(context: RepairContext, segment: Segment, file: SizedFile, offset: number): LogState {
  return scanAtOnce(scanSegment(context.codec, segment, file, offset, undefined)).replay.state;
}

/** The number of changes after a gap, modulo 256, from the next frame; `undefined` if there is no next frame. */
function changesBehind(context: RepairContext, segment: Segment, file: SizedFile, offset: number): number | undefined {
  const { codec } = context;
  const head = new Uint8Array(FRAME_HEADER_BYTES);
  if (readFull(file, head, offset) < head.length) return undefined;
  selectSegment(codec, segment.header);
  codec.chunk.set(head);
  if (codec.wasm.checkHeader(codec.chunkAt, segment.header.baseLsn + offset) !== 0) return undefined;
  return changesBefore(decodeFrameHeader(head));
}

/**
 * The lost entries of a gap that are still part of the log. Entries that were truncated later, or rewritten elsewhere,
 * are not.
 *
 * @returns Their number, and the given ones among them, in order.
 */
function lostIn(
  segment: Segment,
  { firstIndex = 1, lastIndex = 0, offset, bytes }: Damage,
  entries: ReadonlyMap<Index, TakenEntry>,
): { readonly wanted: number; readonly lost: readonly TakenEntry[] } {
  let wanted = 0;
  const lost: TakenEntry[] = [];
  for (const [first, last] of segment.damaged(firstIndex, lastIndex, { from: offset, to: offset + bytes })) {
    wanted += last - first + 1;
    // A forged header can claim any number of lost entries.
    if (last - first < entries.size) {
      for (let index = first; index <= last; index++) if (entries.has(index)) lost.push(entries.get(index)!);
    } else for (const entry of entries.values()) if (entry.index >= first && entry.index <= last) lost.push(entry);
  }
  lost.sort((a, b) => a.index - b.index);
  return { wanted, lost };
}
