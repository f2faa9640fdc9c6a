/**
 * The types of a Raft log: its inputs and outputs, and the interface that every log of this library implements.
 *
 * @module
 */

import type { ReadableStream as NodeReadableStream } from "node:stream/web";
import type { Retention, RetentionState } from "./retention.ts";

/** Position of an entry in the log: a 1-based safe integer. 0 means "before the first entry". */
export type Index = number;

/** A Raft term: a safe integer, 0 before the first election. */
export type Term = number;

/** Identity of a node: any unsigned 64-bit number. An identity is not a counter, so it is a `bigint`. */
export type NodeId = bigint;

/** The kind of an entry: a command for the state machine, or a change of the cluster's configuration. */
export type EntryKind = "normal" | "config";

/** An entry to append. */
export interface NewEntry {
  /** Term in which a leader created the entry. At least the term of the previous entry. */
  readonly term: Term;
  /** Position in the log. */
  readonly index: Index;
  /** Whether the command is one of the application or a configuration. Default: `"normal"`. */
  readonly kind?: EntryKind;
  /** The payload, opaque to the log. The log copies it. */
  readonly command: Uint8Array;
}

/** One entry of the log, as the log returns it. */
export interface LogEntry extends NewEntry {
  /** Whether the command is one of the application or a configuration. */
  readonly kind: EntryKind;
  /**
   * The payload, opaque to the log. It is a copy that the caller owns, except that followers share their copies: do not
   * write into what a follower returns. Copies may share a buffer: its size is at most 4 KiB and 16 times that of the
   * command.
   */
  readonly command: Uint8Array<ArrayBuffer>;
}

/** The state that a node must never forget: its term, and its vote in that term. */
export interface HardState {
  /** The latest term that the node has seen. */
  readonly term: Term;
  /** The node's vote in `term`; `null` if it has not voted. */
  readonly votedFor: NodeId | null;
}

/** The description of a snapshot, without its data. */
export interface SnapshotMeta {
  /** The last index that the snapshot includes. */
  readonly index: Index;
  /** The term of the entry at `index`. */
  readonly term: Term;
  /** The members of the cluster at `index`. */
  readonly config: readonly NodeId[];
  /**
   * Further state of the consensus layer, such as addresses: at most 1 MiB, opaque to the log. The log copies it.
   * Default: no bytes. A log always returns it, empty if there is none.
   */
  readonly meta?: Uint8Array;
}

/** A snapshot to install: the state machine's state at an index, which replaces all entries up to that index. */
export interface NewSnapshot extends SnapshotMeta {
  /** The state machine's data, opaque to the log. The log copies it. */
  readonly data: Uint8Array;
}

/** The data, configuration and meta of the snapshot that {@link RaftLog.compact} installs. */
export interface CompactOptions {
  /** The state machine's data at the index. Default: no bytes. */
  readonly data?: Uint8Array;
  /** The members of the cluster at the index. Default: those of the previous snapshot; none if there is no snapshot. */
  readonly config?: readonly NodeId[];
  /**
   * Further state of the consensus layer: at most 1 MiB. Default: the previous snapshot's meta if its configuration is
   * kept too; no bytes if `config` is given.
   */
  readonly meta?: Uint8Array;
}

/** A snapshot, as the log returns it. */
export interface Snapshot extends NewSnapshot {
  /** Further state of the consensus layer. The caller owns it. */
  readonly meta?: Uint8Array<ArrayBuffer>;
  /** The state machine's data, opaque to the log. The caller owns it. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/**
 * A snapshot's data as a stream. The platform and Node declare separate types, and neither is assignable to the other.
 * This type is both, so that `new Response(stream)` and `Readable.fromWeb(stream)` accept it.
 */
export type SnapshotStream = ReadableStream<Uint8Array<ArrayBuffer>> & NodeReadableStream<Uint8Array<ArrayBuffer>>;

/** An open snapshot that can be read at any position. Later snapshots do not change it. */
export interface SnapshotSource extends Required<SnapshotMeta> {
  /** Further state of the consensus layer. */
  readonly meta: Uint8Array<ArrayBuffer>;
  /** Bytes of data. */
  readonly dataBytes: number;

  /**
   * Reads a part of the data.
   *
   * @param offset The offset of the part, in bytes.
   * @param length Its length, in bytes.
   * @returns A copy. It is shorter than requested only at the end of the data.
   * @throws {WalLogError} `CORRUPT` if the part is damaged; `INVALID_ARGUMENT`, `IO`; `CLOSED`.
   */
  read(offset: number, length: number): Uint8Array<ArrayBuffer>;

