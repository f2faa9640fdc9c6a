/**
 * The interface between the log and the machine. The log uses files, locks, timers, the clock and random numbers only
 * through it, so that a test can inject any fault.
 *
 * Errors are those of the operating system, with its `code` (`ENOENT`, `EEXIST`, `ENOSPC`, `EIO`, ...), or a
 * `WalLogError`.
 *
 * @module
 */

/** An open file. Reads and writes are positional and may be short. The log repeats short ones. */
export interface File {
  /** The size in bytes. */
  size(): number;
  /** When the contents were last changed, in milliseconds since 1970. Omitted if this is never known. */
  modified?(): number;
  /**
   * Reads at a position.
   *
   * @param into Receives the bytes.
   * @param position Offset in the file, in bytes.
   * @returns The number of bytes read. It may be less than requested; 0 means the end of the file.
   */
  read(into: Uint8Array, position: number): number;
  /**
   * Writes at a position.
   *
   * @param from The bytes.
   * @param position Offset in the file, in bytes. Writing past the end leaves a hole of zeros.
   * @returns The number of bytes written. It may be less than given.
   */
  write(from: Uint8Array, position: number): number;
  /**
   * Truncates the file, or extends it with zeros.
   *
   * @param size The new size in bytes.
   */
  truncate(size: number): void;
  /** Flushes data and size to stable storage (`fdatasync`), blocking. */
  sync(): void;
  /**
   * Flushes data and size to stable storage without blocking the thread. It may overlap with {@link File.sync}. If data
   * that both cover could not be written, both must fail.
   *
   * @returns Settles when the flush is done.
   */
  syncAsync(): Promise<void>;
  /**
   * Checks that the file still has its name, and that the writer still holds the lock. Omitted by a file system in
   * which neither can change.
   *
   * @param folder The status of the folder, if it was just taken.
   * @throws {WalLogError} `LOCK_LOST` if the file, the folder or the lock file was moved, deleted or replaced.
   */
  requireNamed?(folder?: FolderStatus): void;
  /** Closes the file. */
  close(): void;
}

/**
 * How to open a file. `read`: an existing file. `write`: an existing file, for reading and writing. `create`: a new
 * file that must not exist yet, for reading and writing.
 */
export type OpenMode = "read" | "write" | "create";

/** The status of a folder. The times change when a file in it is created, deleted, renamed or replaced. */
export interface FolderStatus {
  /** The device. */
  readonly dev: bigint;
  /** The number of the folder on the device. */
  readonly ino: bigint;
  /** The time of modification, in nanoseconds. */
  readonly mtimeNs: bigint;
  /** The time of the last change, in nanoseconds. */
  readonly ctimeNs: bigint;
}

/** A held lock. */
export interface FileLock {
  /**
   * Checks that the lock still protects the folder.
   *
   * @returns The status of the folder, so that nobody needs to take it again; `undefined` if the file system has none.
   * @throws {WalLogError} `LOCK_LOST` if the folder or the lock file was moved, deleted or replaced.
   */
  check(): FolderStatus | undefined;
  /** Releases the lock. */
  release(): void;
}

/** The holder of a lock that could not be taken. */
export type LockHolder = "this process" | "another process";

