/**
 * The log's identity: a small file that is written once the log's first segment is durable. Without it a folder that
 * has lost all its segments would look like one that never had any, and a node would forget what it voted.
 *
 * ```text
 * IDENTITY, 64 bytes, little-endian
 *   0  8 bytes "WALLOGID"
 *   8  u32 version
 *  12  u32 zero
 *  16  16 bytes log UUID
 *  32  u64 XXH3-64 of bytes 0..32
 *  40  zeros
 * ```
 *
 * @module
 */

import type { FileSystem } from "../io/file_system.ts";
import { errorCode, isNoSpace, readFull, writeFull } from "../io/full.ts";
import { temporaryName } from "../io/temporary.ts";
import type { Checksum } from "../format/numbers.ts";

/** The file's name. */
export const IDENTITY_NAME = "IDENTITY";

const TEMPORARY_NAME = /^IDENTITY\.[0-9a-f]{16}\.tmp$/;

/**
 * Whether a file is a leftover of a crash during the writing of an identity.
 *
 * @param name The file's name.
 * @returns Whether nothing needs the file.
 */
export function isIdentityLeftover(name: string): boolean {
  return TEMPORARY_NAME.test(name);
}

const MAGIC = 0x4449474f4c4c4157n; // "WALLOGID"
const VERSION = 1;
const SUMMED_BYTES = 32;
const FILE_BYTES = 64;

/**
 * Reads a log's identity.
 *
 * @param fileSystem The machine.
 * @param folder The log's folder.
 * @param sum The checksum.
 * @returns The log's UUID, `undefined` if there is no such file, `"damaged"` if it cannot be read as one.
 */
export function readIdentity(
  fileSystem: FileSystem,
  folder: string,
  sum: Checksum,
): Uint8Array | undefined | "damaged" {
  let file;
  try {
    file = fileSystem.open(`${folder}/${IDENTITY_NAME}`, "read");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    const bytes = new Uint8Array(FILE_BYTES);
    const view = new DataView(bytes.buffer);
    const whole = readFull(file, bytes, 0) === FILE_BYTES && view.getBigUint64(0, true) === MAGIC &&
      view.getBigUint64(SUMMED_BYTES, true) === sum(bytes.subarray(0, SUMMED_BYTES), 0n);
    return whole ? bytes.slice(16, 32) : "damaged";
  } finally {
    file.close();
  }
}

/**
 * Writes a log's identity, durably. The segments that it vouches for must be durable before.
 *
 * @param fileSystem The machine.
 * @param folder The log's folder.
 * @param uuid The log's UUID.
 * @param sum The checksum.
 */
export function writeIdentity(fileSystem: FileSystem, folder: string, uuid: Uint8Array, sum: Checksum): void {
  const bytes = new Uint8Array(FILE_BYTES);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, MAGIC, true);
  view.setUint32(8, VERSION, true);
  bytes.set(uuid, 16);
  view.setBigUint64(SUMMED_BYTES, sum(bytes.subarray(0, SUMMED_BYTES), 0n), true);
  const path = `${folder}/${IDENTITY_NAME}`;
  const temporary = `${folder}/${temporaryName(fileSystem, IDENTITY_NAME)}`;
  const file = fileSystem.open(temporary, "create");
  try {
    writeFull(file, bytes, 0);
    // The new file keeps the owner of a damaged one.
    if (fileSystem.list(folder).includes(IDENTITY_NAME)) fileSystem.copyOwner?.(temporary, path);
    file.sync();
  } catch (error) {
    if (isNoSpace(error)) fileSystem.remove(temporary);
    throw error;
  } finally {
    file.close();
  }
  fileSystem.rename(temporary, path);
  fileSystem.syncDirectory(folder);
}
