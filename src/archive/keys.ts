/**
 * The keys of an archive's objects. `docs/ARCHIVE.md` defines them.
 *
 * ```text
 * claims/00000001
 * generations/00000001/base/PARENT-NUMBER-SALT-END
 * generations/00000001/identity/INCARNATION-CLUSTER
 * generations/00000001/segments/NUMBER-BASELSN-FIRST-SALT/FROM-TO-FLOOR-NEXT-SNAPSHOT-ARCHIVED-ENDED-TIME-CHECKSUM
 * generations/00000001/snapshots/INDEX-TERM-PREVIOUS-CHECKSUM
 * generations/floors/GENERATION-SEGMENT-INDEX-TIME
 * ```
 *
 * @module
 */

import type { Index, Term } from "../api/types.ts";
import { IDENTITY_BYTES } from "../format/identity.ts";

const GENERATION_DIGITS = 8;
const SEGMENT_DIGITS = 12;
const TIME_DIGITS = 15;
/** Digits of an LSN, an index and a term: each is below 2^53. */
const NUMBER_DIGITS = 16;
const HEX_DIGITS = 16;

/** The beginning of the keys of all claims. */
export const CLAIMS = "claims/";
/** The beginning of the keys of all generations. */
export const GENERATIONS = "generations/";
/** The beginning of the keys of floors. A list of all generations ends with them. */
export const FLOORS: string = `${GENERATIONS}floors/`;
/** The beginning of the keys of tests of the store. */
export const PROBES = "probes/";

/** The segment that a piece belongs to. */
export interface SegmentId {
  readonly number: number;
  readonly baseLsn: number;
  /** The next index at its start. */
  readonly first: Index;
  readonly salt: bigint;
}

/** The contents of a piece, in numbers. */
export interface PieceSpan {
  /** Offset of the first byte in the segment's file. */
  readonly from: number;
  /** Offset after the last byte. */
  readonly to: number;
  /** The lowest index that the piece writes or drops; its next index at the start if that is lower. */
  readonly floor: Index;
  /** The next index at its end. */
  readonly next: Index;
  /** Index of the log's snapshot at its end; 0 if there is none. */
  readonly snapshot: Index;
  /** The highest time of a checkpoint in it, in milliseconds since 1970; 0 if it has none. */
  readonly time: number;
}

/** The facts about a piece that its key states. */
export interface PieceFacts extends PieceSpan {
  /** Index of the newest snapshot at its end whose file was archived before the piece; 0 if there is none. */
  readonly archived: Index;
  /** Whether the step that archived its frames has ended with it, or had ended before it was written. */
  readonly ended: boolean;
}

/** A piece of a segment, as its key describes it. */
export interface Piece extends PieceFacts {
  readonly key: string;
  readonly generation: number;
  readonly segment: SegmentId;
  readonly checksum: bigint;
}

/** The base of a generation: the history of another one, up to an offset in a segment. */
export interface Base {
  /** The other generation. */
  readonly parent: number;
  /** The last segment that counts. */
  readonly number: number;
  readonly salt: bigint;
  /** The offset in that segment's file at which the base ends. */
  readonly end: number;
}

/** The snapshot in a key. */
export interface SnapshotId {
  readonly index: Index;
  readonly term: Term;
  /** Index of the snapshot that was archived before; 0 if there is none. */
  readonly previous: Index;
  readonly checksum: bigint;
}

/** A snapshot file, as its key describes it. */
export interface ArchivedSnapshot extends SnapshotId {
  readonly key: string;
  readonly generation: number;
  /** The size in bytes. */
  readonly size: number;
}

/** A file `IDENTITY`, as its key describes it. */
export interface ArchivedIdentity {
  readonly key: string;
  readonly generation: number;
  /** 32 hexadecimal digits; zeros if the log belongs to no cluster. */
  readonly cluster: string;
}