/** The machine, as the log needs it. */
export interface FileSystem {
  /**
   * Resolves the symbolic links in a folder's path, so that a link that changes later cannot lead to another folder.
   *
   * @param path The folder. It must exist.
   * @returns The resolved absolute path; `path` itself if the process has no permission for the resolved path.
   */
  resolve(path: string): string;
  /**
   * Opens a regular file. Does not follow a symbolic link in the last part of the path.
   *
   * @param path The file.
   * @param mode How to open it.
   * @param permissions Permission bits of a file that is created, minus the process's umask. Default: `0o600`.
   * @returns The open file.
   * @throws {WalLogError} `UNSAFE_FILE` if it is not a regular file: a link, a directory, a device.
   */
  open(path: string, mode: OpenMode, permissions?: number): File;
  /**
   * Lists a directory.
   *
   * @param path The directory.
   * @returns The names in it, in any order.
   */
  list(path: string): string[];
  /**
   * Creates a directory and its missing parents durably. Does nothing if it exists.
   *
   * @param path The directory.
   * @param permissions Permission bits, minus the process's umask. Default: `0o700`.
   */
  makeDirectory(path: string, permissions?: number): void;
  /**
   * Renames a file. Replaces a file that has the new name.
   *
   * @param from The old path.
   * @param to The new path.
   */
  rename(from: string, to: string): void;
  /**
   * Removes a file.
   *
   * @param path The file.
   */
  remove(path: string): void;
  /**
   * Flushes a directory's names to stable storage.
   *
   * @param path The directory.
   */
  syncDirectory(path: string): void;
  /**
   * Gives a file the owner and the permissions of another, as far as the process may. Omitted if files have neither.
   *
   * @param path The file.
   * @param like The other file.
   */
  copyOwner?(path: string, like: string): void;
  /**
   * Takes the writer's lock. It ends with the process, even if the process is killed.
   *
   * @param path The lock file. Created if it is missing.
   * @param permissions Permission bits of a new lock file. Default: `0o600`.
   * @returns The lock, or its holder.
   * @throws {WalLogError} `UNSAFE_FILE` if the lock file is not an empty regular file; `IO` if it cannot be locked.
   */
  lock(path: string, permissions?: number): FileLock | LockHolder;
  /**
   * Fills an array with random bytes, for salts and identities, which must differ between logs.
   *
   * @param into The array.
   */
  random(into: Uint8Array): void;
  /**
   * The wall clock. It can go back.
   *
   * @returns Milliseconds since 1970.
   */
  now(): number;
  /**
   * Calls back once after a delay. A pending call does not keep the process alive.
   *
   * @param milliseconds The delay.
   * @param callback The function to call.
   * @returns Cancels the call.
   */
  after(milliseconds: number, callback: () => void): () => void;
  /**
   * Calls back when files in a folder have changed: at once if the system reports changes, and periodically otherwise.
   * Keeps the process alive. If it is missing, {@link FileSystem.after} is used.
   *
   * @param path The folder.
   * @param milliseconds The interval of calls if the system reports nothing.
   * @param callback The function to call. It may be called without a change.
   * @returns A function that ends the calls.
   */
  watch?(path: string, milliseconds: number, callback: () => void): () => void;
  /**
   * Bytes that the process may still write on a folder's volume. Omitted if this is never known.
   *
   * @param path The folder.
   * @returns The bytes; `undefined` if the process may not ask, or if it is unknown.
   */
  freeBytes?(path: string): number | undefined;
  /** Size of the file `RESERVE`, which a log deletes when the disk is full. If it is missing, there is no such file. */
  readonly reserveBytes?: number;
  /** Other threads that can read the same files. Omitted if there are none. */
  readonly threads?: Threads;
}

/** File reads on another thread: the used part of `node:fs`. */
export interface ThreadFiles {
  /** Opens a file. */
  openSync(path: string, flags: "r"): number;
  /** Reads at a position; returns the number of bytes. */
  readSync(file: number, into: Uint8Array, offset: number, length: number, position: number): number;
  /** Closes a file. */
  closeSync(file: number): void;
}

/** Additional threads. */
export interface Threads {
  /** The least bytes to read for which starting a thread pays. */
  readonly worthBytes: number;
  /**
   * How long a thread may make no progress before its work is done without it, in milliseconds. Default: 5000. It does
   * no harm if both do the work.
   */
  readonly patienceMilliseconds?: number;
  /**
   * Runs a function on a new thread.
   *
   * @param task The source of a function. It must not use anything from outside. Its arguments are the input, the
   * functions that read files ({@link ThreadFiles}), and a function that sends a message with a list of buffers to
   * transfer.
   * @param input The function's input. It is copied, except for shared memory.
   * @param receive Called with each message from the thread, and with `undefined` if it fails.
   * @returns A function that ends the thread.
   */
  start<Input, Message>(task: string, input: Input, receive: (message: Message | undefined) => void): () => void;
}
