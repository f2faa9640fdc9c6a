/**
 * Replays sealed segments: from their segment indexes if requested and possible, otherwise by scanning. Reports their
 * damage. A sealed segment was flushed completely before the next one was named, so no frame in it can be torn.
 *
 * @module
 */

import type { Codec } from "../codec/codec.ts";
import { leaseCodec, returnCodec, sharedCodec } from "../codec/pool.ts";
import type { FileSystem } from "../io/file_system.ts";
import { openSized, type SizedFile } from "../io/sized_file.ts";
import type { Index } from "../api/types.ts";
import type { Link } from "./chain.ts";
import { readIndexPages, readTrailer } from "./read_index.ts";
import { endOf } from "./segment_boundaries.ts";
import type { Replay } from "./replay.ts";
import type { SegmentEnd } from "./replay_state.ts";
import type { Found, ScanAhead } from "./scan_ahead.ts";
import { replayThroughDamage, scanAtOnce, scanSegment } from "./scan_segment.ts";
import { type FetchedPages, Segment } from "../log/segment.ts";

/** Takes sealed segments into a replay. */
export class SealedSegments {
  private readonly fileSystem: FileSystem;
  private readonly codec: Codec;
  private readonly replay: Replay;
  private readonly verify: "full" | "tail";
  /** Another thread that also scans segments, if there is one. */
  ahead: ScanAhead | undefined;

  /**
   * @param fileSystem The machine.
   * @param codec The codec.
   * @param replay The replay of the log.
   * @param verify Whether to scan segments, or to use their segment indexes.
   */
  constructor(fileSystem: FileSystem, codec: Codec, replay: Replay, verify: "full" | "tail") {
    this.fileSystem = fileSystem;
    this.codec = codec;
    this.replay = replay;
    this.verify = verify;
  }

  /**
   * Takes a segment. Yields after each chunk, and yields `"waiting"` while another thread scans it.
   *
   * @param link The segment.
   * @param next The next segment. Its header gives the end of this one.
   */
  *take(link: Link, next: Link): Generator<"waiting" | void> {
    const { replay } = this;
    const { path, header } = link.file;
    const endOffset = link.endOffset!;
    const segment = new Segment(path, header, endOffset);
    replay.open(segment, link.joined ? next.file.header.floor : 1);
    const file = openSized(this.fileSystem, path);
    try {
      segment.isUnverified = this.verify === "tail" && this.takeSegmentIndex(segment, file, link, next);
      if (segment.isUnverified) return;
      const found = yield* this.foundAhead(link);
      if (found !== undefined && replay.takeScanned(segment, found.before, found.scanned)) return yield;
      yield* replayThroughDamage(replay, segment, file, endOffset);
      segment.endOffset = endOffset;
      segment.trim();
    } finally {
      file.close();
    }
  }

  /** The result of another thread for a segment, if that thread has claimed it. */
  private *foundAhead(link: Link): Generator<"waiting", Found | undefined> {
    const asking = this.ahead?.take(link);
    for (;;) {
      const step = asking?.next();
      if (step === undefined || step.done) return step?.value ?? undefined;
      yield "waiting";
    }
  }

  /**
   * Takes a segment from its segment index. Returns `false` if the index is missing, damaged, or contradicts the next
   * header.
   */
  private takeSegmentIndex(segment: Segment, file: SizedFile, link: Link, next: Link): boolean {
    const { index } = this.replay;
    const segmentIndex = readTrailer(this.codec, file, link.file.size, segment.header);
    if (segmentIndex === undefined || segmentIndex.trailer.indexOffset !== link.endOffset) return false;
    const { firstIndex, nextIndex, lowestTruncated } = segmentIndex.trailer;
    const count = nextIndex - firstIndex;
    if (link.joined && nextIndex !== next.file.header.state.nextIndex) return false;
    index.truncate(Math.min(lowestTruncated, firstIndex));
    segment.clear(firstIndex);
    segment.lowestTruncated = lowestTruncated;
    segment.adoptLater(count, () => {
      const again = openSized(this.fileSystem, segment.path);
      try {
        const table = readIndexPages(sharedCodec(), again, segmentIndex.trailer);
        if (table !== undefined) return { table, damage: [] };
        return this.rebuildPages(segment, again, firstIndex, count, link.joined ? endOf(next.file.header) : undefined);
      } finally {
        again.close();
      }
    });
    for (const [first, term] of segmentIndex.runs) index.runs.push(first, term);
    index.nextIndex = nextIndex;
    return true;
  }

  /** Rebuilds the pages of a segment by scanning, if those in the segment index are damaged. */
  private rebuildPages(
    segment: Segment,
    file: SizedFile,
    firstIndex: Index,
    count: number,
    end: SegmentEnd | undefined,
  ): FetchedPages {
    // Use a separate instance: the shared one may hold the state of an unfinished replay.
    const codec = leaseCodec();
    try {
      const known = end ?? { changes: undefined, lowestDropped: undefined, snapshotIndex: undefined };
      const scanning = scanSegment(codec, segment, file, segment.endOffset, {
        ...known,
        nextIndex: firstIndex + count,
      });
      const { replay: { damage }, scanned } = scanAtOnce(scanning);
      scanned.cut(firstIndex + count);
      scanned.prependLost(Math.max(scanned.firstIndex - firstIndex, 0));
      scanned.pushLost(Math.max(firstIndex + count - scanned.end, 0));
      return { table: scanned.pageTable(), damage };
    } finally {
      returnCodec(codec);
    }
  }
}
