/**
 * The real file system under observation: every changing call is recorded, and can be made to fail or to wait. Time
 * passes only when the test says so.
 *
 * @module
 */

import type { File, FileLock, FileSystem, LockHolder, OpenMode } from "../src/io/file_system.ts";
import { nodeFileSystem } from "../src/io/node_fs.ts";

/** One call. */
export interface Call {
  /** The operation. `create` is an `open` that creates the file. */
  readonly operation:
    | "create"
    | "write"
    | "truncate"
    | "sync"
    | "syncAsync"
    | "syncDirectory"
    | "rename"
    | "remove"
    | "lock";
  /** The name of the file without its folder; for a rename, the new name. */
  readonly name: string;
  /** The offset of a write or a truncation, in bytes. */
  readonly position: number;
  /** The number of bytes written. */
  readonly bytes: number;
}

/**
 * An error as the operating system reports it.
 *
 * @param code Its code: `EIO` and the like.
 * @returns The error.
 */
export function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: injected by a test`), { code });
}

/** The name in a path. */
function nameOf(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}

/** Wraps a file system. */
export class WatchedFileSystem implements FileSystem {
  /** The calls so far, oldest first. A test may empty the list. */
  calls: Call[] = [];
  /** Called before each call. If it throws, the call fails with that error. */
  fail: (call: Call) => void = () => {};
  /** Called before each `syncAsync`. The flush begins when its promise resolves, and fails if it rejects. */
  gate: (call: Call) => Promise<void> = () => Promise.resolve();
  /** The most bytes of one read or write. */
  bytesMax = Infinity;
  /** Called before each read. If it throws, the read fails with that error. */
  failRead: (name: string) => void = () => {};
  /** The number of open files. */
  openFiles = 0;
  readonly #base: FileSystem;
  readonly #timers = new Set<() => void>();

  /**
   * Wraps a file system.
   *
   * @param base The wrapped file system.
   */
  constructor(base: FileSystem = nodeFileSystem) {
    this.#base = base;
  }

  /** The calls so far as `operation name`. */
  get trace(): string[] {
    return this.calls.map(({ operation, name }) => `${operation} ${name}`);
  }

  /** How many calls there were of some kinds. */
  count(...operations: Call["operation"][]): number {
    return this.calls.filter(({ operation }) => operations.includes(operation)).length;
  }

  /** Lets time pass: every pending timer fires. */
  rest(): void {
    for (const callback of [...this.#timers]) {
      this.#timers.delete(callback);
      callback();
    }
  }

  #note(operation: Call["operation"], path: string, position = 0, bytes = 0): Call {
    const call: Call = { operation, name: nameOf(path), position, bytes };
    this.calls.push(call);
    this.fail(call);
    return call;
  }

  /** The folder without links. */
  resolve(path: string): string {
    return this.#base.resolve(path);
  }

  /** Opens a file. */
  open(path: string, mode: OpenMode, permissions?: number): File {
    if (mode === "create") this.#note("create", path);
    const file = this.#base.open(path, mode, permissions);
    this.openFiles++;
    return {
      size: () => file.size(),
      read: (into, position) => {
        this.failRead(nameOf(path));
        return file.read(into.subarray(0, this.bytesMax), position);
      },
      write: (from, position) => {
        this.#note("write", path, position, from.length);
        return file.write(from.subarray(0, this.bytesMax), position);
      },
      truncate: (size) => {
        this.#note("truncate", path, size);
        file.truncate(size);
      },
      sync: () => {
        this.#note("sync", path);
        file.sync();
      },
      syncAsync: async () => {
        await this.gate(this.#note("syncAsync", path));
        return file.syncAsync();
      },
      requireNamed: (folder) => file.requireNamed?.(folder),
      close: () => {
        this.openFiles--;
        file.close();
      },
    };
  }

  /** Lists a directory. */
  list(path: string): string[] {
    return this.#base.list(path);
  }

  /** Makes a directory. */
  makeDirectory(path: string, permissions?: number): void {
    this.#base.makeDirectory(path, permissions);
  }

  /** Renames a file. */
  rename(from: string, to: string): void {
    this.#note("rename", to);
    this.#base.rename(from, to);
  }

  /** Removes a file. */
  remove(path: string): void {
    this.#note("remove", path);
    this.#base.remove(path);
  }

  /** Flushes a directory. */
  syncDirectory(path: string): void {
    this.#note("syncDirectory", path);
    this.#base.syncDirectory(path);
  }

  /** Gives a file another's owner. */
  copyOwner(path: string, like: string): void {
    this.#base.copyOwner?.(path, like);
  }

  /** Takes the lock. */
  lock(path: string, permissions?: number): FileLock | LockHolder {
    this.#note("lock", path);
    return this.#base.lock(path, permissions);
  }

  /** The wall clock. */
  now(): number {
    return this.#base.now();
  }

  /** Fills with random bytes. */
  random(into: Uint8Array): void {
    this.#base.random(into);
  }

  /** Keeps the callback for {@link WatchedFileSystem.rest}. */
  after(_milliseconds: number, callback: () => void): () => void {
    this.#timers.add(callback);
    return () => void this.#timers.delete(callback);
  }
}
