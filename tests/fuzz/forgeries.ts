/**
 * Mutations that recompute checksums, so that the library believes absurd values.
 *
 * @module
 */

import {
  FLAGS_SHIFT,
  FRAME_CHANGES,
  FRAME_COUNT,
  FRAME_HEADER_BYTES,
  FRAME_INDEX,
  FRAME_KIND,
  FRAME_LENGTH,
  FRAME_TERM,
  FRAME_UNPROVEN,
  frameBytes,
  KIND_MASK,
} from "../../src/format/frame.ts";
import {
  DURABLE_SLOT_OFFSETS,
  HEADER_OFFSETS,
  NEXT_POINTER_OFFSETS,
  SECTOR_BYTES,
  SEGMENT_HEADER_BYTES,
} from "../../src/format/header_block.ts";
import { IDENTITY_BYTES } from "../../src/format/identity.ts";
import { decodeSegmentHeader } from "../../src/format/segment_header.ts";
import { TRAILER_BYTES } from "../../src/format/segment_index.ts";
import { FIXED_HEADER_BYTES } from "../../src/format/snapshot_header.ts";
import { type MutatedLog, viewOf } from "./mutated_log.ts";
import { FOLDER } from "./originals.ts";

/** Changes a field of a frame's header, with valid checksums. */
export function forgeFrame(log: MutatedLog): void {
  const { random } = log;
  const segment = log.anySegment();
  if (segment === undefined) return;
  const { path, bytes, header } = segment;
  const frames = log.frames(bytes);
  const last = frames.at(-1);
  if (last === undefined) return;
  let at = random.chance(0.25) ? last : random.pick(frames);
  const view = viewOf(bytes);
  if (random.chance(0.15)) {
    // Adds a frame after the others.
    at = last + frameBytes(view.getUint32(last + FRAME_LENGTH, true));
    if (at + FRAME_HEADER_BYTES > bytes.length) return;
    view.setUint8(at + FRAME_KIND, 1 + random.below(6));
    view.setBigUint64(at + FRAME_TERM, log.wide(1n), true);
    view.setBigUint64(at + FRAME_INDEX, log.wide(view.getBigUint64(last + FRAME_INDEX, true)), true);
  }
  for (let changes = 1 + random.below(2); changes > 0; changes--) {
    const field = random.pick([
      "length",
      "length",
      "term",
      "index",
      "index",
      "kind",
      "changes",
      "count",
      "flags",
      "unproven",
    ]);
    log.note(`${field} of the frame at ${at} of ${path}`);
    if (field === "length") {
      view.setUint32(at + FRAME_LENGTH, log.narrow(view.getUint32(at + FRAME_LENGTH, true)), true);
    } else if (field === "term") {
      view.setBigUint64(at + FRAME_TERM, log.wide(view.getBigUint64(at + FRAME_TERM, true)), true);
    } else if (field === "index") {
      view.setBigUint64(at + FRAME_INDEX, log.wide(view.getBigUint64(at + FRAME_INDEX, true)), true);
    } else if (field === "kind") {
      view.setUint8(at + FRAME_KIND, (view.getUint8(at + FRAME_KIND) & ~KIND_MASK) | random.below(16));
    } else if (field === "flags") {
      view.setUint8(at + FRAME_KIND, (view.getUint8(at + FRAME_KIND) & KIND_MASK) | random.below(16) << FLAGS_SHIFT);
    } else if (field === "changes") view.setUint8(at + FRAME_CHANGES, random.below(4));
    else if (field === "count") view.setUint16(at + FRAME_COUNT, random.below(3), true);
    else view.setUint32(at + FRAME_UNPROVEN, log.narrow(view.getUint32(at + FRAME_UNPROVEN, true)), true);
  }
  log.sealFrame(bytes, at, header, random.chance(0.7));
}

/** Moves a valid frame to another place, sealed for it or not. */
export function moveFrame(log: MutatedLog): void {
  const { random } = log;
  const from = log.anySegment();
  const to = log.anySegment();
  if (from === undefined || to === undefined) return;
  const sources = log.frames(from.bytes);
  const targets = log.frames(to.bytes);
  if (sources.length === 0 || targets.length === 0) return;
  const source = random.pick(sources);
  const end = targets.at(-1)! + frameBytes(viewOf(to.bytes).getUint32(targets.at(-1)! + FRAME_LENGTH, true));
  const target = random.pick([...targets, end]);
  const frame = from.bytes.slice(
    source,
    source + frameBytes(viewOf(from.bytes).getUint32(source + FRAME_LENGTH, true)),
  );
  if (target + frame.length > to.bytes.length) return;
  const seals = random.chance(0.8);
  log.note(`the frame at ${source} of ${from.path} to ${target} of ${to.path}${seals ? ", sealed" : ""}`);
  to.bytes.set(frame, target);
  if (seals) log.sealFrame(to.bytes, target, to.header, false);
}

