/**
 * Creates segment files, within the limits that readers enforce.
 *
 * @module
 */

import type { Codec } from "../codec/codec.ts";
import { WalLogError } from "../api/errors.ts";
import type { Damage } from "../api/report.ts";
import type { File, FileSystem } from "../io/file_system.ts";
import { errorCode, isRefused, refusedError, writeFull } from "../io/full.ts";
import { BASE_LSN_END } from "../format/lsn.ts";
import { SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import { encodeHeaderBlock, type SegmentHeader } from "../format/segment_header.ts";
import { SEGMENT_NUMBER_END, segmentName } from "../format/segment_name.ts";
import { Segment } from "../log/segment.ts";

const ATTEMPT = "Cannot create a segment";

/** The header of a new segment, without its number and salt. */
export type NewSegment = Omit<SegmentHeader, "salt" | "number">;

/**
 * Creates a segment file and flushes its header. The file's name is not durable yet, and no pointer names the segment
 * yet.
 *
 * @param fileSystem The machine.
 * @param folder The log's folder.
 * @param codec The codec.
 * @param numberUsed The highest number that the log has used. The segment gets the next free number above it.
 * @param header The header, without number and salt.
 * @param begun Called with the chosen number, even if creation fails later.
 * @returns The segment and its open file.
 * @throws {WalLogError} `NO_SPACE` if the disk is full or no file can be opened; the file is removed then. `CORRUPT` if
 * no reader would accept the header; nothing is written then.
 */
export function createSegment(
  fileSystem: FileSystem,
  folder: string,
  codec: Codec,
  numberUsed: number,
  header: NewSegment,
  begun: (number: number) => void = () => {},
): { segment: Segment; file: File } {
  if (header.baseLsn >= BASE_LSN_END) {
    const reason = `the next segment would begin at LSN ${header.baseLsn}, but the LSN must be below ${BASE_LSN_END}`;
    throw beyondLimit(folder, header.previous, reason);
  }
  const salt = new BigUint64Array(1);
  fileSystem.random(new Uint8Array(salt.buffer));
  const { number, path, file } = createFile(fileSystem, folder, numberUsed, begun);
  try {
    const full: SegmentHeader = { ...header, number, salt: salt[0]! };
    writeFull(file, encodeHeaderBlock(full, (bytes, seed) => codec.hash(bytes, seed)), 0);
    file.sync();
    return { segment: new Segment(path, full, SEGMENT_HEADER_BYTES), file };
  } catch (error) {
    file.close();
    if (!isRefused(error)) throw error;
    throw undoCreation(fileSystem, path, error);
  }
}

/**
 * Removes a new segment that the log does not name yet, because it cannot be used.
 *
 * @param fileSystem The machine.
 * @param path The segment's file, closed.
 * @param cause A lack of space or of file descriptors.
 * @returns The error to throw, `NO_SPACE`.
 */
export function undoCreation(fileSystem: FileSystem, path: string, cause: unknown): WalLogError {
  try {
    fileSystem.remove(path);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
  return refusedError(ATTEMPT, path, cause);
}

/** Creates the file with the lowest free number above the highest used one. */
function createFile(
  fileSystem: FileSystem,
  folder: string,
  numberUsed: number,
  begun: (number: number) => void,
): { readonly number: number; readonly path: string; readonly file: File } {
  for (let number = numberUsed + 1; number < SEGMENT_NUMBER_END; number++) {
    const path = `${folder}/${segmentName(number)}`;
    begun(number);
    try {
      return { number, path, file: fileSystem.open(path, "create") };
    } catch (error) {
      // The file does not belong to the log: the log has not used this number.
      if (errorCode(error) === "EEXIST") continue;
      throw isRefused(error) ? refusedError(ATTEMPT, path, error) : error;
    }
  }
  const reason = `no segment number below ${SEGMENT_NUMBER_END} is left`;
  throw beyondLimit(folder, numberUsed, reason);
}

/**
 * The error of a log at its limits: no reader would accept the next segment. Only damaged or forged logs reach them.
 */
function beyondLimit(folder: string, number: number, reason: string): WalLogError {
  const path = `${folder}/${segmentName(number)}`;
  const damage: Damage = {
    kind: "segment header",
    path,
    offset: 0,
    bytes: SEGMENT_HEADER_BYTES,
    firstIndex: undefined,
    lastIndex: undefined,
    term: undefined,
    reason,
  };
  return new WalLogError(
    "CORRUPT",
    `Cannot create a segment in ${folder}: ${reason}; no log grows that far, so ${path} is damaged or forged; ` +
      "nothing was changed; restore the log from a replica",
    { path, offset: 0, damage: [damage] },
  );
}
