/**
 * Builds the frames that a repair writes in place of lost ones.
 *
 * @module
 */

import type { Codec } from "../codec/codec.ts";
import type { TakenEntry } from "../api/taken.ts";
import type { Index, Term } from "../api/types.ts";
import {
  CHANGES_END,
  COUNT_MAX,
  encodeFrameHeader,
  FLAG_CONFIG,
  FLAG_REPAIRED,
  FRAME_HEADER_BYTES,
  FRAME_PAYLOAD_CHECKSUM,
  frameBytes,
  type FrameHeader,
  KIND_CHECKPOINT,
  KIND_ENTRIES,
  KIND_TRUNCATE,
  LENGTH_BYTES,
} from "../format/frame.ts";
import type { SegmentHeader } from "../format/segment_header.ts";
import { selectSegment } from "../log/select_segment.ts";

/**
 * The payload of a checkpoint that fills a gap. It is well below the size of a chunk, which replay reads at once. In
 * bytes.
 */
const FILLER_BYTES = 256 * 1024;
/** The largest range that is laid out at once, because it is held in memory. In bytes. */
export const ROOM_BYTES_MAX = 2 ** 32 - 8;
/**
 * Limits for the payload of a frame with several entries, in bytes. The first is the writer's. The second is
 * practically unlimited, for a range that held fewer and larger frames.
 */
const SHARED_PAYLOADS = [4096, 2 ** 30] as const;

/** Entries that share a frame. */
interface Group {
  readonly entries: readonly TakenEntry[];
  /** Bytes of the payload. */
  readonly length: number;
}

/**
 * Lays out frames, and fills the remaining space with empty checkpoints.
 *
 * @param codec The codec. Its chunk is overwritten.
 * @param header The segment's header.
 * @param offset Offset of the first frame.
 * @param room The available space, in bytes.
 * @param entries The entries, in order.
 * @param changes The number of changes after them.
 * @param cut A truncation to put before them: the first index that it drops, and the term of the entry before that;
 * `undefined` for none.
 * @returns The bytes that fill the space exactly; `undefined` if the frames do not fit.
 */
export function layRepair(
  codec: Codec,
  header: SegmentHeader,
  offset: number,
  room: number,
  entries: readonly TakenEntry[],
  changes: number,
  cut?: { readonly index: Index; readonly term: Term },
): Uint8Array | undefined {
  if (room < 0 || room > ROOM_BYTES_MAX) return undefined;
  const free = room - (cut === undefined ? 0 : FRAME_HEADER_BYTES);
  const groups = SHARED_PAYLOADS.map((most) => grouped(entries, most)).find((some) => bytesOf(some) <= free);
  if (groups === undefined) return undefined;
  const bytes = new Uint8Array(room);
  let at = 0;
  const put = (fields: Pick<FrameHeader, "kind" | "flags" | "term" | "index" | "count">, payload: Uint8Array) => {
    const frame = sealRepaired(codec, header, offset + at, { ...fields, changes: changes % CHANGES_END }, payload);
    bytes.set(frame, at);
    at += frame.length;
  };
  if (cut !== undefined) put({ kind: KIND_TRUNCATE, flags: 0, ...cut, count: 0 }, new Uint8Array(0));
  // The remaining space gets checkpoints. If it is too small for a frame, it becomes slack in the last frame.
  const left = free - bytesOf(groups);
  const slack = left < FRAME_HEADER_BYTES ? left : 0;
  if (slack > 0 && groups.length === 0) return undefined;
  groups.forEach(({ entries: some, length }, i) => {
    const [{ term, index, kind }] = some as [TakenEntry];
    const more = i === groups.length - 1 ? slack : 0;
    const payload = more === 0
      ? payloadOf(some, length)
      : slackPayload(some, frameBytes(length) - FRAME_HEADER_BYTES + more);
    if (payload === undefined) throw new RangeError("no room for the table");
    const count = more > 0 && some.length === 1 ? 0 : some.length;
    put({ kind: KIND_ENTRIES, flags: kind === "normal" ? 0 : FLAG_CONFIG, term, index, count }, payload);
  });
  while (at < room) {
    // The last filler takes the whole rest, so the rest never becomes too small for a frame.
    const rest = room - at - FRAME_HEADER_BYTES;
    const payload = rest < 2 * FILLER_BYTES ? rest : FILLER_BYTES;
    put({ kind: KIND_CHECKPOINT, flags: 0, term: 0, index: 0, count: 0 }, new Uint8Array(payload));
  }
  return bytes;
}

