/**
 * Reads a snapshot file as an object.
 *
 * @module
 */

import { leaseCodec, returnCodec } from "../codec/pool.ts";
import type { FileSystem } from "../io/file_system.ts";
import { readFull } from "../io/full.ts";
import { openSized, type SizedFile } from "../io/sized_file.ts";
import { addToChecksum, CHECKSUM_BLOCK_BYTES } from "./object_checksum.ts";
import type { ObjectBody } from "./object_store.ts";
import { inSlices } from "./slices.ts";

/** A file as an object. The caller must close it. */
export class FileBody implements ObjectBody {
  readonly size: number;
  private readonly file: SizedFile;
  /** The most recently read part. */
  private part = new Uint8Array(0);

  constructor(fileSystem: FileSystem, path: string) {
    this.file = openSized(fileSystem, path);
    this.size = this.file.size();
  }

  /** As {@link ObjectBody.read}. The next read overwrites the bytes. */
  read(offset: number, length: number): Uint8Array {
    if (this.part.length < length) this.part = new Uint8Array(length);
    const bytes = this.part.subarray(0, length);
    if (readFull(this.file, bytes, offset) === length) return bytes;
    throw new Error(`the file ends before offset ${offset + length}`);
  }

  /** Closes the file. */
  close(): void {
    this.file.close();
  }
}

/**
 * Opens a file, and computes its checksum.
 *
 * @param fileSystem The machine.
 * @param path The file.
 * @returns Both.
 */
export async function openSnapshotFile(fileSystem: FileSystem, path: string) {
  const body = new FileBody(fileSystem, path);
  const codec = leaseCodec();
  try {
    const checksum = await inSlices((function* () {
      let checksum = 0n;
      for (let done = 0; done < body.size; done += CHECKSUM_BLOCK_BYTES) {
        checksum = addToChecksum(codec, checksum, body.read(done, Math.min(CHECKSUM_BLOCK_BYTES, body.size - done)));
        yield;
      }
      return checksum;
    })());
    return { body, checksum };
  } catch (error) {
    body.close();
    throw error;
  } finally {
    returnCodec(codec);
  }
}
