/**
 * Numbers on the disk: little-endian and unsigned. JavaScript computes with those below 2^53.
 *
 * @module
 */

import type { Term } from "../api/types.ts";

/** Term of an entry whose header is lost. Stored as all ones. */
export const TERM_UNKNOWN = -1;

/** XXH3-64 of some bytes with a seed: the codec's. */
export type Checksum = (bytes: Uint8Array, seed: bigint) => bigint;

/** The largest number of 64 bits. */
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

/** Whether 64 bits are a term that this library would have written. */
export function isTerm(view: DataView, offset: number): boolean {
  return areSafe(view, [offset]) || view.getBigUint64(offset, true) === U64_ONES;
}

/** Whether the 64-bit numbers at some offsets are ones that this library would have written. */
export function areSafe(view: DataView, offsets: readonly number[], end: number | bigint = 2 ** 53): boolean {
  return offsets.every((offset) => view.getBigUint64(offset, true) < BigInt(end));
}

/** Writes a number of at most 2^53, without the detour over a BigInt, which costs more than all the rest. */
export function setSafe(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value, true);
  view.setUint32(offset + 4, value / 2 ** 32, true);
}

/** Reads a number below 2^53. */
export function safe(view: DataView, offset: number): number {
  return Number(view.getBigUint64(offset, true));
}
