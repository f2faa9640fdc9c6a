/**
 * The seam on a real machine: `node:fs`, which behaves alike in Deno, Bun and Node.
 *
 * @module
 */

import fs from "node:fs";
import { dirname, resolve } from "node:path";
import process from "node:process";
import { clearTimeout, setTimeout } from "node:timers";
import type { File, FileSystem, OpenMode, Threads } from "./file_system.ts";
import { lockFile } from "./lock.ts";

const FLAGS: Record<OpenMode, string> = { read: "r", write: "r+", create: "wx+" };

/** Below this a log is open before a thread has started and done something. In bytes. */
const THREAD_WORTH_BYTES = 512 * 1024 * 1024;

class NodeFile implements File {
  private readonly descriptor: number;
  /**
   * Linux reports a failed write-back once to each open file. Flushes that overlap, one on a thread and one here, must
   * each hear of it: so each has an open file of its own, opened before anything is written.
   */
  private readonly flushDescriptor: number | undefined;

  constructor(path: string, mode: OpenMode) {
    this.descriptor = fs.openSync(path, FLAGS[mode]);
    if (mode === "read") return;
    try {
      this.flushDescriptor = fs.openSync(path, FLAGS.write);
    } catch (error) {
      fs.closeSync(this.descriptor);
      throw error;
    }
  }

  size(): number {
    return fs.fstatSync(this.descriptor).size;
  }

  read(into: Uint8Array, position: number): number {
    return fs.readSync(this.descriptor, into, 0, into.byteLength, position);
  }

  write(from: Uint8Array, position: number): number {
    return fs.writeSync(this.descriptor, from, 0, from.byteLength, position);
  }

  truncate(size: number): void {
    fs.ftruncateSync(this.descriptor, size);
  }

  sync(): void {
    fs.fdatasyncSync(this.descriptor);
  }

  syncAsync(): Promise<void> {
    return new Promise((resolve, reject) =>
      fs.fdatasync(this.flushDescriptor ?? this.descriptor, (error) => error === null ? resolve() : reject(error))
    );
  }

  close(): void {
    try {
      if (this.flushDescriptor !== undefined) fs.closeSync(this.flushDescriptor);
    } finally {
      fs.closeSync(this.descriptor);
    }
  }
}

/** Puts a directory's names on stable storage. */
function syncDirectory(path: string): void {
  let descriptor: number;
  try {
    descriptor = fs.openSync(path, "r");
  } catch (error) {
    // Windows cannot open a directory as a file, and its file systems journal names themselves.
    if (process.platform === "win32") return;
    throw error;
  }
  try {
    fs.fsyncSync(descriptor);
  } catch (error) {
    if (process.platform !== "win32" || (error as NodeJS.ErrnoException).code !== "EPERM") throw error;
  } finally {
    fs.closeSync(descriptor);
  }
}

/** Makes a directory and what is missing above it, each name made durable in the directory above. */
function makeDirectory(path: string): void {
  const target = resolve(path);
  const first = fs.mkdirSync(target, { recursive: true });
  if (first === undefined) return;
  for (let made = target;; made = dirname(made)) {
    try {
      syncDirectory(dirname(made));
    } catch (error) {
      // Deno with permissions for the log's folder only may not look at the folder above. Its name there is then
      // as durable as the file system makes it; whoever wants more makes the folder first.
      if ((error as Error).name !== "NotCapable") throw error;
    }
    if (made === resolve(first) || made === dirname(made)) break;
  }
}

/** What a thread runs, after the task's text. */
const THREAD_START = `
const { parentPort, workerData } = process.getBuiltinModule("node:worker_threads");
const send = (message, memory) => parentPort.postMessage(message, memory);
try {
  task(workerData, process.getBuiltinModule("node:fs"), send);
} catch {
  send(undefined, []);
}`;

const threads: Threads = {
  worthBytes: THREAD_WORTH_BYTES,
  start(task, input, receive) {
    // Loaded when it is wanted: most logs never are so large.
    const { Worker } = process.getBuiltinModule("node:worker_threads");
    const worker = new Worker(`const task = ${task};${THREAD_START}`, { eval: true, workerData: input });
    worker.unref();
    worker.on("message", receive);
    worker.on("error", () => receive(undefined));
    worker.on("exit", () => receive(undefined));
    return () => void worker.terminate();
  },
};

/** The machine that the process runs on. */
export const nodeFileSystem: FileSystem = {
  open: (path, mode) => new NodeFile(path, mode),
  list: (path) => fs.readdirSync(path),
  makeDirectory,
  rename: (from, to) => fs.renameSync(from, to),
  remove: (path) => fs.unlinkSync(path),
  syncDirectory,
  lock: lockFile,
  threads,
  // Not the global `crypto`, which takes Node some milliseconds to load.
  random: (into) => void process.getBuiltinModule("node:crypto").randomFillSync(into),
  after(milliseconds, callback) {
    const timer = setTimeout(callback, milliseconds);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
