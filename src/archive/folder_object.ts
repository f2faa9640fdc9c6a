/**
 * Reads the file of an object in a folder: regular files only.
 *
 * A folder can hold files of other users. To open a FIFO would wait for a writer, and a device may never end.
 *
 * @module
 */

import { constants } from "node:fs";
import { type FileHandle, open, stat } from "node:fs/promises";
import { errorCode } from "../io/full.ts";
import { type GetResult, type ObjectRange, READ_BYTES_MAX } from "./object_store.ts";

// Windows has no such flag.
const { O_RDONLY, O_NONBLOCK = 0 } = constants;

/**
 * Reads an object or a part of it.
 *
 * @param path The file.
 * @param range The part; `undefined` for the whole object.
 * @returns The bytes.
 * @throws {Error} If the file is not regular, if the part is larger than `READ_BYTES_MAX`, or if a read fails.
 */
export async function readObject(path: string, range: ObjectRange | undefined): Promise<GetResult> {
  let file: FileHandle;
  try {
    // A socket cannot be opened, so its kind is found before.
    requireRegular(await stat(path));
    file = await open(path, O_RDONLY | O_NONBLOCK);
  } catch (error) {
    if (isMissing(error)) return { kind: "absent" };
    throw error;
  }
  try {
    const stats = await file.stat();
    requireRegular(stats);
    const { size } = stats;
    const { offset, length } = range ?? { offset: 0, length: size };
    return { kind: "found", bytes: await readAt(file, offset, Math.max(Math.min(length, size - offset), 0)), size };
  } finally {
    await file.close();
  }
}

/**
 * Whether an error says that there is no file.
 *
 * @param error The error.
 */
export function isMissing(error: unknown): boolean {
  const code = errorCode(error);
  return code === "ENOENT" || code === "ENOTDIR";
}

/** Reads bytes; fewer if the file has become shorter. */
async function readAt(file: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  if (length > READ_BYTES_MAX) throw new Error(`${length} bytes are too many to read at once; read them in ranges`);
  const bytes = new Uint8Array(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(bytes, done, length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return bytes.subarray(0, done);
}

function requireRegular(stats: { isFile(): boolean }): void {
  if (!stats.isFile()) throw new Error("it is not a regular file; move it out of the folder");
}
