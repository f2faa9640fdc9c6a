/**
 * The pieces of a snapshot file. They follow the header (snapshot_header.ts).
 *
 * ```text
 *   0  u64 XXH3-64 of the rest without the padding, seeded with salt XOR the piece's offset
 *   8  u32 length
 *  12  u32 flags: 1 in the last piece, whose data is the number of data bytes as a u64
 *  16  data, padded with zeros to 8 bytes
 * ```
 *
 * @module
 */

import { type Checksum, viewOf } from "./numbers.ts";

/** Bytes before a piece's data. */
export const PIECE_HEADER_BYTES = 16;
/** Data per piece: the most that is in memory at once. */
export const PIECE_BYTES = 512 * 1024;
/** The length of the last piece, with its header. */
export const LAST_PIECE_BYTES: number = PIECE_HEADER_BYTES + 8;
/** Bytes at the start of a piece that its checksum does not cover. */
export const PIECE_CHECKSUM_BYTES = 8;

const FLAG_LAST = 1;

/** The header of a piece. */
export interface PieceHeader {
  readonly checksum: bigint;
  /** Bytes of data. */
  readonly length: number;
  readonly isLast: boolean;
}

/**
 * Writes the header of a piece before its data, and the padding after it.
 *
 * @param piece Room for a piece, with the data at {@link PIECE_HEADER_BYTES}.
 * @param length Bytes of data.
 * @param isLast Whether this is the last piece.
 * @param seed The salt XOR the piece's offset.
 * @param sum The checksum.
 * @returns The bytes of the piece: a part of `piece`.
 */
export function sealPiece(piece: Uint8Array, length: number, isLast: boolean, seed: bigint, sum: Checksum): Uint8Array {
  const view = viewOf(piece);
  view.setUint32(8, length, true);
  view.setUint32(12, isLast ? FLAG_LAST : 0, true);
  const end = PIECE_HEADER_BYTES + length;
  view.setBigUint64(0, sum(piece.subarray(PIECE_CHECKSUM_BYTES, end), seed), true);
  const padded = paddedPieceBytes(length);
  piece.fill(0, end, padded);
  return piece.subarray(0, padded);
}

/**
 * Reads the header of a piece.
 *
 * @param header The first {@link PIECE_HEADER_BYTES} bytes.
 * @returns The header; `undefined` if it is invalid.
 */
export function decodePieceHeader(header: Uint8Array): PieceHeader | undefined {
  const view = viewOf(header);
  const length = view.getUint32(8, true);
  const flags = view.getUint32(12, true);
  if (length > PIECE_BYTES || flags > FLAG_LAST) return undefined;
  return { checksum: view.getBigUint64(0, true), length, isLast: flags === FLAG_LAST };
}

/**
 * The length of a piece in the file.
 *
 * @param length Bytes of its data.
 * @returns The bytes of header, data and padding.
 */
export function paddedPieceBytes(length: number): number {
  return Math.ceil((PIECE_HEADER_BYTES + length) / 8) * 8;
}

/**
 * The length of all pieces in the file.
 *
 * @param dataBytes Bytes of the snapshot's data.
 * @returns The bytes of all pieces, the last one included.
 */
export function allPiecesBytes(dataBytes: number): number {
  const rest = dataBytes % PIECE_BYTES;
  const full = (dataBytes - rest) / PIECE_BYTES;
  return full * paddedPieceBytes(PIECE_BYTES) + (rest > 0 ? paddedPieceBytes(rest) : 0) + LAST_PIECE_BYTES;
}
