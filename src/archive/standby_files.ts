/**
 * The files of a standby's log. They are the same as those of the archived log, up to the cut: the position at which the
 * standby's log ends. So the next frames are appended to the newest file. The header blocks have no durable slots until
 * the log is opened for writing, which ends the standby.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Index } from "../api/types.ts";
import { leaseCodec, returnCodec } from "../codec/pool.ts";
import {
  DURABLE_SLOT_OFFSETS,
  NEXT_POINTER_OFFSETS,
  SECTOR_BYTES,
  SEGMENT_HEADER_BYTES,
} from "../format/header_block.ts";
import { encodeNextPointer } from "../format/next_pointer.ts";
import { decodeSegmentHeader, type SegmentHeader } from "../format/segment_header.ts";
import { segmentName, segmentNumber } from "../format/segment_name.ts";
import { isReplacedSnapshot, isSnapshotName, snapshotName } from "../format/snapshot_name.ts";
import type { FileSystem } from "../io/file_system.ts";
import { readFull, writeFull } from "../io/full.ts";
import { IDENTITY_NAME, isIdentityLeftover } from "../recovery/identity.ts";
import { type Cut, CutFinder } from "./cut.ts";
import { walkFrames } from "./frames.ts";
import { LOCK_NAME, REPORT_NAME, SUFFIX } from "./restored_folder.ts";
import { inSlices } from "./slices.ts";

/** The number of frames to walk before other tasks may run. */
const SLICE_FRAMES = 256;

/** A segment of the standby's log. */
export interface LocalSegment {
  readonly header: SegmentHeader;
  /** The size of its file. */
  readonly size: number;
}

/** The files of a standby's log. */
export class StandbyFiles {
  readonly fileSystem: FileSystem;
  readonly folder: string;
  /** The segments, oldest first. */
  segments: LocalSegment[] = [];
  /** The end of the log; `undefined` if there is none yet. */
  cut: Cut | undefined;

  constructor(fileSystem: FileSystem, folder: string) {
    this.fileSystem = fileSystem;
    this.folder = folder;
  }

  /** The last index of the log; 0 if there is none yet. */
  get lastIndex(): Index {
    return (this.cut?.next ?? 1) - 1;
  }

  /** The path of a segment's file. */
  pathOf(number: number): string {
    return `${this.folder}/${segmentName(number)}`;
  }

  /** Whether the folder has a snapshot file. */
  hasSnapshot(index: Index, term: number): boolean {
    return this.fileSystem.list(this.folder).includes(snapshotName(index, term));
  }

  /**
   * Reads and verifies the files, and removes unfinished files of a crash.
   *
   * @throws {WalLogError} `INVALID_ARGUMENT` if the folder has something else; `CORRUPT` if a file is damaged.
   */
  async load(): Promise<void> {
    const { fileSystem, folder } = this;
    const names = fileSystem.list(folder);
    if (names.includes(REPORT_NAME + SUFFIX)) throw this.refuse("a restore was interrupted there; repeat it");
    const numbers = names.map(segmentNumber).filter((number) => number !== undefined).sort((a, b) => a - b);
    const found = numbers.map((number) => this.readSegment(number));
    const isOwn = (name: string) =>
      name === LOCK_NAME || name === IDENTITY_NAME || name.endsWith(SUFFIX) || segmentNumber(name) !== undefined ||
      isSnapshotName(name) || isIdentityLeftover(name);
    const other = names.find((name) => !isOwn(name));
    if (other !== undefined) throw this.refuse(`it holds ${other}; choose an empty folder`);
    for (const name of names.filter(isIdentityLeftover)) fileSystem.remove(`${folder}/${name}`);
    // A segment that begins at the same position as a later one was replaced by it.
    const isReplaced = ({ header }: LocalSegment) =>
      found.some((other) => other.header.number > header.number && other.header.baseLsn <= header.baseLsn);
    this.segments = found.filter((segment) => !isReplaced(segment));
    const { cut } = await this.walk(this.segments);
    if (cut === undefined) return this.unname();
    for (const [i, { header }] of this.segments.slice(1).entries()) this.name(this.segments[i]!.header, header);
    this.cutAt(cut);
    this.removeUnneeded();
  }

  /**
   * Takes the final names from segments that are no log without the ones that follow: a crash came before those got
   * their names. The next update uses the files.
   */
  private unname(): void {
    for (const { header } of this.segments.splice(0).reverse()) {
      const path = this.pathOf(header.number);
      this.fileSystem.rename(path, path + SUFFIX);
      this.fileSystem.syncDirectory(this.folder);
    }
  }

  /**
   * Names a segment in the one before it, unless it is named there. Without that, a segment that has only copies of
   * frames does not count.
   *
   * @param header The segment before it.
   * @param next The segment, whose file is there; `undefined` to name none.
   */
  name({ number, salt }: SegmentHeader, next: SegmentHeader | undefined): void {
    const codec = leaseCodec();
    const file = this.fileSystem.open(this.pathOf(number), "write");
    try {
      const sum = (bytes: Uint8Array, seed: bigint) => codec.hash(bytes, seed);
      const pointer = next === undefined
        ? new Uint8Array(SECTOR_BYTES)
        : encodeNextPointer({ number: next.number, endLsn: next.baseLsn, durableLsn: next.baseLsn }, salt, sum);
      const found = new Uint8Array(pointer.length);
      for (const at of NEXT_POINTER_OFFSETS) {
        readFull(file, found, at);
        if (found.every((byte, i) => byte === pointer[i])) continue;
        writeFull(file, pointer, at);
        file.sync();
      }
    } finally {
      returnCodec(codec);
      file.close();
    }
  }

