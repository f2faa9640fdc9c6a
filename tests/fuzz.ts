/**
 * Fuzzing: logs that no writer wrote. Real logs are mutated, byte by byte and, with checksums put right again, field by
 * field, so that what is absurd is also believed; then they are opened, read, written and opened again. Whatever is
 * found, it must be a report or a `WalLogError`: never another exception, never a loop without end, never an allocation
 * that follows a number in a file.
 *
 * A seed repeats a case. What fails is thrown with the seed and what was done to the log.
 */

import assert from "node:assert/strict";
import { resolve } from "node:path";
import { WalLog, WalLogError, type WalLogErrorCode, type WalLogOptions } from "../mod.ts";
import { CHUNK_BYTES, Codec, SLOT_BASE_LSN, SLOT_CONSUMED, SLOT_EVENT, SLOT_SALT } from "../src/codec/codec.ts";
import {
  FLAGS_SHIFT,
  FRAME_CHANGES,
  FRAME_COUNT,
  FRAME_HEADER_BYTES,
  FRAME_HEADER_CHECKSUM,
  FRAME_INDEX,
  FRAME_KIND,
  FRAME_LENGTH,
  FRAME_PAYLOAD_CHECKSUM,
  FRAME_TERM,
  FRAME_UNPROVEN,
  frameBytes,
  KIND_ENTRIES,
  KIND_MASK,
  LENGTH_BYTES,
} from "../src/format/frame.ts";
import {
  DURABLE_SLOT_OFFSETS,
  HEADER_OFFSETS,
  NEXT_POINTER_OFFSETS,
  SECTOR_BYTES,
  SEGMENT_HEADER_BYTES,
} from "../src/format/header_block.ts";
import { IDENTITY_BYTES } from "../src/format/identity.ts";
import { decodeSegmentHeader, type SegmentHeader } from "../src/format/segment_header.ts";
import { TRAILER_BYTES } from "../src/format/segment_index.ts";
import { segmentName } from "../src/format/segment_name.ts";
import type { File, FileSystem } from "../src/io/file_system.ts";
import { Random, SimulatedDisk } from "../src/testing/mod.ts";
import { FIXED_HEADER_BYTES } from "../src/format/snapshot_header.ts";
import { snapshotName } from "../src/format/snapshot_name.ts";

export const FOLDER = resolve("/raft.wal");
/** Real logs that mutations start from. */
export const ORIGINALS = 32;
/** What one allocation may come to beyond the size of the files there are: the writer's zeros, a snapshot's piece. */
const ALLOCATION_SPARE_BYTES = 4.25 * 1024 * 1024;
/** Reads of one case. A chunk is 1 MiB and the logs are small, so that this is far more than any of them needs. */
const READS_MAX = 30_000;
/** What takes longer than this has an unbounded loop in it, or will have one with other numbers. In milliseconds. */
const CASE_MS_MAX = 4000;
/** Entries of a log that are read, of those at its start and of those at its end. */
const ENTRIES_READ = 40;

/** How often what came out, over all cases. */
export type FuzzCounts = Record<string, number>;

export type Files = Map<string, Uint8Array>;

/** What the library throws when it is told to read a log that is not one. */
const OPEN_CODES: readonly WalLogErrorCode[] = ["CORRUPT", "UNSUPPORTED_VERSION"];
const READ_CODES: readonly WalLogErrorCode[] = ["CORRUPT", "DAMAGED_ENTRY", "UNSUPPORTED_VERSION"];
const WRITE_CODES: readonly WalLogErrorCode[] = [
  "CORRUPT",
  "COMPACTED",
  "DAMAGED_ENTRY",
  "INVALID_ARGUMENT",
  "NOT_CONTIGUOUS",
];

/** Something that the library did and must not do, whether or not it caught what was thrown at it. */
class Violation extends Error {}

/** What one case may use up, and the first rule that it broke. */
class Budget {
  private reads = 0;
  private violation: Violation | undefined;
  private readonly allocationMax: number;
  private readonly started = performance.now();

  constructor(fileBytes: number) {
    this.allocationMax = fileBytes + ALLOCATION_SPARE_BYTES;
  }

  /** Notes a broken rule, and throws it to get out of wherever this is. */
  private broken(message: string): never {
    this.violation ??= new Violation(message);
    throw this.violation;
  }

  read(): void {
    if (++this.reads > READS_MAX) this.broken(`a hang: more than ${READS_MAX} reads`);
    if (performance.now() - this.started > CASE_MS_MAX) this.broken(`a hang: more than ${CASE_MS_MAX} ms`);
  }

  allocate(bytes: number): void {
    if (!(bytes <= this.allocationMax)) this.broken(`an allocation of ${bytes} bytes`);
  }

  /** Throws what the library may have caught. */
  settle(): void {
    if (this.violation !== undefined) throw this.violation;
    const milliseconds = performance.now() - this.started;
    if (milliseconds > CASE_MS_MAX) throw new Violation(`took ${milliseconds.toFixed(0)} ms`);
  }
}

const WATCHED = ["Uint8Array", "Uint32Array", "BigUint64Array", "ArrayBuffer", "Array"] as const;

/** Runs something while every array that is made with a length is held against the budget. */
function watchingAllocations<T>(budget: Budget, action: () => T): T {
  const globals = globalThis as unknown as Record<string, { new (...args: unknown[]): object }>;
  const originals = WATCHED.map((name) => globals[name]!);
  WATCHED.forEach((name, i) => {
    const original = originals[i]!;
    const elementBytes = (original as unknown as { BYTES_PER_ELEMENT?: number }).BYTES_PER_ELEMENT ??
      (name === "Array" ? 8 : 1);
    globals[name] = new Proxy(original, {
      construct(target, args, newTarget) {
        if (args.length === 1 && typeof args[0] === "number") budget.allocate(args[0] * elementBytes);
        return Reflect.construct(target, args, newTarget === globals[name] ? target : newTarget);
      },
    });
  });
  try {
    return action();
  } finally {
    WATCHED.forEach((name, i) => globals[name] = originals[i]!);
  }
}

