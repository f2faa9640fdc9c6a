/**
 * Repair: damaged frames of a segment written anew from good copies of their entries.
 *
 * The segment's file is copied, the lost frames are put where they lay, and the copy takes the file's place in one
 * rename: a crash leaves the damaged file or the repaired one. Positions, salt and checksums stay what they were, so
 * that the result is the segment as it was first written, and the next opening finds nothing.
 *
 * @module
 */

import { CHUNK_BYTES, type Codec } from "../codec/codec.ts";
import { WalLogError } from "../api/errors.ts";
import type { Damage } from "../api/report.ts";
import type { File, FileSystem } from "../io/file_system.ts";
import { ioError, isNoSpace, readFull, writeFull } from "../io/full.ts";
import { openSized, SizedFile } from "../io/sized_file.ts";
import { temporaryName } from "../io/temporary.ts";
import type { TakenEntry } from "../api/taken.ts";
import type { Index } from "../api/types.ts";
import {
  changesBefore,
  decodeFrameHeader,
  entriesIn,
  FLAG_CONFIG,
  FLAG_REPAIRED,
  FRAME_HEADER_BYTES,
  FRAME_PAYLOAD_CHECKSUM,
  frameBytes,
  type FrameHeader,
  indexBehind,
  LENGTH_BYTES,
} from "../format/frame.ts";
import { segmentName } from "../format/segment_name.ts";
import type { LogState } from "../format/state.ts";
import type { LogIndex } from "../log/log_index.ts";
import { findGap } from "../log/find_gap.ts";
import { liveIndexes, placeDamage } from "../log/live.ts";
import type { Replay } from "../recovery/replay.ts";
import { endingOf, scanAtOnce, scanSegment } from "../recovery/scan_segment.ts";
import { selectSegment } from "../log/select_segment.ts";
import { OFFSET_LOST, type Page, type Segment } from "../log/segment.ts";
import { readIndexPages, readTrailer } from "../recovery/read_index.ts";
import { layRepair, payloadOf, ROOM_BYTES_MAX, sealRepaired, slackPayload } from "./repair_frames.ts";

const TEMPORARY_NAME = /^\d{12}\.seg\.[0-9a-f]{16}\.tmp$/;

/**
 * Whether a file is what an interrupted repair left behind.
 *
 * @param name The file's name.
 * @returns Whether nothing needs the file.
 */
export function isRepairLeftover(name: string): boolean {
  return TEMPORARY_NAME.test(name);
}

/** Bytes to be put into a copy of a segment. */
interface Patch {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** What a repair of one segment comes to. */
export interface Repair {
  readonly segment: Segment;
  readonly patches: readonly Patch[];
  /** The entries whose frames were laid anew. */
  readonly laid: ReadonlySet<Index>;
  /** Where pages begin among them: first index and offset of each. */
  readonly pages: ReadonlyMap<Index, number>;
  /** The damage that is gone. */
  readonly repaired: readonly Damage[];
}

/** A repair that is ready to be put in place. */
export interface PreparedRepair {
  readonly repair: Repair;
  /** The repaired copy of the segment's file; `undefined` if the file needs none. */
  readonly copy: string | undefined;
}

/** Plans and carries out the repair of segments. */
export class SegmentRepairer {
  private readonly fileSystem: FileSystem;
  private readonly folder: string;
  private readonly codec: Codec;
  private readonly index: LogIndex;

  constructor(fileSystem: FileSystem, folder: string, codec: Codec, index: LogIndex) {
    this.fileSystem = fileSystem;
    this.folder = folder;
    this.codec = codec;
    this.index = index;
  }

