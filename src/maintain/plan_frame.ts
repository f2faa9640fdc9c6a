/**
 * Plans the repair of a frame whose header survives.
 *
 * @module
 */

import { CHUNK_BYTES, type Codec } from "../codec/codec.ts";
import { WalLogError } from "../api/errors.ts";
import { readFull } from "../io/full.ts";
import type { SizedFile } from "../io/sized_file.ts";
import type { TakenEntry } from "../api/taken.ts";
import type { Index } from "../api/types.ts";
import {
  decodeFrameHeader,
  entriesIn,
  FLAG_CONFIG,
  FLAG_REPAIRED,
  FRAME_HEADER_BYTES,
  FRAME_PAYLOAD_CHECKSUM,
  frameBytes,
  type FrameHeader,
  indexAfter,
  LENGTH_BYTES,
} from "../format/frame.ts";
import type { LogIndex } from "../log/log_index.ts";
import { selectSegment } from "../log/select_segment.ts";
import type { Page, Segment } from "../log/segment.ts";
import { payloadOf, ROOM_BYTES_MAX, sealRepaired, slackPayload } from "./repair_frames.ts";

/** The parts that planning a repair needs. */
export interface RepairContext {
  readonly codec: Codec;
  /** The log's folder. */
  readonly folder: string;
  readonly index: LogIndex;
}

