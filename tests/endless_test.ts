/** Files that grow while they are read. No loop may read more of a file than its size when it was opened. */

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { WalLog, WalLogError } from "../mod.ts";
import { Codec } from "../src/codec/codec.ts";
import { NEXT_POINTER_OFFSETS, SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";
import { segmentName } from "../src/format/segment_name.ts";
import { FIXED_HEADER_BYTES } from "../src/format/snapshot_header.ts";
import { snapshotName } from "../src/format/snapshot_name.ts";
import type { FileSystem } from "../src/io/file_system.ts";
import { forgePointer, forgeSegment } from "./forge.ts";
import { entriesAt } from "./history.ts";
import { type Contents, MemoryDisk } from "./memory_disk.ts";

const PATH = MemoryDisk.PATH;
/** A limit of reads. A log of some segments of 8 KiB needs far fewer. */
const READS_MAX = 200;
const SNAPSHOT = { index: 9, term: 1, config: [1n], data: new Uint8Array(100) };

/** Provides the bytes of a growing file after its size. */
type Growth = (into: Uint8Array, position: number) => void;

const zeros: Growth = (into) => void into.fill(0);
const noise: Growth = (into, position) => into.forEach((_, i) => into[i] = Math.imul(position + i, 2654435761) >>> 13);

/** A disk on which one file always has more to read. */
function growing(disk: MemoryDisk, name: string, grow: Growth): FileSystem {
  let reads = 0;
  const open = disk.open.bind(disk);
  disk.open = (path, mode) => {
    const file = open(path, mode);
    if (path !== `${PATH}/${name}`) return file;
    const read = file.read.bind(file);
    file.read = (into, position) => {
      if (++reads > READS_MAX) throw new Error(`more than ${READS_MAX} reads of ${name}`);
      const inside = Math.max(Math.min(into.length, file.size() - position), 0);
      if (inside > 0) read(into.subarray(0, inside), position);
      grow(into.subarray(inside), position + inside);
      return into.length;
    };
    return file;
  };
  return disk;
}

/** A log of several segments with a snapshot, closed. */
function writtenLog(): Contents {
  const disk = new MemoryDisk();
  const log = WalLog.openSync(PATH, { fileSystem: disk, segmentBytes: 4096 });
  for (const entry of entriesAt(1, 20, 1, 900)) log.append([entry]);
  log.applySnapshot(SNAPSHOT);
  log.closeSync();
  return disk.contents();
}

/** Opens a log in every way, reads it and scrubs it. The only allowed failure is damage. */
async function use(contents: Contents, name: string, grow: Growth): Promise<void> {
  for (const verify of ["full", "tail"] as const) {
    for (const readOnly of [true, false]) {
      const fileSystem = growing(new MemoryDisk(contents), name, grow);
      try {
        const log = WalLog.openSync(PATH, { fileSystem, verify, readOnly, onDamage: "keep", segmentBytes: 4096 });
        await log.scrub();
        log.entries(log.snapshotIndex + 1, log.lastIndex);
        log.closeSync();
      } catch (error) {
        const code = error instanceof WalLogError ? error.code : undefined;
        assert(code === "DAMAGED_ENTRY" || code === "CORRUPT", error as Error);
      }
    }
  }
}

describe("a file that grows endlessly", () => {
  const contents = writtenLog();
  const segments = [...contents.keys()].filter((name) => name.endsWith(".seg")).sort();
  for (const [what, grow] of [["zeros", zeros], ["noise", noise]] as const) {
    for (const name of [...contents.keys()].sort()) {
      it(`does not block opening the log: ${name}, by ${what}`, () => use(contents, name, grow));

      it(`does not block opening a damaged log: ${name}, by ${what}`, async () => {
        for (const from of [0, NEXT_POINTER_OFFSETS[0], SEGMENT_HEADER_BYTES + 100]) {
          const damaged = new Map(contents);
          damaged.set(name, contents.get(name)!.slice().fill(0xff, from, from + 64));
          await use(damaged, name, grow);
        }
      });
    }

    it(`does not block opening the log: a blank file after the newest segment, by ${what}`, async () => {
      const next = segmentName(Number(segments.at(-1)!.slice(0, 12)) + 1);
      for (const bytes of [0, 100, SEGMENT_HEADER_BYTES, 10_000]) {
        await use(new Map([...contents, [next, new Uint8Array(bytes)]]), next, grow);
      }
    });

    it(`does not block opening a new log: a blank file, by ${what}`, async () => {
      for (const bytes of [0, 100, SEGMENT_HEADER_BYTES, 10_000]) {
        await use(new Map([[segmentName(1), new Uint8Array(bytes)]]), segmentName(1), grow);
      }
    });
  }

  for (const [what, grow] of [["zeros", zeros], ["noise", noise]] as const) {
    it(`does not block opening a log whose next segment claims to begin far away: by ${what}`, async () => {
      const disk = new MemoryDisk();
      WalLog.openSync(PATH, { fileSystem: disk }).append(entriesAt(1, 3));
      const first = disk.contents().get(segmentName(1))!;
      const endLsn = 2 ** 43;
      const next = forgeSegment(first.slice(0, SEGMENT_HEADER_BYTES), {
        number: 2,
        previous: 1,
        baseLsn: endLsn,
        state: { nextIndex: 4, lastTerm: 1 },
      });
      const forged = new Map([[segmentName(1), forgePointer(first, 2, endLsn)], [segmentName(2), next]]);
      for (const name of forged.keys()) await use(forged, name, grow);
    });
  }

  it("does not block a repair", () => {
    const name = segments.at(-2)!;
    const damaged = new Map(contents);
    damaged.set(name, contents.get(name)!.slice().fill(0xff, SEGMENT_HEADER_BYTES + 100, SEGMENT_HEADER_BYTES + 164));
    const fileSystem = growing(new MemoryDisk(damaged), name, noise);
    const log = WalLog.openSync(PATH, { fileSystem, onDamage: "keep", segmentBytes: 4096 });
    const { firstIndex, lastIndex } = log.damaged[0]!;
    log.repair(entriesAt(firstIndex!, lastIndex!, 1, 900));
    assert.deepEqual(log.damaged, []);
  });

  it("does not block reading a snapshot: by empty pieces with valid checksums", () => {
    const codec = new Codec();
    const name = snapshotName(SNAPSHOT.index, SNAPSHOT.term);
    const real = contents.get(name)!;
    const salt = new DataView(real.buffer, real.byteOffset).getBigUint64(48, true);
    const piece = (offset: number, flags: number, data: Uint8Array) => {
      const bytes = new Uint8Array(16 + data.length);
      const view = new DataView(bytes.buffer);
      view.setUint32(8, data.length, true);
      view.setUint32(12, flags, true);
      bytes.set(data, 16);
      view.setBigUint64(0, codec.hash(bytes.subarray(8), salt ^ BigInt(offset)), true);
      return bytes;
    };
    // The only piece contains bytes that look like the last piece, so no piece ends the file.
    const piecesAt = FIXED_HEADER_BYTES + 8 * SNAPSHOT.config.length + 8;
    const last = piece(piecesAt + 16, 1, Uint8Array.of(24, 0, 0, 0, 0, 0, 0, 0));
    const forged = new Uint8Array(piecesAt + 16 + last.length);
    forged.set(real.subarray(0, piecesAt));
    forged.set(piece(piecesAt, 0, last), piecesAt);
    const empty: Growth = (into, position) => {
      for (let i = 0; i < into.length; i++) {
        const at = (position + i - forged.length) % 16;
        into[i] = piece(position + i - at, 0, new Uint8Array(0))[at]!;
      }
    };
    const fileSystem = growing(new MemoryDisk(new Map([...contents, [name, forged]])), name, empty);
    assert.throws(() => WalLog.openSync(PATH, { fileSystem }), { code: "CORRUPT" });
  });
});