  /**
   * Checks good copies against what survives of the entries' frames, and lays out the frames.
   *
   * @param segment A segment that is not written any more.
   * @param damage What is known to be damaged in it.
   * @param entries The good copies, by index.
   * @returns What to write; `undefined` if there is nothing to repair in this segment.
   * @throws {WalLogError} `INVALID_ARGUMENT` if a copy cannot be what was there.
   */
  plan(
    segment: Segment,
    damage: readonly Damage[],
    entries: ReadonlyMap<Index, TakenEntry>,
  ): Repair | undefined {
    const patches: Patch[] = [];
    const pages = new Map<Index, number>();
    const repaired: Damage[] = [];
    const laid = new Set<Index>();
    const done = new Set<Index>();
    const file = openSized(this.fileSystem, segment.path);
    const planGap = (gap: Damage) => {
      const lost = this.planGap(segment, file, gap, entries, patches, pages);
      for (const { index } of lost) {
        laid.add(index);
        done.add(index);
      }
      return lost.length > 0;
    };
    try {
      for (const one of damage) if (one.kind === "frames" && planGap(one)) repaired.push(one);
      for (const [index, entry] of entries) {
        if (index < segment.firstIndex || index >= segment.end || done.has(index)) continue;
        const page = segment.pageOf(index);
        if (page.offset === OFFSET_LOST) throw this.refuse(entry, `it was lost from ${segment.path} with no trace`);
        const found = this.frameOf(segment, file, page, index);
        if (found === undefined) {
          const read = (into: Uint8Array, offset: number) => readFull(file, into, offset);
          if (!planGap(placeDamage(segment, findGap(this.codec, read, segment, page, index)))) {
            throw this.refuse(entry, `it was lost from ${segment.path} with no trace`);
          }
          continue;
        }
        const live = liveEntries(found, page, this.index.firstIndex);
        for (const at of live.indexes) done.add(at);
        const patch = this.planFrame(segment, file, entry, found, live, entries);
        if (patch === undefined) continue;
        patches.push(patch);
        const known = damage.find((one) => one.kind === "entries" && one.offset === found.offset);
        if (known !== undefined) repaired.push(known);
      }
    } finally {
      file.close();
    }
    return patches.length + repaired.length === 0 ? undefined : { segment, patches, laid, pages, repaired };
  }

  /** The frame of an entry, by its header; `undefined` if that is not there. */
  private frameOf(segment: Segment, file: SizedFile, page: Page, index: Index): FoundFrame | undefined {
    const { codec } = this;
    const { baseLsn } = segment.header;
    selectSegment(codec, segment.header);
    for (let at = page.offset; at < page.endOffset;) {
      const filled = readFull(file, codec.chunk.subarray(0, Math.min(page.endOffset - at, CHUNK_BYTES)), at);
      const found = codec.wasm.find(codec.chunkAt, filled, baseLsn + at, index);
      if (found + FRAME_HEADER_BYTES <= filled) {
        const head = codec.chunk.slice(found, found + FRAME_HEADER_BYTES);
        return { offset: at + found, head, header: decodeFrameHeader(head) };
      }
      if (filled < FRAME_HEADER_BYTES) break;
      at += found;
    }
    return undefined;
  }

  /** The payload, or the whole frame, for a frame whose header is valid; `undefined` if it is undamaged. */
  private planFrame(
    segment: Segment,
    file: SizedFile,
    entry: TakenEntry,
    { offset, head, header }: FoundFrame,
    live: LiveEntries,
    entries: ReadonlyMap<Index, TakenEntry>,
  ): Patch | undefined {
    const { codec } = this;
    const room = frameBytes(header.length) - FRAME_HEADER_BYTES;
    if (room > ROOM_BYTES_MAX) throw misfit(segment, offset, room, [entry]);
    const sum = new DataView(head.buffer).getBigUint64(FRAME_PAYLOAD_CHECKSUM, true);
    const found = new Uint8Array(header.length);
    const isRead = readFull(file, found, offset + FRAME_HEADER_BYTES) === found.length;
    const isIntact = isRead && codec.hash(found, 0n) === sum;
    const kind = (header.flags & FLAG_CONFIG) === 0 ? "normal" : "config";
    const known = isIntact ? commandsIn(header, found) : undefined;
    for (const index of live.indexes) {
      const one = entries.get(index);
      if (one === undefined) continue;
      if (header.term !== one.term) throw this.refuse(one, `its term was ${header.term}, not ${one.term}`);
      if (kind !== one.kind) throw this.refuse(one, `its kind was "${kind}", not "${one.kind}"`);
      const command = known?.[index - header.index];
      if (command !== undefined && !isSame(command, one.command)) throw this.refuse(one, "its command was another");
    }
    if (isIntact) return undefined;
    const missing = live.indexes.find((index) => !entries.has(index));
    if (missing !== undefined) throw this.needsAll(segment.path, offset, live.indexes);
    return this.layFrame(segment, offset, header, sum, entries, live) ?? this.refuseFrame(entry, header);
  }

