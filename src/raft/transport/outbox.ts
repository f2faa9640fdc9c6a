/**
 * What waits to be sent to a peer.
 *
 * @module
 */

/** What is handed to a socket at once, so that it can be seen to move. In bytes. */
const CHUNK_BYTES = 64 * 1024;
/** What a frame takes in memory beside its bytes, roughly: many small ones must not come for nothing. */
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
 * A queue of frames with a bound. When it is full, what comes is refused, and not what has waited longest: entries build
 * on those before them, so that with a gap the rest would be of no use to the peer.
 */
export class Outbox {
  readonly #bytesMax: number;
  #frames: Uint8Array[] = [];
  /** The first of them that was not taken whole, and how much of it was taken. */
  #head = 0;
  #taken = 0;
  #bytes = 0;

  /**
   * Makes an empty queue.
   *
   * @param bytesMax The most that it holds, in bytes; a single frame may be larger.
   */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** What is held in memory for what waits, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The number of frames that wait. A frame that was taken in part counts. */
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

  /** Takes the next bytes to send: several small frames, or a part of a large one; `undefined` if nothing waits. */
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

  /** Drops everything. */
  clear(): void {
    this.#frames = [];
    this.#head = this.#taken = this.#bytes = 0;
  }

  /** Lets go of frames that were taken: all at once, or when they are most of the array. */
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
