/**
 * Floors of an archive: the limits below which its objects are absent.
 *
 * @module
 */

import type { Floor, GenerationKey } from "./keys.ts";

/** The floor of an archive that was never pruned. */
export const NO_FLOOR: Floor = { generation: 0, segment: 0, snapshot: 0, time: 0 };

/**
 * The floor that combines two others: an object below one of them is below it.
 *
 * @param a A floor.
 * @param b Another one.
 */
export function highestFloor(a: Floor, b: Floor): Floor {
  return {
    generation: Math.max(a.generation, b.generation),
    segment: Math.max(a.segment, b.segment),
    snapshot: Math.max(a.snapshot, b.snapshot),
    time: Math.max(a.time, b.time),
  };
}

/** Whether two floors are the same. */
export function isSameFloor(a: Floor, b: Floor): boolean {
  return a.generation === b.generation && a.segment === b.segment && a.snapshot === b.snapshot && a.time === b.time;
}

/**
 * Whether an object is below a floor, and therefore absent.
 *
 * @param key The object's key.
 * @param floor The floor.
 */
export function isBelow(key: GenerationKey, { generation, segment, snapshot }: Floor): boolean {
  switch (key.kind) {
    case "piece":
      return key.piece.generation < generation || key.piece.segment.number < segment;
    case "snapshot":
      return key.snapshot.generation < generation || key.snapshot.index < snapshot;
    case "identity":
      return key.identity.generation < generation;
    case "base":
      return key.generation < generation;
    case "floor":
    case "other":
      return false;
  }
}
