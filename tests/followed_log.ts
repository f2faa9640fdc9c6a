/** A writer and a reader of one log, and helpers for followers. */

import { setImmediate } from "node:timers/promises";
import { type LogEntry, WalLog, WalLogError, type WalLogOptions } from "../mod.ts";
import type { File, FileLock, OpenMode } from "../src/io/file_system.ts";
import { MemoryDisk } from "./memory_disk.ts";

const PATH = MemoryDisk.PATH;

/** A disk whose lock passes to whoever asks, as if the previous holder were dead. */
export class SharedDisk extends MemoryDisk {
  override lock(): FileLock {
    return { check: () => {}, release: () => {} };
  }
}

/** A disk whose reads take longer than a reader's slice of work. */
export class SlowDisk extends SharedDisk {
  override open(path: string, mode: OpenMode): File {
    const file = super.open(path, mode);
    const read = file.read.bind(file);
    file.read = (into, position) => {
      for (const end = performance.now() + 9; performance.now() < end;);
      return read(into, position);
    };
    return file;
  }
}

/** A log on a disk where time stands still, so that an idle writer proves nothing, and a reader of it. */
export class Pair {
  readonly disk = new SharedDisk();
  writer: WalLog = this.openWriter();
  readonly reader: WalLog = this.openReader();

  openWriter(options: WalLogOptions = {}): WalLog {
    return WalLog.openSync(PATH, { fileSystem: this.disk, segmentBytes: 4096, ...options });
  }

  openReader(options: WalLogOptions = {}): WalLog {
    return WalLog.openSync(PATH, { fileSystem: this.disk, readOnly: true, ...options });
  }

  /** Appends entries, flushes, and writes a frame that proves the flush. */
  prove(entries: readonly LogEntry[]): void {
    this.writer.append(entries);
    this.writer.syncSync();
    this.writer.setHardState({ term: 100, votedFor: null });
  }

  /** Another writer takes over from one that was killed. */
  succeed(): void {
    this.writer = this.openWriter();
  }
}

/** Waits, in milliseconds. */
export const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Whether a promise is still pending after the checks that it can have started. */
export async function isWaiting(promise: Promise<unknown>): Promise<boolean> {
  let isSettled = false;
  const settle = () => isSettled = true;
  promise.then(settle, settle);
  await pause(30);
  return !isSettled;
}

/** The next entries, as `index.term`. */
export async function take(followed: AsyncIterator<LogEntry, undefined>, count: number): Promise<string[]> {
  const taken: string[] = [];
  for (let i = 0; i < count; i++) {
    const { value } = await followed.next();
    taken.push(value === undefined ? "end" : `${value.index}.${value.term}`);
  }
  return taken;
}

/** Entries of one term, as `index.term`. */
export function named(from: number, to: number, term = 1): string[] {
  return Array.from({ length: to - from + 1 }, (_, i) => `${from + i}.${term}`);
}

/** A log on a new disk, for followers in its own process. */
export function open(options: { readonly segmentBytes?: number } = {}): WalLog {
  return WalLog.openSync(PATH, { fileSystem: new MemoryDisk(), ...options });
}

/** The state of a promise: its value, `waiting`, or the code of its error. */
export async function outcome<T>(promise: Promise<T>): Promise<T | "waiting" | string> {
  let found: T | string = "waiting";
  promise.then(
    (value) => found = value,
    (error) => found = error instanceof WalLogError ? error.code : String(error.message ?? error),
  );
  // Followers are woken in a later turn of the event loop.
  for (let turn = 0; turn < 3; turn++) await setImmediate();
  return found;
}

/** The code of the error that a call throws or rejects with; `undefined` if there is none. */
export async function codeOf(call: () => unknown): Promise<string | undefined> {
  try {
    await call();
  } catch (error) {
    return (error as WalLogError).code;
  }
  return undefined;
}
