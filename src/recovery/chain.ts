/**
 * The chain of segments: which files in the directory make up the log, where each of them ends, and what is
 * missing or out of place.
 *
 * @module
 */

import { CHUNK_BYTES, type Codec, SLOT_OWN_FRAMES, SLOT_PROVEN_LSN } from "../codec/codec.ts";
import { WalLogError } from "../api/errors.ts";
import type { Damage } from "../api/report.ts";
import type { FileSystem } from "../io/file_system.ts";
import { errorCode, readFull } from "../io/full.ts";
import { openSized, SizedFile } from "../io/sized_file.ts";
import { decodeDurableSlots, type PlacedSlot } from "../format/durable_slot.ts";
import { decodeNextPointer, type Naming } from "../format/next_pointer.ts";
import type { Checksum } from "../format/numbers.ts";
import { HEADER_OFFSETS, SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import {
  decodeSegmentHeader,
  FORMAT_VERSION,
  isMagic,
  otherVersion,
  type SegmentHeader,
} from "../format/segment_header.ts";
import { segmentName, segmentNumber } from "../format/segment_name.ts";
import { IDENTITY_NAME } from "./identity.ts";
import { selectSegment } from "../log/select_segment.ts";

/** A segment file as it was found. */
export interface SegmentFile {
  readonly number: number;
  readonly path: string;
  readonly size: number;
  /** What the header says, if it can be read and belongs here. */
  readonly header: SegmentHeader | undefined;
  /** Why there is no header. */
  readonly reason: string;
  /** What the next-segment pointer says. */
  readonly naming: Naming;
  /** The durable slot with the highest LSN; `undefined` if neither slot is valid. */
  readonly slot: PlacedSlot | undefined;
  /** Whether nothing but zeros follows the header block. */
  readonly blank: boolean;
  /** Whether a damaged header block shows that it is, or was to be, one: otherwise the file may be anybody's. */
  readonly isOurs: boolean;
}

/** A segment of the log. */
export interface Link {
  readonly file: SegmentFile & { readonly header: SegmentHeader };
  /** Offset at which its frames end; `undefined` for the newest, whose end replay has to find. */
  readonly endOffset: number | undefined;
  /** Whether the next newer segment is the one that was written to follow it; `true` for the newest. */
  readonly joined: boolean;
}

/** What the files amount to. */
export interface Chain {
  /** The segments of the log, oldest first; empty for a new log. */
  readonly links: readonly Link[];
  /** Files that a crash left behind and that nothing refers to. */
  readonly leftovers: readonly string[];
  /**
   * Uncommitted segments. Another segment has replaced each of them, or will replace it before the next write.
   */
  readonly superseded: readonly string[];
  /** Highest position that a leftover of the newest segment's succession vouches for. */
  readonly provenLsn: number;
  /** Whether a segment that was about to follow the newest one is among those, begun when nothing was missing behind it. */
  readonly nextBegun: boolean;
  /** The highest number of a segment of this log, whether its file is there or a next-segment pointer names it. */
  readonly numberUsed: number;
  /** What is damaged or missing. */
  readonly damage: readonly Damage[];
}

/** Damage to a whole file. */
function fileDamage(kind: "segment" | "segment header", path: string, bytes: number, reason: string): Damage {
  return { kind, path, offset: 0, bytes, firstIndex: undefined, lastIndex: undefined, term: undefined, reason };
}

/** Reads the chain of a log's segments. */
export class ChainReader {
  private readonly fileSystem: FileSystem;
  private readonly folder: string;
  private readonly codec: Codec;
  private readonly sum: Checksum;

  constructor(fileSystem: FileSystem, folder: string, codec: Codec) {
    this.fileSystem = fileSystem;
    this.folder = folder;
    this.codec = codec;
    this.sum = (bytes, seed) => codec.hash(bytes, seed);
  }

  /**
   * Reads the header of every segment file and puts the log together.
   *
   * @param names The names in the log's folder.
   * @param uuid The log's UUID, where that is known; otherwise that of most segments counts.
   * @returns The chain.
   * @throws {WalLogError} `UNSUPPORTED_VERSION` if another version of the format is among them.
   */
  read(names: readonly string[], uuid: Uint8Array | undefined): Chain {
    const numbers = names.map(segmentNumber).filter((number) => number !== undefined).sort((a, b) => a - b);
    const files: SegmentFile[] = [];
    for (const number of numbers) {
      try {
        files.push(this.readFile(number));
      } catch (error) {
        // Compaction deletes the oldest segments while a reader looks on. Anything else missing shows in the chain.
        if (errorCode(error) !== "ENOENT") throw error;
      }
    }
    this.addNewer(files);
    return this.assemble(this.rejectForeign(files, uuid?.join()), names.includes(IDENTITY_NAME));
  }

  /** Adds segments that a writer has begun since the folder was listed. The segment before names each of them. */
  private addNewer(files: SegmentFile[]): void {
    for (;;) {
      const naming = files.at(-1)?.naming;
      if (naming?.kind !== "named" || naming.next.number <= files.at(-1)!.number) return;
      try {
        files.push(this.readFile(naming.next.number));
      } catch (error) {
        // It is missing. `assemble` decides whether that is damage.
        if (errorCode(error) !== "ENOENT") throw error;
        return;
      }
    }
  }

  /**
   * Reads the header block of a segment file.
   *
   * @param number The segment's number.
   * @returns What it says.
   */
  readFile(number: number): SegmentFile {
    const path = `${this.folder}/${segmentName(number)}`;
    const open = this.fileSystem.open(path, "read");
    try {
      const block = new Uint8Array(SEGMENT_HEADER_BYTES);
      readFull(open, block, 0);
      // The size comes second: beside a writer, a durable slot proves only bytes that are there by now.
      const file = new SizedFile(open);
      const [first, second] = HEADER_OFFSETS.map((offset) => decodeSegmentHeader(block, offset, this.sum));
      const valid = first ?? second;
      if (valid === undefined) requireVersion(block, path);
      const isForeign = valid !== undefined && valid.number !== number;
      const header = isForeign ? undefined : valid;
      return {
        number,
        path,
        size: file.size(),
        header,
        reason: isForeign
          ? `the file is segment ${valid.number} under the name of segment ${number}`
          : "both copies of the header are damaged",
        naming: header === undefined
          ? { kind: "none" }
          : decodeNextPointer(block, first !== undefined, header.salt, this.sum),
        slot: header === undefined ? undefined : decodeDurableSlots(block, header, this.sum),
        blank: valid === undefined && this.isBlank(file),
        isOurs: mayBeHeader(block),
      };
    } finally {
      open.close();
    }
  }

  /** Whether nothing but zeros follows the header block. */
  private isBlank(file: SizedFile): boolean {
    const { codec } = this;
    for (let at = SEGMENT_HEADER_BYTES;; at += CHUNK_BYTES) {
      const count = readFull(file, codec.chunk, at);
      if (codec.wasm.nonZeroEnd(codec.chunkAt, count) > 0) return false;
      if (count < CHUNK_BYTES) return true;
    }
  }

  /** Takes the header from files that belong to another log. */
  private rejectForeign(files: readonly SegmentFile[], uuid: string | undefined): SegmentFile[] {
    const votes = new Map<string, number>();
    for (const { header } of files) {
      if (header !== undefined) votes.set(header.uuid.join(), (votes.get(header.uuid.join()) ?? 0) + 1);
    }
    const own = uuid ?? [...votes].sort((a, b) => b[1] - a[1])[0]?.[0];
    return files.map((file) =>
      file.header === undefined || file.header.uuid.join() === own
        ? file
        : { ...file, header: undefined, reason: "the file belongs to another log" }
    );
  }

  private assemble(files: readonly SegmentFile[], isIdentified: boolean): Chain {
    const damage: Damage[] = [];
    const leftovers: string[] = [];
    const superseded: string[] = [];
    const valid = files.filter((file): file is Link["file"] => file.header !== undefined);
    const byNumber = new Map(valid.map((file) => [file.number, file]));

    // The newest segment that belongs to the log. Those above it are uncommitted.
    let head = valid.length - 1;
    let provenLsn = 0;
    const begun: Link["file"][] = [];
    for (; head >= 0; head--) {
      const file = valid[head]!;
      const previous = byNumber.get(file.header.previous);
      if (this.isCommitted(file, previous, valid)) break;
      begun.push(file);
      superseded.push(file.path);
    }
    const newest = valid[head];
    const successors = begun.filter(({ header }) => header.previous === newest?.number);
    for (const { header } of successors) provenLsn = Math.max(provenLsn, header.provenLsn);
    const naming = byNumber.get(newest?.header.previous ?? 0)?.naming;
    const isNamed = naming?.kind === "named" && naming.next.number === newest?.number;
    if (isNamed) provenLsn = Math.max(provenLsn, naming.next.durableLsn);
    // One that was begun by a writer who knew that something was lost does not stand in for what that was.
    const nextBegun = successors.length > 0 && !successors.some(({ header }) => header.state.tailLost);

    // From there back to the oldest. A segment that is not where the header behind it says is missing: whether that
    // matters is known once it is known what the snapshot covers.
    const links: Link[] = [];
    let behind: Link["file"] | undefined;
    for (let i = head; i >= 0; i--) {
      const file = valid[i]!;
      const joined = behind === undefined || behind.header.previous === file.number;
      if (!joined && behind!.header.previous < file.number) {
        // Begun and superseded: the segment behind follows on an older one.
        superseded.push(file.path);
        continue;
      }
      const endLsn = joined ? behind?.header.baseLsn : pointerEnd(file) ?? file.header.baseLsn + file.size;
      const endOffset = endLsn === undefined ? undefined : Math.max(endLsn - file.header.baseLsn, SEGMENT_HEADER_BYTES);
      links.unshift({ file, joined, endOffset });
      behind = file;
    }

    for (const file of files) {
      if (file.header !== undefined) continue;
      if (file.number < (newest?.number ?? 0)) {
        // Older than the log's end: it matters if a segment of the log follows it, and is a leftover otherwise.
        const needed = links.some((link) => link.file.header.previous === file.number);
        if (needed) damage.push(fileDamage("segment header", file.path, file.size, file.reason));
        else if (file.blank) leftovers.push(file.path);
      } else if (
        file.blank && !namesNextSegment(newest, file.number) && (newest !== undefined || !isIdentified)
      ) {
        // A creation that a crash cut short has no header and nothing behind it, and nothing knows of it yet: neither the
        // segment before it, nor, where there is none, the file that says that there is a log.
        // In a folder without a log it may be anybody's, whatever it is called.
        if (newest !== undefined || file.isOurs) leftovers.push(file.path);
      } else {
        damage.push(fileDamage("segment header", file.path, file.size, file.reason));
      }
    }
    if (newest !== undefined && newest.size < SEGMENT_HEADER_BYTES && (isNamed || isIdentified)) {
      // Its header block was flushed as a whole before anything named it.
      damage.push(fileDamage("segment", newest.path, newest.size, "the file ends within its header block"));
    }
    const behindNewest = newest?.naming;
    if (newest !== undefined && behindNewest?.kind === "named" && !byNumber.has(behindNewest.next.number)) {
      const path = `${this.folder}/${segmentName(behindNewest.next.number)}`;
      if (!damage.some((one) => one.path === path)) {
        damage.push(
          fileDamage("segment", path, 0, `segment ${newest.number} names it as the next one, it is missing`),
        );
      }
    }
    let named = 0;
    if (newest?.naming.kind === "damaged" && !nextBegun && !damage.some((one) => one.path > newest.path)) {
      named = newest.number + 1;
      const reason = `the next-segment pointer of segment ${newest.number} is damaged, and no next segment was found`;
      damage.push(fileDamage("segment", `${this.folder}/${segmentName(named)}`, 0, reason));
    }
    const numberUsed = valid.map(namedBy).reduce((highest, number) => Math.max(highest, number), named);
    return { links, leftovers, superseded, provenLsn, nextBegun, numberUsed, damage };
  }

  /** Whether a segment has served, so that it belongs to the log. `previous` is `undefined` if it has no header. */
  private isCommitted(
    file: Link["file"],
    previous: Link["file"] | undefined,
    files: readonly Link["file"][],
  ): boolean {
    if (previous?.naming.kind === "named") return previous.naming.next.number === file.number;
    // The pointer to it is empty or lost. The segment itself shows whether it has served.
    if (file.naming.kind === "named") return true;
    if (previous !== undefined && !this.hasOwnFrames(file)) return false;
    // It may be the unfinished copy of an older segment, which names the copy once that is complete.
    return !files.some((other) =>
      other.number < file.number && other.header.previous === file.header.previous && other.naming.kind === "none" &&
      this.hasOwnFrames(other)
    );
  }

  private hasOwnFrames(file: Link["file"]): boolean {
    return this.survey(file, file.size).ownFrames > 0;
  }

  /**
   * Looks at all valid frame headers of a segment, whatever lies between them.
   *
   * @param file The segment.
   * @param size Where to stop.
   * @returns The highest proven-durable position among them, and how many are not copies made by recovery.
   */
  survey(file: Link["file"], size: number): { readonly provenLsn: number; readonly ownFrames: number } {
    const { codec } = this;
    const open = openSized(this.fileSystem, file.path);
    try {
      selectSegment(codec, file.header);
      codec.set(SLOT_PROVEN_LSN, file.header.provenLsn);
      codec.set(SLOT_OWN_FRAMES, 0);
      for (let at = SEGMENT_HEADER_BYTES; at < size;) {
        const count = readFull(open, codec.chunk.subarray(0, size - at), at);
        const done = codec.wasm.survey(codec.chunkAt, count, file.header.baseLsn + at);
        if (done === 0) break;
        at += done;
      }
      return { provenLsn: codec.get(SLOT_PROVEN_LSN), ownFrames: codec.get(SLOT_OWN_FRAMES) };
    } finally {
      open.close();
    }
  }
}

/** Fails if a header block is of another version of the format. */
function requireVersion(block: Uint8Array, path: string): void {
  const version = otherVersion(block);
  if (version === undefined) return;
  const advice = version < FORMAT_VERSION ? "no release wrote that version" : "use a newer version of the library";
  throw new WalLogError(
    "UNSUPPORTED_VERSION",
    `Cannot open ${path}: it is in format version ${version}, this library reads version ${FORMAT_VERSION}; ${advice}`,
    { path, offset: 8 },
  );
}

/** Whether each copy in a header block is a header as far as it got, or not there yet. */
function mayBeHeader(block: Uint8Array): boolean {
  return HEADER_OFFSETS.some((offset) => isMagic(block, offset)) || block.every((byte) => byte === 0);
}

function pointerEnd({ naming }: SegmentFile): number | undefined {
  return naming.kind === "named" ? naming.next.endLsn : undefined;
}

/** The highest number that a segment shows to be in use: its own, or that of the segment that it names. */
function namedBy({ number, naming }: SegmentFile): number {
  return naming.kind === "named" ? Math.max(number, naming.next.number) : number;
}

function namesNextSegment(file: SegmentFile | undefined, number: number): boolean {
  return file?.naming.kind === "named" && file.naming.next.number === number;
}
