/** A small log on a disk in memory, to damage and to check. */

import assert from "node:assert/strict";
import type { Index } from "../src/api/types.ts";
import { type Damage, WalLog, WalLogError } from "../mod.ts";
import { entriesAt, entryAt, flipped, framesOf, History } from "./history.ts";
import { type Contents, MemoryDisk } from "./memory_disk.ts";
import type { LogState } from "./model.ts";
import { WatchedFileSystem } from "./watched_file_system.ts";

const PATH = MemoryDisk.PATH;
/** The file of the first segment. */
export const FIRST_SEGMENT = "000000000001.seg";

/** A log to damage. */
export interface Subject {
  readonly contents: Contents;
  readonly history: History;
  readonly segmentBytes: number;
}

/** Writes a log. */
export function subject(
  segmentBytes: number,
  write: (history: History, log: WalLog, fileSystem: WatchedFileSystem) => void,
): Subject {
  const disk = new MemoryDisk();
  const fileSystem = new WatchedFileSystem(disk);
  const log = WalLog.openSync(PATH, { fileSystem, segmentBytes });
  const history = new History(log);
  write(history, log, fileSystem);
  const contents = new Map<string, Uint8Array>();
  // Most of the preallocated zeros are cut off, because they are all alike.
  for (const [name, bytes] of disk.contents()) {
    const end = bytes.findLastIndex((byte) => byte !== 0) + 1;
    contents.set(name, bytes.slice(0, Math.min(bytes.length, Math.ceil(end / 512) * 512 + 512)));
  }
  return { contents, history, segmentBytes };
}

/** A history of several small segments. */
export function severalSegments(history: History): void {
  history.do((log) => log.setHardState({ term: 1, votedFor: 1n }));
  history.append(...entriesAt(1, 12, 1, 500));
  history.do((log) => log.truncate(6)); // reaches back into the first segment
  history.append(...entriesAt(6, 12, 2, 700));
  history.do((log) => log.setHardState({ term: 3, votedFor: 2n }));
  history.append(...entriesAt(13, 20, 3, 300));
}

/** Whether a damage report names an index. An unknown end includes all later indexes. */
export function names(damage: readonly Damage[], index: Index): boolean {
  return damage.some(({ firstIndex, lastIndex }) =>
    firstIndex !== undefined && index >= firstIndex && index <= (lastIndex ?? Infinity)
  );
}

/** The code of the error that a call throws; `undefined` if it throws none. */
export function codeOf(call: () => unknown): string | undefined {
  try {
    call();
  } catch (error) {
    if (error instanceof WalLogError) return error.code;
    throw error;
  }
}

/** Fails if the log has an older hard state and accepts writes. */
export function assertHardState(log: WalLog, right: LogState): void {
  const { term, votedFor } = log.hardState;
  if (term === right.hardState.term && votedFor === right.hardState.votedFor) return;
  const next = log.lastIndex + 1;
  const say = `the hard state fell back to term ${term}, vote ${votedFor}`;
  assert.equal(codeOf(() => log.append([entryAt(next, right.lastTerm + 9)])), "CORRUPT", `${say}: append`);
  assert.equal(codeOf(() => log.truncate(next - 1)), "CORRUPT", `${say}: truncate`);
  assert.equal(codeOf(() => log.setHardState({ term: 99, votedFor: null })), "CORRUPT", `${say}: setHardState`);
}

/** A log of ten entries with one damaged frame header. */
export function withFrameLost(
  which: (frame: ReturnType<typeof framesOf>[number]) => boolean,
  ending: "closed" | "rested" | "killed" = "closed",
): MemoryDisk {
  const { contents } = subject(2 ** 20, (history, log, fileSystem) => {
    history.do((log) => log.setHardState({ term: 1, votedFor: 1n }));
    history.append(...entriesAt(1, 10));
    history.sync();
    history.do((log) => log.setHardState({ term: 2, votedFor: 2n }));
    history.append(...entriesAt(11, 20, 2));
    history.sync();
    if (ending === "closed") log.closeSync();
    else if (ending === "rested") fileSystem.rest();
    else history.append(entryAt(21, 2));
  });
  const segment = contents.get(FIRST_SEGMENT)!;
  const frame = framesOf(segment).find(which)!;
  return new MemoryDisk(new Map(contents).set(FIRST_SEGMENT, flipped(segment, frame.offset + 17, 3)));
}