/** Counts reads. */
function counting(fileSystem: FileSystem, budget: Budget): FileSystem {
  return {
    ...fileSystem,
    open(path, mode): File {
      const file = fileSystem.open(path, mode);
      return {
        ...file,
        read(into, position) {
          budget.read();
          return file.read(into, position);
        },
        truncate(size) {
          budget.allocate(size);
          file.truncate(size);
        },
        write(from, position) {
          budget.allocate(position + from.length);
          return file.write(from, position);
        },
      };
    },
  };
}

/** A disk with these files on it, durably. */
function diskWith(files: Files, seed: number): SimulatedDisk {
  const disk = new SimulatedDisk({ seed });
  for (const [path, bytes] of files) {
    const file = disk.fileSystem.open(path, "create");
    if (bytes.length > 0) file.write(bytes, 0);
    file.sync();
  }
  disk.fileSystem.syncDirectory(FOLDER);
  return disk;
}

const originals = new Map<number, Files>();

/** A real log, left as it is by a close, a kill or a power cut. */
export function original(seed: number): Files {
  let files = originals.get(seed);
  if (files === undefined) originals.set(seed, files = writeOriginal(seed));
  return new Map([...files].map(([path, bytes]) => [path, bytes.slice()]));
}

function writeOriginal(seed: number): Files {
  const random = new Random(seed ^ 0x0f1cca5e);
  const disk = new SimulatedDisk({ seed });
  const segmentBytes = random.pick([4096, 4096, 12288, 61_440]);
  const open = () => WalLog.openSync(FOLDER, { fileSystem: disk.fileSystem, segmentBytes });
  let log = open();
  for (let step = 10 + random.below(40); step > 0; step--) {
    const dice = random.below(20);
    if (dice < 11) {
      const term = Math.max(log.lastTerm, 1) + (random.chance(0.1) ? 1 : 0);
      const first = log.lastIndex + 1;
      log.append(Array.from({ length: 1 + random.below(6) }, (_, i) => {
        const command = new Uint8Array(random.below(random.chance(0.8) ? 90 : 3000));
        random.fill(command);
        return { term, index: first + i, kind: random.chance(0.1) ? "config" : "normal", command };
      }));
    } else if (dice < 13) log.setHardState({ term: log.hardState.term + 1, votedFor: BigInt(random.below(4)) });
    else if (dice < 14 && log.lastIndex > log.snapshotIndex) {
      log.truncate(log.lastIndex - random.below(Math.min(3, log.lastIndex - log.snapshotIndex)));
    } else if (dice < 15) {
      // Now and then of a log far ahead, as one that has fallen behind is sent.
      const far = random.chance(0.3);
      const index = far ? log.lastIndex + 2 ** 40 + random.below(1000) : Math.max(1, log.lastIndex - random.below(4));
      const data = new Uint8Array(random.below(3000));
      random.fill(data);
      log.applySnapshot({ index, term: log.termAt(index) ?? log.lastTerm + 1, config: [1n, 2n, 3n], data });
    } else if (dice < 17) log.syncSync();
    else if (dice < 18) disk.idle();
    else if (dice < 19) {
      if (random.chance(0.5)) log.closeSync();
      else disk.restart();
      log = open();
    }
  }
  const end = random.below(3);
  if (end === 0) log.closeSync();
  else if (end === 1) disk.crash();
  else disk.idle();
  disk.restart();
  // The zeros ahead of the writer are many and all alike.
  return new Map(
    disk.files().map((path) => {
      const bytes = disk.content(path);
      const used = bytes.findLastIndex((byte) => byte !== 0) + 1;
      return [path, bytes.length - used > 4096 ? bytes.slice(0, used + 4096) : bytes];
    }),
  );
}

const U64_EXTREMES = [
  0n,
  1n,
  2n,
  8n,
  40n,
  4096n,
  2n ** 20n,
  2n ** 30n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 35n,
  2n ** 40n,
  2n ** 53n - 2n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 53n + 1n,
  2n ** 63n,
  2n ** 64n - 8n,
  2n ** 64n - 1n,
];

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Mutates the files of one log. */
export class Mutator {
  readonly files: Files;
  readonly notes: string[] = [];
  /** Whether a checksum was put right for what no writer would have written. */
  isForged = false;
  private readonly random: Random;
  private readonly codec: Codec;

  constructor(files: Files, random: Random, codec: Codec) {
    this.files = files;
    this.random = random;
    this.codec = codec;
  }

  private note(text: string): void {
    this.notes.push(text);
  }

  private readonly sum = (bytes: Uint8Array, seed: bigint): bigint => this.codec.hash(bytes, seed);

  private paths(pattern: RegExp): string[] {
    return [...this.files.keys()].filter((path) => pattern.test(path)).sort();
  }

  private anyPath(pattern = /./): string | undefined {
    const paths = this.paths(pattern);
    return paths.length === 0 ? undefined : this.random.pick(paths);
  }

  /** A value to put where there was another. */
  private wide(was: bigint): bigint {
    const { random } = this;
    const value = random.chance(0.4)
      ? was + BigInt(random.below(33) - 16) * random.pick([1n, 1n, 8n, 512n])
      : random.chance(0.1)
      ? BigInt(random.next()) << BigInt(random.below(33))
      : random.pick(U64_EXTREMES);
    return BigInt.asUintN(64, value);
  }

  private narrow(was: number): number {
    return Number(BigInt.asUintN(32, this.wide(BigInt(was))));
  }

  /** One mutation of any kind. */
  mutate(): void {
    const { random } = this;
    const dice = random.below(100);
    if (dice < 12) this.raw();
    else if (dice < 22) this.sectors();
    else if (dice < 32) this.file();
    else this.forge(dice);
  }

  private forge(dice: number): void {
    this.isForged = true;
    if (dice < 54) this.frame();
    else if (dice < 62) this.moveFrame();
    else if (dice < 74) this.header();
    else if (dice < 78) this.pointer();
    else if (dice < 81) this.slot();
    else if (dice < 90) this.segmentIndex();
    else if (dice < 97) this.snapshot();
    else this.identity();
  }

