/**
 * What is compared: this log, other ways to keep one, and the bare machine below, behind one interface.
 *
 * @module
 */

/** Commands by index, kept in a folder. The first index is 1. */
export interface Store {
  /** Adds commands at the end, without a flush. */
  append(first: number, commands: readonly Uint8Array[]): void | Promise<void>;
  /** Adds commands at the end; they are on stable storage when it returns or resolves. */
  commit(first: number, commands: readonly Uint8Array[]): void | Promise<void>;
  /** The same for one of many callers at a time, who may share a flush. Missing where nothing can be shared. */
  commitShared?(first: number, command: Uint8Array): Promise<unknown>;
  /** Looks at everything that opening has not looked at yet, from the first index to the last. */
  scan(): Scanned | Promise<Scanned>;
  /** One command. */
  get?(index: number): Uint8Array | Promise<Uint8Array>;
  /** The commands of a range, `to` included. */
  range?(from: number, to: number): Uint8Array[] | Promise<Uint8Array[]>;
  /** Goes through all commands; returns their bytes. */
  walk?(): number;
  /** Gives commands from an index on as they become durable; ends when the store is closed. */
  follow?(from: number): AsyncIterable<{ readonly command: Uint8Array }>;
  /** Flushes what was appended, and ends. */
  close(): void | Promise<void>;
}

/** What a scan saw. */
export interface Scanned {
  /** `undefined` for the bare machine, to which bytes are bytes. */
  readonly entries: number | undefined;
  readonly bytes: number;
}

/** How a store is opened. */
export interface OpenOptions {
  /**
   * Whether its commits are to be flushed by themselves: what `append` and `commit` do differently in this log are two
   * configurations of a database.
   */
  readonly isDurable: boolean;
  /** Whether many callers commit at a time, in which case a database may be set up to let them share flushes. */
  readonly isShared?: boolean;
  /** Bytes that will be written: who lays zeros ahead lays so many. */
  readonly bytesAhead?: number;
  /** This log only: as its option. */
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
  /** What to know about how it is used. */
  readonly note: string;
  /** Loads what it needs, so that opening is not charged with it. */
  load(): Promise<(folder: string, options: OpenOptions) => Store | Promise<Store>>;
}

/** A peer that this runtime cannot load, or that is not installed. Said in the table. */
export class NotAvailable extends Error {}
