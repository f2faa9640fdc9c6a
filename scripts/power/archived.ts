/**
 * Reads an archive by hand: joins its objects to the files of a log, which `docs/decode.py` reads. It was written from
 * `docs/ARCHIVE.md`, and shares no code with the library.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { checksumsOf, type Files } from "./decoder.ts";

/** The offsets in a segment at which it has the pointer to the next one. */
const POINTER_OFFSETS = [1024, 13312];
/** The bytes of the pointer before its checksum. */
const POINTER_BYTES = 32;

/** A piece: bytes of a segment. */
interface Piece {
  readonly generation: number;
  readonly segment: number;
  /** The LSN at which the segment begins. */
  readonly baseLsn: number;
  readonly salt: string;
  readonly from: number;
  readonly to: number;
  /** The lowest index that it writes or drops. */
  readonly floor: number;
  /** The index of the log's snapshot at its end. */
  readonly snapshot: number;
  readonly hasEnded: boolean;
  readonly bytes: Buffer;
}

/** The generation that another one continues, and the end of what counts of it. */
interface Base {
  readonly parent: number;
  readonly segment: number;
  readonly salt: string;
  readonly end: number;
}

/** The objects of an archive. */
interface Objects {
  readonly claims: ReadonlySet<number>;
  readonly bases: ReadonlyMap<number, Base>;
  readonly pieces: readonly Piece[];
  readonly snapshots: readonly { readonly generation: number; readonly name: string; readonly text: string }[];
}

/** An archive that cannot be read. */
export class ArchiveDamage extends Error {}

/**
 * The files of the log in an archive.
 *
 * @param store The objects by their keys, in base64.
 * @returns The files; `undefined` if no step of an archiver has ended.
 * @throws {ArchiveDamage} If an object is missing, or has another size than its key says.
 */
export function readArchive(store: Files): Files | undefined {
  const objects = objectsOf(store);
  const newest = Math.max(0, ...objects.pieces.filter(({ hasEnded }) => hasEnded).map(({ generation }) => generation));
  if (newest === 0) return undefined;
  const { pieces, generations } = historyOf(objects, newest);
  const segments = inOrder(chainsOf(endedPieces(pieces)));
  const kept = segments.slice(startOf(segments));
  const files: Record<string, string> = {};
  for (const [i, pointer] of [...pointersOf(kept), undefined].entries()) {
    const bytes = Buffer.concat(kept[i]!.map((piece) => piece.bytes));
    for (const at of POINTER_OFFSETS) pointer?.copy(bytes, at);
    files[`${padded(kept[i]![0]!.segment)}.seg`] = bytes.toString("base64");
  }
  const ours = objects.snapshots.filter(({ generation }) => generations.has(generation));
  for (const { name, text } of ours) files[name] = text;
  return files;
}

function objectsOf(store: Files): Objects {
  const claims = new Set<number>();
  const bases = new Map<number, Base>();
  const pieces: Piece[] = [];
  const snapshots: { generation: number; name: string; text: string }[] = [];
  for (const [key, text] of Object.entries(store)) {
    const [kind, digits, folder, ...rest] = key.split("/");
    const generation = Number(digits);
    if (kind === "claims") claims.add(generation);
    if (kind !== "generations") continue;
    if (folder === "base") {
      const [parent, segment, salt, end] = rest[0]!.split("-");
      bases.set(generation, { parent: Number(parent), segment: Number(segment), salt: salt!, end: Number(end) });
    } else if (folder === "segments") pieces.push(pieceOf(key, generation, rest, Buffer.from(text, "base64")));
    else if (folder === "snapshots") {
      const [index, term] = rest[0]!.split("-").map(Number);
      snapshots.push({ generation, name: `${padded(index!)}-${padded(term!)}.snap`, text });
    }
  }
  // The snapshot of a newer generation replaces one of the same name.
  snapshots.sort((a, b) => a.generation - b.generation);
  return { claims, bases, pieces, snapshots };
}

function pieceOf(key: string, generation: number, [folder, name]: readonly string[], bytes: Buffer): Piece {
  const [segment, baseLsn, , salt] = folder!.split("-");
  const [from, to, floor, , snapshot, , ended] = name!.split("-").map(Number);
  if (bytes.length !== to! - from!) throw new ArchiveDamage(`${key} has ${bytes.length} bytes`);
  const numbers = {
    segment: Number(segment),
    baseLsn: Number(baseLsn),
    from: from!,
    to: to!,
    floor: floor!,
    snapshot: snapshot!,
  };
  return { generation, salt: salt!, ...numbers, hasEnded: ended === 1, bytes };
}