  /** Bytes, with no regard for what they are. */
  private raw(): void {
    const { random } = this;
    const path = this.anyPath();
    if (path === undefined) return;
    const bytes = this.files.get(path)!;
    const used = bytes.findLastIndex((byte) => byte !== 0) + 1;
    const at = random.below(Math.max(random.chance(0.9) ? used : bytes.length, 1));
    if (random.chance(0.5)) {
      this.note(`flip a bit at ${at} of ${path}`);
      if (at < bytes.length) bytes[at]! ^= 1 << random.below(8);
    } else {
      const length = 1 + random.below(random.chance(0.7) ? 64 : 2048);
      this.note(`overwrite ${length} bytes at ${at} of ${path}`);
      const fill = random.pick([0, 0xff, undefined]);
      const run = bytes.subarray(at, at + length);
      if (fill === undefined) random.fill(run);
      else run.fill(fill);
    }
  }

  private sectors(): void {
    const { random } = this;
    const path = this.anyPath();
    if (path === undefined) return;
    const bytes = this.files.get(path)!;
    const count = Math.max(1, Math.ceil(bytes.length / 512));
    const one = random.below(count) * 512;
    const other = random.below(count) * 512;
    const kind = random.below(4);
    if (kind === 0) {
      this.note(`zero the sector at ${one} of ${path}`);
      bytes.fill(0, one, one + 512);
    } else if (kind === 1) {
      this.note(`copy the sector at ${one} of ${path} to ${other}`);
      bytes.copyWithin(other, one, one + 512);
    } else if (kind === 2) {
      this.note(`swap the sectors at ${one} and ${other} of ${path}`);
      const kept = bytes.slice(one, one + 512);
      bytes.copyWithin(one, other, other + 512);
      bytes.set(kept.subarray(0, Math.max(0, bytes.length - other)), other);
    } else {
      const from = this.files.get(this.anyPath()!)!;
      const source = random.below(Math.max(1, Math.ceil(from.length / 512))) * 512;
      this.note(`move a sector of another file, from ${source}, to ${one} of ${path}`);
      bytes.set(from.slice(source, source + 512).subarray(0, Math.max(0, bytes.length - one)), one);
    }
  }

  /** Whole files. */
  private file(): void {
    const { random } = this;
    const path = this.anyPath();
    if (path === undefined) return;
    const bytes = this.files.get(path)!;
    const kind = random.below(7);
    const numbers = [1, 2, 3, 4, 5, 6, 7, 8, 99, 10 ** 11, 2 ** 53 - 1, 2 ** 53];
    const target = random.chance(0.7)
      ? `${FOLDER}/${segmentName(random.pick(numbers))}`
      : random.chance(0.5)
      ? `${FOLDER}/${snapshotName(random.below(40), random.below(5))}`
      : this.anyPath()!;
    if (kind === 0) {
      const size = random.below(bytes.length + 1);
      this.note(`cut ${path} to ${size}`);
      this.files.set(path, bytes.slice(0, size));
    } else if (kind === 1) {
      const longer = new Uint8Array(bytes.length + 1 + random.below(random.chance(0.5) ? 100 : 20_000));
      if (random.chance(0.5)) random.fill(longer);
      longer.set(bytes);
      this.note(`extend ${path} by ${longer.length - bytes.length}`);
      this.files.set(path, longer);
    } else if (kind === 2) {
      this.note(`remove ${path}`);
      this.files.delete(path);
    } else if (kind === 3) {
      this.note(`rename ${path} to ${target}`);
      this.files.delete(path);
      this.files.set(target, bytes);
    } else if (kind === 4) {
      this.note(`copy ${path} to ${target}`);
      this.files.set(target, bytes.slice());
    } else if (kind === 5) {
      const noise = new Uint8Array(random.below(random.chance(0.5) ? 200 : 20_000));
      if (random.chance(0.8)) random.fill(noise);
      this.note(`${noise.length} bytes of noise as ${target}`);
      this.files.set(target, noise);
    } else {
      const foreign = original(random.below(ORIGINALS));
      const [from, other] = random.pick([...foreign]);
      this.note(`${from} of another log as ${target}`);
      this.files.set(target, other);
    }
  }

  private segmentAt(path: string): SegmentHeader | undefined {
    const bytes = this.files.get(path)!;
    for (const offset of HEADER_OFFSETS) {
      const header = decodeSegmentHeader(bytes, offset, this.sum);
      if (header !== undefined) return header;
    }
    return undefined;
  }

  private anySegment(): { path: string; bytes: Uint8Array; header: SegmentHeader } | undefined {
    const path = this.anyPath(/\.seg$/);
    if (path === undefined) return undefined;
    const header = this.segmentAt(path);
    return header === undefined ? undefined : { path, bytes: this.files.get(path)!, header };
  }

  /** Offsets of the frames of a segment, as their lengths tell. */
  private frames(bytes: Uint8Array): number[] {
    const found: number[] = [];
    for (let at = SEGMENT_HEADER_BYTES; at + FRAME_HEADER_BYTES <= bytes.length;) {
      if (bytes[at + FRAME_KIND] === 0) break;
      found.push(at);
      at += frameBytes(viewOf(bytes).getUint32(at + FRAME_LENGTH, true));
    }
    return found;
  }

  private sealFrame(bytes: Uint8Array, at: number, header: SegmentHeader, payloadToo: boolean): void {
    const view = viewOf(bytes);
    const begin = at + FRAME_HEADER_BYTES;
    const length = view.getUint32(at + FRAME_LENGTH, true);
    if (payloadToo && length <= CHUNK_BYTES && begin + length <= bytes.length) {
      view.setBigUint64(at + FRAME_PAYLOAD_CHECKSUM, this.sum(bytes.subarray(begin, begin + length), 0n), true);
    }
    const seed = BigInt.asUintN(64, header.salt ^ BigInt(Math.min(header.baseLsn + at, 2 ** 64 - 2048)));
    const sum = this.sum(bytes.subarray(at + FRAME_LENGTH, begin), seed);
    view.setUint32(at + FRAME_HEADER_CHECKSUM, Number(sum & 0xffffffffn), true);
  }

