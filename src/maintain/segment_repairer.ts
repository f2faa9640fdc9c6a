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
  CHANGES_END,
  changesBefore,
  decodeFrameHeader,
  encodeFrameHeader,
  FLAG_CONFIG,
  FLAG_REPAIRED,
  FRAME_HEADER_BYTES,
  FRAME_PAYLOAD_CHECKSUM,
  frameBytes,
  KIND_CHECKPOINT,
  KIND_ENTRY,
  KIND_TRUNCATE,
} from "../format/frame.ts";
import { SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import { segmentName } from "../format/segment_name.ts";
import type { LogState } from "../format/state.ts";
import type { LogIndex } from "../log/log_index.ts";
import { entriesWithin, liveIndexes } from "../log/live.ts";
import { Replay } from "../recovery/replay.ts";
import { selectSegment } from "../log/select_segment.ts";
import { OFFSET_LOST, Segment } from "../log/segment.ts";

/** What one checkpoint that fills a gap holds of it: well within a chunk, with which it is replayed. */
const REPAIR_FILLER_BYTES = 256 * 1024;

/** The most that is laid out at once, because it is held in memory. In bytes. */
const ROOM_BYTES_MAX = 2 ** 32 - 8;

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
  /** Where the entries lie that had been lost. */
  readonly offsets: ReadonlyMap<Index, number>;
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
    const offsets = new Map<Index, number>();
    const repaired: Damage[] = [];
    const file = openSized(this.fileSystem, segment.path);
    try {
      for (const one of damage) {
        if (one.kind !== "frames") continue;
        if (this.planGap(segment, file, one, entries, patches, offsets)) repaired.push(one);
      }
      for (const [index, entry] of entries) {
        if (index < segment.firstIndex || index >= segment.firstIndex + segment.count || offsets.has(index)) continue;
        const offset = segment.offsetOf(index);
        if (offset === OFFSET_LOST) throw this.refuse(entry, `it was lost from ${segment.path} with no trace`);
        const patch = this.planFrame(segment, file, entry, offset, segment.boundAfter(index) - offset);
        if (patch === undefined) continue;
        patches.push(patch);
        const known = damage.find((one) => one.kind === "entry" && one.offset === offset);
        if (known !== undefined) repaired.push(known);
      }
    } finally {
      file.close();
    }
    return patches.length + repaired.length === 0 ? undefined : { segment, patches, offsets, repaired };
  }

  /** The payload for a frame of which the position is known; `undefined` if it is undamaged. */
  private planFrame(
    segment: Segment,
    file: SizedFile,
    entry: TakenEntry,
    offset: number,
    room: number,
  ): Patch | undefined {
    const { codec } = this;
    const lsn = segment.header.baseLsn + offset;
    const { command } = entry;
    const head = new Uint8Array(FRAME_HEADER_BYTES);
    readFull(file, head, offset);
    selectSegment(codec, segment.header);
    codec.chunk.set(head);
    if (codec.wasm.checkHeader(codec.chunkAt, lsn) !== 0) {
      const { changes } = this.stateAt(segment, file, offset);
      return { offset, bytes: this.layOut(segment, offset, room, [entry], changes) };
    }
    const header = decodeFrameHeader(head);
    const sum = new DataView(head.buffer).getBigUint64(FRAME_PAYLOAD_CHECKSUM, true);
    if (header.kind !== KIND_ENTRY || header.index !== entry.index) throw this.refuse(entry, "another frame is there");
    if (header.term !== entry.term) throw this.refuse(entry, `its term was ${header.term}, not ${entry.term}`);
    const kind = (header.flags & FLAG_CONFIG) === 0 ? "normal" : "config";
    if (kind !== entry.kind) throw this.refuse(entry, `its kind was "${kind}", not "${entry.kind}"`);
    if (header.length !== command.length) {
      throw this.refuse(entry, `its command had ${header.length} bytes, not ${command.length}`);
    }
    if (codec.hash(command, 0n) !== sum) throw this.refuse(entry, "the checksum of its command was another");
    const found = new Uint8Array(command.length);
    readFull(file, found, offset + FRAME_HEADER_BYTES);
    if (found.every((byte, i) => byte === command[i])) return undefined;
    // With its padding: it may be the last frame of a file that was cut off.
    const padded = new Uint8Array(frameBytes(command.length) - FRAME_HEADER_BYTES);
    padded.set(command);
    return { offset: offset + FRAME_HEADER_BYTES, bytes: padded };
  }

  /** The frames for a stretch in which all headers are lost; `false` if the entries for it are not all there. */
  private planGap(
    segment: Segment,
    file: SizedFile,
    gap: Damage,
    entries: ReadonlyMap<Index, TakenEntry>,
    patches: Patch[],
    offsets: Map<Index, number>,
  ): boolean {
    const { firstIndex = 1, lastIndex = 0 } = gap;
    const end = gap.offset + gap.bytes;
    const { wanted, lost } = lostIn(segment, gap, entries);
    // Nothing is wanted of what was there, and frames put there now would not fit what comes behind.
    if (wanted === 0 || lost.length === 0) return false;
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
    const next = state.nextIndex;
    const changes = this.changesBehind(segment, file, end) ?? state.changes;
    // A snapshot that made the log jump is lost with them.
    if (first > next) throw misfit(segment, gap.offset, gap.bytes, lost);
    let from = gap.offset;
    if (first < next) {
      // Entries that begin below where the log had come to by then followed on a truncation.
      patches.push({ offset: from, bytes: this.layOut(segment, from, FRAME_HEADER_BYTES, [], changes, first) });
      from += FRAME_HEADER_BYTES;
    }
    const place = (frames: readonly TakenEntry[], end: number) => {
      if (end === from) return;
      patches.push({ offset: from, bytes: this.layOut(segment, from, end - from, frames, changes) });
      for (const { index, command } of frames) {
        offsets.set(index, from);
        from += frameBytes(command.length);
      }
      from = end;
    };
    // A segment index tells where each of them lay; what lay between them was no entry, or is not needed.
    const places = lost.map(({ index }) => segment.offsetOf(index));
    if (places.includes(OFFSET_LOST)) place(lost, end);
    else {
      lost.forEach((entry, i) => {
        place([], places[i]!);
        place([entry], places[i + 1] ?? end);
      });
    }
    return true;
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
      const { damage } = this.scan(segment, file, segment.endOffset);
      // What was discarded since is no loss.
      return damage.map((one) => ({ ...one, ...entriesWithin(segment, one) }))
        .filter((one) => one.kind !== "entry" || liveIndexes(this.index, one) !== undefined);
    } finally {
      file.close();
    }
  }

  /** The log's state where a gap begins. */
  private stateAt(segment: Segment, file: SizedFile, offset: number): LogState {
    return this.scan(segment, file, offset).state;
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

  /** Replays a segment by itself. */
  private scan(segment: Segment, file: SizedFile, limit: number): Replay {
    const replay = new Replay(this.codec);
    replay.begin(segment.header.state);
    const scanned = new Segment(segment.path, segment.header, limit);
    replay.open(scanned);
    for (let from = SEGMENT_HEADER_BYTES; from < limit;) {
      const frames = replay.run(scanned, file, from, limit);
      let step = frames.next();
      while (!step.done) step = frames.next();
      if (step.value === undefined) break;
      from = replay.passDamage(scanned, file, step.value, limit);
    }
    return replay;
  }

  /**
   * Frames for a truncation, entries, and behind them checkpoints that fill the room that is left.
   *
   * @param changes The count of changes behind them.
   */
  private layOut(
    segment: Segment,
    offset: number,
    room: number,
    entries: readonly TakenEntry[],
    changes: number,
    cut = 0,
  ): Uint8Array {
    const { codec } = this;
    if (room < 0 || room > ROOM_BYTES_MAX) throw misfit(segment, offset, room, entries);
    const bytes = new Uint8Array(room);
    let at = 0;
    const put = (kind: number, term: number, index: number, flags: number, payload: Uint8Array) => {
      const total = frameBytes(payload.length);
      if (at + total > room) return false;
      const header = encodeFrameHeader({
        length: payload.length,
        term,
        index,
        kind,
        flags: FLAG_REPAIRED | flags,
        changes: changes % CHANGES_END,
        count: kind === KIND_ENTRY ? 1 : 0,
        unproven: 0,
      });
      new DataView(header.buffer).setBigUint64(FRAME_PAYLOAD_CHECKSUM, codec.hash(payload, 0n), true);
      codec.chunk.set(header);
      selectSegment(codec, segment.header);
      // The frame claims nothing of what was durable: position 0 always is.
      codec.wasm.sealHeaderOnly(codec.chunkAt, segment.header.baseLsn + offset + at, 0);
      bytes.set(codec.chunk.subarray(0, FRAME_HEADER_BYTES), at);
      bytes.set(payload, at + FRAME_HEADER_BYTES);
      at += total;
      return true;
    };
    if (cut > 0) put(KIND_TRUNCATE, Math.max(this.index.termAt(cut - 1) ?? 0, 0), cut, 0, new Uint8Array(0));
    for (const { term, index, kind, command } of entries) {
      if (!put(KIND_ENTRY, term, index, kind === "normal" ? 0 : FLAG_CONFIG, command)) {
        throw misfit(segment, offset, room, entries);
      }
    }
    while (at < room) {
      // Never so little left that no frame fits it.
      const left = room - at - FRAME_HEADER_BYTES;
      const payload = left < 2 * REPAIR_FILLER_BYTES ? left : REPAIR_FILLER_BYTES;
      if (left < 0 || !put(KIND_CHECKPOINT, 0, 0, 0, new Uint8Array(payload))) {
        throw misfit(segment, offset, room, entries);
      }
    }
    return bytes;
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
    const before = new Set(this.scan(segment, old, segment.endOffset).damage.map(({ offset }) => offset));
    const left = this.scan(segment, new SizedFile(copy), segment.endOffset).damage;
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
  const first = Math.max(firstIndex, segment.firstIndex);
  const last = Math.min(lastIndex, segment.firstIndex + segment.count - 1);
  const wanted = segment.countDamaged(first, last, offset, offset + bytes);
  const lost: TakenEntry[] = [];
  const take = (entry: TakenEntry | undefined) => {
    if (entry !== undefined && segment.isDamaged(entry.index, offset, offset + bytes)) lost.push(entry);
  };
  // A header can claim that any number of entries was lost.
  if (last - first < entries.size) { for (let index = first; index <= last; index++) take(entries.get(index)); }
  else for (const entry of entries.values()) if (entry.index >= first && entry.index <= last) take(entry);
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
