/**
 * The reserve: a file of random bytes that is deleted when the disk is full, so that there is room for what a log must be able
 * to write all the same: a hard state, a truncation, a snapshot that lets it delete segments, and the checkpoint of a clean
 * close. It is made again when there is space.
 *
 * It is no part of the log. Nothing depends on it, so it is never flushed. Where others write on the same volume, they
 * may take its room first.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { File, FileSystem } from "../io/file_system.ts";
import { errorCode, isNoSpace, readFull, writeFull } from "../io/full.ts";

/** The file's name. */
export const RESERVE_NAME = "RESERVE";
/** The first bytes of the file, which show that it is the log's. A crash can leave zeros in their place. */
const MAGIC = new TextEncoder().encode("WALLOGRS");
/** The reserve is made again if this many times its size is free: what little there is shall not go into it. */
const SPARE_FACTOR = 4;

/** Codes of errors that say that there is no file of that name, or that it is somebody else's. */
const NOT_OURS: ReadonlySet<string | undefined> = new Set(["ENOENT", "UNSAFE_FILE", "EACCES", "EPERM"]);

/** The reserve of one log. */
export class Reserve {
  private readonly fileSystem: FileSystem;
  private readonly folder: string;
  private readonly bytes: number;
  /** Whether the file is there, as far as this writer knows. */
  private isThere = false;

  /**
   * @param fileSystem The machine. Without `reserveBytes` there is no reserve.
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
   * Makes the file, if it is missing and there is space. A file of that name that is not the log's stays as it is. Nothing
   * depends on the reserve, so that a failure to make it is no failure of the log.
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
    // What a crash has left is removed and not written: the file may have another name, outside the folder.
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
   * Deletes the file, durably, so that its room is free.
   *
   * @returns Whether there was one.
   */
  release(): boolean {
    if (this.bytes === 0) return false;
    this.isThere = false;
    if (this.size() === undefined) return false;
    this.fileSystem.remove(this.path);
    // File systems give the room of a deleted file back when its deletion is on the disk.
    this.fileSystem.syncDirectory(this.folder);
    return true;
  }

  /**
   * Does something, and once more with the room of the reserve if it was refused for lack of space.
   *
   * @param action What to do. If it is refused with `NO_SPACE`, nothing has changed.
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

  /** The size of the file; `undefined` if there is none, or if it is not the log's. */
  private size(): number | undefined {
    let file: File;
    try {
      file = this.fileSystem.open(this.path, "read");
    } catch (error) {
      if (NOT_OURS.has(errorCode(error))) return undefined;
      throw error;
    }
    try {
      return isOurs(file) ? file.size() : undefined;
    } finally {
      file.close();
    }
  }

  /** Creates the file; `undefined` if there is no room for it, or if something has its name. */
  private create(): File | undefined {
    try {
      return this.fileSystem.open(this.path, "create");
    } catch (error) {
      if (isNoSpace(error) || errorCode(error) === "EEXIST") return undefined;
      throw error;
    }
  }

  /** Random, so that no file system stores it in less. */
  private content(): Uint8Array {
    const bytes = new Uint8Array(this.bytes);
    this.fileSystem.random(bytes);
    bytes.set(MAGIC);
    return bytes;
  }
}

/** Whether a refusal is for lack of space that a deleted file can give back: a limit on the size of files is not. */
function isShortage(error: unknown): boolean {
  return error instanceof WalLogError && error.code === "NO_SPACE" && errorCode(error.cause) !== "EFBIG";
}

/** Whether a file begins as a reserve does, or with what a crash leaves of one. */
function isOurs(file: File): boolean {
  const found = new Uint8Array(MAGIC.length);
  const count = readFull(file, found, 0);
  return found.every((byte, i) => i >= count || byte === MAGIC[i]) || found.every((byte) => byte === 0);
}