  /** Lays out a frame of which the header survives. */
  private layFrame(
    segment: Segment,
    offset: number,
    header: FrameHeader,
    sum: bigint,
    entries: ReadonlyMap<Index, TakenEntry>,
    live: LiveEntries,
  ): Patch | undefined {
    const { codec } = this;
    const all = Array.from({ length: entriesIn(header) }, (_, nth) => entries.get(header.index + nth));
    const isWhole = all.every((one) => one !== undefined) && header.count > 0;
    const payload = isWhole ? payloadOf(all as TakenEntry[], header.length) : undefined;
    if (payload !== undefined && codec.hash(payload, 0n) === sum) {
      // With its padding: it may be the last frame of a file that was cut off.
      const bytes = new Uint8Array(frameBytes(header.length) - FRAME_HEADER_BYTES);
      bytes.set(payload);
      return { offset: offset + FRAME_HEADER_BYTES, bytes };
    }
    const wasRepaired = (header.flags & FLAG_REPAIRED) !== 0;
    if (live.indexes.length === all.length && !wasRepaired) return undefined;
    // The log does not have some of them any more: these are written empty, and leave slack.
    const isLive = new Set(live.indexes);
    const kept = all.map((one, nth) => one !== undefined && isLive.has(header.index + nth) ? one : NO_ENTRY);
    const slack = slackPayload(kept, header.length);
    return slack && { offset, bytes: sealRepaired(codec, segment.header, offset, header, slack) };
  }

  private refuseFrame(entry: TakenEntry, { count, length }: FrameHeader): never {
    const { command } = entry;
    if (count !== 1) throw this.refuse(entry, "the checksum of its frame, which it shares with others, was another");
    if (length !== command.length) throw this.refuse(entry, `its command had ${length} bytes, not ${command.length}`);
    throw this.refuse(entry, "the checksum of its command was another");
  }

  private needsAll(path: string, offset: number, indexes: readonly Index[]): WalLogError {
    const [first, last] = [indexes[0]!, indexes.at(-1)!];
    return new WalLogError(
      "INVALID_ARGUMENT",
      `Cannot repair ${path} at byte ${offset}: the entries ${first} to ${last} lie in one damaged frame; give all of them`,
      { path, offset },
    );
  }

  /** Plans the frames for a stretch in which all headers are lost; returns the entries that they hold. */
  private planGap(
    segment: Segment,
    file: SizedFile,
    gap: Damage,
    entries: ReadonlyMap<Index, TakenEntry>,
    patches: Patch[],
    pages: Map<Index, number>,
  ): readonly TakenEntry[] {
    const { firstIndex = 1, lastIndex = 0 } = gap;
    const end = gap.offset + gap.bytes;
    const { wanted, lost } = lostIn(segment, gap, entries);
    // Nothing is wanted of what was there, and frames put there now would not fit what comes behind.
    if (wanted === 0 || lost.length === 0) return [];
    if (lost.length < wanted) {
      throw new WalLogError(
        "INVALID_ARGUMENT",
        `Cannot repair ${gap.path} at byte ${gap.offset}: the entries ${firstIndex} to ${lastIndex} are lost together, ` +
          `found ${lost.length} of them; give all, or truncate from index ${firstIndex} and append them`,
        { path: gap.path, offset: gap.offset },
      );
    }
    const first = lost[0]!.index;
    const state = this.stateAt(segment, file, gap.offset);
    const changes = this.changesBehind(segment, file, end) ?? state.changes;
    // A snapshot that made the log jump is lost with them.
    if (first > state.nextIndex) throw misfit(segment, gap.offset, gap.bytes, lost);
    // Entries that begin below where the log had come to by then followed on a truncation.
    let cut = first < state.nextIndex
      ? { index: first, term: Math.max(this.index.termAt(first - 1) ?? 0, 0) }
      : undefined;
    const place = (from: number, to: number, some: readonly TakenEntry[]) => {
      if (to === from) return;
      const bytes = layRepair(this.codec, segment.header, from, to - from, some, changes, cut);
      if (bytes === undefined) throw misfit(segment, from, to - from, some);
      patches.push({ offset: from, bytes });
      if (some.length > 0) pages.set(some[0]!.index, from + (cut === undefined ? 0 : FRAME_HEADER_BYTES));
      cut = undefined;
    };
    // A segment index tells where pages began. Frames must begin there again, for whoever reads by that index.
    const begun = this.indexedPages(segment, file, gap.offset, end, lost);
    begun.forEach(([at, index], i) => {
      const [to, behind] = begun[i + 1] ?? [end, Infinity];
      place(at, to, lost.filter((one) => one.index >= index && one.index < behind));
    });
    return lost;
  }

