/**
 * A simple handwritten log in one file. Length, index and XXH3 precede each command. It uses `hash-wasm` for the hash
 * and plain `node:fs` for the file.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import fs from "node:fs";
import { join } from "node:path";
import { loadPeer } from "./peers.ts";
import type { Scanned, Store, StoreKind } from "./store.ts";

const FILE = "log.dat";
/** u32 length, u32 index, u64 XXH3-64 of the command. In bytes. */
const HEADER_BYTES = 16;
const CHUNK_BYTES = 1024 * 1024;

/** The used part of `hash-wasm`. */
interface Hasher {
  init(): Hasher;
  update(bytes: Uint8Array): Hasher;
  digest(kind: "binary"): Uint8Array;
}

class FileStore implements Store {
  readonly #file: number;
  readonly #hasher: Hasher;
  #buffer = Buffer.alloc(CHUNK_BYTES);
  #end: number;
  /** The offset of each command that was appended or scanned. */
  readonly #offsets: number[] = [];

  constructor(folder: string, hasher: Hasher) {
    this.#file = fs.openSync(join(folder, FILE), fs.constants.O_RDWR | fs.constants.O_CREAT);
    this.#end = fs.fstatSync(this.#file).size;
    this.#hasher = hasher;
  }

  append(first: number, commands: readonly Uint8Array[]): void {
    let bytes = 0;
    for (const command of commands) bytes += HEADER_BYTES + command.length;
    if (this.#buffer.length < bytes) this.#buffer = Buffer.alloc(bytes);
    let at = 0;
    for (let i = 0; i < commands.length; i++) {
      const command = commands[i]!;
      this.#offsets.push(this.#end + at);
      this.#buffer.writeUInt32LE(command.length, at);
      this.#buffer.writeUInt32LE(first + i, at + 4);
      this.#buffer.set(this.#hasher.init().update(command).digest("binary"), at + 8);
      this.#buffer.set(command, at + HEADER_BYTES);
      at += HEADER_BYTES + command.length;
    }
    for (let done = 0; done < bytes;) {
      done += fs.writeSync(this.#file, this.#buffer, done, bytes - done, this.#end + done);
    }
    this.#end += bytes;
  }

  commit(first: number, commands: readonly Uint8Array[]): void {
    this.append(first, commands);
    fs.fdatasyncSync(this.#file);
  }

  scan(): Scanned {
    this.#offsets.length = 0;
    for (let start = 0; start < this.#end;) {
      const filled = fs.readSync(this.#file, this.#buffer, 0, this.#buffer.length, start);
      let at = 0;
      while (at + HEADER_BYTES <= filled) {
        const next = at + HEADER_BYTES + this.#buffer.readUInt32LE(at);
        if (next > filled) break;
        this.#verify(at, next);
        this.#offsets.push(start + at);
        at = next;
      }
      if (at === 0) {
        throw new Error(`the log of one file is cut off at byte ${start}`);
      }
      start += at;
    }
    return { entries: this.#offsets.length, bytes: this.#end };
  }

  get(index: number): Uint8Array {
    return this.range(index, index)[0]!;
  }

  range(from: number, to: number): Uint8Array[] {
    const start = this.#offsets[from - 1]!;
    const bytes = (this.#offsets[to] ?? this.#end) - start;
    if (this.#buffer.length < bytes) this.#buffer = Buffer.alloc(bytes);
    fs.readSync(this.#file, this.#buffer, 0, bytes, start);
    const commands: Uint8Array[] = [];
    for (let at = 0; at < bytes;) {
      const next = at + HEADER_BYTES + this.#buffer.readUInt32LE(at);
      this.#verify(at, next);
      commands.push(Uint8Array.prototype.slice.call(this.#buffer, at + HEADER_BYTES, next));
      at = next;
    }
    return commands;
  }

  #verify(at: number, next: number): void {
    const sum = this.#hasher
      .init()
      .update(this.#buffer.subarray(at + HEADER_BYTES, next))
      .digest("binary");
    if (this.#buffer.compare(sum, 0, 8, at + 8, at + 16) !== 0) {
      throw new Error(`checksum mismatch at ${at}`);
    }
  }

  close(): void {
    fs.fdatasyncSync(this.#file);
    fs.closeSync(this.#file);
  }
}

/** Plain `fs` with checksums. */
export const fsHashWasm: StoreKind = {
  name: "fs-hash-wasm",
  title: "fs + hash-wasm",
  note: "a file of its own format with XXH3-64 by `hash-wasm`; it grows, without preallocation",
  async load() {
    const hasher: Hasher = await loadPeer("hash-wasm").createXXHash3();
    return (folder) => new FileStore(folder, hasher);
  },
};
