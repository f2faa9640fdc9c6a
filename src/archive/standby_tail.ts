/**
 * The frames that an archive has after the end of a standby's newest segment. They are read into a file of their own
 * and verified, before they are appended to the segment.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { leaseCodec, returnCodec } from "../codec/pool.ts";
import type { SegmentHeader } from "../format/segment_header.ts";
import type { File } from "../io/file_system.ts";
import { readFull, writeFull } from "../io/full.ts";
import type { CutFinder } from "./cut.ts";
import { walkFrames } from "./frames.ts";
import type { HistorySegment } from "./history.ts";
import type { Work } from "./restore.ts";
import { inSlices } from "./slices.ts";

/** The name of the file. */
export const TAIL_NAME = "TAIL";
/** The most bytes to read or write at once. */
const PART_BYTES = 4 * 1024 * 1024;
/** The number of frames to walk before other tasks may run. */
const SLICE_FRAMES = 256;
/** The number of attempts to read frames whose bytes are wrong: a reply may have been damaged. */
const ATTEMPTS_MAX = 3;

/**
 * Reads and verifies the frames of a segment after an offset.
 *
 * @param work The archive and the folder.
 * @param segment The segment in the archive.
 * @param header Its header.
 * @param from The offset in its file.
 * @param finder Takes the frames.
 * @returns The offset at which they end.
 * @throws {WalLogError} `NOT_FOUND` if an object was deleted, `CORRUPT` if a frame is damaged, `STORE`.
 */
export async function fetchTail(
  work: Work,
  segment: HistorySegment,
  header: SegmentHeader,
  from: number,
  finder: CutFinder,
): Promise<number> {
  const { partial, folder } = work;
  if (segment.end <= from) return segment.end;
  const path = `${folder}/${TAIL_NAME}`;
  if (partial.list(folder).includes(TAIL_NAME)) partial.remove(path);
  const file = partial.open(path, "create");
  try {
    for (let attempt = 1;; attempt++) {
      await fetchParts(work, segment, from, file);
      const invalid = await inSlices(walk(header, file, from, segment.end));
      if (invalid === segment.end) break;
      if (attempt < ATTEMPTS_MAX) continue;
      const { key } = segment.chain.find(({ to }) => to > invalid)!;
      const message = `Cannot read ${key} in ${work.store.name}: the frame at offset ${invalid} is damaged`;
      throw new WalLogError("CORRUPT", message, { path: key });
    }
    await inSlices(walk(header, file, from, segment.end, finder));
    return segment.end;
  } finally {
    file.close();
  }
}

async function fetchParts({ store, options }: Work, { chain, end }: HistorySegment, start: number, file: File) {
  const { signal } = options;
  for (const { key, from, to } of chain) {
    const limit = Math.min(to, end);
    for (let at = Math.max(from, start); at < limit;) {
      const length = Math.min(PART_BYTES, limit - at);
      const found = await store.get(key, { offset: at - from, length }, { signal });
      if (found.kind === "absent") {
        const message = `Cannot read ${key} in ${store.name}: there is no such object`;
        throw new WalLogError("NOT_FOUND", message, { path: key });
      }
      writeFull(file, found.bytes.subarray(0, length), at - start);
      at += length;
    }
  }
}

/** Walks frames; returns the offset that the walk has reached. */
function* walk(
  header: SegmentHeader,
  file: File,
  from: number,
  to: number,
  finder?: CutFinder,
): Generator<void, number> {
  const codec = leaseCodec();
  try {
    const frames = walkFrames(codec, header, shifted(file, from), from, to);
    for (let count = 1;; count++) {
      const step = frames.next();
      if (step.done) return step.value;
      finder?.add(step.value);
      if (count % SLICE_FRAMES === 0) yield;
    }
  } finally {
    returnCodec(codec);
  }
}

/** A file whose first byte has an offset. */
function shifted(file: File, offset: number): Pick<File, "read"> {
  return { read: (into, position) => file.read(into, position - offset) };
}

/**
 * Appends the verified frames to the file of their segment.
 *
 * @param work The folder.
 * @param path The segment's file.
 * @param from The offset after which they follow.
 * @param to The offset up to which they are wanted.
 */
export function appendTail({ fileSystem, partial, folder }: Work, path: string, from: number, to: number): void {
  if (to <= from) return;
  const tail = partial.open(`${folder}/${TAIL_NAME}`, "read");
  try {
    const file = fileSystem.open(path, "write");
    try {
      for (let at = from; at < to; at += PART_BYTES) {
        const part = new Uint8Array(Math.min(PART_BYTES, to - at));
        readFull(tail, part, at - from);
        writeFull(file, part, at);
      }
      file.sync();
    } finally {
      file.close();
    }
  } finally {
    tail.close();
  }
}
