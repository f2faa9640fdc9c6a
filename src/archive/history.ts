/**
 * The history of a generation, from the keys of an archive alone. `docs/ARCHIVE.md` has the rules.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Index } from "../api/types.ts";
import {
  type ArchivedIdentity,
  type ArchivedSnapshot,
  type Base,
  claimKey,
  type Floor,
  generationPrefix,
  type Piece,
  type SegmentId,
} from "./keys.ts";
import type { Survey } from "./survey.ts";

/** A segment in a history. */
export interface HistorySegment {
  readonly id: SegmentId;
  /** The pieces that count, in order. */
  readonly chain: readonly Piece[];
  /** Offset in its file at which its archived frames end. */
  readonly end: number;
  /** Whether frames are missing between its end and the next segment. */
  readonly hasGap: boolean;
}

/** A missing object without entries, which other keys prove. For a base, the beginning of its key. */
export interface LostKey {
  readonly kind: "base" | "claim";
  readonly key: string;
}

/** The history of a generation. */
export interface History {
  /** The generation; 0 if there is none. */
  readonly generation: number;
  /** It, and the older ones that it continues, newest first. */
  readonly generations: readonly number[];
  /** The segments, oldest first. */
  readonly segments: readonly HistorySegment[];
  readonly snapshots: readonly ArchivedSnapshot[];
  /** The indexes of the snapshots that the pieces name as archived. */
  readonly named: ReadonlySet<Index>;
  readonly identities: readonly ArchivedIdentity[];
  /** The indexes of missing snapshots, as other keys prove, in order. */
  readonly lostSnapshots: readonly Index[];
  /** The keys of missing claims and bases. Without a base, it is not known which objects count. */
  readonly lostKeys: readonly LostKey[];
  /** Frames that are missing after the last segment, as other keys prove. */
  readonly lostTail: Gap | undefined;
  /** The floor of the archive. Objects below it are absent, and not missing. */
  readonly floor: Floor;
}

/** Whether the pieces of a step that has not ended count too. They do for the next archiver. */
export type Unended = "left out" | "included";

/**
 * The history of a generation.
 *
 * @param survey The objects.
 * @param wanted The generation. Default: the newest that is complete.
 * @param unended Whether the last pieces count although their step has not ended.
 * @returns Its history. It is empty if there is no such generation.
 */
export function historyOf(survey: Survey, wanted?: number, unended: Unended = "left out"): History {
  const { generations, claims, floor, wrongSizes } = survey;
  const generation = wanted ?? newestComplete(generations);
  const own: number[] = [];
  const all: Piece[] = [];
  const snapshots: ArchivedSnapshot[] = [];
  const identities: ArchivedIdentity[] = [];
  const limits: Base[] = [];
  const lostKeys: LostKey[] = [];
  for (let at = generation; at > 0 && at >= floor.generation;) {
    const found = generations.get(at);
    if (found === undefined && limits.length === 0) break;
    own.push(at);
    if (!claims.has(at)) lostKeys.push({ kind: "claim", key: claimKey(at) });
    if (found?.hasBase !== true) lostKeys.push({ kind: "base", key: `${generationPrefix(at)}base/` });
    if (found === undefined) break;
    for (const piece of found.pieces) if (limits.every((limit) => isWithin(piece, limit))) all.push(piece);
    for (const snapshot of found.snapshots) snapshots.push(snapshot);
    for (const identity of found.identities) identities.push(identity);
    // A parent is always older. Otherwise the loop would not end.
    if (found.base === undefined || found.base.parent >= at) break;
    limits.push(found.base);
    at = found.base.parent;
  }
  const pieces = unended === "included" ? all : endedPieces(all);
  const segments = orderSegments(chainsOf(pieces, wrongSizes));
  const lostSnapshots = missingSnapshots(all, snapshots).filter((index) => index >= floor.snapshot);
  const reach = pieces === all ? segments : orderSegments(chainsOf(all, wrongSizes));
  // Later generations continue what was archived.
  for (const { base } of generations.values()) if (base?.parent === generation) limits.push(base);
  const isLost = (base: Base) => isBeyond(reach.at(-1), base, base.end);
  const lostTail = lostAfter(segments.at(-1), pieces, limits.filter(isLost));
  const lost = { lostSnapshots, lostKeys, lostTail };
  return { generation, generations: own, segments, snapshots, named: namedBy(segments), identities, ...lost, floor };
}

/**
 * The pieces without those of a step that has not ended. An archiver that is stopped within a step may leave a gap that
 * only later pieces explain, or the frame of a snapshot that never was archived.
 */
function endedPieces(pieces: readonly Piece[]): readonly Piece[] {
  let [number, end] = [0, 0];
  for (const { ended, segment, to } of pieces) {
    if (!ended || segment.number < number) continue;
    end = segment.number > number ? to : Math.max(end, to);
    number = segment.number;
  }
  return pieces.filter(({ segment, to }) => segment.number < number || (segment.number === number && to <= end));
}

