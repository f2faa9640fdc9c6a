/**
 * Selects the segment that the codec works on.
 *
 * @module
 */

import { type Codec, SLOT_BASE_LSN, SLOT_SALT } from "../codec/codec.ts";
import type { SegmentHeader } from "../format/segment_header.ts";

/**
 * Makes a segment the one whose frames the codec checks and seals.
 *
 * @param codec The codec.
 * @param header The segment's header.
 */
export function selectSegment(codec: Codec, header: Pick<SegmentHeader, "salt" | "baseLsn">): void {
  codec.setWide(SLOT_SALT, header.salt);
  codec.set(SLOT_BASE_LSN, header.baseLsn);
}
