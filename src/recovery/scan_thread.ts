/**
 * The work of a second thread while a log is opened. It scans sealed segments, the newest first. The first thread takes
 * them from the oldest on, until the two meet. For each segment, the second thread returns exactly the result of a scan
 * on the first thread, or nothing. It leaves every segment that is not entirely valid to the first thread.
 *
 * The function is sent to the thread as text, so that the thread loads no file. So Deno needs no permission for it, and
 * a bundler cannot miss the file. The function uses nothing from outside except types. `scan_thread_text.ts` is
 * generated from this file.
 *
 * @module
 */

import type { CodecExports } from "../codec/codec.ts";
import type { ThreadFiles } from "../io/file_system.ts";

/** A segment to scan. */
export interface ScanRequest {
  readonly path: string;
  /** Offset of the first frame. */
  readonly start: number;
  /** Offset after the last frame. */
  readonly end: number;
  readonly baseLsn: number;
  /** The next index after the segment. */
  readonly nextIndex: number;
  /** The codec's slots at its start. */
  readonly state: BigUint64Array<ArrayBuffer>;
}

/** The result for a segment. */
export interface Scanned {
  /** Its pages: first index and offset, alternating. */
  readonly pages: Float64Array<ArrayBuffer>;
  /** Its runs of terms: first index and term, alternating. */
  readonly runs: readonly bigint[];
  /** The codec's slots at its end. */
  readonly state: BigUint64Array<ArrayBuffer>;
}

/** An answer of the thread: the segment's position in the request, and its result, if it was entirely valid. */
export interface ScanAnswer {
  readonly segment: number;
  readonly scanned: Scanned | undefined;
}

/** The input of the thread. */
export interface ScanInput {
  /** The codec's module. */
  readonly wasm: Uint8Array<ArrayBuffer>;
  readonly segments: readonly ScanRequest[];
  /** The claim of each segment: 0 for none yet, otherwise the thread's number. Shared. */
  readonly claims: Int32Array<SharedArrayBuffer>;
  /** The number of chunks that the thread has read, to show its progress. Shared. */
  readonly beats: Int32Array<SharedArrayBuffer>;
  /** The thread's own number. */
  readonly claimant: number;
  /** Address and size of the codec's chunk. */
  readonly chunkAt: number;
  readonly chunkBytes: number;
  /** The codec's constants by name. */
  readonly constants: Readonly<
    Record<
      | "SLOTS"
      | "SLOT_CONSUMED"
      | "SLOT_ENTRIES_FRAMES"
      | "SLOT_NEXT_INDEX"
      | "SLOT_PAGES"
      | "SLOT_RUNS"
      | "SCAN_MORE"
      | "SCAN_TABLE_FULL"
      | "PAGE_BYTES",
      number
    >
  >;
}

/**
 * Scans unclaimed segments, from the last to the first.
 *
 * @param input The segments, and the means.
 * @param files Reads files.
 * @param send Sends an answer, and transfers the listed memory.
 */
export function scanSegments(
  input: ScanInput,
  files: ThreadFiles,
  send: (answer: ScanAnswer, memory: readonly ArrayBuffer[]) => void,
): void {
  const { segments, claims, beats, claimant, chunkAt, chunkBytes, constants } = input;
  const { SLOTS, SLOT_CONSUMED, SLOT_ENTRIES_FRAMES, SLOT_NEXT_INDEX, SLOT_PAGES, SLOT_RUNS } = constants;
  const { SCAN_MORE, SCAN_TABLE_FULL, PAGE_BYTES } = constants;
  const codec = new WebAssembly.Instance(new WebAssembly.Module(input.wasm)).exports as unknown as CodecExports;
  const missing = chunkAt + chunkBytes - codec.memory.buffer.byteLength;
  if (missing > 0) codec.memory.grow(Math.ceil(missing / PAGE_BYTES));
  const { buffer } = codec.memory;
  const slots = new BigUint64Array(buffer, codec.STATE.value, SLOTS);
  const chunk = new Uint8Array(buffer, chunkAt, chunkBytes);

  const scan = ({ start, end, baseLsn, nextIndex, state }: ScanRequest, file: number): Scanned | undefined => {
    const pages: number[] = [];
    const runs: bigint[] = [];
    slots.set(state);
    // The chunk holds `filled` bytes of the file, from offset `at` on.
    for (let at = start, filled = 0; at < end;) {
      while (filled < chunkBytes && at + filled < end) {
        const more = files.readSync(file, chunk, filled, Math.min(chunkBytes - filled, end - at - filled), at + filled);
        if (more === 0) return undefined;
        filled += more;
      }
      Atomics.add(beats, 0, 1);
      const status = codec.scan(chunkAt, filled, chunkBytes, baseLsn + at);
      pages.push(...new Float64Array(buffer, codec.PAGES.value, Number(slots[SLOT_PAGES]) * 2));
      runs.push(...new BigUint64Array(buffer, codec.RUNS.value, Number(slots[SLOT_RUNS]) * 2));
      slots[SLOT_PAGES] = slots[SLOT_RUNS] = slots[SLOT_ENTRIES_FRAMES] = 0n;
      const consumed = Number(slots[SLOT_CONSUMED]);
      if ((status !== SCAN_MORE && status !== SCAN_TABLE_FULL) || consumed === 0) return undefined;
      at += consumed;
      chunk.copyWithin(0, consumed, filled);
      filled -= consumed;
    }
    if (Number(slots[SLOT_NEXT_INDEX]) !== nextIndex) return undefined;
    return { pages: new Float64Array(pages), runs, state: slots.slice() };
  };

  for (let segment = segments.length - 1; segment >= 0; segment--) {
    if (Atomics.compareExchange(claims, segment, 0, claimant) !== 0) continue;
    let scanned: Scanned | undefined;
    try {
      const file = files.openSync(segments[segment]!.path, "r");
      try {
        scanned = scan(segments[segment]!, file);
      } finally {
        files.closeSync(file);
      }
    } catch {
      // The first thread meets the same error and reports it.
    }
    send({ segment, scanned }, scanned === undefined ? [] : [scanned.pages.buffer]);
  }
}