  /** Closes the snapshot. Closing the log closes it too. */
  close(): void;
}

/** A snapshot that is being written, a piece at a time. It does not change the log until it is installed. */
export interface SnapshotTarget {
  /** The index of the snapshot. */
  readonly index: Index;
  /** The bytes of data written so far. */
  readonly dataBytes: number;
  /** Whether more can be written; `false` once it is installed or discarded. */
  readonly isOpen: boolean;

  /**
   * Adds data.
   *
   * @param piece The next bytes. They are copied.
   * @throws {WalLogError} `NO_SPACE`: {@link SnapshotTarget.dataBytes} gives the number of accepted bytes; write the
   * rest again when there is space, if {@link SnapshotTarget.isOpen}. `INVALID_ARGUMENT`; `POISONED`, `CLOSED`.
   */
  write(piece: Uint8Array): void;

  /**
   * Installs the snapshot as {@link RaftLog.applySnapshot} does. A stale one is discarded.
   *
   * @param options `force`: as for `WalLog.applySnapshot`.
   * @throws {WalLogError} `NO_SPACE`: try again when there is space, if {@link SnapshotTarget.isOpen}. Otherwise as
   * {@link RaftLog.applySnapshot}; `POISONED`, `CLOSED`.
   */
  install(options?: { readonly force?: boolean }): void;

  /** Discards the snapshot. Closing the log does so too. Does nothing if it is already installed or discarded. */
  abort(): void;
}

/** A limit on the result of one read. */
export interface EntriesOptions {
  /** The most bytes of commands to return, but always at least one entry. Default: no limit. */
  readonly maxBytes?: number;
}

/** Options of following a log. */
export interface FollowOptions {
  /** The first index to return. It may be above the last durable one. Default: `durableIndex` + 1. */
  readonly from?: Index;
  /**
   * The expected term of the entry before `from`. If the log has an entry of another term there, the follower fails
   * with `NOT_CONTIGUOUS`. Default: the log's term there.
   */
  readonly previousTerm?: Term;
  /** Ends the iteration: a pending wait for an entry rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** The most bytes of commands to read at once, though always at least one entry. Default: 256 KiB. */
  readonly maxBytes?: number;
}

/** Entries as a stream. It is both the platform's type and Node's, as {@link SnapshotStream} is. */
export type EntryStream = ReadableStream<LogEntry> & NodeReadableStream<LogEntry>;

/** A Raft log. Mutations are synchronous and take effect at once. {@link RaftLog.sync} makes them durable. */
export interface RaftLog {
  /** Index of the last entry, or of the snapshot if no entry follows it; 0 if there is neither. */
  readonly lastIndex: Index;
  /** Term at {@link RaftLog.lastIndex}; 0 if the log is empty. */
  readonly lastTerm: Term;
  /** Index of the snapshot; 0 if there is none. */
  readonly snapshotIndex: Index;
  /**
   * The lowest index with a readable entry: {@link RaftLog.snapshotIndex} + 1, or lower while a retention holds
   * entries back. Above {@link RaftLog.lastIndex} if there are no entries.
   */
  readonly firstIndex: Index;
  /** The current retentions. */
  readonly retentions: readonly RetentionState[];
  /** The last hard state that was set; term 0 and no vote if none was. */
  readonly hardState: HardState;
  /** The largest command that {@link RaftLog.append} accepts, in bytes. If it is missing, there is no limit. */
  readonly maxEntryBytes?: number;

  /**
   * The term of the entry at an index.
   *
   * @param index Any index; 0 stands for "before the first entry".
   * @returns 0 at index 0 of a log from which nothing is compacted away, the snapshot's term at
   * {@link RaftLog.snapshotIndex}, `undefined` below {@link RaftLog.firstIndex} - 1 or above {@link RaftLog.lastIndex}.
   */
  termAt(index: Index): Term | undefined;

  /**
   * The entry at an index.
   *
   * @param index The index to read.
   * @returns The entry, or `undefined` if the log has none there (compacted away, or not written yet).
   */
  entry(index: Index): LogEntry | undefined;

  /**
   * The entries of a range.
   *
   * @param from The first index wanted; clipped to the first existing entry.
   * @param to The last index wanted, inclusive; clipped to {@link RaftLog.lastIndex}.
   * @param options A bound on the bytes returned.
   * @returns The entries in order; empty if the range holds none.
   */
  entries(from: Index, to: Index, options?: EntriesOptions): LogEntry[];