  /** A field of a frame's header, believed. */
  private frame(): void {
    const { random } = this;
    const segment = this.anySegment();
    if (segment === undefined) return;
    const { path, bytes, header } = segment;
    const frames = this.frames(bytes);
    const last = frames.at(-1);
    if (last === undefined) return;
    let at = random.chance(0.25) ? last : random.pick(frames);
    const view = viewOf(bytes);
    if (random.chance(0.15)) {
      // A frame more than there was, behind the others.
      at = last + frameBytes(view.getUint32(last + FRAME_LENGTH, true));
      if (at + FRAME_HEADER_BYTES > bytes.length) return;
      view.setUint8(at + FRAME_KIND, 1 + random.below(6));
      view.setBigUint64(at + FRAME_TERM, this.wide(1n), true);
      view.setBigUint64(at + FRAME_INDEX, this.wide(view.getBigUint64(last + FRAME_INDEX, true)), true);
    }
    for (let changes = 1 + random.below(2); changes > 0; changes--) {
      const field = random.pick([
        "length",
        "length",
        "term",
        "index",
        "index",
        "kind",
        "changes",
        "count",
        "flags",
        "unproven",
      ]);
      this.note(`${field} of the frame at ${at} of ${path}`);
      if (field === "length") {
        view.setUint32(at + FRAME_LENGTH, this.narrow(view.getUint32(at + FRAME_LENGTH, true)), true);
      } else if (field === "term") {
        view.setBigUint64(at + FRAME_TERM, this.wide(view.getBigUint64(at + FRAME_TERM, true)), true);
      } else if (field === "index") {
        view.setBigUint64(at + FRAME_INDEX, this.wide(view.getBigUint64(at + FRAME_INDEX, true)), true);
      } else if (field === "kind") {
        view.setUint8(at + FRAME_KIND, (view.getUint8(at + FRAME_KIND) & ~KIND_MASK) | random.below(16));
      } else if (field === "flags") {
        view.setUint8(at + FRAME_KIND, (view.getUint8(at + FRAME_KIND) & KIND_MASK) | random.below(16) << FLAGS_SHIFT);
      } else if (field === "changes") view.setUint8(at + FRAME_CHANGES, random.below(4));
      else if (field === "count") view.setUint16(at + FRAME_COUNT, random.below(3), true);
      else view.setUint32(at + FRAME_UNPROVEN, this.narrow(view.getUint32(at + FRAME_UNPROVEN, true)), true);
    }
    this.sealFrame(bytes, at, header, random.chance(0.7));
  }

  /** A valid frame, in another place, sealed for it or not. */
  private moveFrame(): void {
    const { random } = this;
    const from = this.anySegment();
    const to = this.anySegment();
    if (from === undefined || to === undefined) return;
    const sources = this.frames(from.bytes);
    const targets = this.frames(to.bytes);
    if (sources.length === 0 || targets.length === 0) return;
    const source = random.pick(sources);
    const end = targets.at(-1)! + frameBytes(viewOf(to.bytes).getUint32(targets.at(-1)! + FRAME_LENGTH, true));
    const target = random.pick([...targets, end]);
    const frame = from.bytes.slice(
      source,
      source + frameBytes(viewOf(from.bytes).getUint32(source + FRAME_LENGTH, true)),
    );
    if (target + frame.length > to.bytes.length) return;
    const seals = random.chance(0.8);
    this.note(`the frame at ${source} of ${from.path} to ${target} of ${to.path}${seals ? ", sealed" : ""}`);
    to.bytes.set(frame, target);
    if (seals) this.sealFrame(to.bytes, target, to.header, false);
  }

  /** Fields of a segment's header, believed. */
  private header(): void {
    const { random } = this;
    const segment = this.anySegment();
    if (segment === undefined) return;
    const { path, bytes } = segment;
    if (bytes.length < SEGMENT_HEADER_BYTES) return;
    const view = viewOf(bytes);
    const at = decodeSegmentHeader(bytes, 0, this.sum) === undefined ? HEADER_OFFSETS[1] : 0;
    for (let changes = 1 + random.below(2); changes > 0; changes--) {
      const field = random.pick([
        8,
        12,
        16,
        32,
        40,
        48,
        56,
        56,
        64,
        72,
        80,
        80,
        88,
        96,
        104,
        112,
        112,
        120,
        128,
        136,
        136,
      ]);
      this.note(`header of ${path}, field at ${field}`);
      if (field < 16 || field === 64) {
        view.setUint32(at + field, this.narrow(view.getUint32(at + field, true)), true);
      } else view.setBigUint64(at + field, this.wide(view.getBigUint64(at + field, true)), true);
    }
    view.setBigUint64(at + 400, this.sum(bytes.subarray(at, at + 400), 0n), true);
    const copies = random.chance(0.8);
    if (copies) bytes.copyWithin(at === 0 ? HEADER_OFFSETS[1] : 0, at, at + 512);
    const changed = this.segmentAt(path);
    // With the base and the salt, all frames: so that this one change does not merely lose everything.
    if (changed === undefined || random.chance(0.3)) return;
    if (changed.baseLsn === segment.header.baseLsn && changed.salt === segment.header.salt) return;
    for (const frame of this.frames(bytes)) this.sealFrame(bytes, frame, changed, false);
    this.note("and all its frames");
  }

