/**
 * Gaps: stretches of a segment whose frames are lost together with their headers. The state before a gap, its size, and
 * the evidence after it limit what it can have held.
 *
 * | evidence after the gap                         | the gap held                                                      |
 * | ---------------------------------------------- | ----------------------------------------------------------------- |
 * | the same number of changes as before it        | entries and checkpoints only: the vote is intact                  |
 * | more changes, nothing dropped, same snapshot   | entries, checkpoints and hard states                              |
 * | more changes, nothing dropped                  | snapshots too: no entry before the gap was replaced               |
 * | more changes, dropped from an index on         | truncations: entries from that index on may have been replaced    |
 * | more changes, dropped indexes unknown          | truncations: as many entries may have been replaced as fit in it  |
 * | a next index beyond the entries that fit in it | a snapshot: all entries before the gap are covered or dropped     |
 * | none                                           | anything: all entries after the snapshot are in doubt             |
 *
 * @module
 */

import { CHANGES_END, entriesThatFit, FRAME_HEADER_BYTES } from "../format/frame.ts";
import type { Index } from "../api/types.ts";

/** The log before a gap. */
export interface BeforeGap {
  readonly nextIndex: Index;
  readonly snapshotIndex: Index;
  /** Whether a snapshot may have been installed after this point. */
  readonly canHaveSnapshot: boolean;
}

/** The evidence after a gap. */
export interface AfterGap {
  /** The next index after the gap. */
  readonly nextIndex: Index;
  /** Whether the gap may have held higher indexes that were dropped again. */
  readonly isAtLeast: boolean;
  /** The number of changes in the gap: exact, or modulo {@link CHANGES_END}. */
  readonly changes: { readonly exact: number } | { readonly modulo: number } | "unknown";
  /** The lowest index dropped since the start of the gap or earlier; `Infinity` if none was, `undefined` if unknown. */
  readonly lowestDropped: Index | undefined;
  /** The log's snapshot after the gap, 0 for none; `undefined` if unknown. */
  readonly snapshotIndex: Index | undefined;
  /** No truncation in the segment drops an index below this one. */
  readonly floor: Index;
}

/**
 * The possible contents of a gap. `quiet`: only entries and checkpoints. `hard states`: hard states too. `untouched`:
 * snapshots too, but no entry before the gap was replaced. `replaced`: entries from an index on may have been replaced.
 * `jumped`: a snapshot removed all entries before the gap.
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
 * @param before The log before it.
 * @param bytes Its size.
 * @param after The evidence after it.
 * @returns The contents of the gap, as far as the evidence limits them.
 */
export function explainGap(before: BeforeGap, bytes: number, after: AfterGap): GapContents {
  const entries = after.nextIndex - before.nextIndex;
  if (entries > entriesThatFit(bytes)) return { kind: "jumped" };
  const wentBack = entries < 0 && !after.isAtLeast;
  const changes = changesIn(bytes, after.changes);
  if (changes === 0 && !wentBack) return { kind: "quiet" };
  const kept = before.canHaveSnapshot && after.snapshotIndex !== before.snapshotIndex ? "untouched" : "hard states";
  if (after.lowestDropped === Infinity && !wentBack) return { kind: kept };
  // The gap also held the entries that replaced dropped ones. So at most as many were replaced as fit in the gap beside
  // the truncation.
  const fits = after.nextIndex - entriesThatFit(bytes - FRAME_HEADER_BYTES);
  const lowest = Math.max(fits, after.lowestDropped ?? 0, after.floor);
  if (lowest >= before.nextIndex && !wentBack && !after.isAtLeast && !before.canHaveSnapshot) return { kind: kept };
  return {
    kind: "replaced",
    from: Math.max(Math.min(lowest, before.nextIndex, after.nextIndex), before.snapshotIndex + 1),
  };
}

/** The number of changes in a gap; `undefined` if unknown. */
function changesIn(bytes: number, held: AfterGap["changes"]): number | undefined {
  if (held === "unknown") return undefined;
  if ("exact" in held) return held.exact;
  // If the gap had room for so many changes that the counter could wrap, equal counters prove nothing.
  return bytes < CHANGES_END * FRAME_HEADER_BYTES ? held.modulo % CHANGES_END : undefined;
}
