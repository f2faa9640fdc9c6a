/**
 * Reads a snapshot at any position.
 *
 * @module
 */

import type { Index, NodeId, SnapshotSource, Term } from "../api/types.ts";
import { WalLogError } from "../api/errors.ts";
import { paddedPieceBytes } from "../format/snapshot_piece.ts";
import { checkPart } from "../api/validate_snapshot.ts";
import type { Durability } from "../write/durability.ts";
import { PIECE_ROOM_BYTES, type SnapshotReader } from "./snapshot_file.ts";

/** The start of a piece, in the file and in the data. */
interface Place {
  readonly offset: number;
  readonly at: number;
}

/** The data of a piece, and where it begins in the data of the snapshot. */
interface Held {
  readonly at: number;
  readonly data: Uint8Array<ArrayBuffer>;
}

const NOTHING: Held = { at: 0, data: new Uint8Array(0) };

/** Reads parts of a snapshot's file. It keeps the last piece in memory. */
export class FileSnapshotSource implements SnapshotSource {
  readonly index: Index;
  readonly term: Term;
  readonly config: readonly NodeId[];
  readonly meta: Uint8Array<ArrayBuffer>;
  readonly dataBytes: number;
  private readonly reader: SnapshotReader;
  private readonly durability: Durability;
  private readonly open: Set<{ close(): void }>;
  /** The known pieces, in order. */
  private readonly places: Place[];
  private held: Held = NOTHING;
  /** Where pieces are read to, one after the other: a snapshot has thousands. */
  private room: Uint8Array<ArrayBuffer> | undefined;
  private isClosed = false;

  /**
   * @param reader Reads the file.
   * @param durability Whether the log is open.
   * @param open The files that the log closes with itself.
   */
  constructor(reader: SnapshotReader, durability: Durability, open: Set<{ close(): void }>) {
    ({ index: this.index, term: this.term, config: this.config, meta: this.meta } = reader.meta);
    this.dataBytes = reader.dataBytes;
    this.reader = reader;
    this.durability = durability;
    this.open = open;
    this.places = [{ offset: reader.piecesAt, at: 0 }];
    open.add(this);
  }

  /** Reads a part of the data. See {@link SnapshotSource.read}. */
  read(offset: number, length: number): Uint8Array<ArrayBuffer> {
    this.durability.requireOpen("read a snapshot");
    if (this.isClosed) throw new WalLogError("CLOSED", "Cannot read a snapshot: it was closed");
    const part = new Uint8Array(checkPart(this, offset, length));
    for (let done = 0; done < part.length;) {
      const { at, data } = this.pieceWith(offset + done);
      const from = offset + done - at;
      const found = data.subarray(from, from + part.length - done);
      part.set(found, done);
      done += found.length;
    }
    return part;
  }

  /** The verified piece with the byte at a position of the data. Pieces on the way to it are verified once. */
  private pieceWith(position: number): Held {
    const { held, places } = this;
    if (position >= held.at && position < held.at + held.data.length) return held;
    // Nothing is held while the room is written to.
    this.held = NOTHING;
    this.room ??= new Uint8Array(PIECE_ROOM_BYTES);
    let next = places.length - 1;
    while (places[next]!.at > position) next--;
    for (;; next++) {
      const { offset, at } = places[next]!;
      const data = this.reader.dataAt(offset, this.room);
      const end = at + data.length;
      if (next === places.length - 1) places.push({ offset: offset + paddedPieceBytes(data.length), at: end });
      if (position < end) return this.held = { at, data };
    }
  }

  /** Closes the file. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.open.delete(this);
    this.reader.close();
  }
}