  /** One copy of the next-segment pointer, or both. */
  private pointer(): void {
    const { random } = this;
    const segment = this.anySegment();
    if (segment === undefined || segment.bytes.length < SEGMENT_HEADER_BYTES) return;
    const { path, bytes, header } = segment;
    const copies = random.chance(0.6) ? [...NEXT_POINTER_OFFSETS] : [random.pick(NEXT_POINTER_OFFSETS)];
    const forged = bytes.slice(copies[0]!, copies[0]! + SECTOR_BYTES);
    const view = viewOf(forged);
    if (random.chance(0.2)) {
      this.note(`no next segment for ${path}`);
      forged.fill(0);
    } else {
      view.setBigUint64(0, 0x584e474f4c4c4157n, true);
      for (const field of [8, 16, 24]) {
        if (random.chance(0.6)) view.setBigUint64(field, this.wide(view.getBigUint64(field, true)), true);
      }
      this.note(`next segment of ${path}: ${view.getBigUint64(8, true)}, end ${view.getBigUint64(16, true)}`);
      view.setBigUint64(32, this.sum(forged.subarray(0, 32), header.salt), true);
    }
    for (const offset of copies) bytes.set(forged, offset);
  }

  /** A durable slot, believed. */
  private slot(): void {
    const { random } = this;
    const segment = this.anySegment();
    if (segment === undefined || segment.bytes.length < SEGMENT_HEADER_BYTES) return;
    const { path, bytes, header } = segment;
    const offset = random.pick(DURABLE_SLOT_OFFSETS);
    const slot = bytes.subarray(offset, offset + SECTOR_BYTES);
    const view = viewOf(slot);
    view.setBigUint64(0, 0x5544474f4c4c4157n, true);
    for (const field of [8, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120, 128]) {
      if (random.chance(0.3)) view.setBigUint64(field, this.wide(view.getBigUint64(field, true)), true);
    }
    if (random.chance(0.3)) view.setUint32(16, this.narrow(view.getUint32(16, true)), true);
    this.note(`slot of ${path} at ${offset}: LSN ${view.getBigUint64(8, true)}`);
    const seed = BigInt.asUintN(64, header.salt ^ BigInt(header.baseLsn + offset));
    view.setBigUint64(136, this.sum(slot.subarray(0, 136), seed), true);
  }

  /** A segment index's tables and its trailer, believed; on a segment that has none, at its end. */
  private segmentIndex(): void {
    const { random } = this;
    const segment = this.anySegment();
    if (segment === undefined) return;
    const { path, header } = segment;
    let { bytes } = segment;
    if (random.chance(0.2)) {
      const longer = new Uint8Array(bytes.length + TRAILER_BYTES);
      longer.set(bytes);
      this.files.set(path, bytes = longer);
    }
    const trailerAt = bytes.length - TRAILER_BYTES;
    if (trailerAt < SEGMENT_HEADER_BYTES) return;
    const view = viewOf(bytes);
    view.setBigUint64(trailerAt, 0x5446474f4c4c4157n, true);
    for (let changes = 1 + random.below(3); changes > 0; changes--) {
      const field = random.pick([8, 16, 24, 24, 28, 28, 32, 0, 1]);
      this.note(`segment index of ${path}, ${field === 0 ? "offsets" : field === 1 ? "runs" : `field at ${field}`}`);
      if (field >= 24 && field < 32) {
        view.setUint32(trailerAt + field, this.narrow(view.getUint32(trailerAt + field, true)), true);
      } else if (field >= 8) {
        view.setBigUint64(trailerAt + field, this.wide(view.getBigUint64(trailerAt + field, true)), true);
      } else if (field === 1) {
        const runs = view.getUint32(trailerAt + 28, true);
        const at = trailerAt - 16 * (1 + random.below(Math.max(1, Math.min(runs, 8))));
        if (at >= SEGMENT_HEADER_BYTES) {
          view.setBigUint64(at + 8 * random.below(2), this.wide(view.getBigUint64(at, true)), true);
        }
      } else {
        const offset = Number(view.getBigUint64(trailerAt + 8, true)) + FRAME_HEADER_BYTES + 4 * random.below(8);
        if (offset + 4 <= trailerAt) view.setUint32(offset, this.narrow(view.getUint32(offset, true)), true);
      }
    }
    if (random.chance(0.9)) {
      const runBytes = view.getUint32(trailerAt + 28, true) * 16;
      if (runBytes <= trailerAt) {
        view.setBigUint64(trailerAt + 40, this.sum(bytes.subarray(trailerAt - runBytes, trailerAt), 0n), true);
      }
      const begin = Number(view.getBigUint64(trailerAt + 8, true)) + FRAME_HEADER_BYTES;
      const offsetBytes = Math.ceil(view.getUint32(trailerAt + 24, true) / 2) * 8;
      if (begin + offsetBytes <= bytes.length) {
        view.setBigUint64(trailerAt + 48, this.sum(bytes.subarray(begin, begin + offsetBytes), 0n), true);
      }
    }
    view.setBigUint64(trailerAt + 56, this.sum(bytes.subarray(trailerAt, trailerAt + 56), header.salt), true);
  }

  private snapshot(): void {
    const { random } = this;
    const path = this.anyPath(/\.snap$/);
    if (path === undefined) return this.frame();
    const bytes = this.files.get(path)!;
    if (bytes.length < 64 + 24) return;
    const view = viewOf(bytes);
    const piecesAt = sumOfSnapshotAt(view) + 8;
    if (random.chance(0.5)) {
      const field = random.pick([8, 12, 12, 16, 32, 40, 48, 56, 56, 64]);
      this.note(`header of ${path}, field at ${field}`);
      if (field < 16 || field === 56) view.setUint32(field, this.narrow(view.getUint32(field, true)), true);
      else view.setBigUint64(field, this.wide(view.getBigUint64(field, true)), true);
      const sumAt = sumOfSnapshotAt(view);
      if (sumAt + 8 <= bytes.length) view.setBigUint64(sumAt, this.sum(bytes.subarray(0, sumAt), 0n), true);
      return;
    }
    const at = random.chance(0.6) ? bytes.length - 24 : piecesAt;
    if (at + 24 > bytes.length) return;
    const field = random.pick([8, 8, 12, 16]);
    this.note(`piece at ${at} of ${path}, field at ${field}`);
    if (field === 16) view.setBigUint64(at + 16, this.wide(view.getBigUint64(at + 16, true)), true);
    else view.setUint32(at + field, this.narrow(view.getUint32(at + field, true)), true);
    const end = at + 16 + view.getUint32(at + 8, true);
    if (end > bytes.length) return;
    const seed = BigInt.asUintN(64, view.getBigUint64(48, true) ^ BigInt(at));
    view.setBigUint64(at, this.sum(bytes.subarray(at + 8, end), seed), true);
  }

