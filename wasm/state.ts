/** Access to the state block, and the size of a frame. */

import { FRAME_HEADER_BYTES, STATE } from "./layout";

// @ts-ignore: decorator
@inline
export function slot(number: u32): u64 {
  return load<u64>(STATE + (number << 3));
}

// @ts-ignore: decorator
@inline
export function setSlot(number: u32, value: u64): void {
  store<u64>(STATE + (number << 3), value);
}

/** Bytes of a frame with its padding. */
// @ts-ignore: decorator
@inline
export function frameBytes(length: u32): u32 {
  return FRAME_HEADER_BYTES + ((length + 7) & ~7);
}
