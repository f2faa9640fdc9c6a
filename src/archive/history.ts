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
  claimedGeneration,
  CLAIMS,
  GENERATIONS,
  type Piece,
  readKey,
  type SegmentId,
} from "./keys.ts";
import type { ObjectStore, RequestOptions } from "./object_store.ts";

/** The objects of a generation. */
export interface Generation {
  /** Whether its base was written. Without it, nothing of the generation counts. */
  hasBase: boolean;
  /** Its base; `undefined` if it continues no other generation. */
  base: Base | undefined;
  readonly pieces: Piece[];
  readonly snapshots: ArchivedSnapshot[];
  readonly identities: ArchivedIdentity[];
}

/** The objects of an archive. */
export interface Survey {
  /** The highest generation that was claimed; 0 if none was. */
  readonly claimed: number;
  readonly generations: ReadonlyMap<number, Generation>;
}

/**
 * Lists the objects of an archive.
 *
 * @param store The store.
 * @param options A signal.
 * @returns The objects.
 */
export async function surveyStore(store: ObjectStore, options?: RequestOptions): Promise<Survey> {
  let claimed = 0;
  for await (const { key } of store.list(CLAIMS, options)) claimed = Math.max(claimed, claimedGeneration(key) ?? 0);
  const generations = new Map<number, Generation>();
  const of = (generation: number) => {
    const known = generations.get(generation);
    if (known !== undefined) return known;
    const made: Generation = { hasBase: false, base: undefined, pieces: [], snapshots: [], identities: [] };
    generations.set(generation, made);
    return made;
  };
  for await (const { key, size } of store.list(GENERATIONS, options)) {
    const read = readKey(key, size);
    if (read.kind === "piece") of(read.piece.generation).pieces.push(read.piece);
    else if (read.kind === "snapshot") of(read.snapshot.generation).snapshots.push(read.snapshot);
    else if (read.kind === "identity") of(read.identity.generation).identities.push(read.identity);
    else if (read.kind === "base") Object.assign(of(read.generation), { hasBase: true, base: read.base });
  }
  return { claimed, generations };
}

/** The number of attempts to list objects while an archiver merges them. */
const CALM_ATTEMPTS_MAX = 20;

/**
 * Lists the objects of an archive that may be in use. If an archiver merges pieces while they are listed, the list may
 * have neither all pieces nor the merged one. So the objects are listed again until nothing was deleted in between.
 *
 * @param store The store.
 * @param options A signal.
 * @returns The objects.
 * @throws {WalLogError} `CHANGING`, `STORE`.
 */
export async function surveyInUse(store: ObjectStore, options?: RequestOptions): Promise<Survey> {
  let before = await surveyStore(store, options);
  for (let attempt = 1; attempt < CALM_ATTEMPTS_MAX; attempt++) {
    const survey = await surveyStore(store, options);
    const keys = new Set(pieceKeys(survey));
    const old = pieceKeys(before);
    // A list may show a new piece, and not the one before it. So a loss counts only if nothing is new.
    const isCertain = keys.size === old.length || historyOf(survey).lostTail === undefined;
    if (isCertain && old.every((key) => keys.has(key))) return survey;
    before = survey;
  }
  throw new WalLogError(
    "CHANGING",
    `Cannot list the archive in ${store.name}: an archiver merges its objects; try again`,
  );
}

/** The keys of all pieces, and the numbers of the generations that have a base. */
function pieceKeys({ generations }: Survey): string[] {
  return [...generations].flatMap(([number, { hasBase, pieces }]) => [
    ...pieces.map(({ key }) => key),
    ...hasBase ? [String(number)] : [],
  ]);
}

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

/** The history of a generation. */
export interface History {
  /** The generation; 0 if there is none. */
  readonly generation: number;
  /** The segments, oldest first. */
  readonly segments: readonly HistorySegment[];
  readonly snapshots: readonly ArchivedSnapshot[];
  readonly identities: readonly ArchivedIdentity[];
  /** The indexes of missing snapshots, as other keys prove, in order. */
  readonly lostSnapshots: readonly Index[];
  /** Frames that are missing after the last segment, as other keys prove. */
  readonly lostTail: Gap | undefined;
}

/**
 * The history of a generation.
 *
 * @param survey The objects.
 * @param wanted The generation. Default: the newest that has a history.
 * @returns Its history. It is empty if there is no such generation.
 */