/** The newest generation that is complete; 0 if there is none. */
export function newestComplete(generations: Survey["generations"]): number {
  return highest([...generations].filter(([, { isComplete }]) => isComplete).map(([number]) => number));
}

/** The highest of any number of numbers; 0 if there is none. A call has a limited number of arguments. */
export function highest(numbers: readonly number[]): number {
  return numbers.reduce((high, number) => Math.max(high, number), 0);
}

/** The lowest of any number of numbers; `Infinity` if there is none. */
function lowest(numbers: readonly number[]): number {
  return numbers.reduce((low, number) => Math.min(low, number), Infinity);
}

/** The lowest index that segments write or drop. */
function floorOf(segments: readonly HistorySegment[]): Index {
  return lowest(segments.flatMap(({ chain }) => chain.map((piece) => piece.floor)));
}

/**
 * The history of a generation that has one.
 *
 * @param survey The objects.
 * @param wanted The generation. Default: the newest that is complete.
 * @param name The store, for messages.
 * @returns Its history.
 * @throws {WalLogError} `NOT_FOUND` if there is no such generation, `CORRUPT` if a base is missing.
 */
export function requireHistory(survey: Survey, wanted: number | undefined, name: string): History {
  const history = historyOf(survey, wanted);
  const lost = history.lostKeys.find(({ kind }) => kind === "base");
  if (lost !== undefined) {
    const message =
      `Cannot restore from ${name}: the object with the key ${lost.key}... is missing, so it is not known ` +
      "which history the generation continues; restore another generation";
    throw new WalLogError("CORRUPT", message);
  }
  if (history.segments.length > 0) return history;
  const isPruned = wanted !== undefined && wanted > 0 && wanted < history.floor.generation;
  const which = wanted === undefined
    ? "there is no archive"
    : isPruned
    ? `generation ${wanted} was pruned, the oldest one is ${history.floor.generation}`
    : `there is no generation ${wanted}`;
  throw new WalLogError("NOT_FOUND", `Cannot restore from ${name}: ${which}`);
}

/** The missing snapshots. A piece names the snapshot that was archived before it, and so does a snapshot. */
function missingSnapshots(pieces: readonly Piece[], snapshots: readonly ArchivedSnapshot[]): Index[] {
  const missing = new Set([0]);
  for (const { archived } of pieces) missing.add(archived);
  for (const { previous } of snapshots) missing.add(previous);
  missing.delete(0);
  for (const { index } of snapshots) missing.delete(index);
  return [...missing].sort((a, b) => a - b);
}

/**
 * The frames that are missing after the last segment. Pieces that no chain reaches show them, and bases: what a later
 * generation continues was archived.
 */
function lostAfter(
  last: HistorySegment | undefined,
  pieces: readonly Piece[],
  lostBases: readonly Base[],
): Gap | undefined {
  const beyond = pieces.filter(({ segment, to }) => isBeyond(last, segment, to));
  const numbers = [
    ...beyond.map(({ segment }) => segment.number),
    ...lostBases.map((base) => base.number),
  ];
  if (numbers.length === 0) return undefined;
  const firstIndex = last?.chain.at(-1)?.next ?? 1;
  const lastIndex = highest([firstIndex, ...beyond.map(({ next }) => next - 1)]);
  const floor = lowest([firstIndex, ...beyond.map((piece) => piece.floor)]);
  return { number: lowest(numbers), firstIndex, lastIndex, floor, isCovered: false };
}

/** Whether an offset in a segment lies after the last segment. */
function isBeyond(last: HistorySegment | undefined, at: Pick<SegmentId, "number" | "salt">, to: number): boolean {
  const { number, salt } = last?.id ?? { number: 0, salt: 0n };
  return at.number > number || (at.number === number && at.salt === salt && to > (last?.end ?? 0));
}

/** Whether a piece counts for a generation whose base is given. */
function isWithin({ segment, to }: Piece, { number, salt, end }: Base): boolean {
  return segment.number < number || (segment.number === number && segment.salt === salt && to <= end);
}

/** The longest chain of pieces of each segment. */
function chainsOf(pieces: readonly Piece[], wrongSizes: ReadonlySet<string>): (readonly Piece[])[] {
  const bySegment = new Map<string, Piece[]>();
  for (const piece of pieces) {
    const { number, salt } = piece.segment;
    const of = `${number} ${salt}`;
    const others = bySegment.get(of);
    if (others === undefined) bySegment.set(of, [piece]);
    else others.push(piece);
  }
  return [...bySegment.values()].map((of) => longestChain(of, wrongSizes)).filter((chain) => chain.length > 0);
}

/**
 * The chain that reaches furthest. Of pieces that begin at the same offset, it prefers the longest. Pieces of the wrong
 * size are only used to reach further than the others do.
 */
function longestChain(pieces: readonly Piece[], wrongSizes: ReadonlySet<string>): readonly Piece[] {
  const ordered = [...pieces].sort((a, b) => a.from - b.from || b.to - a.to || (a.key < b.key ? -1 : 1));
  const reached = new Map<number, Piece | undefined>([[0, undefined]]);
  for (const piece of [...ordered.filter(({ key }) => !wrongSizes.has(key)), ...ordered]) {
    if (piece.to > piece.from && reached.has(piece.from) && !reached.has(piece.to)) reached.set(piece.to, piece);
  }
  const chain: Piece[] = [];
  for (let piece = reached.get(highest([...reached.keys()])); piece !== undefined; piece = reached.get(piece.from)) {
    chain.push(piece);
  }
  return chain.reverse();
}

