/**
 * Gaps: stretches of a segment in which frames are lost with their headers. What a gap can have held follows from the
 * state in front of it, its size, and the evidence behind it.
 *
 * | evidence behind the gap                        | the gap held                                                      |
 * | ---------------------------------------------- | ----------------------------------------------------------------- |
 * | as many changes as in front of it              | entries and checkpoints only: the vote is intact                  |
 * | more changes, nothing dropped, same snapshot   | entries, checkpoints and hard states                              |
 * | more changes, nothing dropped since before it  | snapshots too: no entry in front was replaced                     |
 * | more changes, dropped from an index on         | truncations: entries from that index on may have been replaced    |
 * | more changes, what was dropped is unknown      | truncations: as many entries may have been replaced as fit in it  |
 * | a next index farther than entries fit in it    | a snapshot: all entries in front are covered or dropped           |
 * | nothing                                        | anything: everything behind the snapshot is in doubt              |
 *
 * @module
 */

import { CHANGES_END, entriesThatFit, FRAME_HEADER_BYTES } from "../format/frame.ts";
import type { Index } from "../api/types.ts";

/** The log in front of a gap. */
export interface BeforeGap {
  readonly nextIndex: Index;
  readonly snapshotIndex: Index;
  /** Whether a snapshot can have been installed since. */
  readonly canHaveSnapshot: boolean;
}

/** The evidence behind a gap. */
export interface AfterGap {
  /** The next index there. */
  readonly nextIndex: Index;
  /** Whether the log may have come further within the gap, and dropped it again. */
  readonly isAtLeast: boolean;
  /** How many changes the gap held: all of them, or modulo {@link CHANGES_END}. */
  readonly changes: { readonly exact: number } | { readonly modulo: number } | "unknown";
  /** The lowest index dropped since the gap began or before; `Infinity` if nothing was, `undefined` if that is unknown. */
  readonly lowestDropped: Index | undefined;
  /** The snapshot that the log has there, 0 for none; `undefined` if that is unknown. */
  readonly snapshotIndex: Index | undefined;
  /** No truncation in the segment drops an index below this one. */
  readonly floor: Index;
}

/**
 * What a gap held. `quiet`: entries and checkpoints only. `hard states`: these too. `untouched`: snapshots too, but no
 * entry in front of the gap was replaced. `replaced`: those from an index on may have been. `jumped`: a snapshot took all
 * of them.
 */
export type GapContents =
  | { readonly kind: "quiet" }
  | { readonly kind: "hard states" }
  | { readonly kind: "untouched" }
  | { readonly kind: "replaced"; readonly from: Index }
  | { readonly kind: "jumped" };

/**
 * Explains a gap.
 *
 * @param before The log in front of it.
 * @param bytes Its size.
 * @param after The evidence behind it.
 * @returns What it held.
 */
export function explainGap(before: BeforeGap, bytes: number, after: AfterGap): GapContents {
  const entries = after.nextIndex - before.nextIndex;
  if (entries > entriesThatFit(bytes)) return { kind: "jumped" };
  const wentBack = entries < 0 && !after.isAtLeast;
  const changes = changesIn(bytes, after.changes);
  if (changes === 0 && !wentBack) return { kind: "quiet" };
  const kept = before.canHaveSnapshot && after.snapshotIndex !== before.snapshotIndex ? "untouched" : "hard states";
  if (after.lowestDropped === Infinity && !wentBack) return { kind: kept };
  // What a truncation dropped, the gap held anew. So no more was replaced than fits in it beside the truncation.
  const fits = after.nextIndex - entriesThatFit(bytes - FRAME_HEADER_BYTES);
  const lowest = Math.max(fits, after.lowestDropped ?? 0, after.floor);
  if (lowest >= before.nextIndex && !wentBack && !after.isAtLeast && !before.canHaveSnapshot) return { kind: kept };
  return {
    kind: "replaced",
    from: Math.max(Math.min(lowest, before.nextIndex, after.nextIndex), before.snapshotIndex + 1),
  };
}

/** How many changes a gap held; `undefined` if that is unknown. */
function changesIn(bytes: number, held: AfterGap["changes"]): number | undefined {
  if (held === "unknown") return undefined;
  if ("exact" in held) return held.exact;
  // With room for as many changes as the counter can show, equal counters prove nothing.
  return bytes < CHANGES_END * FRAME_HEADER_BYTES ? held.modulo % CHANGES_END : undefined;
}