/**
 * Encodes and seals a frame that a repair writes.
 *
 * @param codec The codec. Its chunk is overwritten.
 * @param header The segment's header.
 * @param offset Offset of the frame.
 * @param fields The fields of its header.
 * @param payload Its payload.
 * @returns The frame, sealed.
 */
export function sealRepaired(
  codec: Codec,
  header: SegmentHeader,
  offset: number,
  fields: Omit<FrameHeader, "length" | "unproven">,
  payload: Uint8Array,
): Uint8Array {
  const flags = fields.flags | FLAG_REPAIRED;
  const head = encodeFrameHeader({ ...fields, flags, length: payload.length, unproven: 0 });
  new DataView(head.buffer).setBigUint64(FRAME_PAYLOAD_CHECKSUM, codec.hash(payload, 0n), true);
  codec.chunk.set(head);
  selectSegment(codec, header);
  // Position 0 is always durable, so the frame claims nothing about durability.
  codec.wasm.sealHeaderOnly(codec.chunkAt, header.baseLsn + offset, 0);
  const frame = new Uint8Array(frameBytes(payload.length));
  frame.set(codec.chunk.subarray(0, FRAME_HEADER_BYTES));
  frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}

/** Groups entries into frames. */
function grouped(entries: readonly TakenEntry[], mostPayload: number): Group[] {
  const groups: Group[] = [];
  for (let next = 0; next < entries.length;) {
    const first = entries[next]!;
    const group: TakenEntry[] = [];
    let commands = 0;
    for (; next < entries.length && group.length < COUNT_MAX; next++) {
      const entry = entries[next]!;
      const payload = commands + entry.command.length + (group.length + 1) * LENGTH_BYTES;
      const follows = entry.index === first.index + group.length && entry.term === first.term &&
        entry.kind === first.kind;
      if (group.length > 0 && (!follows || payload > mostPayload)) break;
      group.push(entry);
      commands += entry.command.length;
    }
    groups.push({ entries: group, length: commands + (group.length === 1 ? 0 : group.length * LENGTH_BYTES) });
  }
  return groups;
}

function bytesOf(groups: readonly Group[]): number {
  return groups.reduce((sum, { length }) => sum + frameBytes(length), 0);
}

/**
 * Encodes the payload of an entries frame.
 *
 * @param entries Its entries.
 * @param length The payload's size, in bytes.
 * @returns The payload; `undefined` if the entries have a different size.
 */
export function payloadOf(entries: readonly Pick<TakenEntry, "command">[], length: number): Uint8Array | undefined {
  const commands = entries.reduce((sum, { command }) => sum + command.length, 0);
  if (commands + (entries.length === 1 ? 0 : entries.length * LENGTH_BYTES) !== length) return undefined;
  const payload = new Uint8Array(length);
  if (entries.length === 1) payload.set(entries[0]!.command);
  else putCommands(payload, entries);
  return payload;
}

/**
 * Encodes the payload of an entries frame that a repair writes: a table, the commands, and perhaps slack after them.
 *
 * @param entries Its entries.
 * @param length The payload's size, in bytes.
 * @returns The payload; `undefined` if the entries do not fit.
 */
export function slackPayload(entries: readonly Pick<TakenEntry, "command">[], length: number): Uint8Array | undefined {
  const commands = entries.reduce((sum, { command }) => sum + command.length, 0);
  if (commands + entries.length * LENGTH_BYTES > length) return undefined;
  const payload = new Uint8Array(length);
  putCommands(payload, entries);
  return payload;
}

function putCommands(payload: Uint8Array, entries: readonly Pick<TakenEntry, "command">[]): void {
  const view = new DataView(payload.buffer);
  let at = entries.length * LENGTH_BYTES;
  entries.forEach(({ command }, i) => {
    view.setUint32(i * LENGTH_BYTES, command.length, true);
    payload.set(command, at);
    at += command.length;
  });
}