  private identity(): void {
    const path = `${FOLDER}/IDENTITY`;
    const bytes = this.files.get(path);
    if (bytes === undefined || bytes.length < IDENTITY_BYTES) return;
    const view = viewOf(bytes);
    const end = bytes.length - 8;
    const field = this.random.pick([0, 8, 16, 24, 32, 40, 48, 56]);
    this.note(`IDENTITY, field at ${field}`);
    view.setBigUint64(field, this.wide(view.getBigUint64(field, true)), true);
    view.setBigUint64(end, this.sum(bytes.subarray(0, end), 0n), true);
  }
}

/** Where the checksum of a snapshot's header is, going by its counts. */
function sumOfSnapshotAt(view: DataView): number {
  return FIXED_HEADER_BYTES + view.getUint32(12, true) * 8 + Math.ceil(view.getUint32(56, true) / 8) * 8;
}

/** Whether an error is one of those that are right here; anything else is thrown. */
function expectError(error: unknown, codes: readonly WalLogErrorCode[], during: string): WalLogErrorCode {
  if (error instanceof Violation) throw error;
  if (!(error instanceof WalLogError)) throw new Violation(`${during}: ${describe(error)}`, { cause: error });
  // Whatever is thrown while opening is wrapped, a mistake of the library's own as well.
  if (!codes.includes(error.code)) throw new Violation(`${during}: ${describe(error)}`, { cause: error });
  assert(error.code !== "CORRUPT" || error.damage.length > 0, `${during}: CORRUPT that names nothing`);
  return error.code;
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const name = error instanceof WalLogError ? error.code : error.name;
  return `${name}: ${error.message}${error.cause === undefined ? "" : ` <- ${describe(error.cause)}`}`;
}

/** Reads everything of a log, or of a log with absurd numbers its start and its end. */
function readAll(log: WalLog, count: (event: string) => void): void {
  const attempt = (during: string, action: () => void) => {
    try {
      action();
    } catch (error) {
      count(`${during}-${expectError(error, READ_CODES, during)}`);
    }
  };
  const { snapshotIndex, lastIndex, hardState, recovery } = log;
  assert(Number.isSafeInteger(snapshotIndex) && snapshotIndex >= 0, `snapshotIndex ${snapshotIndex}`);
  assert(
    Number.isSafeInteger(lastIndex) && lastIndex >= snapshotIndex,
    `lastIndex ${lastIndex}, after ${snapshotIndex}`,
  );
  assert(Number.isSafeInteger(hardState.term) && hardState.term >= 0, `hard state's term ${hardState.term}`);
  assert.equal(recovery.entries, lastIndex - snapshotIndex);
  assert(recovery.provenIndex <= lastIndex, `provenIndex ${recovery.provenIndex}, lastIndex ${lastIndex}`);
  for (const damage of recovery.damage) {
    assert(damage.path.startsWith(FOLDER) && damage.offset >= 0 && damage.bytes >= 0, JSON.stringify(damage));
  }
  attempt(
    "lastTerm",
    () => assert(Number.isSafeInteger(log.lastTerm) && log.lastTerm >= 0, `lastTerm ${log.lastTerm}`),
  );
  const indexes = new Set<number>();
  for (let i = 0; i < ENTRIES_READ; i++) {
    indexes.add(Math.max(0, snapshotIndex - 1) + i);
    indexes.add(Math.max(0, lastIndex + 2 - i));
  }
  for (const index of indexes) {
    if (!Number.isSafeInteger(index)) continue;
    attempt("termAt", () => {
      const term = log.termAt(index);
      assert(term === undefined || (Number.isSafeInteger(term) && term >= 0), `term ${term}`);
    });
    attempt("entry", () => {
      const entry = log.entry(index);
      assert.equal(entry === undefined, index <= snapshotIndex || index > lastIndex, `entry ${index}`);
      if (entry !== undefined) assert.equal(entry.index, index);
    });
  }
  // A snapshot of the last index that there can be has none behind it.
  const first = Math.min(snapshotIndex + 1, Number.MAX_SAFE_INTEGER);
  attempt("entries", () => log.entries(first, lastIndex));
  attempt("entries", () => log.entries(first, lastIndex, { maxBytes: 300 }));
  attempt("iterate", () => {
    let next = snapshotIndex + 1;
    for (const entry of log.iterate()) assert.equal(entry.index, next++);
    assert.equal(next, lastIndex + 1);
  });
  attempt("snapshotMeta", () => log.snapshotMeta());
  attempt("snapshot", () => log.snapshot());
}

/** Writes to a log; what is refused is refused for a reason. */
function writeSome(log: WalLog, random: Random, count: (event: string) => void): void {
  const attempt = (during: string, action: () => void) => {
    try {
      action();
    } catch (error) {
      count(`${during}-${expectError(error, WRITE_CODES, during)}`);
    }
  };
  let term = 0;
  attempt("lastTerm", () => term = log.lastTerm);
  const entry = () => ({
    term,
    index: log.lastIndex + 1,
    kind: "normal" as const,
    command: new Uint8Array(random.below(500)),
  });
  attempt("append", () => log.append([entry()]));
  attempt("setHardState", () => log.setHardState({ term: 7, votedFor: 1n }, { force: random.chance(0.5) }));
  attempt("truncate", () => log.truncate(Math.max(1, log.lastIndex - random.below(3))));
  for (let i = random.below(30); i > 0; i--) attempt("append", () => log.append([entry()]));
  attempt("sync", () => log.syncSync());
  if (random.chance(0.3)) {
    attempt(
      "applySnapshot",
      () => log.applySnapshot({ index: Math.max(1, log.lastIndex - 1), term, config: [1n], data: new Uint8Array(99) }),
    );
  }
}