  /**
   * Bytes that the entries above an index take, for monitoring. Entries that a snapshot has replaced do not count. A
   * `WalLog` counts bytes of its files, without reading them, from the start of the page that holds the first of the
   * entries: up to a page (4 KiB, or one larger frame) too many. In a segment that was opened from its segment index
   * (`verify: "tail"`) and not read since, it counts the whole segment. A `MemoryLog` counts the bytes of commands.
   *
   * @param index The index.
   * @returns The bytes; 0 if the log has no entry above the index.
   */
  bytesAfter(index: Index): number;

  /**
   * The latest snapshot with its data.
   *
   * @returns The snapshot, or `undefined` if there is none.
   */
  snapshot(): Snapshot | undefined;

  /**
   * Opens the latest snapshot, to read it a part at a time.
   *
   * @returns The snapshot, which the caller must close; `undefined` if there is none.
   */
  openSnapshotSource(): SnapshotSource | undefined;

  /**
   * Begins a snapshot that is written a piece at a time. Use it instead of {@link RaftLog.applySnapshot} for data that
   * does not fit in memory.
   *
   * @param meta The snapshot's index, term, configuration and meta.
   * @returns The target for its data. Nothing changes before it is installed.
   * @throws {WalLogError} `INVALID_ARGUMENT`.
   */
  createSnapshotTarget(meta: SnapshotMeta): SnapshotTarget;

  /**
   * Adds entries at the end of the log. An empty list changes nothing.
   *
   * @param entries Contiguous entries; the first at `lastIndex + 1`.
   * @throws {WalLogError} `NOT_CONTIGUOUS` for a gap or an overlap, `ENTRY_TOO_LARGE`, `INVALID_ARGUMENT`. The log is
   * unchanged then.
   */
  append(entries: readonly NewEntry[]): void;

  /**
   * Drops every entry at or above an index. Above {@link RaftLog.lastIndex} it changes nothing.
   *
   * @param from The first index to drop.
   * @throws {WalLogError} `COMPACTED` at or below {@link RaftLog.snapshotIndex}, `INVALID_ARGUMENT` for an index below
   * 1. The log is unchanged then.
   */
  truncate(from: Index): void;

  /**
   * Replaces the hard state.
   *
   * @param state The term and the vote.
   * @throws {WalLogError} `INVALID_ARGUMENT` for a term that is not a safe integer or a vote that is not an unsigned
   * 64-bit number.
   */
  setHardState(state: HardState): void;

  /**
   * Installs a leader's snapshot and drops the entries that it replaces. A snapshot at or below {@link
   * RaftLog.snapshotIndex} is stale and changes nothing. If the log has an entry of the same term at the snapshot's
   * index, the entries above stay; otherwise the log is cleared and continues after the snapshot. For a snapshot of the
   * node's own, use {@link RaftLog.compact}, which never drops an entry above its index.
   *
   * @param snapshot The snapshot with its data.
   * @throws {WalLogError} `INVALID_ARGUMENT`.
   */
  applySnapshot(snapshot: NewSnapshot): void;

  /**
   * Installs a snapshot of the node's own state: drops the entries up to and including an index, and keeps all above
   * it. The snapshot gets the log's term at the index. At or below {@link RaftLog.snapshotIndex} it changes nothing.
   *
   * @param through The last index to drop, and the snapshot's index.
   * @param options The snapshot's data, configuration and meta. Give `config` if the entries to drop change the cluster.
   * @throws {WalLogError} `INVALID_ARGUMENT` for an index above {@link RaftLog.lastIndex}, or for invalid options. The
   * log is unchanged then.
   */
  compact(through: Index, options?: CompactOptions): void;

  /**
   * Holds compaction back: entries from an index on stay readable until the retention moves up or is released, even if
   * a snapshot covers them. A snapshot that clears the log discards them anyway. Retentions are not kept on disk: a log
   * that is opened has none.
   *
   * @param name Name of the retention: 1 to 255 characters, not in use by another retention.
   * @param from The lowest index needed. It may be above {@link RaftLog.lastIndex}.
   * @returns The retention.
   * @throws {WalLogError} `COMPACTED` below {@link RaftLog.firstIndex}, with that index as `index`; `INVALID_ARGUMENT`.
   */
  retain(name: string, from: Index): Retention;

  /**
   * Makes everything that was done before the call durable.
   *
   * @returns The last index that is durable.
   */
  sync(): Promise<Index>;

  /**
   * Like {@link RaftLog.sync}, but blocks until it is done.
   *
   * @returns The last index that is durable.
   */
  syncSync(): Index;
}
