/**
 * The frames of a log as they lie in its segments, for `wal-log dump --frames`.
 *
 * @module
 */

import type { Codec } from "../codec/codec.ts";
import { decodeCheckpoint } from "../format/checkpoint.ts";
import {
  decodeFrameHeader,
  FLAG_CLEAR,
  FLAG_CLOSE,
  FLAG_CONFIG,
  FLAG_COPY,
  FLAG_MORE,
  FLAG_REPAIRED,
  FLAG_VOTE,
  FRAME_ALIGNMENT,
  FRAME_HEADER_BYTES,
  FRAME_PAYLOAD_CHECKSUM,
  frameBytes,
  type FrameHeader,
  KIND_CHECKPOINT,
  KIND_ENTRIES,
  KIND_HARD_STATE,
  KIND_SEGMENT_INDEX,
  KIND_SNAPSHOT,
  KIND_TRUNCATE,
  UNPROVEN_UNKNOWN,
} from "../format/frame.ts";
import { SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import { readFull } from "../io/full.ts";
import { openSized, type SizedFile } from "../io/sized_file.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import type { Segment } from "../log/segment.ts";
import { selectSegment } from "../log/select_segment.ts";
import { hardStateJson } from "./command.ts";
import { nameOf } from "./text.ts";

/** The size of one read, in bytes. */
const BUFFER_BYTES = 256 * 1024;

/** A frame or a gap, with the common fields and those of its kind. */
export interface FrameRow {
  readonly lsn: number;
  readonly segment: string;
  readonly offset: number;
  readonly bytes: number;
  /** `gap`: no header is valid there. */
  readonly kind: string;
  readonly [field: string]: unknown;
}

/** The fields of a kind. */
interface Fields {
  readonly kind: string;
  readonly [field: string]: unknown;
}

/** Reads a file through a buffer. */
class Buffered {
  private readonly file: SizedFile;
  private readonly buffer = new Uint8Array(BUFFER_BYTES);
  private start = 0;
  private filled = 0;

  constructor(file: SizedFile) {
    this.file = file;
  }

  /** A range of the file, shorter at the end of the file. */
  at(offset: number, bytes: number): Uint8Array {
    if (bytes > BUFFER_BYTES) {
      const whole = new Uint8Array(bytes);
      return whole.subarray(0, readFull(this.file, whole, offset));
    }
    if (offset < this.start || offset + bytes > this.start + this.filled) {
      this.start = offset;
      this.filled = readFull(this.file, this.buffer, offset);
    }
    return this.buffer.subarray(offset - this.start, Math.min(offset - this.start + bytes, this.filled));
  }
}

/**
 * Walks the frames of a segment, and skips damage.
 *
 * @param codec The codec. Its chunk is overwritten.
 * @param segment The segment.
 * @returns The frames, up to the preallocation.
 */
export function* framesIn(codec: Codec, segment: Segment): Generator<FrameRow> {
  const file = openSized(nodeFileSystem, segment.path);
  try {
    const size = file.size();
    const read = new Buffered(file);
    const { baseLsn } = segment.header;
    const row = (offset: number, bytes: number, fields: Fields): FrameRow => ({
      lsn: baseLsn + offset,
      segment: nameOf(segment.path),
      offset,
      bytes,
      ...fields,
    });
    let gap: number | undefined;
    let isZero = true;
    for (let at = SEGMENT_HEADER_BYTES; at + FRAME_HEADER_BYTES <= size;) {
      const head = read.at(at, FRAME_HEADER_BYTES).slice();
      const header = validHeader(codec, segment, head, at);
      if (header === undefined) {
        isZero = (gap === undefined || isZero) && head.subarray(0, FRAME_ALIGNMENT).every((byte) => byte === 0);
        gap ??= at;
        at += FRAME_ALIGNMENT;
        continue;
      }
      if (gap !== undefined) yield row(gap, at - gap, { kind: "gap" });
      gap = undefined;
      const payload = read.at(at + FRAME_HEADER_BYTES, header.length);
      const sum = new DataView(head.buffer).getBigUint64(FRAME_PAYLOAD_CHECKSUM, true);
      const isValid = payload.length === header.length && codec.hash(payload, 0n) === sum;
      yield row(at, frameBytes(header.length), describe(header, baseLsn + at, payload, isValid));
      at += frameBytes(header.length);
    }
    if (gap !== undefined && !isZero) yield row(gap, size - gap, { kind: "gap" });
  } finally {
    file.close();
  }
}

function validHeader(codec: Codec, segment: Segment, head: Uint8Array, offset: number): FrameHeader | undefined {
  if (head.length < FRAME_HEADER_BYTES) return undefined;
  codec.chunk.set(head);
  selectSegment(codec, segment.header);
  if (codec.wasm.checkHeader(codec.chunkAt, segment.header.baseLsn + offset) !== 0) return undefined;
  return decodeFrameHeader(head);
}

function describe(header: FrameHeader, lsn: number, payload: Uint8Array, isValid: boolean): Fields {
  const { flags, changes, unproven } = header;
  const names = [
    [FLAG_COPY, "copy"],
    [FLAG_REPAIRED, "repaired"],
    [FLAG_MORE, "more"],
  ] as const;
  return {
    ...ofKind(header, lsn, payload, isValid),
    changes,
    // Everything below is durable.
    provenLsn: unproven === UNPROVEN_UNKNOWN ? null : lsn - unproven,
    flags: names.filter(([flag]) => (flags & flag) !== 0).map(([, name]) => name),
    payload: isValid ? "valid" : "damaged",
  };
}

function ofKind(header: FrameHeader, lsn: number, payload: Uint8Array, isValid: boolean): Fields {
  const { kind, flags, term, index, count } = header;
  switch (kind) {
    case KIND_ENTRIES: {
      const lastIndex = index + Math.max(count, 1) - 1;
      return {
        kind: (flags & FLAG_CONFIG) === 0 ? "entries" : "config entries",
        term,
        firstIndex: index,
        lastIndex,
      };
    }
    case KIND_HARD_STATE:
      return { kind: "hard state", term, votedFor: (flags & FLAG_VOTE) === 0 ? null : String(index) };
    case KIND_TRUNCATE:
      return { kind: "truncate", fromIndex: index, term };
    case KIND_SNAPSHOT:
      return { kind: "snapshot", index, term, clears: (flags & FLAG_CLEAR) !== 0 };
    case KIND_CHECKPOINT: {
      const state = isValid && (flags & FLAG_REPAIRED) === 0 ? decodeCheckpoint(payload, lsn)?.state : undefined;
      return {
        kind: (flags & FLAG_CLOSE) === 0 ? "checkpoint" : "closing checkpoint",
        nextIndex: index,
        term,
        hardState: state === undefined ? null : hardStateJson(state.hardState),
      };
    }
    case KIND_SEGMENT_INDEX:
      return { kind: "segment index" };
    default:
      return { kind: `kind ${kind}` };
  }
}

/**
 * A frame as a line.
 *
 * @param row The frame.
 * @returns The line: LSN, segment, offset, bytes, kind, and the fields of the kind.
 */
export function frameLine({ lsn, segment, offset, bytes, kind, ...fields }: FrameRow): string {
  const shown = Object.entries(fields)
    .filter(([name, value]) =>
      !(name === "payload" && value === "valid") && !(Array.isArray(value) && value.length === 0)
    )
    .map(([name, value]) => `${name}=${Array.isArray(value) ? value.join("+") : fieldText(value)}`);
  const place = `${String(lsn).padStart(12)}  ${segment.replace(".seg", "")}  ${String(offset).padStart(9)}`;
  return `${place}  ${String(bytes).padStart(7)}  ${kind.padEnd(18)}  ${shown.join(" ")}`.trimEnd();
}

function fieldText(value: unknown): string {
  if (value === null) return "-";
  if (typeof value !== "object") return String(value);
  return Object.values(value as object).map((one) => one ?? "-").join(",");
}
