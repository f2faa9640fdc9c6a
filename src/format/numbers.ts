/**
 * Numbers on the disk: little-endian and unsigned. JavaScript represents those below 2^53 exactly.
 *
 * @module
 */

import type { Term } from "../api/types.ts";

/** The term of an entry whose header is lost. Stored as all ones. */
export const TERM_UNKNOWN = -1;

/** Computes XXH3-64 of bytes with a seed, with the codec. */
export type Checksum = (bytes: Uint8Array, seed: bigint) => bigint;

/** The largest 64-bit number. */
export const U64_ONES = 0xffff_ffff_ffff_ffffn;

/** A view of some bytes. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Writes a term, all ones if it is unknown. */
export function setTerm(view: DataView, offset: number, term: Term): void {
  if (term === TERM_UNKNOWN) view.setBigUint64(offset, U64_ONES, true);
  else setSafe(view, offset, term);
}

/** Reads a term. */
export function getTerm(view: DataView, offset: number): Term {
  const wide = view.getBigUint64(offset, true);
  return wide === U64_ONES ? TERM_UNKNOWN : Number(wide);
}

/** Whether this library could have written 64 bits as a term. */
export function isTerm(view: DataView, offset: number): boolean {
  return areSafe(view, [offset]) || view.getBigUint64(offset, true) === U64_ONES;
}

/** Whether this library could have written the 64-bit numbers at some offsets. */
export function areSafe(view: DataView, offsets: readonly number[], end: number | bigint = 2 ** 53): boolean {
  return offsets.every((offset) => view.getBigUint64(offset, true) < BigInt(end));
}

/** Writes a number of at most 2^53. Avoids BigInt, which would dominate the cost. */
export function setSafe(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value, true);
  view.setUint32(offset + 4, value / 2 ** 32, true);
}

/** Reads a number below 2^53. */
export function safe(view: DataView, offset: number): number {
  return Number(view.getBigUint64(offset, true));
}