/** Changes fields of a segment's header, with valid checksums. */
export function forgeHeader(log: MutatedLog): void {
  const { random } = log;
  const segment = log.anySegment();
  if (segment === undefined) return;
  const { path, bytes } = segment;
  if (bytes.length < SEGMENT_HEADER_BYTES) return;
  const view = viewOf(bytes);
  const at = decodeSegmentHeader(bytes, 0, log.sum) === undefined ? HEADER_OFFSETS[1] : 0;
  for (let changes = 1 + random.below(2); changes > 0; changes--) {
    const field = random.pick([
      8,
      12,
      16,
      32,
      40,
      48,
      56,
      56,
      64,
      72,
      80,
      80,
      88,
      96,
      104,
      112,
      112,
      120,
      128,
      136,
      136,
    ]);
    log.note(`header of ${path}, field at ${field}`);
    if (field < 16 || field === 64) {
      view.setUint32(at + field, log.narrow(view.getUint32(at + field, true)), true);
    } else view.setBigUint64(at + field, log.wide(view.getBigUint64(at + field, true)), true);
  }
  view.setBigUint64(at + 400, log.sum(bytes.subarray(at, at + 400), 0n), true);
  const copies = random.chance(0.8);
  if (copies) bytes.copyWithin(at === 0 ? HEADER_OFFSETS[1] : 0, at, at + 512);
  const changed = log.segmentAt(path);
  // A new base LSN or salt needs new checksums of all frames. Otherwise the change would only lose all frames.
  if (changed === undefined || random.chance(0.3)) return;
  if (changed.baseLsn === segment.header.baseLsn && changed.salt === segment.header.salt) return;
  for (const frame of log.frames(bytes)) log.sealFrame(bytes, frame, changed, false);
  log.note("and all its frames");
}

/** Changes one copy of the next-segment pointer, or both, with valid checksums. */
export function forgePointer(log: MutatedLog): void {
  const { random } = log;
  const segment = log.anySegment();
  if (segment === undefined || segment.bytes.length < SEGMENT_HEADER_BYTES) return;
  const { path, bytes, header } = segment;
  const copies = random.chance(0.6) ? [...NEXT_POINTER_OFFSETS] : [random.pick(NEXT_POINTER_OFFSETS)];
  const forged = bytes.slice(copies[0]!, copies[0]! + SECTOR_BYTES);
  const view = viewOf(forged);
  if (random.chance(0.2)) {
    log.note(`no next segment for ${path}`);
    forged.fill(0);
  } else {
    view.setBigUint64(0, 0x584e474f4c4c4157n, true);
    for (const field of [8, 16, 24]) {
      if (random.chance(0.6)) view.setBigUint64(field, log.wide(view.getBigUint64(field, true)), true);
    }
    log.note(`next segment of ${path}: ${view.getBigUint64(8, true)}, end ${view.getBigUint64(16, true)}`);
    view.setBigUint64(32, log.sum(forged.subarray(0, 32), header.salt), true);
  }
  for (const offset of copies) bytes.set(forged, offset);
}

/** Changes a durable slot, with a valid checksum. */
export function forgeSlot(log: MutatedLog): void {
  const { random } = log;
  const segment = log.anySegment();
  if (segment === undefined || segment.bytes.length < SEGMENT_HEADER_BYTES) return;
  const { path, bytes, header } = segment;
  const offset = random.pick(DURABLE_SLOT_OFFSETS);
  const slot = bytes.subarray(offset, offset + SECTOR_BYTES);
  const view = viewOf(slot);
  view.setBigUint64(0, 0x5544474f4c4c4157n, true);
  for (const field of [8, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120, 128]) {
    if (random.chance(0.3)) view.setBigUint64(field, log.wide(view.getBigUint64(field, true)), true);
  }
  if (random.chance(0.3)) view.setUint32(16, log.narrow(view.getUint32(16, true)), true);
  log.note(`slot of ${path} at ${offset}: LSN ${view.getBigUint64(8, true)}`);
  const seed = BigInt.asUintN(64, header.salt ^ BigInt(header.baseLsn + offset));
  view.setBigUint64(136, log.sum(slot.subarray(0, 136), seed), true);
}

