/**
 * The first thread's side of a recovery with two threads: it asks the second thread to scan sealed segments, tracks the
 * claims, and collects the results.
 *
 * @module
 */

import {
  CHUNK_BYTES,
  type Codec,
  codecBytes,
  PAGE_BYTES,
  SCAN_MORE,
  SCAN_TABLE_FULL,
  SLOT_CONSUMED,
  SLOT_ENTRIES_FRAMES,
  SLOT_NEXT_INDEX,
  SLOT_PAGES,
  SLOT_RUNS,
  SLOTS,
} from "../codec/codec.ts";
import type { Threads } from "../io/file_system.ts";
import type { Link } from "./chain.ts";
import { SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import { TERM_UNKNOWN } from "../format/numbers.ts";
import { Replay } from "./replay.ts";
import { SCAN_SEGMENTS } from "./scan_thread_text.ts";
import type { ScanAnswer, ScanInput, Scanned, ScanRequest } from "./scan_thread.ts";

/** Claims of a segment: this thread, or the other one. */
const CLAIMED_HERE = 1;
const CLAIMED_THERE = 2;

/** The time that the other thread may take without progress, in milliseconds. */
const PATIENCE_MS_DEFAULT = 5000;

/** The other thread's result for a segment. */
export interface Found {
  /** The codec's slots at the start of its scan. */
  readonly before: BigUint64Array;
  readonly scanned: Scanned;
}

/**
 * Sealed segments that another thread scans from the newest to the oldest, while this thread takes them from the oldest
 * on.
 */
export class ScanAhead {
  private readonly requests = new Map<Link, { readonly position: number; readonly request: ScanRequest }>();
  private readonly answers = new Map<number, Scanned | undefined>();
  private readonly claims: Int32Array<SharedArrayBuffer>;
  private readonly end: () => void;
  private readonly beats = new Int32Array(new SharedArrayBuffer(4));
  private readonly patience: number;
  private failed = false;
  /** Whether any result of the other thread was used. */
  hasHelped = false;

  /**
   * Starts the thread.
   *
   * @param threads Starts it.
   * @param codec The codec.
   * @param links The segments of the log, oldest first.
   */
  constructor(threads: Threads, codec: Codec, links: readonly Link[]) {
    this.patience = threads.patienceMilliseconds ?? PATIENCE_MS_DEFAULT;
    const segments: ScanRequest[] = [];
    const replay = new Replay(codec);
    for (const [i, link] of links.slice(0, -1).entries()) {
      const request = requestFor(link, links[i + 1]!, replay);
      if (request === undefined) continue;
      this.requests.set(link, { position: segments.length, request });
      segments.push(request);
    }
    this.claims = new Int32Array(new SharedArrayBuffer(4 * segments.length));
    const input: ScanInput = {
      wasm: codecBytes(),
      segments,
      claims: this.claims,
      beats: this.beats,
      claimant: CLAIMED_THERE,
      chunkAt: codec.chunkAt,
      chunkBytes: CHUNK_BYTES,
      constants: {
        SLOTS,
        SLOT_CONSUMED,
        SLOT_ENTRIES_FRAMES,
        SLOT_NEXT_INDEX,
        SLOT_PAGES,
        SLOT_RUNS,
        SCAN_MORE,
        SCAN_TABLE_FULL,
        PAGE_BYTES,
      },
    };
    try {
      this.end = threads.start(SCAN_SEGMENTS, input, (answer: ScanAnswer | undefined) => {
        if (answer === undefined) this.failed = true;
        else this.answers.set(answer.segment, answer.scanned);
      });
    } catch {
      // Without the thread, recovery only takes longer.
      this.end = () => {};
    }
  }

  /**
   * Claims a segment for this thread. If the other thread has claimed it, yields until its answer arrives.
   *
   * @param link The segment.
   * @returns The other thread's result; `undefined` if this thread has to scan the segment.
   */
  *take(link: Link): Generator<void, Found | undefined> {
    const asked = this.requests.get(link);
    if (asked === undefined) return undefined;
    const { position, request } = asked;
    if (Atomics.compareExchange(this.claims, position, 0, CLAIMED_HERE) === 0) return undefined;
    let beats = Atomics.load(this.beats, 0);
    let since = performance.now();
    while (!this.answers.has(position) && !this.failed) {
      yield;
      const now = Atomics.load(this.beats, 0);
      if (now !== beats) since = performance.now();
      // A thread that fails to start or is killed may end without an event.
      else if (performance.now() - since > this.patience) this.failed = true;
      beats = now;
    }
    const scanned = this.answers.get(position);
    this.answers.delete(position);
    if (scanned !== undefined) this.hasHelped = true;
    return scanned && { before: request.state, scanned };
  }

  /** Ends the thread. */
  close(): void {
    this.end();
  }
}

/** The request for a segment; `undefined` if the headers do not give enough information. */
function requestFor(link: Link, next: Link, replay: Replay): ScanRequest | undefined {
  const { path, header, size } = link.file;
  const { state, baseLsn } = header;
  const end = link.endOffset!;
  const entries = next.file.header.state.nextIndex - state.nextIndex;
  // With truncations, the segment has more entries than the headers show, and frames that stop a scan.
  if (!link.joined || next.file.header.floor < state.nextIndex) return undefined;
  if (state.lastTerm === TERM_UNKNOWN || state.replacementsLost || end > size) return undefined;
  if (entries < 0) return undefined;
  const { nextIndex } = next.file.header.state;
  return { path, start: SEGMENT_HEADER_BYTES, end, baseLsn, nextIndex, state: replay.scanStateAt(header) };
}
