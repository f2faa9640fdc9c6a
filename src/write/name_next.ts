/**
 * Writes next-segment pointers. A pointer in the previous segment makes a segment part of the log.
 *
 * @module
 */

import type { Codec } from "../codec/codec.ts";
import { WalLogError } from "../api/errors.ts";
import { NEXT_POINTER_OFFSETS, SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import { decodeNextPointer, encodeNextPointer } from "../format/next_pointer.ts";
import type { File, FileSystem } from "../io/file_system.ts";
import { readFull, writeFull } from "../io/full.ts";
import type { Segment } from "../log/segment.ts";

/**
 * Fails if a segment's pointer names a segment that this writer does not know: another writer has continued the log.
 *
 * @param file The segment's file.
 * @param codec The codec.
 * @param segment The segment.
 * @param known The number that the pointer may name; `undefined` if it must be empty.
 * @throws {WalLogError} `LOCK_LOST`.
 */
export function requireUnnamed(file: File, codec: Codec, { path, header }: Segment, known: number | undefined): void {
  const block = new Uint8Array(SEGMENT_HEADER_BYTES);
  readFull(file, block, 0);
  const nextPointer = decodeNextPointer(block, true, header.salt, (bytes, seed) => codec.hash(bytes, seed));
  if (nextPointer.kind !== "named" || nextPointer.next.number === known) return;
  const { number } = nextPointer.next;
  const message = `Another writer has continued the log: ${path} names segment ${number} as the next one`;
  throw new WalLogError("LOCK_LOST", message, { path });
}

/**
 * Makes the pointer from a segment to the next one. The next one must have been flushed completely.
 *
 * @param codec The codec.
 * @param segment The segment.
 * @param next The next segment.
 * @param endLsn The LSN at the end of the segment.
 * @returns The sector to write.
 */
export function encodePointer(codec: Codec, { header }: Segment, next: Segment, endLsn: number): Uint8Array {
  const pointer = { number: next.header.number, endLsn, durableLsn: next.endLsn };
  return encodeNextPointer(pointer, header.salt, (bytes, seed) => codec.hash(bytes, seed));
}

/**
 * Writes both copies of a pointer, and flushes after each.
 *
 * @param file The segment's file.
 * @param pointer The sector from {@link encodePointer}.
 */
export function writePointer(file: File, pointer: Uint8Array): void {
  for (const offset of NEXT_POINTER_OFFSETS) {
    writeFull(file, pointer, offset);
    file.sync();
  }
}

/**
 * Makes a segment part of the log durably, by naming it in the previous one.
 *
 * @param fileSystem The machine.
 * @param codec The codec.
 * @param segment The previous segment.
 * @param next The segment to name.
 * @param durableLsn The LSN below which the segment is known to be durable.
 * @param known The number that the previous segment may already name. Default: the number of the segment.
 * @throws {WalLogError} `LOCK_LOST`, as {@link requireUnnamed}.
 */
export function nameNextSegment(
  fileSystem: FileSystem,
  codec: Codec,
  segment: Segment,
  { header: { number, baseLsn } }: Segment,
  durableLsn: number,
  known: number = number,
): void {
  const file = fileSystem.open(segment.path, "write");
  try {
    file.requireNamed?.();
    requireUnnamed(file, codec, segment, known);
    const pointer = { number, endLsn: baseLsn, durableLsn };
    writePointer(file, encodeNextPointer(pointer, segment.header.salt, (bytes, seed) => codec.hash(bytes, seed)));
  } finally {
    file.close();
  }
}
