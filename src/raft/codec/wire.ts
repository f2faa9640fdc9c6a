/**
 * Numbers, ids and byte strings, as messages are made of them.
 *
 * - **number**: 0 to 2^53 - 1 in groups of 7 bits, the lowest first; a byte of 128 or more says that another follows. In
 *   as few bytes as possible, 8 at most, so that a number has one form.
 * - **id**: a u64 in 8 bytes, little-endian: an id is as often random as it is small.
 *
 * Whatever is read is checked against the bytes that there are before anything is made of it.
 *
 * @module
 */

import { WalLogError } from "../../api/errors.ts";
import { unshared } from "../../api/taken.ts";
import type { NodeId } from "../../api/types.ts";
import { isNodeId } from "../config.ts";
import { NUMBER_BYTES_MAX } from "./format.ts";

/** The size of an id. */
export const ID_BYTES = 8;

/**
 * An `ENCODING` error.
 *
 * @param message What was tried and what was found.
 * @returns The error, to be thrown.
 */
export function encodingError(message: string): WalLogError {
  return new WalLogError("ENCODING", message);
}

/**
 * Checks a number that is to be written.
 *
 * @param value The number.
 * @param name What it is.
 * @throws {WalLogError} `ENCODING` if it is no index, term or size.
 */
export function checkNumber(value: number, name: string): void {
  if (Number.isSafeInteger(value) && value >= 0) return;
  throw encodingError(`Cannot encode a message: ${name} must be a safe integer of 0 or more, found ${value}`);
}

/** Writes into an array that is large enough from the start. */
export class WireWriter {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  #at: number;

  /**
   * Makes a writer.
   *
   * @param room Bytes to leave in front of what is written.
   * @param bytesMax The most that will be written.
   */
  constructor(room: number, bytesMax: number) {
    this.#bytes = new Uint8Array(room + bytesMax);
    this.#view = new DataView(this.#bytes.buffer);
    this.#at = room;
  }

  /** The bytes written, and the space before them. */
  get written(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#at);
  }

  /** Writes one byte. */
  byte(value: number): void {
    this.#bytes[this.#at++] = value;
  }

  /** Writes a number, if it is one. */
  number(value: number, name: string): void {
    checkNumber(value, name);
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.byte(rest % 128 + 128);
    this.byte(rest);
  }

  /** Writes an id, if it is one. */
  id(value: NodeId): void {
    if (!isNodeId(value)) {
      throw encodingError(`Cannot encode a message: ids are bigints from 0 to 2^64 - 1, found ${String(value)}`);
    }
    this.#view.setBigUint64(this.#at, value, true);
    this.#at += ID_BYTES;
  }

  /** Writes how many ids there are, and each. */
  ids(values: readonly NodeId[]): void {
    this.number(values.length, "the number of ids");
    for (const value of values) this.id(value);
  }

  /** Writes bytes as they are; how many, the reader must know. */
  raw(value: Uint8Array): void {
    this.#bytes.set(value, this.#at);
    this.#at += value.byteLength;
  }
}

/** Reads what a {@link WireWriter} wrote, or finds out that it did not. */
export class WireReader {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  #at = 0;

  /**
   * Makes a reader.
   *
   * @param bytes What is to be read.
   */
  constructor(bytes: Uint8Array) {
    this.#bytes = unshared(bytes);
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
  }

  /** The number of bytes left. */
  get left(): number {
    return this.#bytes.byteLength - this.#at;
  }

  /** Reads one byte. */
  byte(): number {
    this.#require(1);
    return this.#bytes[this.#at++]!;
  }

  /** Reads a number. */
  number(): number {
    let value = 0;
    let scale = 1;
    for (let length = 1; length <= NUMBER_BYTES_MAX; length++, scale *= 128) {
      const byte = this.byte();
      value += byte % 128 * scale;
      if (byte >= 128) continue;
      if (byte === 0 && length > 1) throw this.error("a number has more bytes than it needs");
      if (value > Number.MAX_SAFE_INTEGER) break;
      return value;
    }
    throw this.error("a number is beyond 2^53 - 1");
  }

  /** Reads an id. */
  id(): NodeId {
    this.#require(ID_BYTES);
    const value = this.#view.getBigUint64(this.#at, true);
    this.#at += ID_BYTES;
    return value;
  }

  /** Reads the number of items that follow. Each takes `bytesEach` bytes or more. */
  count(bytesEach: number, name: string): number {
    const count = this.number();
    if (count > this.left / bytesEach) throw this.error(`${count} ${name} cannot be in ${this.left} bytes`);
    return count;
  }

  /** Reads bytes as they are. The array shares its memory with the one read from. */
  raw(length: number): Uint8Array<ArrayBuffer> {
    this.#require(length);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** The error and its position. */
  error(what: string): WalLogError {
    return encodingError(`Cannot decode a message of ${this.#bytes.byteLength} bytes: at byte ${this.#at}, ${what}`);
  }

  #require(length: number): void {
    if (length > this.left) throw this.error(`${length} more are needed`);
  }
}