/** Bytes to be put into a copy of a segment. */
export interface Patch {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** A frame whose header is valid. */
export interface FoundFrame {
  readonly offset: number;
  readonly head: Uint8Array<ArrayBuffer>;
  readonly header: FrameHeader;
}

/** The entries of a frame that are still part of the log. */
export interface LiveEntries {
  readonly indexes: readonly Index[];
}

const NO_ENTRY = { command: new Uint8Array(0) };

/** The frame of an entry, found by its header; `undefined` if there is no valid header. */
export function frameOf(
  context: RepairContext,
  segment: Segment,
  file: SizedFile,
  page: Page,
  index: Index,
): FoundFrame | undefined {
  const { codec } = context;
  const { baseLsn } = segment.header;
  selectSegment(codec, segment.header);
  for (let at = page.offset; at < page.endOffset;) {
    const filled = readFull(file, codec.chunk.subarray(0, Math.min(page.endOffset - at, CHUNK_BYTES)), at);
    const found = codec.wasm.find(codec.chunkAt, filled, baseLsn + at, index);
    if (found + FRAME_HEADER_BYTES <= filled) {
      const head = codec.chunk.slice(found, found + FRAME_HEADER_BYTES);
      return { offset: at + found, head, header: decodeFrameHeader(head) };
    }
    if (filled < FRAME_HEADER_BYTES) break;
    at += found;
  }
  return undefined;
}

export function liveEntries({ header }: FoundFrame, page: Page, firstIndex: Index): LiveEntries {
  const first = Math.max(header.index, page.first, firstIndex);
  const end = Math.min(indexAfter(header), page.end);
  return { indexes: Array.from({ length: Math.max(end - first, 0) }, (_, i) => first + i) };
}

/** The repaired payload, or the whole repaired frame, if the header is valid; `undefined` if the frame is undamaged. */
export function planFrame(
  context: RepairContext,
  segment: Segment,
  file: SizedFile,
  entry: TakenEntry,
  { offset, head, header }: FoundFrame,
  live: LiveEntries,
  entries: ReadonlyMap<Index, TakenEntry>,
): Patch | undefined {
  const { codec } = context;
  const room = frameBytes(header.length) - FRAME_HEADER_BYTES;
  if (room > ROOM_BYTES_MAX) throw misfit(segment, offset, room, [entry]);
  const sum = new DataView(head.buffer).getBigUint64(FRAME_PAYLOAD_CHECKSUM, true);
  const found = new Uint8Array(header.length);
  const isRead = readFull(file, found, offset + FRAME_HEADER_BYTES) === found.length;
  const isIntact = isRead && codec.hash(found, 0n) === sum;
  const kind = (header.flags & FLAG_CONFIG) === 0 ? "normal" : "config";
  const known = isIntact ? commandsIn(header, found) : undefined;
  for (const index of live.indexes) {
    const one = entries.get(index);
    if (one === undefined) continue;
    if (header.term !== one.term) throw refuse(context, one, `its term was ${header.term}, not ${one.term}`);
    if (kind !== one.kind) throw refuse(context, one, `its kind was "${kind}", not "${one.kind}"`);
    const command = known?.[index - header.index];
    if (command !== undefined && !isSame(command, one.command)) throw refuse(context, one, "its command differs");
  }
  if (isIntact) return undefined;
  const missing = live.indexes.find((index) => !entries.has(index));
  if (missing !== undefined) throw needsAll(segment.path, offset, live.indexes);
  return layFrame(context, segment, offset, header, sum, entries, live) ?? refuseFrame(context, entry, header);
}

/** Lays out a frame whose header survives. */
function layFrame(
  context: RepairContext,
  segment: Segment,
  offset: number,
  header: FrameHeader,
  sum: bigint,
  entries: ReadonlyMap<Index, TakenEntry>,
  live: LiveEntries,
): Patch | undefined {
  const { codec } = context;
  const all = Array.from({ length: entriesIn(header) }, (_, nth) => entries.get(header.index + nth));
  const isWhole = all.every((one) => one !== undefined) && header.count > 0;
  const payload = isWhole ? payloadOf(all as TakenEntry[], header.length) : undefined;
  if (payload !== undefined && codec.hash(payload, 0n) === sum) {
    // The padding is included, because this may be the last frame of a truncated file.
    const bytes = new Uint8Array(frameBytes(header.length) - FRAME_HEADER_BYTES);
    bytes.set(payload);
    return { offset: offset + FRAME_HEADER_BYTES, bytes };
  }
  const wasRepaired = (header.flags & FLAG_REPAIRED) !== 0;
  if (live.indexes.length === all.length && !wasRepaired) return undefined;
  // Entries that are no longer part of the log are written empty, and leave slack.
  const isLive = new Set(live.indexes);
  const kept = all.map((one, nth) => one !== undefined && isLive.has(header.index + nth) ? one : NO_ENTRY);
  const slack = slackPayload(kept, header.length);
  return slack && { offset, bytes: sealRepaired(codec, segment.header, offset, header, slack) };
}

function refuseFrame(context: RepairContext, entry: TakenEntry, { count, length }: FrameHeader): never {
  const { command } = entry;
  if (count !== 1) throw refuse(context, entry, "frame checksum mismatch; the frame holds other entries too");
  if (length !== command.length) throw refuse(context, entry, `its command had ${length} bytes, not ${command.length}`);
  throw refuse(context, entry, "command checksum mismatch");
}

function needsAll(path: string, offset: number, indexes: readonly Index[]): WalLogError {
  const [first, last] = [indexes[0]!, indexes.at(-1)!];
  return new WalLogError(
    "INVALID_ARGUMENT",
    `Cannot repair ${path} at byte ${offset}: entries ${first} to ${last} share a damaged frame; pass all of them`,
    { path, offset },
  );
}

/** The commands in the valid payload of an entries frame. */
function commandsIn(header: FrameHeader, payload: Uint8Array): Uint8Array[] {
  if (header.count === 1) return [payload];
  const entries = entriesIn(header);
  const view = new DataView(payload.buffer);
  let at = entries * LENGTH_BYTES;
  return Array.from({ length: entries }, (_, nth) => {
    const from = at;
    at += view.getUint32(nth * LENGTH_BYTES, true);
    return payload.subarray(from, at);
  });
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

export function refuse(context: RepairContext, entry: TakenEntry, found: string): WalLogError {
  return new WalLogError(
    "INVALID_ARGUMENT",
    `Cannot repair the entry at index ${entry.index}: ${found}; nothing was changed`,
    { path: context.folder },
  );
}

export function misfit(segment: Segment, offset: number, room: number, entries: readonly TakenEntry[]): WalLogError {
  const range = entries.length === 0 ? "the given entries" : `entries ${entries[0]!.index} to ${entries.at(-1)!.index}`;
  const way = "; truncate the log before the damage and append the entries again";
  return new WalLogError(
    "INVALID_ARGUMENT",
    `Cannot repair ${segment.path} at byte ${offset}: ${range} do not fit the ${room} lost bytes there${way}`,
    { path: segment.path, offset },
  );
}