/** What was opened, as text: to compare two opens of the same log. */
function summary(log: WalLog): string {
  const { lastIndex, snapshotIndex, hardState } = log;
  return `${lastIndex} ${snapshotIndex} ${hardState.term} ${hardState.votedFor}`;
}

/**
 * Mutates one log and opens it in every way.
 *
 * @param seed Repeats it.
 * @param counts Added to.
 */
export function fuzzOpen(seed: number, counts: FuzzCounts = {}): void {
  const random = new Random(seed);
  const codec = new Codec();
  const mutator = new Mutator(original(random.below(ORIGINALS)), random, codec);
  if (random.chance(0.02)) {
    // No log at all.
    for (const path of mutator.files.keys()) {
      const noise = new Uint8Array(random.below(20_000));
      random.fill(noise);
      mutator.files.set(path, noise);
    }
    mutator.notes.push("noise in all files");
  }
  for (let changes = 1 + (random.chance(0.4) ? random.below(4) : 0); changes > 0; changes--) mutator.mutate();
  const { files, notes } = mutator;
  const count = (event: string) => counts[event] = (counts[event] ?? 0) + 1;
  const fileBytes = [...files.values()].reduce((sum, { length }) => sum + length, 0);

  const ways: WalLogOptions[] = [
    { readOnly: true, verify: "full", onDamage: "fail" },
    { readOnly: true, verify: "tail", onDamage: "keep" },
    { readOnly: true, verify: "full", onDamage: "keep" },
    { verify: random.pick(["full", "tail"]), onDamage: random.pick(["fail", "keep", "keep"]) },
  ];
  for (const way of ways) {
    const disk = diskWith(files, seed);
    const budget = new Budget(fileBytes);
    const fileSystem = counting(disk.fileSystem, budget);
    const options = { ...way, fileSystem, segmentBytes: random.pick([4096, 61_440]) };
    const during = `${way.readOnly ? "reading" : "writing"}, ${way.verify}, ${way.onDamage}`;
    try {
      watchingAllocations(budget, () => openAndUse(options, mutator.isForged, random, count));
      budget.settle();
    } catch (error) {
      const found = error instanceof Violation || error instanceof assert.AssertionError
        ? error.message
        : describe(error);
      throw new Error(
        `seed ${seed}${mutator.isForged ? ", forged" : ""}, ${during}: ${found}\n  ${notes.join("\n  ")}`,
        { cause: error },
      );
    }
  }
}

function openAndUse(options: WalLogOptions, isForged: boolean, random: Random, count: (event: string) => void): void {
  let log: WalLog;
  try {
    log = WalLog.openSync(FOLDER, options);
  } catch (error) {
    const code = expectError(error, OPEN_CODES, "open");
    // What claims the impossible under a right checksum may be no damage to live with; what disks do always is.
    if (options.onDamage === "keep" && !isForged) {
      assert.notEqual(code, "CORRUPT", `CORRUPT with onDamage "keep": ${describe(error)}`);
    }
    count(code);
    return;
  }
  count(`${log.recovery.verdict}${options.readOnly ? "" : ", writable"}`);
  readAll(log, count);
  if (options.readOnly) return log.closeSync();
  writeSome(log, random, count);
  const damaged = log.damaged.length > 0;
  const before = summary(log);
  log.closeSync();
  // What was opened without damage, written and closed opens again, and is what it was.
  try {
    log = WalLog.openSync(FOLDER, options);
  } catch (error) {
    count(`again-${expectError(error, OPEN_CODES, "open again")}`);
    assert(damaged || isForged, `an undamaged log does not open again: ${describe(error)}`);
    return;
  }
  readAll(log, count);
  if (!damaged && !isForged) assert.equal(summary(log), before, "opened again");
  log.closeSync();
}

/**
 * Gives the WebAssembly exports memory full of anything, at the very end of their memory, so that one byte too far is a
 * trap.
 *
 * @param seed Repeats it.
 * @param counts Added to.
 */