export function historyOf({ generations }: Survey, wanted?: number): History {
  const complete = [...generations].filter(([, { hasBase }]) => hasBase).map(([number]) => number);
  const generation = wanted ?? Math.max(0, ...complete);
  const pieces: Piece[] = [];
  const snapshots: ArchivedSnapshot[] = [];
  const identities: ArchivedIdentity[] = [];
  const limits: Base[] = [];
  for (let at = generation; at > 0;) {
    const found = generations.get(at);
    if (found?.hasBase !== true) break;
    pieces.push(...found.pieces.filter((piece) => limits.every((limit) => isWithin(piece, limit))));
    snapshots.push(...found.snapshots);
    identities.push(...found.identities);
    // A parent is always older. Otherwise the loop would not end.
    if (found.base === undefined || found.base.parent >= at) break;
    limits.push(found.base);
    at = found.base.parent;
  }
  const segments = orderSegments(chainsOf(pieces));
  const lostSnapshots = missingSnapshots(pieces, snapshots);
  const lostTail = lostAfter(segments.at(-1), pieces, limits);
  return { generation, segments, snapshots, identities, lostSnapshots, lostTail };
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
  bases: readonly Base[],
): Gap | undefined {
  const { number, salt } = last?.id ?? { number: 0, salt: 0n };
  const end = last?.end ?? 0;
  const isBeyond = (at: { readonly number: number; readonly salt: bigint }, to: number) =>
    at.number > number || (at.number === number && at.salt === salt && to > end);
  const beyond = pieces.filter(({ segment, to }) => isBeyond(segment, to));
  const numbers = [
    ...beyond.map(({ segment }) => segment.number),
    ...bases.filter((base) => isBeyond(base, base.end)).map((base) => base.number),
  ];
  if (numbers.length === 0) return undefined;
  const firstIndex = last?.chain.at(-1)?.next ?? 1;
  const lastIndex = Math.max(firstIndex, ...beyond.map(({ next }) => next - 1));
  const floor = Math.min(firstIndex, ...beyond.map((piece) => piece.floor));
  return { number: Math.min(...numbers), firstIndex, lastIndex, floor, isCovered: false };
}

/** Whether a piece counts for a generation whose base is given. */
function isWithin({ segment, to }: Piece, { number, salt, end }: Base): boolean {
  return segment.number < number || (segment.number === number && segment.salt === salt && to <= end);
}

/** The longest chain of pieces of each segment. */
function chainsOf(pieces: readonly Piece[]): (readonly Piece[])[] {
  const bySegment = new Map<string, Piece[]>();
  for (const piece of pieces) {
    const { number, salt } = piece.segment;
    const of = `${number} ${salt}`;
    const others = bySegment.get(of);
    if (others === undefined) bySegment.set(of, [piece]);
    else others.push(piece);
  }
  return [...bySegment.values()].map(longestChain).filter((chain) => chain.length > 0);
}

/** The chain that reaches furthest. Of pieces that begin at the same offset, it prefers the longest. */
function longestChain(pieces: readonly Piece[]): readonly Piece[] {
  const ordered = [...pieces].sort((a, b) => a.from - b.from || b.to - a.to || (a.key < b.key ? -1 : 1));
  const reached = new Map<number, Piece | undefined>([[0, undefined]]);
  for (const piece of ordered) {
    if (piece.to > piece.from && reached.has(piece.from) && !reached.has(piece.to)) reached.set(piece.to, piece);
  }
  const chain: Piece[] = [];
  for (let piece = reached.get(Math.max(...reached.keys())); piece !== undefined; piece = reached.get(piece.from)) {
    chain.unshift(piece);
  }
  return chain;
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
    segments.unshift({ id, chain: kept, end: Math.min(reach, limit), hasGap: next !== undefined && reach < limit });
    next = id;
  }
  return segments;
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
export function gapBefore({ segments, snapshots }: History): Gap | undefined {
  const { first, number } = segments[0]?.id ?? { first: 1, number: 1 };
  if (first === 1) return undefined;
  const floor = Math.min(first, ...segments.flatMap(({ chain }) => chain).map((piece) => piece.floor));
  if (snapshots.some(({ index }) => index >= floor - 1)) return undefined;
  return { number: number - 1, firstIndex: 1, lastIndex: first - 1, floor, isCovered: false };
}

/**
 * The gap after a segment.
 *
 * @param history The history.
 * @param at The number of the segment in it, from 0.
 * @returns The gap; `undefined` if there is none.
 */
export function gapAfter({ segments, snapshots, lostTail }: History, at: number): Gap | undefined {
  const [before, ...after] = segments.slice(at);
  const [next] = after;
  if (next === undefined) return lostTail;
  if (before?.hasGap !== true) return undefined;
  const floor = Math.min(...after.flatMap(({ chain }) => chain).map((piece) => piece.floor));
  const firstIndex = before.chain.at(-1)!.next;
  const lastIndex = Math.max(next.id.first - 1, firstIndex);
  // Unless a whole segment is missing, the pieces at the end of this one are.
  const number = before.id.number + (next.id.number > before.id.number + 1 ? 1 : 0);
  return { number, firstIndex, lastIndex, floor, isCovered: snapshots.some(({ index }) => index >= floor - 1) };
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
  const floors = [...segments].reverse().map(({ chain }) => floor = Math.min(floor, ...chain.map((one) => one.floor)));
  const starts = [
    segments.findLastIndex(({ id }) => id.first <= snapshot + 1),
    floors.reverse().findLastIndex((lowest) => lowest <= snapshot + 1),
  ];
  return starts.filter((start) => start >= 0);
}