/** The pieces of a generation, and those of the generations that it continues. */
function historyOf({ claims, bases, pieces }: Objects, newest: number) {
  const limits: Base[] = [];
  const generations = new Set<number>();
  const counted: Piece[] = [];
  for (let at = newest; at > 0;) {
    if (!claims.has(at)) throw new ArchiveDamage(`the claim of generation ${at} is missing`);
    const base = bases.get(at);
    if (base === undefined) throw new ArchiveDamage(`the base of generation ${at} is missing`);
    generations.add(at);
    const own = pieces.filter(({ generation }) => generation === at);
    counted.push(...own.filter((piece) => limits.every((limit) => isWithin(piece, limit))));
    limits.push(base);
    at = base.parent;
  }
  return { pieces: counted, generations };
}

function isWithin({ segment, salt, to }: Piece, base: Base): boolean {
  return segment < base.segment || (segment === base.segment && salt === base.salt && to <= base.end);
}

/** The pieces without those of a step that has not ended. */
function endedPieces(pieces: readonly Piece[]): readonly Piece[] {
  const ends = pieces.filter(({ hasEnded }) => hasEnded).sort((a, b) => a.segment - b.segment || a.to - b.to);
  const last = ends.at(-1);
  if (last === undefined) return [];
  return pieces.filter(({ segment, to }) => segment < last.segment || (segment === last.segment && to <= last.to));
}

/** The longest chain of pieces of each segment. */
function chainsOf(pieces: readonly Piece[]): (readonly Piece[])[] {
  const bySegment = Map.groupBy(pieces, ({ segment, salt }) => `${segment} ${salt}`);
  return [...bySegment.values()].map(longestChain).filter(({ length }) => length > 0);
}

/** The segments by their numbers. One that begins where a later one begins does not count: a crash has cut it off. */
function inOrder(chains: readonly (readonly Piece[])[]): readonly (readonly Piece[])[] {
  const newestFirst = [...chains].sort(([a], [b]) => b!.segment - a!.segment || b!.generation - a!.generation);
  const kept: (readonly Piece[])[] = [];
  for (const chain of newestFirst) {
    const [{ segment, baseLsn }, next] = [chain[0]!, kept.at(-1)?.[0]];
    if (next === undefined || (segment < next.segment && baseLsn < next.baseLsn)) kept.push(chain);
  }
  return kept.reverse();
}

/** The pointers from all segments but the last. Without them, a segment that has only copies of frames does not count. */
function pointersOf(segments: readonly (readonly Piece[])[]): Buffer[] {
  const blocks = segments.slice(1).map((chain) => {
    const [{ segment, baseLsn }, { to }] = [chain[0]!, chain.at(-1)!];
    const block = Buffer.alloc(POINTER_BYTES, "WALLOGNX", "latin1");
    // Everything that is archived was durable.
    [segment, baseLsn, baseLsn + to].forEach((value, i) => block.writeBigUInt64LE(BigInt(value), 8 + 8 * i));
    return block;
  });
  const seeds = segments.slice(0, -1).map(([first]) => BigInt(`0x${first!.salt}`));
  const sums = checksumsOf(blocks, seeds);
  return blocks.map((block, i) => Buffer.concat([block, sums[i]!]));
}

function longestChain(pieces: readonly Piece[]): readonly Piece[] {
  const chains = new Map<number, readonly Piece[]>([[0, []]]);
  for (const piece of [...pieces].sort((a, b) => a.from - b.from || b.to - a.to)) {
    const before = chains.get(piece.from);
    if (before !== undefined && piece.to > piece.from && !chains.has(piece.to)) {
      chains.set(piece.to, [...before, piece]);
    }
  }
  return chains.get(Math.max(...chains.keys()))!;
}

/** The last segment at which the log can begin: the snapshot covers all entries that were written before it. */
function startOf(segments: readonly (readonly Piece[])[]): number {
  const snapshot = segments.at(-1)?.at(-1)?.snapshot ?? 0;
  let lowest = Infinity;
  for (let at = segments.length - 1; at >= 0; at--) {
    lowest = Math.min(lowest, ...segments[at]!.map(({ floor }) => floor));
    if (lowest <= snapshot + 1) return at;
  }
  throw new ArchiveDamage(`entries from index ${snapshot + 1} to ${lowest - 1} are missing`);
}

function padded(number: number): string {
  return String(number).padStart(12, "0");
}