  /** Where frames must begin within a gap: offset, and index of the first entry from there on. */
  private indexedPages(
    segment: Segment,
    file: SizedFile,
    from: number,
    to: number,
    lost: readonly TakenEntry[],
  ): readonly (readonly [offset: number, index: Index])[] {
    const begun: (readonly [number, Index])[] = [[from, 0]];
    const found = readTrailer(this.codec, file, file.size(), segment.header);
    const table = found && readIndexPages(this.codec, file, found.trailer);
    for (let at = 0; table !== undefined && at < table.length; at += 2) {
      const [first, offset] = [table[at]!, table[at + 1]!];
      if (offset < from || offset >= to || !lost.some(({ index }) => index === first)) continue;
      if (offset === from) begun.pop();
      begun.push([offset, first]);
    }
    return begun;
  }

  /**
   * What is damaged in a segment that nobody has scanned.
   *
   * @param segment The segment.
   * @returns Its damage, with the entries that the log knows to lie there.
   */
  find(segment: Segment): Damage[] {
    const file = openSized(this.fileSystem, segment.path);
    try {
      const { damage } = this.scan(segment, file);
      // What was discarded since is no loss.
      return damage.map((one) => placeDamage(segment, one))
        .filter((one) => one.kind !== "entries" || liveIndexes(this.index, one) !== undefined);
    } finally {
      file.close();
    }
  }

  /** The log's state where a gap begins. */
  private stateAt(segment: Segment, file: SizedFile, offset: number): LogState {
    return scanAtOnce(scanSegment(this.codec, segment, file, offset, undefined)).replay.state;
  }

  /** The count of changes behind a gap, modulo 256, as the next frame has it; `undefined` if there is none. */
  private changesBehind(segment: Segment, file: SizedFile, offset: number): number | undefined {
    const { codec } = this;
    const head = new Uint8Array(FRAME_HEADER_BYTES);
    if (readFull(file, head, offset) < head.length) return undefined;
    selectSegment(codec, segment.header);
    codec.chunk.set(head);
    if (codec.wasm.checkHeader(codec.chunkAt, segment.header.baseLsn + offset) !== 0) return undefined;
    return changesBefore(decodeFrameHeader(head));
  }

  /** Scans all of a segment. */
  private scan(segment: Segment, file: SizedFile): Replay {
    const end = endingOf(this.index, segment, undefined);
    return scanAtOnce(scanSegment(this.codec, segment, file, segment.endOffset, end)).replay;
  }

  private refuse(entry: TakenEntry, found: string): WalLogError {
    return new WalLogError(
      "INVALID_ARGUMENT",
      `Cannot repair the entry at index ${entry.index}: ${found}; nothing was changed`,
      { path: this.folder },
    );
  }

  /**
   * Writes the repaired copy of a segment beside it, flushed, and makes sure that it is sound.
   *
   * @param repair What was planned.
   * @returns The repair, ready to be put in place.
   * @throws {WalLogError} `NO_SPACE` if there is no room for the copy, `INVALID_ARGUMENT` if the entries do not fit what
   * comes behind them. The copy is gone then.
   */
  prepare(repair: Repair): PreparedRepair {
    const { segment, patches } = repair;
    if (patches.length === 0) return { repair, copy: undefined };
    const { fileSystem } = this;
    const name = temporaryName(fileSystem, segmentName(segment.header.number));
    const path = `${this.folder}/${name}`;
    const old = openSized(fileSystem, segment.path);
    let copy: File | undefined;
    try {
      copy = fileSystem.open(path, "create");
      fileSystem.copyOwner?.(path, segment.path);
      this.copyPatched(old, copy, patches);
      this.requireSound(segment, old, copy, patches);
      copy.sync();
      return { repair, copy: path };
    } catch (error) {
      const isRefusal = error instanceof WalLogError || isNoSpace(error);
      if (isRefusal && copy !== undefined) fileSystem.remove(path);
      throw isRefusal ? ioError("Cannot repair", segment.path, error) : error;
    } finally {
      copy?.close();
      old.close();
    }
  }

