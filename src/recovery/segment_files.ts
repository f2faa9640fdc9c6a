/**
 * Reads the facts about each segment file of a folder: from its header block and its size, and on request from the
 * headers of its frames.
 *
 * @module
 */

import { CHUNK_BYTES, type Codec, SLOT_OWN_FRAMES, SLOT_PROVEN_LSN } from "../codec/codec.ts";
import { WalLogError } from "../api/errors.ts";
import type { FileSystem } from "../io/file_system.ts";
import { errorCode, readFull } from "../io/full.ts";
import { openSized, SizedFile } from "../io/sized_file.ts";
import { decodeDurableSlots, type PlacedSlot } from "../format/durable_slot.ts";
import { decodeNextPointer, type NextPointerResult } from "../format/next_pointer.ts";
import type { Checksum } from "../format/numbers.ts";
import { HEADER_OFFSETS, SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import {
  decodeSegmentHeader,
  FORMAT_VERSION,
  isMagic,
  otherVersion,
  type SegmentHeader,
} from "../format/segment_header.ts";
import { segmentName, segmentNumber } from "../format/segment_name.ts";
import { selectSegment } from "../log/select_segment.ts";

/** A segment file. */
export interface SegmentFile {
  readonly number: number;
  readonly path: string;
  readonly size: number;
  /** The header; `undefined` if it is invalid or does not belong to this log. */
  readonly header: SegmentHeader | undefined;
  /** The reason why there is no header. */
  readonly reason: string;
  /** The next-segment pointer. */
  readonly nextPointer: NextPointerResult;
  /** The durable slot with the highest LSN; `undefined` if neither slot is valid. */
  readonly slot: PlacedSlot | undefined;
  /** Whether nothing but zeros follows the header block. */
  readonly blank: boolean;
  /** Whether an invalid header block still looks like one. Otherwise the file may belong to another program. */
  readonly isOurs: boolean;
}

/** A segment file with a valid header that belongs to this log. */
export type ReadableFile = SegmentFile & { readonly header: SegmentHeader };

/** Reads segment files. */
export class SegmentFiles {
  private readonly fileSystem: FileSystem;
  private readonly folder: string;
  private readonly codec: Codec;
  private readonly sum: Checksum;

  constructor(fileSystem: FileSystem, folder: string, codec: Codec) {
    this.fileSystem = fileSystem;
    this.folder = folder;
    this.codec = codec;
    this.sum = (bytes, seed) => codec.hash(bytes, seed);
  }

  /**
   * Reads the header block of every segment file.
   *
   * @param names The names in the log's folder.
   * @param uuid The log's UUID; `undefined` to use the UUID of most segments.
   * @returns The files, in the order of their numbers.
   * @throws {WalLogError} `UNSUPPORTED_VERSION` if one of them has another format version.
   */
  readAll(names: readonly string[], uuid: Uint8Array | undefined): SegmentFile[] {
    const numbers = names.map(segmentNumber).filter((number) => number !== undefined).sort((a, b) => a - b);
    const files: SegmentFile[] = [];
    for (const number of numbers) {
      try {
        files.push(this.readFile(number));
      } catch (error) {
        // Compaction may delete the oldest segments meanwhile. The chain shows any other missing segment.
        if (errorCode(error) !== "ENOENT") throw error;
      }
    }
    this.addNewer(files);
    return rejectForeign(files, uuid?.join());
  }

  /** Adds segments that a writer has created since the folder was listed. The previous segment names each of them. */
  private addNewer(files: SegmentFile[]): void {
    for (;;) {
      const nextPointer = files.at(-1)?.nextPointer;
      if (nextPointer?.kind !== "named" || nextPointer.next.number <= files.at(-1)!.number) return;
      try {
        files.push(this.readFile(nextPointer.next.number));
      } catch (error) {
        // The chain decides whether the missing segment is damage.
        if (errorCode(error) !== "ENOENT") throw error;
        return;
      }
    }
  }

  /**
   * Reads the header block of a segment file.
   *
   * @param number The segment's number.
   * @returns The facts about the file.
   */
  readFile(number: number): SegmentFile {
    const path = `${this.folder}/${segmentName(number)}`;
    const open = this.fileSystem.open(path, "read");
    try {
      const block = new Uint8Array(SEGMENT_HEADER_BYTES);
      readFull(open, block, 0);
      // Read the size after the slots: beside a writer, the bytes that a durable slot proves are then within the size.
      const file = new SizedFile(open);
      const [first, second] = HEADER_OFFSETS.map((offset) => decodeSegmentHeader(block, offset, this.sum));
      const valid = first ?? second;
      if (valid === undefined) requireVersion(block, path);
      const isForeign = valid !== undefined && valid.number !== number;
      const header = isForeign ? undefined : valid;
      return {
        number,
        path,
        size: file.size(),
        header,
        reason: isForeign
          ? `the file is segment ${valid.number} under the name of segment ${number}`
          : "both copies of the header are damaged",
        nextPointer: header === undefined
          ? { kind: "none" }
          : decodeNextPointer(block, first !== undefined, header.salt, this.sum),
        slot: header === undefined ? undefined : decodeDurableSlots(block, header, this.sum),
        blank: valid === undefined && this.isBlank(file),
        isOurs: mayBeHeader(block),
      };
    } finally {
      open.close();
    }
  }

  /** Whether nothing but zeros follows the header block. */
  private isBlank(file: SizedFile): boolean {
    const { codec } = this;
    for (let at = SEGMENT_HEADER_BYTES;; at += CHUNK_BYTES) {
      const count = readFull(file, codec.chunk, at);
      if (codec.wasm.nonZeroEnd(codec.chunkAt, count) > 0) return false;
      if (count < CHUNK_BYTES) return true;
    }
  }

  /** Whether a segment has frames of its own, not only copies that a recovery made. */
  hasOwnFrames(file: ReadableFile): boolean {
    return this.survey(file, file.size).ownFrames > 0;
  }

  /**
   * Checks all valid frame headers of a segment, also those after invalid bytes.
   *
   * @param file The segment.
   * @param size The file's size.
   * @returns The highest LSN that they prove durable, and the number of frames that are not copies made by a recovery.
   */
  survey(file: ReadableFile, size: number): { readonly provenLsn: number; readonly ownFrames: number } {
    const { codec } = this;
    const open = openSized(this.fileSystem, file.path);
    try {
      selectSegment(codec, file.header);
      codec.set(SLOT_PROVEN_LSN, file.header.provenLsn);
      codec.set(SLOT_OWN_FRAMES, 0);
      for (let at = SEGMENT_HEADER_BYTES; at < size;) {
        const count = readFull(open, codec.chunk.subarray(0, size - at), at);
        const done = codec.wasm.survey(codec.chunkAt, count, file.header.baseLsn + at);
        if (done === 0) break;
        at += done;
      }
      return { provenLsn: codec.get(SLOT_PROVEN_LSN), ownFrames: codec.get(SLOT_OWN_FRAMES) };
    } finally {
      open.close();
    }
  }
}

/** Removes the headers of files that belong to another log. */
function rejectForeign(files: readonly SegmentFile[], uuid: string | undefined): SegmentFile[] {
  const votes = new Map<string, number>();
  for (const { header } of files) {
    if (header !== undefined) votes.set(header.uuid.join(), (votes.get(header.uuid.join()) ?? 0) + 1);
  }
  const own = uuid ?? [...votes].sort((a, b) => b[1] - a[1])[0]?.[0];
  return files.map((file) =>
    file.header === undefined || file.header.uuid.join() === own
      ? file
      : { ...file, header: undefined, reason: "the file belongs to another log" }
  );
}

/** Fails if a header block has another format version. */
function requireVersion(block: Uint8Array, path: string): void {
  const version = otherVersion(block);
  if (version === undefined) return;
  const advice = version < FORMAT_VERSION ? "no release wrote that version" : "use a newer version of the library";
  throw new WalLogError(
    "UNSUPPORTED_VERSION",
    `Cannot open ${path}: it is in format version ${version}, this library reads version ${FORMAT_VERSION}; ${advice}`,
    { path, offset: 8 },
  );
}

/** Whether a header block has the magic bytes in one of its copies, or is still all zeros. */
function mayBeHeader(block: Uint8Array): boolean {
  return HEADER_OFFSETS.some((offset) => isMagic(block, offset)) || block.every((byte) => byte === 0);
}
