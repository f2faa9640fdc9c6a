/** Seals frames before they are written, and checks frames that were read. */

import {
  FLAGS_SHIFT, FLAG_CLOSE, FLAG_COPY, FLAG_REPAIRED, FRAME_COUNT, FRAME_HEADER_BYTES, FRAME_INDEX, FRAME_KIND, FRAME_LENGTH,
  FRAME_PAYLOAD_CHECKSUM, FRAME_HEADER_CHECKSUM, FRAME_TERM, FRAME_UNPROVEN, KIND_CHECKPOINT, KIND_ENTRIES,
  KIND_HARD_STATE, KIND_MASK, KIND_SEGMENT_INDEX, KIND_SKIPPED, PAYLOAD_BYTES_MAX, SAFE_INTEGER_MAX, SCAN_BAD_HEADER,
  SCAN_BAD_PAYLOAD, SLOT_LAST_CHECKSUM, SLOT_SALT, UNPROVEN_UNKNOWN,
} from "./layout";
import { frameBytes, setSlot, slot } from "./state";
import { xxh3, xxh3Header } from "./xxh3";

// @ts-ignore: decorator
@inline
export function headerChecksum(frame: usize, seed: u64): u32 {
  return xxh3Header(frame + FRAME_LENGTH, seed) as u32;
}

/** Bytes from the proven LSN to the frame; "unknown" if the number does not fit 32 bits. */
// @ts-ignore: decorator
@inline
function unproven(lsn: u64, proven: u64): u32 {
  const distance = lsn - proven;
  return distance < (UNPROVEN_UNKNOWN as u64) ? distance as u32 : UNPROVEN_UNKNOWN;
}

/**
 * Whether the 40 bytes at `frame` are a frame header of this segment at this LSN. The checksum has only 32 bits, and a
 * search tests millions of offsets. So the fields are checked too.
 */
// @ts-ignore: decorator
@inline
export function headerIsValid(frame: usize, seed: u64): bool {
  if (load<u32>(frame, FRAME_HEADER_CHECKSUM) != headerChecksum(frame, seed)) return false;
  const kindAndFlags = load<u8>(frame, FRAME_KIND) as u32;
  const kind = kindAndFlags & KIND_MASK;
  const count = load<u16>(frame, FRAME_COUNT) as u64;
  if (load<u32>(frame, FRAME_LENGTH) > PAYLOAD_BYTES_MAX) return false;
  const canHaveCount = kind == KIND_ENTRIES ? count != 0 || (kindAndFlags & (FLAG_REPAIRED << FLAGS_SHIFT)) != 0 : count == 0;
  if (!canHaveCount) return false;
  if (kind >= KIND_SKIPPED) return true;
  if (kind - KIND_ENTRIES > KIND_SEGMENT_INDEX - KIND_ENTRIES || load<u64>(frame, FRAME_TERM) > SAFE_INTEGER_MAX) return false;
  if (kind == KIND_HARD_STATE) return true;
  // The next index, in a checkpoint or after the last entry, is at most one more than the highest index.
  const index = load<u64>(frame, FRAME_INDEX);
  return index <= SAFE_INTEGER_MAX + ((kind == KIND_CHECKPOINT) as u64) && index + count <= SAFE_INTEGER_MAX + 1;
}

/** The number of entries in an entries frame. If the count is 0, a repair wrote it: it has one entry and a table. */
// @ts-ignore: decorator
@inline
export function entriesIn(frame: usize): u64 {
  return max<u64>(load<u16>(frame, FRAME_COUNT) as u64, 1);
}

/**
 * Whether the lengths in an entries frame add up to its payload. A frame from a repair may have slack at its end.
 *
 * @param frame The frame. Its payload checksum is valid.
 */
// @ts-ignore: decorator
@inline
export function lengthsFit(frame: usize, flags: u32): bool {
  const count = load<u16>(frame, FRAME_COUNT) as u32;
  if (count == 1) return true;
  const length = load<u32>(frame, FRAME_LENGTH) as u64;
  const table = max<u32>(count, 1) << 2;
  if ((table as u64) > length) return false;
  let sum: u64 = table as u64;
  const lengths = frame + FRAME_HEADER_BYTES;
  for (let at: u32 = 0; at < table; at += 4) sum += load<u32>(lengths + at) as u64;
  return sum == length || (sum < length && (flags & FLAG_REPAIRED) != 0);
}