  private copyPatched(old: SizedFile, copy: File, patches: readonly Patch[]): void {
    const { chunk } = this.codec;
    for (let at = 0; at < old.size();) {
      const count = readFull(old, chunk.subarray(0, CHUNK_BYTES), at);
      if (count === 0) break;
      writeFull(copy, chunk.subarray(0, count), at);
      at += count;
    }
    for (const { offset, bytes } of patches) writeFull(copy, bytes, offset);
  }

  /** Refuses a copy that is damaged where the segment was not, or where it was patched. */
  private requireSound(segment: Segment, old: SizedFile, copy: File, patches: readonly Patch[]): void {
    const before = new Set(this.scan(segment, old).damage.map(({ offset }) => offset));
    const left = this.scan(segment, new SizedFile(copy)).damage;
    const isPatched = ({ offset, bytes }: Damage) =>
      patches.some((patch) => patch.offset < offset + bytes && patch.offset + patch.bytes.length > offset);
    const wrong = left.find((one) => !before.has(one.offset) || isPatched(one));
    if (wrong !== undefined) throw misfit(segment, wrong.offset, wrong.bytes, []);
  }

  /** Takes back {@link SegmentRepairer.prepare}. */
  discard({ copy }: PreparedRepair): void {
    if (copy !== undefined) this.fileSystem.remove(copy);
  }

  /** Puts the copy in the file's place. */
  commit({ repair, copy }: PreparedRepair): void {
    if (copy === undefined) return;
    this.fileSystem.rename(copy, repair.segment.path);
    this.fileSystem.syncDirectory(this.folder);
  }
}

/** A frame whose header is valid. */
interface FoundFrame {
  readonly offset: number;
  readonly head: Uint8Array<ArrayBuffer>;
  readonly header: FrameHeader;
}

/** The entries of a frame that the log still has in it. */
interface LiveEntries {
  readonly indexes: readonly Index[];
}

const NO_ENTRY = { command: new Uint8Array(0) };

function liveEntries({ header }: FoundFrame, page: Page, firstIndex: Index): LiveEntries {
  const first = Math.max(header.index, page.first, firstIndex);
  const end = Math.min(indexBehind(header), page.end);
  return { indexes: Array.from({ length: Math.max(end - first, 0) }, (_, i) => first + i) };
}

/** The commands in the valid payload of an entries frame. */
function commandsIn(header: FrameHeader, payload: Uint8Array): Uint8Array[] {
  if (header.count === 1) return [payload];
  const entries = entriesIn(header);
  const view = new DataView(payload.buffer);
  let at = entries * LENGTH_BYTES;
  return Array.from({ length: entries }, (_, nth) => {
    const from = at;
    at += view.getUint32(nth * LENGTH_BYTES, true);
    return payload.subarray(from, at);
  });
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/**
 * The lost entries of a gap that are still part of the log. Entries that were truncated since, and rewritten elsewhere,
 * are not.
 *
 * @returns Their number, and those that were given, in order.
 */
function lostIn(
  segment: Segment,
  { firstIndex = 1, lastIndex = 0, offset, bytes }: Damage,
  entries: ReadonlyMap<Index, TakenEntry>,
): { readonly wanted: number; readonly lost: readonly TakenEntry[] } {
  let wanted = 0;
  const lost: TakenEntry[] = [];
  for (const [first, last] of segment.damaged(firstIndex, lastIndex, { from: offset, to: offset + bytes })) {
    wanted += last - first + 1;
    // A header can claim that any number of entries was lost.
    if (last - first < entries.size) {
      for (let index = first; index <= last; index++) if (entries.has(index)) lost.push(entries.get(index)!);
    } else for (const entry of entries.values()) if (entry.index >= first && entry.index <= last) lost.push(entry);
  }
  lost.sort((a, b) => a.index - b.index);
  return { wanted, lost };
}

function misfit(segment: Segment, offset: number, room: number, entries: readonly TakenEntry[]): WalLogError {
  const range = entries.length === 0 ? "what was given" : `entries ${entries[0]!.index} to ${entries.at(-1)!.index}`;
  const way = "; truncate the log in front of the damage and append the entries anew";
  return new WalLogError(
    "INVALID_ARGUMENT",
    `Cannot repair ${segment.path} at byte ${offset}: ${range} cannot be what filled ${room} bytes there${way}`,
    { path: segment.path, offset },
  );
}
