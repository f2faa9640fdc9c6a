/**
 * The header block: the first 16 KiB of a segment. Disks often lose or tear a whole page of 4 KiB, so no page holds two
 * copies of the same data.
 *
 * ```text
 *      0 +----------------------+ page 0
 *        | header               |   written and flushed before the first frame, then never changed
 *   1024 +----------------------+
 *        | next-segment pointer |   zeros until the next segment is durable
 *   4096 +----------------------+ page 1
 *        | durable slot         |   rewritten alternately with the other one, never cleared
 *   8192 +----------------------+ page 2
 *        | durable slot         |
 *  12288 +----------------------+ page 3
 *        | header               |   as in page 0
 *  13312 +----------------------+
 *        | next-segment pointer |   written after the one in page 0 has been flushed
 *  16384 +----------------------+ frames
 * ```
 *
 * @module
 */

/** Size of the header block, in bytes. Frames begin after it. */
export const SEGMENT_HEADER_BYTES = 16_384;
/** Offsets of the two copies of the header. */
export const HEADER_OFFSETS = [0, 12_288] as const;
/** Offsets of the two copies of the next-segment pointer. */
export const NEXT_POINTER_OFFSETS = [1024, 13_312] as const;
/** Offsets of the two durable slots. */
export const DURABLE_SLOT_OFFSETS = [4096, 8192] as const;

/** Each part is written as a whole sector. In bytes. */
export const SECTOR_BYTES = 512;
