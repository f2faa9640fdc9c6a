/**
 * Sealed segments: taken from their segment indexes where that is wanted and possible, by scanning otherwise, and what is
 * damaged in them named. All of a sealed segment was flushed before the next one was named, so that nothing in it is
 * torn.
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
import { endOf } from "./borders.ts";
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
  /** Another thread that scans segments too, if there is one. */
  ahead: ScanAhead | undefined;

  /**
   * @param fileSystem The machine.
   * @param codec The codec.
   * @param replay The replay of the log.
   * @param verify Whether segments are scanned, or taken from their segment indexes.
   */
  constructor(fileSystem: FileSystem, codec: Codec, replay: Replay, verify: "full" | "tail") {
    this.fileSystem = fileSystem;
    this.codec = codec;
    this.replay = replay;
    this.verify = verify;
  }

  /**
   * Takes a segment. Yields after each chunk that is read, and `"waiting"` while another thread is at it.
   *
   * @param link The segment.
   * @param next The one behind it, whose header tells where this one ended.
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

  /** What another thread found in a segment, if it has taken it. */
  private *foundAhead(link: Link): Generator<"waiting", Found | undefined> {
    const asking = this.ahead?.take(link);
    for (;;) {
      const step = asking?.next();
      if (step === undefined || step.done) return step?.value ?? undefined;
      yield "waiting";
    }
  }

  /** Takes a segment from its segment index; `false` if that is missing, damaged, or does not fit the next segment's header. */
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

  /** The pages of a segment whose segment index does not have them, by scanning. */
  private rebuildPages(
    segment: Segment,
    file: SizedFile,
    firstIndex: Index,
    count: number,
    end: SegmentEnd | undefined,
  ): FetchedPages {
    // An instance of its own: another one may hold the state of a replay that is not over.
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