/** The limits below which objects of an archive are absent: they were pruned, even if some are still there. */
export interface Floor {
  /** Objects of lower generations are absent, except their claims. */
  readonly generation: number;
  /** Pieces of segments with lower numbers are absent. */
  readonly segment: number;
  /** Snapshots with lower indexes are absent. */
  readonly snapshot: Index;
  /** The highest time of a checkpoint in an absent piece, in milliseconds since 1970. */
  readonly time: number;
}

function padded(value: number, digits: number): string {
  return String(value).padStart(digits, "0");
}

function hex(value: bigint): string {
  return value.toString(16).padStart(HEX_DIGITS, "0");
}

/** The key of a claim. */
export function claimKey(generation: number): string {
  return CLAIMS + padded(generation, GENERATION_DIGITS);
}

/** The key of a test of the store. */
export function probeKey(milliseconds: number, token: string): string {
  return `${PROBES}${padded(milliseconds, TIME_DIGITS)}-${token}`;
}

/** The generation of a claim; `undefined` if the key is not that of a claim. */
export function claimedGeneration(key: string): number | undefined {
  const [, generation] = /^claims\/(\d{8})$/.exec(key) ?? [];
  return generation === undefined ? undefined : Number(generation);
}

/** The beginning of the keys of a generation. */
export function generationPrefix(generation: number): string {
  return `${GENERATIONS}${padded(generation, GENERATION_DIGITS)}/`;
}

/**
 * The key of the base of a generation.
 *
 * @param generation The generation.
 * @param base The base; `undefined` if there is none.
 */
export function baseKey(generation: number, base: Base | undefined): string {
  const { parent, number, salt, end } = base ?? { parent: 0, number: 0, salt: 0n, end: 0 };
  const limit = [padded(number, SEGMENT_DIGITS), hex(salt), padded(end, NUMBER_DIGITS)];
  return `${generationPrefix(generation)}base/${[padded(parent, GENERATION_DIGITS), ...limit].join("-")}`;
}

/**
 * The key of an identity.
 *
 * @param generation The generation.
 * @param incarnation 32 hexadecimal digits.
 * @param cluster 32 hexadecimal digits.
 */
export function identityKey(generation: number, incarnation: string, cluster: string): string {
  return `${generationPrefix(generation)}identity/${incarnation}-${cluster}`;
}

/** The key of a piece. */
export function pieceKey(generation: number, segment: SegmentId, facts: PieceFacts, checksum: bigint): string {
  const { number, baseLsn, first, salt } = segment;
  const { from, to, floor, next, snapshot, archived, ended, time } = facts;
  const numbers = [from, to, floor, next, snapshot, archived].map((value) => padded(value, NUMBER_DIGITS));
  const folder = [padded(number, SEGMENT_DIGITS), padded(baseLsn, NUMBER_DIGITS), padded(first, NUMBER_DIGITS)];
  return `${generationPrefix(generation)}segments/${[...folder, hex(salt)].join("-")}/` +
    [...numbers, Number(ended), padded(time, TIME_DIGITS), hex(checksum)].join("-");
}

/** The key of a snapshot. */
export function snapshotKey(generation: number, { index, term, previous, checksum }: SnapshotId): string {
  const numbers = [index, term, previous].map((value) => padded(value, NUMBER_DIGITS));
  return `${generationPrefix(generation)}snapshots/${[...numbers, hex(checksum)].join("-")}`;
}

/** The key of a floor. */
export function floorKey({ generation, segment, snapshot, time }: Floor): string {
  const limits = [padded(segment, SEGMENT_DIGITS), padded(snapshot, NUMBER_DIGITS), padded(time, TIME_DIGITS)];
  return FLOORS + [padded(generation, GENERATION_DIGITS), ...limits].join("-");
}

