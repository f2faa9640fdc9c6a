/**
 * The frames of a log as they lie in its segments, for `wal-log dump --frames`.
 *
 * @module
 */

import type { Codec } from "../codec/codec.ts";
import { decodeCheckpoint } from "../format/checkpoint.ts";
import {
  decodeVote,
  FLAG_CLEAR,
  FLAG_CLOSE,
  FLAG_CONFIG,
  FLAG_COPY,
  FLAG_MORE,
  FLAG_REPAIRED,
  FRAME_HEADER_BYTES,
  FRAME_PAYLOAD_CHECKSUM,
  frameBytes,
  KIND_CHECKPOINT,
  KIND_ENTRIES,
  KIND_HARD_STATE,
  KIND_SEGMENT_INDEX,
  KIND_SNAPSHOT,
  KIND_TRUNCATE,
  UNPROVEN_UNKNOWN,
} from "../format/frame.ts";
import { openSized } from "../io/sized_file.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import type { Segment } from "../log/segment.ts";
import { hardStateJson } from "./command.ts";
import { BufferedFile, type FoundFrame, frameHeaders } from "./frame_headers.ts";
import { nameOf } from "./text.ts";

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
    const read = new BufferedFile(file);
    const { baseLsn } = segment.header;
    const row = (offset: number, bytes: number, fields: Fields): FrameRow => ({
      lsn: baseLsn + offset,
      segment: nameOf(segment.path),
      offset,
      bytes,
      ...fields,
    });
    for (const found of frameHeaders(codec, segment, read, size)) {
      const { offset } = found;
      if (found.kind === "gap") {
        const isPreallocation = found.isZero && offset + found.bytes === size;
        if (!isPreallocation) yield row(offset, found.bytes, { kind: "gap" });
        continue;
      }
      const { header, head } = found;
      const payload = read.at(offset + FRAME_HEADER_BYTES, header.length);
      const sum = new DataView(head.buffer).getBigUint64(FRAME_PAYLOAD_CHECKSUM, true);
      const isValid = payload.length === header.length && codec.hash(payload, 0n) === sum;
      yield row(offset, frameBytes(header.length), describe(found, baseLsn + offset, payload, isValid));
    }
  } finally {
    file.close();
  }
}

function describe(frame: FoundFrame, lsn: number, payload: Uint8Array, isValid: boolean): Fields {
  const { flags, changes, unproven } = frame.header;
  const names = [
    [FLAG_COPY, "copy"],
    [FLAG_REPAIRED, "repaired"],
    [FLAG_MORE, "more"],
  ] as const;
  return {
    ...ofKind(frame, lsn, payload, isValid),
    changes,
    // Everything below is durable.
    provenLsn: unproven === UNPROVEN_UNKNOWN ? null : lsn - unproven,
    flags: names.filter(([flag]) => (flags & flag) !== 0).map(([, name]) => name),
    payload: isValid ? "valid" : "damaged",
  };
}

function ofKind({ header, head }: FoundFrame, lsn: number, payload: Uint8Array, isValid: boolean): Fields {
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
    case KIND_HARD_STATE: {
      const vote = decodeVote(head);
      return { kind: "hard state", term, votedFor: vote === null ? null : String(vote) };
    }
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
