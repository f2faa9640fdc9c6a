/**
 * The reserve: a file of random bytes that is deleted when the disk is full. It frees space for writes that must still
 * succeed: a hard state, a truncation, a snapshot that lets the log delete segments, and the checkpoint of a clean
 * close. It is created again when there is space.
 *
 * It is not part of the log. Nothing depends on it, so it is never flushed. Other programs on the same volume may use
 * the freed space first.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { File, FileSystem } from "../io/file_system.ts";
import { errorCode, isNoSpace, isOutOfFiles, readFull, writeFull } from "../io/full.ts";

/** The file's name. */
export const RESERVE_NAME = "RESERVE";
/** The first bytes of the file, which identify it as the log's. A crash can leave zeros instead. */
const MAGIC = new TextEncoder().encode("WALLOGRS");
/** The reserve is created only if this many times its size is free, so that it does not take the last free space. */
const SPARE_FACTOR = 4;

/** Error codes for a missing file, or a file that is not the log's. */
const NOT_OURS: ReadonlySet<string | undefined> = new Set(["ENOENT", "UNSAFE_FILE", "EACCES", "EPERM"]);

/** The reserve of one log. */
export class Reserve {
  private readonly fileSystem: FileSystem;
  private readonly folder: string;
  private readonly bytes: number;
  /** Whether the file exists, as far as this writer knows. */
  private isThere = false;

  /**
   * @param fileSystem The machine. Without `reserveBytes`, there is no reserve.
   * @param folder The log's folder.
   */
  constructor(fileSystem: FileSystem, folder: string) {
    this.fileSystem = fileSystem;
    this.folder = folder;
    this.bytes = fileSystem.reserveBytes ?? 0;
  }

  private get path(): string {
    return `${this.folder}/${RESERVE_NAME}`;
  }

  /**
   * Creates the file if it is missing and there is space. Leaves a file of that name alone if it is not the log's.
   * Nothing depends on the reserve, so a failure to create it is ignored.
   *
   * @throws {WalLogError} `LOCK_LOST`.
   */
  make(): void {
    try {
      this.makeIfMissing();
    } catch (error) {
      if (errorCode(error) === "LOCK_LOST") throw error;
    }
  }

  private makeIfMissing(): void {
    if (this.isThere || this.bytes === 0) return;
    const free = this.fileSystem.freeBytes?.(this.folder) ?? Infinity;
    if (free < this.bytes * SPARE_FACTOR) return;
    const size = this.size();
    this.isThere = size === this.bytes;
    if (this.isThere) return;
    // Remove an incomplete reserve instead of writing to it: the file may be a hard link to a file outside the folder.
    if (size !== undefined) this.fileSystem.remove(this.path);
    const file = this.create();
    if (file === undefined) return;
    try {
      writeFull(file, this.content(), 0);
      this.isThere = true;
    } catch (error) {
      if (!isNoSpace(error)) throw error;
      this.fileSystem.remove(this.path);
    } finally {
      file.close();
    }
  }

  /**
   * Deletes the file durably, which frees its space.
   *
   * @returns Whether there was a reserve.
   */
  release(): boolean {
    if (this.bytes === 0) return false;
    this.isThere = false;
    if (this.size() === undefined) return false;
    this.fileSystem.remove(this.path);
    // File systems free the space of a deleted file when the deletion is on the disk.
    this.fileSystem.syncDirectory(this.folder);
    return true;
  }

  /**
   * Runs an action. If it fails for lack of space, releases the reserve and runs it again.
   *
   * @param action The action. If it fails with `NO_SPACE`, nothing may have changed.
   * @param fail Turns a failure to delete the reserve into the error to throw.
   */
  lend(action: () => void, fail: (error: unknown) => unknown): void {
    try {
      return action();
    } catch (error) {
      let isReleased = false;
      try {
        isReleased = isShortage(error) && this.release();
      } catch (failure) {
        throw fail(failure);
      }
      if (!isReleased) throw error;
    }
    action();
  }

  /** The size of the file; `undefined` if it does not exist, is not the log's, or cannot be opened at the moment. */
  private size(): number | undefined {
    let file: File;
    try {
      file = this.fileSystem.open(this.path, "read");
    } catch (error) {
      if (NOT_OURS.has(errorCode(error)) || isOutOfFiles(error)) return undefined;
      throw error;
    }
    try {
      return isOurs(file) ? file.size() : undefined;
    } finally {
      file.close();
    }
  }

  /** Creates the file; `undefined` if there is no space, or if the name is taken. */
  private create(): File | undefined {
    try {
      return this.fileSystem.open(this.path, "create");
    } catch (error) {
      if (isNoSpace(error) || errorCode(error) === "EEXIST") return undefined;
      throw error;
    }
  }

  /** Random bytes, so that no file system can compress them. */
  private content(): Uint8Array {
    const bytes = new Uint8Array(this.bytes);
    this.fileSystem.random(bytes);
    bytes.set(MAGIC);
    return bytes;
  }
}

/** Whether deleting a file can help. It does not help against a limit on the size or the number of files. */
function isShortage(error: unknown): boolean {
  if (!(error instanceof WalLogError) || error.code !== "NO_SPACE") return false;
  return errorCode(error.cause) !== "EFBIG" && !isOutOfFiles(error.cause);
}

/** Whether a file begins like a reserve, or like the remains of one after a crash. */
function isOurs(file: File): boolean {
  const found = new Uint8Array(MAGIC.length);
  const count = readFull(file, found, 0);
  return found.every((byte, i) => i >= count || byte === MAGIC[i]) || found.every((byte) => byte === 0);
}
