/**
 * The checksum in the keys of objects. It is the checksum of the last block of 1 MiB, and the seed of each block is the
 * checksum of the block before it. So the checksum of an object of any size can be computed in parts.
 *
 * @module
 */

import { CHUNK_BYTES, type Codec } from "../codec/codec.ts";

/** The size of a block, in bytes. */
export const CHECKSUM_BLOCK_BYTES: number = CHUNK_BYTES;

/**
 * Continues a checksum.
 *
 * @param codec A codec. Its chunk is overwritten.
 * @param before The checksum of the bytes before; 0 if there are none. They must be whole blocks.
 * @param bytes The next bytes.
 * @returns The checksum of both.
 */
export function addToChecksum(codec: Codec, before: bigint, bytes: Uint8Array): bigint {
  let checksum = before;
  for (let done = 0; done < bytes.length; done += CHECKSUM_BLOCK_BYTES) {
    checksum = codec.hash(bytes.subarray(done, done + CHECKSUM_BLOCK_BYTES), checksum);
  }
  return checksum;
}