/** A parsed key of a generation or a floor. `other`: a key that readers ignore. */
export type GenerationKey =
  | { readonly kind: "base"; readonly generation: number; readonly base: Base | undefined }
  | { readonly kind: "identity"; readonly identity: ArchivedIdentity }
  | { readonly kind: "piece"; readonly piece: Piece }
  | { readonly kind: "snapshot"; readonly snapshot: ArchivedSnapshot }
  | { readonly kind: "floor"; readonly floor: Floor }
  | { readonly kind: "other" };

const OTHER: GenerationKey = { kind: "other" };
const GENERATION = /^generations\/(\d{8})\/(.+)$/;
const BASE = /^base\/(\d{8})-(\d{12})-([0-9a-f]{16})-(\d{16})$/;
const IDENTITY = /^identity\/[0-9a-f]{32}-([0-9a-f]{32})$/;
const SNAPSHOT = /^snapshots\/(\d{16})-(\d{16})-(\d{16})-([0-9a-f]{16})$/;
const FLOOR = /^generations\/floors\/(\d{8})-(\d{12})-(\d{16})-(\d{15})$/;
const PIECE = new RegExp(
  "^segments/(\\d{12})-(\\d{16})-(\\d{16})-([0-9a-f]{16})/" +
    "(\\d{16})-(\\d{16})-(\\d{16})-(\\d{16})-(\\d{16})-(\\d{16})-([01])-(\\d{15})-([0-9a-f]{16})$",
);

/**
 * Parses a key of a generation or a floor.
 *
 * @param key The key.
 * @param size The size of the object, in bytes.
 * @returns Its meaning.
 */
export function readKey(key: string, size: number): GenerationKey {
  const [, digits, name] = GENERATION.exec(key) ?? [];
  if (digits === undefined || name === undefined) return readFloor(key);
  const generation = Number(digits);
  const base = BASE.exec(name);
  if (base !== null) {
    const [, parent, number, salt, end] = base;
    const found = { parent: Number(parent), number: Number(number), salt: BigInt(`0x${salt}`), end: Number(end) };
    return { kind: "base", generation, base: found.parent === 0 ? undefined : found };
  }
  const cluster = IDENTITY.exec(name)?.[1];
  if (cluster !== undefined) return { kind: "identity", identity: { key, generation, cluster } };
  const snapshot = SNAPSHOT.exec(name);
  if (snapshot !== null) {
    const [index, term, previous] = snapshot.slice(1, 4).map(Number) as [number, number, number];
    const checksum = BigInt(`0x${snapshot[4]}`);
    return { kind: "snapshot", snapshot: { key, generation, index, term, previous, checksum, size } };
  }
  const piece = readPiece(key, generation, name);
  return piece === undefined ? OTHER : { kind: "piece", piece };
}

/**
 * The size of an object, as its key gives it.
 *
 * @param key The parsed key.
 * @returns The size in bytes; `undefined` if any size is possible.
 */
export function sizeInKey(key: GenerationKey): number | undefined {
  switch (key.kind) {
    case "piece":
      return key.piece.to - key.piece.from;
    case "identity":
      return IDENTITY_BYTES;
    case "base":
    case "floor":
      return 0;
    case "snapshot":
    case "other":
      return undefined;
  }
}

function readFloor(key: string): GenerationKey {
  const found = FLOOR.exec(key);
  if (found === null) return OTHER;
  const [generation, segment, snapshot, time] = found.slice(1).map(Number) as [number, number, number, number];
  return { kind: "floor", floor: { generation, segment, snapshot, time } };
}

function readPiece(key: string, generation: number, name: string): Piece | undefined {
  const found = PIECE.exec(name);
  if (found === null) return undefined;
  const [number, baseLsn, first] = found.slice(1, 4).map(Number) as [number, number, number];
  const [from, to, floor, next, snapshot, archived, flag, time] = found.slice(5, 13).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const segment = { number, baseLsn, first, salt: BigInt(`0x${found[4]}`) };
  const checksum = BigInt(`0x${found[13]}`);
  const ended = flag === 1;
  return { key, generation, segment, from, to, floor, next, snapshot, archived, ended, time, checksum };
}
