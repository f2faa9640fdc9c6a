/**
 * Memory full of frames, for the exports of the WebAssembly module.
 *
 * @module
 */

import type { Codec } from "../../src/codec/codec.ts";
import {
  FLAGS_SHIFT,
  FRAME_CHANGES,
  FRAME_COUNT,
  FRAME_HEADER_BYTES,
  FRAME_HEADER_CHECKSUM,
  FRAME_INDEX,
  FRAME_KIND,
  FRAME_LENGTH,
  FRAME_PAYLOAD_CHECKSUM,
  FRAME_TERM,
  FRAME_UNPROVEN,
  frameBytes,
  KIND_ENTRIES,
  LENGTH_BYTES,
} from "../../src/format/frame.ts";
import type { Random } from "../../src/testing/mod.ts";
import { U64_EXTREMES, viewOf } from "./mutated_log.ts";

/** Frames with valid checksums and arbitrary fields, with noise and zeros between them. */
export function fillWithFrames(codec: Codec, random: Random, into: Uint8Array, salt: bigint, lsn: number): void {
  const content = new Uint8Array(into.length);
  const view = viewOf(content);
  for (let at = 0; at + FRAME_HEADER_BYTES <= content.length;) {
    const kind = random.below(10);
    const rest = content.length - at - FRAME_HEADER_BYTES;
    if (kind === 0) {
      const run = content.subarray(at, at + 8 * (1 + random.below(16)));
      random.fill(run);
      at += run.length;
      continue;
    }
    const payload = Math.min(random.below(random.chance(0.9) ? 60 : 2000), rest);
    random.fill(content.subarray(at + FRAME_HEADER_BYTES, at + FRAME_HEADER_BYTES + payload));
    const frameKind = random.chance(0.95) ? 1 + random.below(6) : random.below(16);
    const count = frameKind === KIND_ENTRIES ? random.pick([0, 1, 1, 2, 5]) : 0;
    if (count > 1 && random.chance(0.8)) fillTable(view, at + FRAME_HEADER_BYTES, count, payload);
    const wide = () => random.chance(0.6) ? BigInt(random.below(100)) : random.pick(U64_EXTREMES);
    const length = random.chance(0.9) ? payload : Number(random.pick(U64_EXTREMES) & 0xffffffffn);
    view.setUint32(at + FRAME_LENGTH, length, true);
    const sum = codec.hash(content.subarray(at + FRAME_HEADER_BYTES, at + FRAME_HEADER_BYTES + payload), 0n);
    view.setBigUint64(at + FRAME_PAYLOAD_CHECKSUM, random.chance(0.95) ? sum : sum ^ 1n, true);
    view.setBigUint64(at + FRAME_TERM, wide(), true);
    view.setBigUint64(at + FRAME_INDEX, wide(), true);
    view.setUint8(at + FRAME_KIND, frameKind | random.below(16) << FLAGS_SHIFT);
    view.setUint8(at + FRAME_CHANGES, random.chance(0.95) ? random.below(4) : random.below(256));
    view.setUint16(at + FRAME_COUNT, random.chance(0.95) ? count : random.below(65536), true);
    view.setUint32(at + FRAME_UNPROVEN, random.chance(0.5) ? random.below(5000) : random.next(), true);
    const position = BigInt.asUintN(64, salt ^ BigInt(Math.min(lsn + at, 2 ** 64 - 2048)));
    const headerChecksum = codec.hash(content.subarray(at + FRAME_LENGTH, at + FRAME_HEADER_BYTES), position);
    view.setUint32(at + FRAME_HEADER_CHECKSUM, Number(headerChecksum & 0xffffffffn), true);
    at += frameBytes(payload);
  }
  into.set(content);
}

/** Fills the table of a frame with lengths that add up to its payload, as far as it fits. */
function fillTable(view: DataView, at: number, count: number, payload: number): void {
  const commands = payload - count * LENGTH_BYTES;
  if (commands < 0) return;
  const each = Math.floor(commands / count);
  for (let i = 0; i < count; i++) {
    view.setUint32(at + i * LENGTH_BYTES, i < count - 1 ? each : commands - each * i, true);
  }
}