export function fuzzCodec(seed: number, counts: FuzzCounts = {}): void {
  const random = new Random(seed ^ 0x3c6ef372);
  const codec = sharedCodec ??= new Codec();
  const { wasm, chunkAt } = codec;
  const bytes = 8 * random.below(random.chance(0.8) ? 600 : 8000) + (random.chance(0.2) ? random.below(8) : 0);
  const end = chunkAt + CHUNK_BYTES;
  const at = (end - bytes) & ~7;
  const memory = codec.bytes;
  const salt = BigInt(random.next()) << 32n | BigInt(random.next());
  const lsn = random.pick([0, 4096, 2 ** 32 - 64, 2 ** 40, 2 ** 53 - 2 ** 20, 2 ** 64, 8 * random.below(2 ** 30)]);
  fillWithFrames(codec, random, memory.subarray(at, end), salt, lsn);
  const size = end - at;
  const before = memory.slice(0, at);
  const notes = `seed ${seed}: ${size} bytes at LSN ${lsn}`;
  const state = () => {
    codec.clearTables();
    codec.setWide(SLOT_SALT, salt);
    codec.set(SLOT_BASE_LSN, random.pick([0, lsn, lsn - 4096]));
    // Slots that a scan takes its state from may hold anything.
    for (const slot of [2, 3, 4, 5, 6, 7, 8, 13, 15, 20, 22]) codec.setWide(slot, random.pick(U64_EXTREMES));
  };
  const call = (name: string, action: () => void) => {
    try {
      action();
    } catch (error) {
      throw new Error(`${notes}, ${name}: ${describe(error)}`, { cause: error });
    }
    counts[name] = (counts[name] ?? 0) + 1;
  };
  call("scan", () => {
    state();
    let position = 0;
    // Each call goes further, or ends it: at most a frame per 40 bytes, and a full table per call.
    for (let steps = 0;; steps++) {
      assert(steps <= size / FRAME_HEADER_BYTES + 2, "does not come to an end");
      const status = wasm.scan(at + position, size - position, random.pick([size, CHUNK_BYTES]), lsn + position);
      const consumed = codec.get(SLOT_CONSUMED);
      assert(consumed <= size - position, `consumed ${consumed} of ${size - position}`);
      assert(codec.pages().length <= 2 * 512 && codec.get(12) <= 2048, "tables overflow");
      if (status === 1) {
        assert(codec.get(SLOT_EVENT) + FRAME_HEADER_BYTES <= consumed, "event outside what was consumed");
      }
      position += consumed;
      if (status === 6) codec.clearTables();
      else if (status !== 1) break;
    }
  });
  call("survey", () => {
    state();
    const done = wasm.survey(at, size, lsn);
    assert(done >= 0 && (size < FRAME_HEADER_BYTES || done > size - FRAME_HEADER_BYTES), `done ${done} of ${size}`);
  });
  call("find", () => {
    state();
    const done = wasm.find(at, size, lsn, random.pick([0, 1, 7, 2 ** 53, random.below(100)]));
    assert(done >= 0 && (done <= size - FRAME_HEADER_BYTES || done > size - FRAME_HEADER_BYTES), `done ${done}`);
    if (done + FRAME_HEADER_BYTES <= size) assert.equal(wasm.checkHeader(at + done, lsn + done), 0);
  });
  call("seek", () => {
    state();
    const found = wasm.seek(at, size, lsn);
    assert(found <= size, `found ${found} of ${size}`);
    if (found + FRAME_HEADER_BYTES <= size) assert.equal(wasm.checkHeader(at + found, lsn + found), 0);
  });
  call("checkFrame", () => {
    state();
    for (let offset = 0; offset <= size; offset += 8) {
      const rest = size - offset;
      const status = wasm.checkFrame(at + offset, rest, lsn + offset);
      assert(status === 0 || status === 2 || status === 3, `status ${status}`);
      if (rest >= FRAME_HEADER_BYTES) assert.equal(wasm.checkHeader(at + offset, lsn + offset) === 0, status !== 2);
    }
  });
  call("nonZeroEnd", () => {
    const expected = memory.subarray(at, end).findLastIndex((byte) => byte !== 0) + 1;
    assert.equal(wasm.nonZeroEnd(at, size), expected);
  });
  call("resealCopies", () => {
    state();
    const skip = random.pick([0, 0, 8, 40, size, size + 80, 2 ** 31]);
    const done = wasm.resealCopies(at, size, skip, lsn, random.pick([0, lsn, lsn + 4096, 2 ** 53]));
    assert(done >= skip && (done + FRAME_HEADER_BYTES > size), `done ${done} of ${size}, skipped ${skip}`);
  });
  // None of them writes anything before what it was given but to the state block and the tables.
  const { HEAP } = wasm;
  for (let i = HEAP.value; i < at; i++) {
    if (before[i] !== memory[i]) throw new Error(`${notes}: memory changed at ${i}, before ${at}`);
  }
}

let sharedCodec: Codec | undefined;

/** Frames whose sums are right, with fields that need not be, and noise and zeros between them. */
function fillWithFrames(codec: Codec, random: Random, into: Uint8Array, salt: bigint, lsn: number): void {
  const content = new Uint8Array(into.length);
  const view = viewOf(content);
  for (let at = 0; at + FRAME_HEADER_BYTES <= content.length;) {
    const kind = random.below(10);
    const rest = content.length - at - FRAME_HEADER_BYTES;
    if (kind === 0) {
      const run = content.subarray(at, at + 8 * (1 + random.below(16)));
      random.fill(run);
      at += run.length;
      continue;
    }
    const payload = Math.min(random.below(random.chance(0.9) ? 60 : 2000), rest);
    random.fill(content.subarray(at + FRAME_HEADER_BYTES, at + FRAME_HEADER_BYTES + payload));
    const frameKind = random.chance(0.95) ? 1 + random.below(6) : random.below(16);
    const count = frameKind === KIND_ENTRIES ? random.pick([0, 1, 1, 2, 5]) : 0;
    if (count > 1 && random.chance(0.8)) fillTable(view, at + FRAME_HEADER_BYTES, count, payload);
    const wide = () => random.chance(0.6) ? BigInt(random.below(100)) : random.pick(U64_EXTREMES);
    const length = random.chance(0.9) ? payload : Number(random.pick(U64_EXTREMES) & 0xffffffffn);
    view.setUint32(at + FRAME_LENGTH, length, true);
    const sum = codec.hash(content.subarray(at + FRAME_HEADER_BYTES, at + FRAME_HEADER_BYTES + payload), 0n);
    view.setBigUint64(at + FRAME_PAYLOAD_CHECKSUM, random.chance(0.95) ? sum : sum ^ 1n, true);
    view.setBigUint64(at + FRAME_TERM, wide(), true);
    view.setBigUint64(at + FRAME_INDEX, wide(), true);
    view.setUint8(at + FRAME_KIND, frameKind | random.below(16) << FLAGS_SHIFT);
    view.setUint8(at + FRAME_CHANGES, random.chance(0.95) ? random.below(4) : random.below(256));
    view.setUint16(at + FRAME_COUNT, random.chance(0.95) ? count : random.below(65536), true);
    view.setUint32(at + FRAME_UNPROVEN, random.chance(0.5) ? random.below(5000) : random.next(), true);
    const position = BigInt.asUintN(64, salt ^ BigInt(Math.min(lsn + at, 2 ** 64 - 2048)));
    const headerChecksum = codec.hash(content.subarray(at + FRAME_LENGTH, at + FRAME_HEADER_BYTES), position);
    view.setUint32(at + FRAME_HEADER_CHECKSUM, Number(headerChecksum & 0xffffffffn), true);
    at += frameBytes(payload);
  }
  into.set(content);
}

/** Fills the table of a frame with lengths that add up to its payload, as far as there is room for it. */
function fillTable(view: DataView, at: number, count: number, payload: number): void {
  const commands = payload - count * LENGTH_BYTES;
  if (commands < 0) return;
  const each = Math.floor(commands / count);
  for (let i = 0; i < count; i++) {
    view.setUint32(at + i * LENGTH_BYTES, i < count - 1 ? each : commands - each * i, true);
  }
}
