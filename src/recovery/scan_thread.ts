/**
 * What a second thread does while a log is opened: it scans sealed segments, the newest first, while the thread that
 * opens the log takes them from the oldest on, until they meet. What it finds is exactly what scanning them here would
 * have found, or nothing: whatever is not plainly valid it leaves to the thread that knows what to do about it.
 *
 * The function is sent to its thread as text, so that nothing has to be loaded there: Deno then needs no permission for
 * it, and a bundler has no file to lose. It uses nothing outside it but types. `scan_thread_text.ts` is generated from
 * this file.
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
  /** Offset behind the last frame. */
  readonly end: number;
  readonly baseLsn: number;
  /** The next index behind it. */
  readonly nextIndex: number;
  /** The codec's slots at its start. */
  readonly state: BigUint64Array<ArrayBuffer>;
}

/** What was found in a segment. */
export interface Scanned {
  /** Where its pages begin: first index and offset, in turn. */
  readonly pages: Float64Array<ArrayBuffer>;
  /** Where terms begin: index and term, in turn. */
  readonly runs: readonly bigint[];
  /** The codec's slots at its end. */
  readonly state: BigUint64Array<ArrayBuffer>;
}

/** What the thread sends: which segment, and what is in it if that is plain. */
export interface ScanAnswer {
  readonly segment: number;
  readonly scanned: Scanned | undefined;
}

/** What the thread is given. */
export interface ScanInput {
  /** The codec's module. */
  readonly wasm: Uint8Array<ArrayBuffer>;
  readonly segments: readonly ScanRequest[];
  /** Who takes each segment: 0 nobody yet, otherwise the thread's number. Shared. */
  readonly claims: Int32Array<SharedArrayBuffer>;
  /** Counts the chunks that the thread has read, to show its progress. Shared. */
  readonly beats: Int32Array<SharedArrayBuffer>;
  /** The thread's own number. */
  readonly claimant: number;
  /** Where the codec has its chunk, and how large that is. */
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
 * Scans segments that nobody has claimed, from the last one down.
 *
 * @param input What to scan, and with what.
 * @param files Reads files.
 * @param send Sends an answer; the memory of what is listed goes with it.
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
    // The chunk holds the file's bytes from `at` on, `filled` of them.
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
      // Whatever it was, the thread that asked meets it too, and says so.
    }
    send({ segment, scanned }, scanned === undefined ? [] : [scanned.pages.buffer]);
  }
}
