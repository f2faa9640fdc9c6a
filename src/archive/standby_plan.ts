/**
 * Compares the log of a standby with the history of an archive: a pure function of their segments.
 *
 * @module
 */

import { gapAfter, type History, type HistorySegment } from "./history.ts";
import type { StandbyFiles } from "./standby_files.ts";
import type { Survey } from "./survey.ts";

/**
 * The next state of a standby. `continue`: it keeps its first `kept` segments. The archive has the last of these as
 * `segment`, and the segments `after` it follow. `reset`: it begins a new copy, because the archive does not have the
 * history after its log. `diverged`: it ends.
 */
export type Plan =
  | {
    readonly kind: "continue";
    readonly kept: number;
    readonly segment: HistorySegment;
    readonly after: readonly HistorySegment[];
    /** Whether objects are missing after them, which no snapshot covers. */
    readonly isIncomplete: boolean;
  }
  | { readonly kind: "reset" }
  | { readonly kind: "diverged"; readonly reason: string };

/**
 * Decides how a standby continues.
 *
 * @param files Its log.
 * @param survey The objects of the archive.
 * @param history The newest history in it.
 * @returns The plan.
 */
export function planOf({ segments, cut, lastIndex }: StandbyFiles, survey: Survey, history: History): Plan {
  const newest = segments.at(-1);
  if (newest === undefined || cut === undefined) return { kind: "reset" };
  const find = ({ number, salt }: { readonly number: number; readonly salt: bigint }) =>
    history.segments.findIndex(({ id }) => id.number === number && id.salt === salt);
  const kept = segments.findLastIndex(({ header }) => find(header) >= 0) + 1;
  const archived = [...survey.generations.values()].flatMap(({ pieces }) => pieces);
  // Segments below the floor were pruned.
  const own = segments.slice(kept).find(({ header: { number, salt } }) =>
    number >= survey.floor.segment &&
    !archived.some(({ segment }) => segment.number === number && segment.salt === salt)
  );
  if (kept === 0) {
    // Later segments have replaced all of them, they were pruned, or the archive has begun anew after a snapshot.
    const isAhead = history.segments[0]!.id.number > newest.header.number &&
      history.snapshots.some(({ index }) => index >= lastIndex);
    return own === undefined || isAhead ? { kind: "reset" } : lacks(own.header.number);
  }
  if (own !== undefined) return lacks(own.header.number);
  const at = find(segments[kept - 1]!.header);
  const segment = history.segments[at]!;
  const isLast = at === history.segments.length - 1;
  if (isLast && (kept < segments.length || cut.offset > segment.end)) {
    return diverged(`it ends before index ${lastIndex}`);
  }
  let end = at;
  while (end < history.segments.length - 1 && gapAfter(history, end) === undefined) end++;
  const gap = gapAfter(history, end);
  if (gap?.isCovered === true) return { kind: "reset" };
  const after = history.segments.slice(at + 1, end + 1);
  return { kind: "continue", kept, segment, after, isIncomplete: gap !== undefined };
}

function lacks(number: number): Plan {
  return diverged(`it does not have the segment ${number}`);
}

function diverged(reason: string): Plan {
  return { kind: "diverged", reason };
}
