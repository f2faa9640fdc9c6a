/**
 * Copies of entries and snapshots in memory, and snapshots that are read and written a part at a time.
 *
 * @module
 */

import { checkNames, FORCE } from "./option_names.ts";
import { takeBytes, type TakenEntry } from "./taken.ts";
import type {
  Index,
  LogEntry,
  NewSnapshot,
  NodeId,
  Snapshot,
  SnapshotMeta,
  SnapshotSource,
  SnapshotTarget,
  Term,
} from "./types.ts";
import { WalLogError } from "./errors.ts";
import { checkPart, checkPiece, closedTarget } from "./validate_snapshot.ts";

/** The initial capacity, in bytes. */
const BYTES_MIN = 4096;

// `new Uint8Array(bytes)` copies even a Buffer; `bytes.slice()` of a Buffer would be a view.

/** An entry that shares nothing with the one given. */
export function copyEntry(entry: TakenEntry): LogEntry {
  return { term: entry.term, index: entry.index, kind: entry.kind, command: new Uint8Array(entry.command) };
}

/** A snapshot that shares nothing with the one given. */
export function copySnapshot(snapshot: NewSnapshot): Snapshot {
  return {
    index: snapshot.index,
    term: snapshot.term,
    config: [...snapshot.config],
    meta: new Uint8Array(snapshot.meta ?? []),
    data: new Uint8Array(snapshot.data),
  };
}

/** Reads parts of a snapshot in memory. */
export class MemorySnapshotSource implements SnapshotSource {
  readonly index: Index;
  readonly term: Term;
  readonly config: readonly NodeId[];
  readonly meta: Uint8Array<ArrayBuffer>;
  readonly #data: Uint8Array<ArrayBuffer>;
  #isClosed = false;

  /** @param snapshot The snapshot. Nothing may change it. */
  constructor({ index, term, config, meta, data }: Snapshot) {
    this.index = index;
    this.term = term;
    this.config = config;
    this.meta = meta ?? new Uint8Array(0);
    this.#data = data;
  }

  /** Bytes of data. */
  get dataBytes(): number {
    return this.#data.length;
  }

  /** Reads a part of the data. See {@link SnapshotSource.read}. */
  read(offset: number, length: number): Uint8Array<ArrayBuffer> {
    if (this.#isClosed) throw new WalLogError("CLOSED", "Cannot read a snapshot: it was closed");
    return this.#data.slice(offset, offset + checkPart(this, offset, length));
  }

  /** Closes the snapshot. */
  close(): void {
    this.#isClosed = true;
  }
}

/** Collects a snapshot in one array, so that even small pieces take no more than their bytes. */
export class MemorySnapshotTarget implements SnapshotTarget {
  isOpen = true;
  readonly #meta: SnapshotMeta;
  readonly #install: (snapshot: NewSnapshot) => void;
  #bytes = new Uint8Array(0);
  #length = 0;

  /**
   * @param meta The checked description of the snapshot.
   * @param install Installs the complete snapshot.
   */
  constructor(meta: SnapshotMeta, install: (snapshot: NewSnapshot) => void) {
    this.#meta = { ...meta, meta: new Uint8Array(meta.meta ?? []) };
    this.#install = install;
  }

  /** The index of the snapshot. */
  get index(): Index {
    return this.#meta.index;
  }

  /** The bytes of data written so far. */
  get dataBytes(): number {
    return this.#length;
  }

  /** Adds data. See {@link SnapshotTarget.write}. */
  write(piece: Uint8Array): void {
    checkPiece(piece);
    this.#requireOpen();
    const taken = takeBytes(piece);
    const length = this.#length + taken.length;
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#bytes.length, BYTES_MIN));
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(taken, this.#length);
    this.#length = length;
  }

  /** Installs the snapshot. See {@link SnapshotTarget.install}. */
  install(options: { readonly force?: boolean } = {}): void {
    checkNames("Cannot install a snapshot", options, FORCE);
    this.#requireOpen();
    this.#install({ ...this.#meta, data: this.#bytes.subarray(0, this.#length) });
    this.abort();
  }

  /** Discards the snapshot. */
  abort(): void {
    this.isOpen = false;
    this.#bytes = new Uint8Array(0);
  }

  #requireOpen(): void {
    if (!this.isOpen) throw closedTarget(this.index);
  }
}