/**
 * Seals the frames that fill a range. The caller has written kind, length, term, index and payload. This adds padding,
 * the distance to the proven LSN, and checksums.
 *
 * @param lsn LSN of the first frame.
 * @param proven The proven LSN.
 */
export function seal(at: usize, bytes: u32, lsn: f64, proven: f64): void {
  const salt = slot(SLOT_SALT);
  const end = at + bytes;
  let position = lsn as u64;
  const durable = proven as u64;
  while (at < end) {
    const length = load<u32>(at, FRAME_LENGTH);
    const total = frameBytes(length);
    const payload = at + FRAME_HEADER_BYTES;
    for (let pad = payload + length, until = at + total; pad < until; pad++) store<u8>(pad, 0);
    store<u64>(at, xxh3(payload, length), FRAME_PAYLOAD_CHECKSUM);
    sealHeader(at, position, durable, salt);
    at += total;
    position += total as u64;
  }
}

/** Seals a header that already has its payload checksum. */
// @ts-ignore: decorator
@inline
function sealHeader(frame: usize, lsn: u64, proven: u64, salt: u64): void {
  store<u32>(frame, unproven(lsn, proven), FRAME_UNPROVEN);
  const sum = headerChecksum(frame, salt ^ lsn);
  store<u32>(frame, sum, FRAME_HEADER_CHECKSUM);
  setSlot(SLOT_LAST_CHECKSUM, sum as u64);
}

/** Seals a header that already has its payload checksum. The payload need not be in memory. */
export function sealHeaderOnly(frame: usize, lsn: f64, proven: f64): void {
  sealHeader(frame, lsn as u64, proven as u64, slot(SLOT_SALT));
}

/**
 * Seals frames again for another position. Payloads and payload checksums stay unchanged, so the original checksum
 * still protects the bytes.
 *
 * @param skip Bytes at the start that belong to the payload of an earlier header.
 * @returns The number of bytes done: up to the first incomplete header, or past the end if a payload continues there.
 */
export function resealCopies(at: usize, bytes: u32, skip: u32, lsn: f64, proven: f64): f64 {
  const salt = slot(SLOT_SALT);
  const durable = proven as u64;
  const start = at;
  let done: u64 = skip as u64;
  while (done + (FRAME_HEADER_BYTES as u64) <= (bytes as u64)) {
    const frame = start + (done as usize);
    let kind = (load<u8>(frame, FRAME_KIND) as u32) | (FLAG_COPY << FLAGS_SHIFT);
    if ((kind & KIND_MASK) == KIND_CHECKPOINT) kind &= ~(FLAG_CLOSE << FLAGS_SHIFT);
    store<u8>(frame, kind as u8, FRAME_KIND);
    sealHeader(frame, (lsn as u64) + done, durable, salt);
    done += frameBytes(load<u32>(frame, FRAME_LENGTH)) as u64;
  }
  return done as f64;
}

/** Checks a complete frame. Returns 0, or the fault. */
export function checkFrame(frame: usize, bytes: u32, lsn: f64): u32 {
  if (bytes < FRAME_HEADER_BYTES || !headerIsValid(frame, slot(SLOT_SALT) ^ (lsn as u64))) return SCAN_BAD_HEADER;
  const length = load<u32>(frame, FRAME_LENGTH);
  if (bytes < frameBytes(length) || xxh3(frame + FRAME_HEADER_BYTES, length) != load<u64>(frame, FRAME_PAYLOAD_CHECKSUM)) {
    return SCAN_BAD_PAYLOAD;
  }
  const kindAndFlags = load<u8>(frame, FRAME_KIND) as u32;
  const isEntries = (kindAndFlags & KIND_MASK) == KIND_ENTRIES;
  return isEntries && !lengthsFit(frame, kindAndFlags >> FLAGS_SHIFT) ? SCAN_BAD_PAYLOAD : 0;
}

/** Checks a header. Returns 0, or the fault. */
export function checkHeader(frame: usize, lsn: f64): u32 {
  return headerIsValid(frame, slot(SLOT_SALT) ^ (lsn as u64)) ? 0 : SCAN_BAD_HEADER;
}
