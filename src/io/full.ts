/**
 * Complete reads and writes over short ones, and the meaning of a file's errors.
 *
 * @module
 */

import process from "node:process";
import { WalLogError } from "../api/errors.ts";
import type { File } from "./file_system.ts";

/**
 * Reads until an array is full or the file ends.
 *
 * @param file The file.
 * @param into Receives the bytes.
 * @param position Offset in the file, in bytes.
 * @returns The number of bytes read. It is less than requested only at the end of the file.
 */
export function readFull(file: Pick<File, "read">, into: Uint8Array, position: number): number {
  let done = interruptible(() => file.read(into, position));
  while (done < into.byteLength) {
    const count = interruptible(() => file.read(into.subarray(done), position + done));
    if (count === 0) break;
    done += count;
  }
  return done;
}

/**
 * Writes a complete array.
 *
 * @param file The file.
 * @param from The bytes.
 * @param position Offset in the file, in bytes.
 */
export function writeFull(file: File, from: Uint8Array, position: number): void {
  let done = 0;
  while (done < from.byteLength) {
    const rest = done === 0 ? from : from.subarray(done);
    let count: number;
    // Does not use `interruptible`, because this runs for each append, and a closure costs 2 % of a small one.
    try {
      count = file.write(rest, position + done);
    } catch (error) {
      if (errorCode(error) !== "EINTR") throw error;
      continue;
    }
    // A write of zero bytes without an error would make this loop endless.
    if (count <= 0) throw new Error(`wrote ${count} of ${rest.byteLength} bytes`);
    done += count;
  }
}

/** Repeats an operation that a signal interrupted before it did anything. */
function interruptible(operation: () => number): number {
  for (;;) {
    try {
      return operation();
    } catch (error) {
      if (errorCode(error) !== "EINTR") throw error;
    }
  }
}

/** Linux error numbers that a runtime may not name. */
const UNNAMED_LINUX_ERRORS: Readonly<Record<number, string>> = process.platform === "linux"
  ? { 27: "EFBIG", 122: "EDQUOT" }
  : {};

/**
 * Finds the operating system's code of an error.
 *
 * @param error Anything thrown.
 * @returns A code such as `ENOSPC`; `undefined` if there is none.
 */
export function errorCode(error: unknown): string | undefined {
  const { code, errno, name, message } = (error ?? {}) as Record<string, unknown>;
  // Deno reports an interrupted call by name, and some errors by number only. Node has no name for a full quota.
  if (name === "Interrupted") return "EINTR";
  const number = typeof errno === "number" ? -errno : Number(/\(os error (\d+)\)$/.exec(String(message))?.[1]);
  return UNNAMED_LINUX_ERRORS[number] ?? (typeof code === "string" ? code : undefined);
}

type Limits = ReadonlyMap<string | undefined, string>;
/** The limit that a write met, by the operating system's code. */
const SPACE_LIMITS: Limits = new Map([
  ["ENOSPC", "the disk is full"],
  ["EDQUOT", "the disk quota is used up"],
  ["EFBIG", "the file would exceed the largest size allowed, by `ulimit -f` or by the file system"],
]);
/** The limit that stopped a file from being opened. The system has done nothing then. */
const FILE_LIMITS: Limits = new Map([
  ["EMFILE", "the process has too many open files; raise `ulimit -n`"],
  ["ENFILE", "the machine has too many open files"],
]);
const LIMITS: Limits = new Map([...SPACE_LIMITS, ...FILE_LIMITS]);

/**
 * Whether an error is a lack of space for a write.
 *
 * @param error Anything thrown.
 * @returns `true` for a full disk, a quota, or a limit on the size of files.
 */
export function isNoSpace(error: unknown): boolean {
  return SPACE_LIMITS.has(errorCode(error));
}

/**
 * Whether an error is a lack of file descriptors. The system reports it before it does anything, so its outcome is
 * certain: nothing was opened, created or flushed.
 *
 * @param error Anything thrown.
 * @returns `true` if the process or the machine has too many open files.
 */
export function isOutOfFiles(error: unknown): boolean {
  return FILE_LIMITS.has(errorCode(error));
}

/**
 * Whether an error is a lack of space or of file descriptors, so that creating a file can be tried again later.
 *
 * @param error Anything thrown.
 */
export function isRefused(error: unknown): boolean {
  return LIMITS.has(errorCode(error));
}

/**
 * The reason that an error gives, for a message.
 *
 * @param error Anything thrown.
 * @returns The error's message. For a lack of space or of file descriptors, also the limit and the code, because the
 * runtimes call some of these errors "unknown error".
 */
export function reasonOf(error: unknown): string {
  const found = error instanceof Error ? error.message : String(error);
  const code = errorCode(error);
  const limit = LIMITS.get(code);
  if (limit === undefined) return found;
  return `${limit} (${found.startsWith(`${code}:`) ? found : `${code}: ${found}`})`;
}

/**
 * Wraps an error of the operating system in one of the library.
 *
 * @param attempt The failed operation, for the message: `Cannot open the log`.
 * @param path The file or folder.
 * @param cause The error. An error of the library is returned unchanged.
 * @returns The error to throw.
 */
export function ioError(attempt: string, path: string, cause: unknown): WalLogError {
  if (cause instanceof WalLogError) return cause;
  return isNoSpace(cause) ? refusedError(attempt, path, cause) : wrapped("IO", attempt, path, cause);
}

/**
 * The error of a write that met a limit and changed nothing. It can be tried again later.
 *
 * @param attempt The operation, for the message.
 * @param path The file or folder.
 * @param cause A lack of space or of file descriptors.
 * @returns The error to throw, `NO_SPACE`.
 */
export function refusedError(attempt: string, path: string, cause: unknown): WalLogError {
  return wrapped("NO_SPACE", attempt, path, cause);
}

function wrapped(code: "NO_SPACE" | "IO", attempt: string, path: string, cause: unknown): WalLogError {
  return new WalLogError(code, `${attempt} at ${path}: ${reasonOf(cause)}`, { path, cause });
}
