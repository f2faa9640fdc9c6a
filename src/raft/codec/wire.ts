/**
 * The numbers, ids and byte strings of messages.
 *
 * - **number**: 0 to 2^53 - 1 in groups of 7 bits, the lowest first. A byte of 128 or more has another byte after it. A
 *   number has the minimum number of bytes, at most 8, so that each number has exactly one encoding.
 * - **id**: a u64 in 8 bytes, little-endian. Ids are not shortened, because many are random.
 *
 * Every count is checked against the remaining bytes before anything is allocated for it.
 *
 * @module
 */

import { WalLogError } from "../../api/errors.ts";
import { unshared } from "../../api/taken.ts";
import type { NodeId } from "../../api/types.ts";
import { isNodeId } from "../config.ts";
import { NUMBER_BYTES_MAX } from "./format.ts";

/** The size of an id. In bytes. */
export const ID_BYTES = 8;

/**
 * Makes an `ENCODING` error.
 *
 * @param message The attempt and the reason.
 * @returns The error.
 */
export function encodingError(message: string): WalLogError {
  return new WalLogError("ENCODING", message);
}

/**
 * Checks a number before it is written.
 *
 * @param value The number.
 * @param name Its name, for the error.
 * @throws {WalLogError} `ENCODING` if it is not a valid index, term or size.
 */
export function checkNumber(value: number, name: string): void {
  if (Number.isSafeInteger(value) && value >= 0) return;
  throw encodingError(`Cannot encode a message: ${name} must be a safe integer of 0 or more, found ${value}`);
}

/** Writes into an array whose size is fixed from the start. */
export class WireWriter {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  #at: number;

  /**
   * Makes a writer.
   *
   * @param room The number of bytes to reserve before the written bytes.
   * @param bytesMax The maximum number of bytes to write.
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

  /** Writes a number. Throws if it is not valid. */
  number(value: number, name: string): void {
    checkNumber(value, name);
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.byte(rest % 128 + 128);
    this.byte(rest);
  }

  /** Writes an id. Throws if it is not valid. */
  id(value: NodeId): void {
    if (!isNodeId(value)) {
      throw encodingError(`Cannot encode a message: ids are bigints from 0 to 2^64 - 1, found ${String(value)}`);
    }
    this.#view.setBigUint64(this.#at, value, true);
    this.#at += ID_BYTES;
  }

  /** Writes the number of ids, and each id. */
  ids(values: readonly NodeId[]): void {
    this.number(values.length, "the number of ids");
    for (const value of values) this.id(value);
  }

  /** Writes bytes without their size. The reader must know the size. */
  raw(value: Uint8Array): void {
    this.#bytes.set(value, this.#at);
    this.#at += value.byteLength;
  }
}

/** Reads the output of a {@link WireWriter}. Throws if the bytes are not valid. */
export class WireReader {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  readonly #view: DataView;
  #at = 0;

  /**
   * Makes a reader.
   *
   * @param bytes The bytes to read.
   */
  constructor(bytes: Uint8Array) {
    this.#bytes = unshared(bytes);
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.byteLength);
  }

  /** The number of remaining bytes. */
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

  /** Reads the number of items that follow. Each item takes at least `bytesEach` bytes. */
  count(bytesEach: number, name: string): number {
    const count = this.number();
    if (count > this.left / bytesEach) throw this.error(`${count} ${name} do not fit into ${this.left} bytes`);
    return count;
  }

  /** Reads bytes. The result shares its memory with the input. */
  raw(length: number): Uint8Array<ArrayBuffer> {
    this.#require(length);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  /** Makes an error with the position. */
  error(what: string): WalLogError {
    return encodingError(`Cannot decode a message of ${this.#bytes.byteLength} bytes: at byte ${this.#at}, ${what}`);
  }

  #require(length: number): void {
    if (length > this.left) throw this.error(`expected ${length} more bytes`);
  }
}
