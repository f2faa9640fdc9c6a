/**
 * The positions of the entries in the files. Commands are unique, so their bytes can be found by a search.
 *
 * @module
 */

import type { ExpectedEntry } from "./expected.ts";
import { type Files, isChanged, usedBytes } from "./contents.ts";
import { type Frame, framesOf, isSegment } from "./layout.ts";

/** The shortest command of the judge, in bytes: noise of this length does not occur twice. */
export const COMMAND_BYTES_MIN = 16;

/** The position of an entry. */
export interface EntryPlace {
  readonly entry: ExpectedEntry;
  readonly path: string;
  /** Offset of its command in the file. */
  readonly at: number;
  readonly frame: Frame;
}

/** The first four bytes at an offset. */
function headAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24) >>> 0;
}

function isAt(bytes: Uint8Array, at: number, command: Uint8Array): boolean {
  if (at + command.length > bytes.length) return false;
  for (let i = 0; i < command.length; i++) if (bytes[at + i] !== command[i]) return false;
  return true;
}

/**
 * Finds entries. After a crash, a writer copies entries into a new segment. The copy in the newest segment counts,
 * because reads use it.
 *
 * @param entries The entries.
 * @param files The files, undamaged.
 * @returns The places, by the entry's word, without entries that were not found.
 */
export function findEntries(entries: readonly ExpectedEntry[], files: Files): Map<string, EntryPlace> {
  const byHead = new Map<number, ExpectedEntry[]>();
  const mayBegin = new Uint8Array(65536);
  for (const entry of entries) {
    if (entry.command.length < COMMAND_BYTES_MIN) continue;
    const head = headAt(entry.command, 0);
    mayBegin[head & 0xffff] = 1;
    byHead.set(head, [...byHead.get(head) ?? [], entry]);
  }
  const found = new Map<string, EntryPlace>();
  for (const path of [...files.keys()].filter(isSegment).sort()) {
    const bytes = files.get(path)!;
    const end = usedBytes(bytes);
    let frames: Frame[] | undefined;
    for (let at = 0; at < end; at++) {
      if (mayBegin[bytes[at]! | bytes[at + 1]! << 8] === 0) continue;
      for (const entry of byHead.get(headAt(bytes, at)) ?? []) {
        if (!isAt(bytes, at, entry.command)) continue;
        const frame = (frames ??= framesOf(bytes)).find(({ header, to }) => header.to <= at && at < to);
        if (frame?.holds === "entries") found.set(entry.word, { entry, path, at, frame });
      }
    }
  }
  return found;
}

/** The bytes that damage changed: those of the entry, only others of its frame, or neither. */
export type Touch = "entry" | "frame" | "none";

/**
 * Compares the bytes of an entry before and after damage. They are its command, or the whole frame if it has no other
 * entry.
 *
 * @param place The position of the entry.
 * @param before The files before the damage.
 * @param after The files after it.
 */
export function touchOf({ entry, path, at, frame }: EntryPlace, before: Files, after: Files): Touch {
  if (isChanged(before, after, path, at, at + entry.command.length)) return "entry";
  if (!isChanged(before, after, path, frame.from, frame.to)) return "none";
  return frame.entries === 1 ? "entry" : "frame";
}
