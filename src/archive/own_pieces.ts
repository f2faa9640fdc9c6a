/**
 * The pieces that an archiver has written of a segment, and the decision when to merge them.
 *
 * Every 16 pieces in a row of the same level become one of the next level. So each byte is written a few times, and a
 * segment has a few dozen pieces at most.
 *
 * @module
 */

import type { Index } from "../api/types.ts";
import type { IndexesAt } from "./frames.ts";

/** The number of pieces of the same level that are merged. */
const MERGED_PIECES = 16;

/** The indexes of a log at a position, and the snapshots that are archived there. */
export interface ArchivedAt extends IndexesAt {
  /** Index of the newest snapshot that is archived; 0 if there is none. */
  readonly archived: Index;
}

/** A piece to write. */
export interface PlannedPiece {
  readonly from: number;
  readonly to: number;
  /** The log at its start. */
  readonly start: IndexesAt;
  /** The number of times that its bytes were merged. */
  readonly level: number;
}

/** A piece that the archiver has written. */
export interface OwnPiece extends PlannedPiece {
  readonly key: string;
  /** The log at its end. */
  readonly after: ArchivedAt;
}

/** One piece in place of several that follow on each other. */
export function mergedPiece(parts: readonly OwnPiece[]): PlannedPiece {
  const first = parts[0]!;
  return { from: first.from, to: parts.at(-1)!.to, start: first.start, level: first.level + 1 };
}

/** The pieces of one segment. */
export class OwnPieces {
  /** The segment's number and salt. */
  readonly number: number;
  readonly salt: bigint;
  /** The pieces, in order. */
  readonly pieces: OwnPiece[] = [];

  constructor(number: number, salt: bigint) {
    this.number = number;
    this.salt = salt;
  }

  /** Adds a piece at the end. */
  add(piece: OwnPiece): void {
    this.pieces.push(piece);
  }

  /** The last pieces, if they should be merged; `undefined` if not. */
  due(): readonly OwnPiece[] | undefined {
    const last = this.pieces.slice(-MERGED_PIECES);
    const [{ level } = { level: 0 }] = last;
    return last.length === MERGED_PIECES && last.every((piece) => piece.level === level) ? last : undefined;
  }

  /** Replaces the last pieces by one. */
  merged(parts: readonly OwnPiece[], whole: OwnPiece): void {
    this.pieces.splice(this.pieces.length - parts.length, parts.length, whole);
  }
}
