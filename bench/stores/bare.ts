/**
 * The bare machine: the same bytes through the same calls, without any processing. No log that uses these calls can be
 * faster.
 *
 * @module
 */

import fs from "node:fs";
import { join } from "node:path";
import { CHUNK_BYTES } from "../../src/codec/codec.ts";
import { frameBytes } from "../../src/format/frame.ts";
import type { OpenOptions, Scanned, Store, StoreKind } from "./store.ts";

const FILE = "bare.dat";
const ZEROS_BYTES = 1024 * 1024;

class BareStore implements Store {
  readonly #folder: string;
  readonly #file: number | undefined;
  #bytes = new Uint8Array(0);
  #end = 0;

  constructor(folder: string, { bytesAhead }: OpenOptions) {
    this.#folder = folder;
    if (bytesAhead === undefined) return;
    this.#file = fs.openSync(join(folder, FILE), "w+");
    const zeros = new Uint8Array(ZEROS_BYTES);
    for (let at = 0; at < bytesAhead; at += zeros.length) {
      fs.writeSync(this.#file, zeros, 0, Math.min(zeros.length, bytesAhead - at), at);
    }
    fs.fsyncSync(this.#file);
  }

  /** Writes as many bytes as the log's frames of these commands have. */
  append(_first: number, commands: readonly Uint8Array[]): void {
    let bytes = 0;
    for (const command of commands) bytes += frameBytes(command.length);
    if (this.#bytes.length < bytes) {
      this.#bytes = new Uint8Array(bytes).fill(0x5a);
    }
    for (let done = 0; done < bytes;) {
      done += fs.writeSync(this.#file!, this.#bytes, done, bytes - done, this.#end + done);
    }
    this.#end += bytes;
  }

  commit(first: number, commands: readonly Uint8Array[]): void {
    this.append(first, commands);
    fs.fdatasyncSync(this.#file!);
  }

  /** Reads the log's own files, in chunks as large as the log's. */
  scan(): Scanned {
    const chunk = new Uint8Array(CHUNK_BYTES);
    let bytes = 0;
    for (
      const name of fs
        .readdirSync(this.#folder)
        .filter((name) => name.endsWith(".seg"))
        .sort()
    ) {
      const file = fs.openSync(join(this.#folder, name), "r");
      for (let at = 0, count = 1; count > 0; at += count) {
        count = fs.readSync(file, chunk, 0, chunk.length, at);
        bytes += count;
      }
      fs.closeSync(file);
    }
    return { entries: undefined, bytes };
  }

  close(): void {
    if (this.#file !== undefined) fs.closeSync(this.#file);
  }
}

/** The bare limit. */
export const bare: StoreKind = {
  name: "bare",
  title: "bare fs",
  note:
    "`readSync` of the same files in chunks of the same size; positional `writeSync` of as many bytes as the log's " +
    "frames have, and `fdatasyncSync`, on a file that was filled with zeros and flushed before",
  load: () => Promise.resolve((folder, options) => new BareStore(folder, options)),
};