/** Changes a segment index, with valid checksums. Adds one at the end if the segment has none. */
export function forgeSegmentIndex(log: MutatedLog): void {
  const { random } = log;
  const segment = log.anySegment();
  if (segment === undefined) return;
  const { path, header } = segment;
  let { bytes } = segment;
  if (random.chance(0.2)) {
    const longer = new Uint8Array(bytes.length + TRAILER_BYTES);
    longer.set(bytes);
    log.files.set(path, bytes = longer);
  }
  const trailerAt = bytes.length - TRAILER_BYTES;
  if (trailerAt < SEGMENT_HEADER_BYTES) return;
  const view = viewOf(bytes);
  view.setBigUint64(trailerAt, 0x5446474f4c4c4157n, true);
  for (let changes = 1 + random.below(3); changes > 0; changes--) {
    const field = random.pick([8, 16, 24, 24, 28, 28, 32, 0, 1]);
    log.note(`segment index of ${path}, ${field === 0 ? "offsets" : field === 1 ? "runs" : `field at ${field}`}`);
    if (field >= 24 && field < 32) {
      view.setUint32(trailerAt + field, log.narrow(view.getUint32(trailerAt + field, true)), true);
    } else if (field >= 8) {
      view.setBigUint64(trailerAt + field, log.wide(view.getBigUint64(trailerAt + field, true)), true);
    } else if (field === 1) {
      const runs = view.getUint32(trailerAt + 28, true);
      const at = trailerAt - 16 * (1 + random.below(Math.max(1, Math.min(runs, 8))));
      if (at >= SEGMENT_HEADER_BYTES) {
        view.setBigUint64(at + 8 * random.below(2), log.wide(view.getBigUint64(at, true)), true);
      }
    } else {
      const offset = Number(view.getBigUint64(trailerAt + 8, true)) + FRAME_HEADER_BYTES + 4 * random.below(8);
      if (offset + 4 <= trailerAt) view.setUint32(offset, log.narrow(view.getUint32(offset, true)), true);
    }
  }
  if (random.chance(0.9)) {
    const runBytes = view.getUint32(trailerAt + 28, true) * 16;
    if (runBytes <= trailerAt) {
      view.setBigUint64(trailerAt + 40, log.sum(bytes.subarray(trailerAt - runBytes, trailerAt), 0n), true);
    }
    const begin = Number(view.getBigUint64(trailerAt + 8, true)) + FRAME_HEADER_BYTES;
    const offsetBytes = Math.ceil(view.getUint32(trailerAt + 24, true) / 2) * 8;
    if (begin + offsetBytes <= bytes.length) {
      view.setBigUint64(trailerAt + 48, log.sum(bytes.subarray(begin, begin + offsetBytes), 0n), true);
    }
  }
  view.setBigUint64(trailerAt + 56, log.sum(bytes.subarray(trailerAt, trailerAt + 56), header.salt), true);
}

export function forgeSnapshot(log: MutatedLog): void {
  const { random } = log;
  const path = log.anyPath(/\.snap$/);
  if (path === undefined) return forgeFrame(log);
  const bytes = log.files.get(path)!;
  if (bytes.length < 64 + 24) return;
  const view = viewOf(bytes);
  const piecesAt = sumOfSnapshotAt(view) + 8;
  if (random.chance(0.5)) {
    const field = random.pick([8, 12, 12, 16, 32, 40, 48, 56, 56, 64]);
    log.note(`header of ${path}, field at ${field}`);
    if (field < 16 || field === 56) view.setUint32(field, log.narrow(view.getUint32(field, true)), true);
    else view.setBigUint64(field, log.wide(view.getBigUint64(field, true)), true);
    const sumAt = sumOfSnapshotAt(view);
    if (sumAt + 8 <= bytes.length) view.setBigUint64(sumAt, log.sum(bytes.subarray(0, sumAt), 0n), true);
    return;
  }
  const at = random.chance(0.6) ? bytes.length - 24 : piecesAt;
  if (at + 24 > bytes.length) return;
  const field = random.pick([8, 8, 12, 16]);
  log.note(`piece at ${at} of ${path}, field at ${field}`);
  if (field === 16) view.setBigUint64(at + 16, log.wide(view.getBigUint64(at + 16, true)), true);
  else view.setUint32(at + field, log.narrow(view.getUint32(at + field, true)), true);
  const end = at + 16 + view.getUint32(at + 8, true);
  if (end > bytes.length) return;
  const seed = BigInt.asUintN(64, view.getBigUint64(48, true) ^ BigInt(at));
  view.setBigUint64(at, log.sum(bytes.subarray(at + 8, end), seed), true);
}

export function forgeIdentity(log: MutatedLog): void {
  const path = `${FOLDER}/IDENTITY`;
  const bytes = log.files.get(path);
  if (bytes === undefined || bytes.length < IDENTITY_BYTES) return;
  const view = viewOf(bytes);
  const end = bytes.length - 8;
  const field = log.random.pick([0, 8, 16, 24, 32, 40, 48, 56]);
  log.note(`IDENTITY, field at ${field}`);
  view.setBigUint64(field, log.wide(view.getBigUint64(field, true)), true);
  view.setBigUint64(end, log.sum(bytes.subarray(0, end), 0n), true);
}

/** Offset of the checksum in a snapshot's header, according to its counts. */
function sumOfSnapshotAt(view: DataView): number {
  return FIXED_HEADER_BYTES + view.getUint32(12, true) * 8 + Math.ceil(view.getUint32(56, true) / 8) * 8;
}
