/**
 * Reassembles the frames that arrive on a connection.
 *
 * @module
 */

import { free } from "../../io/free.ts";
import { encodingError } from "../codec/wire.ts";
import { FRAME_LENGTH_BYTES } from "./framing.ts";

/** The approximate memory of a chunk besides its bytes. */
const CHUNK_OVERHEAD_BYTES = 128;
/** The overhead that is always allowed, so that chunks of an ordinary size are never joined. */
const CHUNKS_OVERHEAD_BYTES = 64 * 1024;
/** Frames of this size or more get a buffer of their own, which can be freed when the message is finished. */
export const OWN_BUFFER_BYTES_MIN: number = 64 * 1024;

/** Bytes that have arrived. */
interface Chunk {
  readonly bytes: Uint8Array;
  /** Whether nothing else uses the buffer. */
  readonly isOwned: boolean;
}

/**
 * Reassembles data that arrives in chunks. It holds only received data, and allocates nothing for announced sizes. It
 * takes about twice the size of the data, however small the chunks are. Chunks are freed as soon as they are copied.
 */
export class StreamReader {
  #chunks: Chunk[] = [];
  #bytes = 0;

  /**
   * Adds a chunk.
   *
   * @param bytes The chunk. If it is the whole of its buffer, the buffer is the reader's from now on.
   */
  push(bytes: Uint8Array): void {
    this.#chunks.push({ bytes, isOwned: bytes.byteLength === bytes.buffer.byteLength });
    this.#bytes += bytes.byteLength;
    // Chunks are joined again only after they have grown by a share. So each byte is copied only a few times.
    if (this.#chunks.length * CHUNK_OVERHEAD_BYTES <= this.#bytes + CHUNKS_OVERHEAD_BYTES) return;
    this.#chunks = [{ bytes: this.#copy(this.#bytes), isOwned: true }];
  }

  /** The bytes that have arrived and were not taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Copies the first bytes, without taking them.
   *
   * @param length The number of bytes; no more than have arrived.
   */
  peek(length: number): Uint8Array {
    const copy = new Uint8Array(length);
    let filled = 0;
    for (const { bytes } of this.#chunks) {
      if (filled === length) break;
      const part = bytes.subarray(0, length - filled);
      copy.set(part, filled);
      filled += part.byteLength;
    }
    return copy;
  }

  /**
   * Takes the first bytes.
   *
   * @param length The number of bytes; no more than have arrived.
   */
  take(length: number): Uint8Array {
    const [first] = this.#chunks;
    const isWhole = first?.bytes.byteLength === length && first.isOwned;
    const mayShare = isWhole || length < OWN_BUFFER_BYTES_MIN;
    const taken = first !== undefined && first.bytes.byteLength >= length && mayShare
      ? this.#share(first.bytes, length)
      : this.#copy(length);
    this.#bytes -= length;
    return taken;
  }

  /**
   * Takes the next frame. A frame of {@link OWN_BUFFER_BYTES_MIN} or more has a buffer of its own.
   *
   * @param bytesMax The largest message allowed.
   * @returns Its message, empty for a ping; `undefined` if it has not arrived yet.
   * @throws {WalLogError} `ENCODING` if it is announced to be larger.
   */
  takeFrame(bytesMax: number): Uint8Array | undefined {
    if (this.#bytes < FRAME_LENGTH_BYTES) return undefined;
    const head = this.peek(FRAME_LENGTH_BYTES);
    const length = new DataView(head.buffer).getUint32(0, true);
    if (length > bytesMax) {
      throw encodingError(`Cannot read a message: ${length} bytes are announced, at most ${bytesMax} are allowed`);
    }
    if (this.#bytes < FRAME_LENGTH_BYTES + length) return undefined;
    return this.take(FRAME_LENGTH_BYTES + length).subarray(FRAME_LENGTH_BYTES);
  }

  /** Takes bytes of the first chunk without a copy. */
  #share(bytes: Uint8Array, length: number): Uint8Array {
    if (bytes.byteLength === length) this.#chunks.shift();
    else this.#chunks[0] = { bytes: bytes.subarray(length), isOwned: false };
    return bytes.subarray(0, length);
  }

  /** Takes a copy of bytes, and frees the chunks that it has copied completely. */
  #copy(length: number): Uint8Array {
    const copy = new Uint8Array(length);
    let filled = 0;
    let used = 0;
    for (; filled < length; used++) {
      const { bytes, isOwned } = this.#chunks[used]!;
      const part = bytes.subarray(0, length - filled);
      copy.set(part, filled);
      filled += part.byteLength;
      if (part.byteLength < bytes.byteLength) {
        this.#chunks[used] = { bytes: bytes.subarray(part.byteLength), isOwned };
        break;
      }
      if (isOwned) free(bytes);
    }
    this.#chunks.splice(0, used);
    return copy;
  }
}
