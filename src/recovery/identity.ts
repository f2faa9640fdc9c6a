/**
 * Reads and writes `IDENTITY`. It is written when the log's first segment is durable. Without it, a folder that lost
 * all its segments would look like a new log, and a node would forget its vote. `format/identity.ts` defines the bytes.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { decodeIdentity, encodeIdentity, type Identity } from "../format/identity.ts";
import type { Checksum } from "../format/numbers.ts";
import { FORMAT_VERSION } from "../format/segment_header.ts";
import type { FileSystem } from "../io/file_system.ts";
import { errorCode, isRefused, readFull, refusedError, writeFull } from "../io/full.ts";
import { temporaryName } from "../io/temporary.ts";

/** The file's name. */
export const IDENTITY_NAME = "IDENTITY";

const TEMPORARY_NAME = /^IDENTITY\.[0-9a-f]{16}\.tmp$/;
/** The most bytes to read of the file. No version of it is larger. */
const READ_BYTES_MAX = 4096;

/**
 * Whether a file is a leftover of a crash during the writing of an identity.
 *
 * @param name The file's name.
 * @returns Whether nothing needs the file.
 */
export function isIdentityLeftover(name: string): boolean {
  return TEMPORARY_NAME.test(name);
}

/**
 * Reads a log's identity.
 *
 * @param fileSystem The machine.
 * @param folder The log's folder.
 * @param sum The checksum.
 * @returns The contents; `undefined` if there is no file; `"damaged"` if the contents are damaged.
 * @throws {WalLogError} `UNSUPPORTED_VERSION` if another version of the format wrote it.
 */
export function readIdentity(fileSystem: FileSystem, folder: string, sum: Checksum): Identity | undefined | "damaged" {
  const path = `${folder}/${IDENTITY_NAME}`;
  let file;
  try {
    file = fileSystem.open(path, "read");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    const bytes = new Uint8Array(READ_BYTES_MAX);
    const found = decodeIdentity(bytes.subarray(0, readFull(file, bytes, 0)), sum);
    if (typeof found !== "number") return found ?? "damaged";
    throw new WalLogError(
      "UNSUPPORTED_VERSION",
      `Cannot open ${path}: it is in format version ${found}, this library reads version ${FORMAT_VERSION}`,
      { path, offset: 8 },
    );
  } finally {
    file.close();
  }
}

/**
 * Writes a log's identity durably. The log's segments must be durable before. If this fails with an error other than
 * `NO_SPACE`, the disk may have the old identity or the new one.
 *
 * @param fileSystem The machine.
 * @param folder The log's folder.
 * @param identity The identity.
 * @param sum The checksum.
 * @throws {WalLogError} `NO_SPACE`: nothing has changed.
 */
export function writeIdentity(fileSystem: FileSystem, folder: string, identity: Identity, sum: Checksum): void {
  const path = `${folder}/${IDENTITY_NAME}`;
  const temporary = `${folder}/${temporaryName(fileSystem, IDENTITY_NAME)}`;
  try {
    const file = fileSystem.open(temporary, "create");
    try {
      writeFull(file, encodeIdentity(identity, sum), 0);
      // The new file keeps the owner of the one that it replaces.
      if (fileSystem.list(folder).includes(IDENTITY_NAME)) fileSystem.copyOwner?.(temporary, path);
      file.sync();
    } finally {
      file.close();
    }
  } catch (error) {
    if (!isRefused(error)) throw error;
    fileSystem.remove(temporary);
    throw refusedError("Cannot write the identity", path, error);
  }
  fileSystem.rename(temporary, path);
  fileSystem.syncDirectory(folder);
}