  private readSegment(number: number): LocalSegment {
    const file = this.fileSystem.open(this.pathOf(number), "read");
    const codec = leaseCodec();
    try {
      const block = new Uint8Array(SEGMENT_HEADER_BYTES);
      readFull(file, block, 0);
      const header = decodeSegmentHeader(block, 0, (bytes, seed) => codec.hash(bytes, seed));
      if (DURABLE_SLOT_OFFSETS.some((at) => block.subarray(at, at + SECTOR_BYTES).some((byte) => byte !== 0))) {
        throw this.refuse("it holds a log that was opened for writing, which cannot follow an archive any more");
      }
      if (header?.number !== number) throw this.damaged(`the header of segment ${number} is damaged`);
      return { header, size: file.size() };
    } finally {
      returnCodec(codec);
      file.close();
    }
  }

  /**
   * Walks the frames of segments of the log, and finds its end.
   *
   * @param segments The segments, oldest first.
   * @param end The offset at which the last one ends. Default: where its frames end.
   * @returns The last possible position at which the log can end, if there is one, and the end of the walk.
   */
  async walk(
    segments: readonly LocalSegment[],
    end = Infinity,
  ): Promise<{ readonly cut: Cut | undefined; readonly reached: Cut }> {
    const stateOf = (index: Index, term: number) => this.hasSnapshot(index, term) ? "archived" : "skipped";
    const finder = new CutFinder({ kind: "end" }, stateOf);
    let offset = 0;
    for (const [i, { header, size }] of segments.entries()) {
      const next = segments[i + 1];
      const to = next === undefined ? Math.min(size, end) : next.header.baseLsn - header.baseLsn;
      finder.begin(header);
      offset = await inSlices(this.walkSegment(header, Math.min(size, to), finder));
      if (next !== undefined && offset !== to) {
        throw this.damaged(`segment ${header.number} is damaged at offset ${offset}`);
      }
    }
    return { cut: finder.cut, reached: finder.position(offset) };
  }

  private *walkSegment(header: SegmentHeader, to: number, finder: CutFinder): Generator<void, number> {
    const file = this.fileSystem.open(this.pathOf(header.number), "read");
    const codec = leaseCodec();
    try {
      const frames = walkFrames(codec, header, file, SEGMENT_HEADER_BYTES, to);
      for (let count = 1;; count++) {
        const step = frames.next();
        if (step.done) return step.value;
        finder.add(step.value);
        if (count % SLICE_FRAMES === 0) yield;
      }
    } finally {
      returnCodec(codec);
      file.close();
    }
  }

  /**
   * Ends the log at a position: removes later segments, the newest first, and cuts the files of the others.
   *
   * @param cut The position.
   */
  cutAt(cut: Cut): void {
    const { fileSystem } = this;
    this.cut = cut;
    while (this.segments.at(-1)!.header.number > cut.number) this.removeNewest();
    this.segments = this.segments.map((segment, i) => {
      const { header, size } = segment;
      const next = this.segments[i + 1];
      const end = next === undefined ? cut.offset : next.header.baseLsn - header.baseLsn;
      if (size <= end) return segment;
      const file = fileSystem.open(this.pathOf(header.number), "write");
      try {
        file.truncate(end);
        file.sync();
      } finally {
        file.close();
      }
      return { header, size: end };
    });
  }

  /** Removes segments that the snapshot covers, snapshots that a newer one replaces, and segments that were replaced. */
  removeUnneeded(): void {
    const { fileSystem, folder, cut } = this;
    if (cut === undefined) return;
    const { index, term } = cut.snapshot;
    const start = this.segments.findLastIndex(({ header }) => header.state.nextIndex <= index + 1);
    this.segments.splice(0, Math.max(start, 0));
    const kept = new Set(this.segments.map(({ header }) => header.number));
    const names = fileSystem.list(folder);
    const left = names.map(segmentNumber).filter((number) => number !== undefined).filter((number) =>
      !kept.has(number)
    );
    // The oldest first, so that a crash leaves neither a hole nor a replaced segment without the one that replaces it.
    for (const number of left.sort((a, b) => a - b)) {
      fileSystem.remove(this.pathOf(number));
      fileSystem.syncDirectory(folder);
    }
    for (const name of names) {
      if (isSnapshotName(name) && isReplacedSnapshot(name, index, term)) fileSystem.remove(`${folder}/${name}`);
    }
    fileSystem.syncDirectory(folder);
  }

  /** Removes the newest segment. The one before it names no other then. */
  private removeNewest(): void {
    const { number } = this.segments.pop()!.header;
    const before = this.segments.at(-1);
    if (before !== undefined) this.name(before.header, undefined);
    this.fileSystem.remove(this.pathOf(number));
    this.fileSystem.syncDirectory(this.folder);
  }

  /** Removes all segments, the newest first, and all snapshots. */
  removeLog(): void {
    const { fileSystem, folder } = this;
    while (this.segments.length > 0) this.removeNewest();
    for (const name of fileSystem.list(folder)) if (isSnapshotName(name)) fileSystem.remove(`${folder}/${name}`);
    fileSystem.syncDirectory(folder);
    this.cut = undefined;
  }

  private refuse(why: string): WalLogError {
    const path = this.folder;
    return new WalLogError("INVALID_ARGUMENT", `Cannot follow an archive in ${path}: ${why}`, { path });
  }

  private damaged(why: string): WalLogError {
    const path = this.folder;
    const message = `Cannot follow an archive in ${path}: ${why}; delete the folder, and start again`;
    return new WalLogError("CORRUPT", message, { path });
  }
}
