/**
 * The seam between the log and the machine: everything that the log asks of the outside world. The log
 * touches files, locks, timers, the clock and random numbers only through this interface, so that a test can inject any fault.
 *
 * Errors are the operating system's, with its `code` (`ENOENT`, `EEXIST`, `ENOSPC`, `EIO`, ...), or a `WalLogError`.
 *
 * @module
 */

/** An open file. Reads and writes are positional and may be short; the log loops. */
export interface File {
  /** The size in bytes. */
  size(): number;
  /**
   * Reads at a position.
   *
   * @param into Where the bytes go.
   * @param position Offset in the file, in bytes.
   * @returns How many bytes were read: fewer than asked for is possible, 0 is the end of the file.
   */
  read(into: Uint8Array, position: number): number;
  /**
   * Writes at a position.
   *
   * @param from The bytes.
   * @param position Offset in the file, in bytes; past the end leaves a hole of zeros.
   * @returns How many bytes were written: fewer than given is possible.
   */
  write(from: Uint8Array, position: number): number;
  /**
   * Cuts the file, or extends it with zeros.
   *
   * @param size The new size in bytes.
   */
  truncate(size: number): void;
  /** Puts data and size on stable storage (`fdatasync`), blocking. */
  sync(): void;
  /**
   * Puts data and size on stable storage without blocking the thread. It may overlap with {@link File.sync}: if data
   * that both cover could not be written, both must fail.
   *
   * @returns Settles when it is done.
   */
  syncAsync(): Promise<void>;
  /**
   * Makes sure that the file still has its name, and that a writer still holds the lock. A file system in which neither
   * can be taken away leaves this out.
   *
   * @throws {WalLogError} `LOCK_LOST` if the file, the folder or the lock file was moved, deleted or replaced.
   */
  requireNamed?(): void;
  /** Closes the file. */
  close(): void;
}

/**
 * How a file is opened: `read` an existing one, `write` an existing one for reading and writing, or
 * `create` one that must not exist yet, for reading and writing.
 */
export type OpenMode = "read" | "write" | "create";

/** A held lock. */
export interface FileLock {
  /**
   * Makes sure that the lock still protects the folder.
   *
   * @throws {WalLogError} `LOCK_LOST` if the folder or the lock file was moved, deleted or replaced.
   */
  check(): void;
  /** Gives the lock up. */
  release(): void;
}

/** Who holds a lock that could not be taken. */
export type LockHolder = "this process" | "another process";

/** What the log needs of a machine. */
export interface FileSystem {
  /**
   * Resolves the symbolic links in a folder's path, so that changing a link later does not lead to another folder.
   *
   * @param path The folder, which exists.
   * @returns Its own path, absolute; `path` if the process may use no other name.
   */
  resolve(path: string): string;
  /**
   * Opens a regular file. Does not follow a symbolic link in the last part of the path.
   *
   * @param path The file.
   * @param mode How.
   * @param permissions Permission bits of a file that is created, minus the process's umask. Default: `0o600`.
   * @returns The open file.
   * @throws {WalLogError} `UNSAFE_FILE` if it is a link, a directory, a device, or anything else.
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
   * Makes a directory, and those above it that are missing, durably. One that exists is fine.
   *
   * @param path The directory.
   * @param permissions Permission bits, minus the process's umask. Default: `0o700`.
   */
  makeDirectory(path: string, permissions?: number): void;
  /**
   * Renames a file, replacing what has the new name.
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
   * Puts a directory's names on stable storage.
   *
   * @param path The directory.
   */
  syncDirectory(path: string): void;
  /**
   * Gives a file the owner and the permissions of another, as far as the process may. Left out where files have
   * neither.
   *
   * @param path The file.
   * @param like The other file.
   */
  copyOwner?(path: string, like: string): void;
  /**
   * Takes the writer's lock, which ends with the process however that ends.
   *
   * @param path The lock file; made if it is missing.
   * @param permissions Permission bits of a lock file that is made. Default: `0o600`.
   * @returns The lock, or who holds it.
   * @throws {WalLogError} `UNSAFE_FILE` if the lock file is anything but an empty regular file; `IO` if it cannot be
   * locked.
   */
  lock(path: string, permissions?: number): FileLock | LockHolder;
  /**
   * Fills an array with random bytes: salts and identities, which must differ between logs.
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
   * @param callback What to call.
   * @returns Cancels the call.
   */
  after(milliseconds: number, callback: () => void): () => void;
  /**
   * Calls back when files in a folder have changed: at once if the system reports changes, and periodically otherwise.
   * Keeps the process alive. If it is missing, {@link FileSystem.after} is used.
   *
   * @param path The folder.
   * @param milliseconds The interval of calls if the system reports nothing.
   * @param callback What to call. It may be called without a change.
   * @returns Ends the calls.
   */
  watch?(path: string, milliseconds: number, callback: () => void): () => void;
  /**
   * Bytes that the process may still write on a folder's volume. Left out where this is unknown.
   *
   * @param path The folder.
   * @returns The bytes; `undefined` if the process may not ask, or if it is unknown.
   */
  freeBytes?(path: string): number | undefined;
  /** Size of the file `RESERVE`, which a log deletes when the disk is full. If it is missing, there is no such file. */
  readonly reserveBytes?: number;
  /** Other threads that can read the same files; left out where there are none. */
  readonly threads?: Threads;
}

/** What reads files on another thread: of `node:fs`, the part that is used there. */
export interface ThreadFiles {
  /** Opens a file. */
  openSync(path: string, flags: "r"): number;
  /** Reads at a position; returns how many bytes. */
  readSync(file: number, into: Uint8Array, offset: number, length: number, position: number): number;
  /** Closes a file. */
  closeSync(file: number): void;
}

/** Threads beside the one that uses the log. */
export interface Threads {
  /** From how much reading on a thread is worth its start. In bytes. */
  readonly worthBytes: number;
  /**
   * How long a thread may show no progress before its work is done without it. In milliseconds. Default: 5000. It does
   * no harm if both do the work.
   */
  readonly patienceMilliseconds?: number;
  /**
   * Runs a function on a thread of its own.
   *
   * @param task The source of a function. It can use nothing outside it. Its arguments are the input, the functions
   * that read files there ({@link ThreadFiles}), and a function that sends a message, with a list of buffers to
   * transfer.
   * @param input What it is given: copied, but for shared memory.
   * @param receive Called with each message that it sends, and with `undefined` if it fails.
   * @returns Ends the thread.
   */
  start<Input, Message>(task: string, input: Input, receive: (message: Message | undefined) => void): () => void;
}
