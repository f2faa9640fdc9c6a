/**
 * The queue of frames to a peer.
 *
 * @module
 */

/** The size of one write to a socket. Small writes show whether the socket makes progress. In bytes. */
const CHUNK_BYTES = 64 * 1024;
/** The approximate memory of a frame besides its bytes. Small frames must count too. In bytes. */
const FRAME_OVERHEAD_BYTES = 128;

/** Frames of this size or more are freed when they are sent. Smaller ones are left to garbage collection. In bytes. */
const FREED_BYTES_MIN = 64 * 1024;

/** The next bytes to send. */
export interface OutboxChunk {
  readonly bytes: Uint8Array;
  /** The large frame that ends in these bytes. Nothing needs its buffer once they are sent. */
  readonly frame: Uint8Array | undefined;
}

/**
 * A bounded queue of frames. A full queue rejects new frames instead of dropping the oldest: entries depend on the
 * entries before them, so the rest would be of no use to the peer after a gap.
 */
export class Outbox {
  readonly #bytesMax: number;
  #frames: Uint8Array[] = [];
  /** The first frame that was not taken completely, and the number of its bytes that were taken. */
  #head = 0;
  #taken = 0;
  #bytes = 0;

  /**
   * Makes an empty queue.
   *
   * @param bytesMax The maximum size of the queue, in bytes. A single frame may be larger.
   */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** The memory of the waiting frames, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The number of waiting frames. A partly taken frame counts. */
  get length(): number {
    return this.#frames.length - this.#head;
  }

  /**
   * Adds a frame.
   *
   * @param frame The frame. Nothing else may use its buffer.
   * @returns Whether there was room.
   */
  push(frame: Uint8Array): boolean {
    const cost = bytesHeld(frame);
    if (this.#bytes > 0 && this.#bytes + cost > this.#bytesMax) return false;
    this.#frames.push(frame);
    this.#bytes += cost;
    return true;
  }

  /**
   * Takes the next bytes to send: several small frames, or a part of a large one; `undefined` if the queue is empty.
   */
  take(): OutboxChunk | undefined {
    let ended: Uint8Array | undefined;
    const pieces: Uint8Array[] = [];
    let length = 0;
    while (length < CHUNK_BYTES && this.#head < this.#frames.length) {
      const frame = this.#frames[this.#head]!;
      const piece = frame.subarray(this.#taken, this.#taken + CHUNK_BYTES - length);
      pieces.push(piece);
      length += piece.byteLength;
      this.#taken += piece.byteLength;
      if (this.#taken < frame.byteLength) break;
      this.#taken = 0;
      this.#head++;
      this.#bytes -= bytesHeld(frame);
      if (frame.byteLength >= FREED_BYTES_MIN) ended = frame;
    }
    this.#forget();
    if (pieces.length === 0) return undefined;
    if (pieces.length === 1) return { bytes: pieces[0]!, frame: ended };
    const bytes = new Uint8Array(length);
    let filled = 0;
    for (const piece of pieces) {
      bytes.set(piece, filled);
      filled += piece.byteLength;
    }
    return { bytes, frame: ended };
  }

  /** Drops all frames. */
  clear(): void {
    this.#frames = [];
    this.#head = this.#taken = this.#bytes = 0;
  }

  /** Releases the frames that were taken: all at once, or when they are most of the array. */
  #forget(): void {
    if (this.#head * 2 <= this.#frames.length) return;
    this.#frames = this.#frames.slice(this.#head);
    this.#head = 0;
  }
}

/** The memory of a frame: its whole buffer. An encoder may have reserved far more than it used. */
function bytesHeld(frame: Uint8Array): number {
  return frame.buffer.byteLength + FRAME_OVERHEAD_BYTES;
}