/** Orders segments, and ends each where a later one begins. */
function orderSegments(chains: readonly (readonly Piece[])[]): HistorySegment[] {
  const newestFirst = [...chains].sort((a, b) =>
    b[0]!.segment.number - a[0]!.segment.number || b[0]!.generation - a[0]!.generation
  );
  const segments: HistorySegment[] = [];
  let next: SegmentId | undefined;
  for (const chain of newestFirst) {
    const id = chain[0]!.segment;
    if (next !== undefined && (id.baseLsn >= next.baseLsn || id.number === next.number)) continue;
    const limit = next === undefined ? Infinity : next.baseLsn - id.baseLsn;
    const reach = chain.at(-1)!.to;
    const kept = chain.filter(({ from }) => from < limit);
    segments.push({ id, chain: kept, end: Math.min(reach, limit), hasGap: next !== undefined && reach < limit });
    next = id;
  }
  return segments.reverse();
}

/** Frames that are missing between two segments. */
export interface Gap {
  /** The number of the first segment that lacks pieces. */
  readonly number: number;
  /** The range of their entries, as far as the keys of the other pieces show it. */
  readonly firstIndex: Index;
  readonly lastIndex: Index;
  /** The lowest index that pieces after the gap write or drop. */
  readonly floor: Index;
  /** Whether a snapshot covers the entries, so that a log can begin after the gap. */
  readonly isCovered: boolean;
}

/**
 * The gap before the first segment: entries that are missing and that no snapshot covers.
 *
 * @param history The history.
 * @returns The gap; `undefined` if nothing is missing, or a snapshot covers it.
 */
export function gapBefore(history: History): Gap | undefined {
  const { segments, floor: pruned } = history;
  const firstIndex = pruned.snapshot + 1;
  const { first, number } = segments[0]?.id ?? { first: 1, number: 1 };
  if (first <= firstIndex) return undefined;
  const floor = Math.min(first, floorOf(segments));
  if (isCovered(history, 0, floor)) return undefined;
  return { number: number - 1, firstIndex, lastIndex: first - 1, floor, isCovered: false };
}

/**
 * The gap after a segment.
 *
 * @param history The history.
 * @param at The number of the segment in it, from 0.
 * @returns The gap; `undefined` if there is none.
 */
export function gapAfter(history: History, at: number): Gap | undefined {
  const { segments, lostTail } = history;
  const [before, next] = [segments[at], segments[at + 1]];
  if (next === undefined) return lostTail;
  if (before?.hasGap !== true) return undefined;
  const floor = floorOf(segments.slice(at + 1));
  const firstIndex = before.chain.at(-1)!.next;
  const lastIndex = Math.max(next.id.first - 1, firstIndex);
  // Unless a whole segment is missing, the pieces at the end of this one are.
  const number = before.id.number + (next.id.number > before.id.number + 1 ? 1 : 0);
  return { number, firstIndex, lastIndex, floor, isCovered: isCovered(history, at + 1, floor) };
}

/** The indexes of the snapshots that the pieces of segments name as archived. */
function namedBy(segments: readonly HistorySegment[]): ReadonlySet<Index> {
  return new Set(segments.flatMap(({ chain }) => chain.map(({ archived }) => archived)));
}

/** The gaps before the last segment that no snapshot of the history covers. */
export function uncoveredGaps(history: History): Gap[] {
  const within = history.segments.slice(1).map((_, i) => gapAfter(history, i));
  return [gapBefore(history), ...within].filter((gap) => gap !== undefined && !gap.isCovered) as Gap[];
}

/**
 * Whether a snapshot covers everything that is missing before a segment. Only the pieces from there on show that the log
 * had a snapshot: the history also lists those of entries that a later generation replaced.
 */
function isCovered({ segments, snapshots }: History, from: number, floor: Index): boolean {
  const named = namedBy(segments.slice(from));
  return snapshots.some(({ index }) => index >= floor - 1 && named.has(index));
}

/**
 * The segments at which a log with a snapshot at an index can begin: all entries above the index were written since. If
 * the log drops entries later on, it can begin later.
 *
 * @param history The history.
 * @param snapshot The index of the snapshot; 0 for none.
 * @returns Positions of segments in the history.
 */
export function startsFor({ segments }: History, snapshot: Index): number[] {
  let floor = Infinity;
  const floors = [...segments].reverse().map(({ chain }) =>
    floor = Math.min(floor, lowest(chain.map((one) => one.floor)))
  );
  const starts = [
    segments.findLastIndex(({ id }) => id.first <= snapshot + 1),
    floors.reverse().findLastIndex((lowest) => lowest <= snapshot + 1),
  ];
  return starts.filter((start) => start >= 0);
}
