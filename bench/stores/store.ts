/**
 * The interface of the compared stores: this log, other ways to keep a log, and the bare machine.
 *
 * @module
 */

/** Commands by index, kept in a folder. The first index is 1. */
export interface Store {
  /** Adds commands at the end, without a flush. */
  append(first: number, commands: readonly Uint8Array[]): void | Promise<void>;
  /** Adds commands at the end; they are on stable storage when it returns or resolves. */
  commit(first: number, commands: readonly Uint8Array[]): void | Promise<void>;
  /** The same for one of many concurrent callers, which may share a flush. Missing if flushes cannot be shared. */
  commitShared?(first: number, command: Uint8Array): Promise<unknown>;
  /** Reads everything that opening has not read yet, from the first index to the last. */
  scan(): Scanned | Promise<Scanned>;
  /** One command. */
  get?(index: number): Uint8Array | Promise<Uint8Array>;
  /** The commands of a range, `to` included. */
  range?(from: number, to: number): Uint8Array[] | Promise<Uint8Array[]>;
  /** Iterates over all commands; returns their total size. */
  walk?(): number;
  /** Yields commands from an index on as they become durable. Ends when the store is closed. */
  follow?(from: number): AsyncIterable<{ readonly command: Uint8Array }>;
  /** Flushes appended commands, and closes the store. */
  close(): void | Promise<void>;
}

/** The result of a scan. */
export interface Scanned {
  /** The number of entries; `undefined` for the bare machine, which does not know entries. */
  readonly entries: number | undefined;
  readonly bytes: number;
}

/** How a store is opened. */
export interface OpenOptions {
  /**
   * Whether each commit is flushed. For this log, `append` and `commit` differ. For a database, these are two
   * configurations.
   */
  readonly isDurable: boolean;
  /** Whether many callers commit concurrently. Then a database may be configured to share flushes. */
  readonly isShared?: boolean;
  /** The number of bytes that will be written, for stores that preallocate. */
  readonly bytesAhead?: number;
  /** This log only: its option of the same name. */
  readonly verify?: "full" | "tail";
  /** This log only: opens with `openSync`. */
  readonly isSync?: boolean;
}

/** A way to keep commands. */
export interface StoreKind {
  /** Its name on the command line. */
  readonly name: string;
  /** Its name in a table. */
  readonly title: string;
  /** A note about its configuration. */
  readonly note: string;
  /** Loads its modules in advance, so that opening does not include that. */
  load(): Promise<(folder: string, options: OpenOptions) => Store | Promise<Store>>;
}

/** The error of a peer that is not installed or that this runtime cannot load. The table shows it. */
export class NotAvailable extends Error {}
