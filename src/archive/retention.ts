/**
 * Decides what an archive must keep: a pure function of its keys. `docs/ARCHIVE.md` has the rules.
 *
 * @module
 */

import type { Index } from "../api/types.ts";
import { highestFloor } from "./floor.ts";
import { highest, type History, historyOf } from "./history.ts";
import type { Floor, Piece } from "./keys.ts";
import type { Survey } from "./survey.ts";

/** The states to keep. If both rules are given, a state is kept if one of them keeps it. */
export interface Retained {
  /** The states since the newest of these many complete generations began. */
  readonly generations: number | undefined;
  /** The states as of this time and later, in milliseconds since 1970. */
  readonly since: number | undefined;
}

/** A history. */
interface Line {
  readonly history: History;
  /** Its generations. */
  readonly generations: ReadonlySet<number>;
  /** Its pieces, in the order of the log. */
  readonly pieces: readonly Piece[];
  /** The positions of its segments, by number. */
  readonly positions: ReadonlyMap<number, number>;
}

/** The objects that a line needs: those that are not below these limits. */
type Needed = Omit<Floor, "time">;

/** The limits that no object is below. */
const EVERYTHING: Needed = { generation: 0, segment: 0, snapshot: 0 };

/**
 * The highest floor that keeps all wanted states of an archive, and always its newest one.
 *
 * @param survey The objects of the archive. It has a complete generation.
 * @param retained The states to keep.
 * @returns The floor. It is at least that of the archive.
 */
export function floorFor(survey: Survey, { generations, since }: Retained): Floor {
  const lines = linesOf(survey);
  const needed = [
    ...generations === undefined ? [] : neededByGenerations(survey, generations),
    ...since === undefined ? [] : neededSince(lines, since),
  ];
  const limits = {
    generation: Math.min(...needed.map(({ generation }) => generation)),
    segment: Math.min(...needed.map(({ segment }) => segment)),
    snapshot: Math.min(...needed.map(({ snapshot }) => snapshot)),
  };
  const isPruned = ({ generation, segment }: Piece) =>
    generation < limits.generation || segment.number < limits.segment;
  const time = highest(lines.flatMap(({ pieces }) => pieces.filter(isPruned).map((piece) => piece.time)));
  return highestFloor(survey.floor, { ...limits, time });
}

/** The complete generations, the newest one first. */
function completeOf({ generations }: Survey): number[] {
  return [...generations].filter(([, { isComplete }]) => isComplete).map(([number]) => number).sort((a, b) => b - a);
}

/** The histories that no other one continues, the newest one first. A log has several if archivers have restarted. */
function linesOf(survey: Survey): Line[] {
  const lines: Line[] = [];
  for (const generation of completeOf(survey)) {
    if (lines.some((line) => line.generations.has(generation))) continue;
    const line = lineOf(survey, generation);
    if (line !== undefined) lines.push(line);
  }
  return lines;
}

/** The history of a generation; `undefined` if it has no segments. */
function lineOf(survey: Survey, generation: number): Line | undefined {
  const history = historyOf(survey, generation);
  const { segments } = history;
  if (segments.length === 0) return undefined;
  const generations = new Set<number>();
  for (let at: number | undefined = generation; at !== undefined && !generations.has(at);) {
    generations.add(at);
    at = survey.generations.get(at)?.base?.parent;
  }
  const positions = new Map(segments.map(({ id }, i) => [id.number, i]));
  return { history, generations, pieces: segments.flatMap(({ chain }) => chain), positions };
}

/**
 * The objects for the states since the newest of a number of generations began. Each of them has a history of its own: a
 * later generation can replace the last segment of an earlier one.
 */
function neededByGenerations(survey: Survey, count: number): Needed[] {
  const complete = completeOf(survey);
  if (complete.length < count) return [EVERYTHING];
  return complete.slice(0, count).flatMap((generation) => {
    const line = lineOf(survey, generation);
    if (line === undefined) return [];
    const from = line.pieces.findIndex((piece) => piece.generation >= generation);
    return [neededFrom(line, from) ?? neededForAll(line)];
  });
}

/**
 * The objects for the states as of a time and later. The state as of a time is that before the first checkpoint with a
 * later time, in the newest history that has one.
 */
function neededSince(lines: readonly Line[], since: number): Needed[] {
  const needed: Needed[] = [];
  let isReached = false;
  for (const [i, line] of lines.entries()) {
    const from = line.pieces.findIndex(({ time }) => time > since);
    // Clocks can go back, so an older history can have later times.
    if (i > 0 && isReached && from < 0) continue;
    const start = neededFrom(line, from);
    isReached ||= start !== undefined;
    needed.push(start ?? neededForAll(line));
  }
  return needed;
}

/** All objects of a line. */
function neededForAll(line: Line): Needed {
  const { history: { snapshots: [first, ...others] }, pieces } = line;
  // The log before its first snapshot is a state too. A limit above 0 could lose it: a snapshot below the limit counts as
  // lost, even if it was never archived.
  if (pieces.some(({ floor }) => floor <= 1)) return limitsOf(line, 0, 0);
  return limitsOf(line, 0, others.reduce((lowest, { index }) => Math.min(lowest, index), first?.index ?? 0));
}

/**
 * The objects for the states after the last state before a piece. `undefined` if there is no state before it.
 *
 * @param line The history.
 * @param piece The position of the piece in it; -1 for its end.
 */
function neededFrom(line: Line, piece: number): Needed | undefined {
  const { history: { segments, snapshots }, pieces, positions } = line;
  const archived = new Set(snapshots.map(({ index }) => index)).add(0);
  for (let at = (piece < 0 ? pieces.length : piece) - 1; at >= 0; at--) {
    const { segment, to, snapshot } = pieces[at]!;
    const end = positions.get(segment.number)!;
    // Behind the end of its segment, a piece has frames that do not count. They may have changed the snapshot.
    if (!archived.has(snapshot) || to > segments[end]!.end) continue;
    const start = segments.slice(0, end + 1).findLastIndex(({ id }) => id.first <= snapshot + 1);
    if (start >= 0 && !segments.slice(start, end).some(({ hasGap }) => hasGap)) {
      return limitsOf(line, start, snapshot);
    }
  }
  return undefined;
}

/** The limits of the objects of a line from a segment and a snapshot on. */
function limitsOf({ history }: Line, start: number, snapshot: Index): Needed {
  const { segments, snapshots, identities, generation } = history;
  const kept = [
    ...segments.slice(start).flatMap(({ chain }) => chain),
    ...snapshots.filter(({ index }) => index >= snapshot),
  ];
  // Each archiver writes the identity, unless it is damaged.
  const founded = identities.find(({ cluster }) => /[^0]/.test(cluster))?.generation ?? generation;
  return {
    generation: kept.reduce((lowest, one) => Math.min(lowest, one.generation), founded),
    segment: segments[start]!.id.number,
    snapshot,
  };
}
