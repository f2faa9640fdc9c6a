/**
 * The file system of a real machine, through `node:fs`, which behaves alike in Deno, Bun and Node.
 *
 * @module
 */

import fs from "node:fs";
import { dirname, resolve } from "node:path";
import process from "node:process";
import { clearInterval, clearTimeout, setInterval, setTimeout } from "node:timers";
import { WalLogError } from "../api/errors.ts";
import type { FileSystem, Threads } from "./file_system.ts";
import { lockFile } from "./lock.ts";
import { copyOwner, FILE_PERMISSIONS, look, NodeFile } from "./node_file.ts";

/** A log smaller than this is open before a thread has started and done any work. In bytes. */
const THREAD_WORTH_BYTES = 512 * 1024 * 1024;

/** Default permission bits of a folder: only the owner may use it. */
const FOLDER_PERMISSIONS = 0o700;

/** The part of Deno that queries permissions. */
interface DenoPermissions {
  querySync(
    what:
      | { readonly name: "read" | "write"; readonly path: string }
      | { readonly name: "sys"; readonly kind: "statfs" },
  ): { readonly state: string };
}

/** Deno's permissions; `undefined` in other runtimes. */
function denoPermissions(): DenoPermissions | undefined {
  return (globalThis as { Deno?: { permissions?: DenoPermissions } }).Deno?.permissions;
}

/**
 * Resolves the links in a folder's path. Deno grants permissions by path: with a permission for a link and none for its
 * target, only the link's path can be used.
 */
function resolveLinks(path: string): string {
  const resolved = fs.realpathSync(path);
  if (resolved === path) return path;
  const permissions = denoPermissions();
  const mayUse = (name: "read" | "write", of: string) => permissions?.querySync({ name, path: of }).state === "granted";
  const isAllowed = permissions === undefined ||
    (["read", "write"] as const).every((name) => mayUse(name, resolved) || !mayUse(name, path));
  return isAllowed ? resolved : path;
}

/** Flushes a directory's names to stable storage. */
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

/** Removes a file, or a link itself. Systems report different errors for a directory, so this checks for one first. */
function remove(path: string): void {
  if (look(path)?.isDirectory()) {
    const message = `Cannot remove ${path}: it is a directory with the name of one of the log's files; move it away`;
    throw new WalLogError("UNSAFE_FILE", message, { path });
  }
  fs.unlinkSync(path);
}

/** No open file has this number. */
const NO_DESCRIPTOR = 2 ** 31 - 1;

/**
 * Fails if flushes are forbidden: Node's permission model forbids `fsync`, even for files that it allows to be written.
 */
function requireFlushes(): void {
  if (process.permission === undefined) return;
  try {
    fs.fsyncSync(NO_DESCRIPTOR);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ERR_ACCESS_DENIED") return;
    const message = "Node's permission model (--permission) forbids fsync, so nothing can be made durable; " +
      "open with readOnly, or run Node without --permission";
    throw Object.assign(new Error(message, { cause }), { code: "ERR_ACCESS_DENIED" });
  }
}

/** Gives a new folder to the owner of its parent, as `adoptOwner` does with files. */
function adoptFolder(path: string, above: string): void {
  try {
    const { uid, gid } = fs.statSync(above);
    if (fs.lstatSync(path).uid !== uid) fs.lchownSync(path, uid, gid);
  } catch {
    // Only root can give folders away, and Deno may have no permission for the parent.
  }
}

/** Creates a directory and its missing parents, and flushes each name in its parent. */
function makeDirectory(path: string, permissions: number = FOLDER_PERMISSIONS): void {
  requireFlushes();
  const target = resolve(path);
  const first = fs.mkdirSync(target, { recursive: true, mode: permissions });
  if (first === undefined) return;
  for (let made = target;; made = dirname(made)) {
    adoptFolder(made, dirname(resolve(first)));
    try {
      syncDirectory(dirname(made));
    } catch (error) {
      // With permissions only for the log's folder, Deno cannot flush its parent. The durability of the name is then up
      // to the file system. A caller that needs more can create the folder first.
      if ((error as Error).name !== "NotCapable") throw error;
    }
    if (made === resolve(first) || made === dirname(made)) break;
  }
}

/**
 * Bytes that the process may still write on a folder's volume. Deno requires a permission for this, which a log does not
 * need. Without it the call would fail, or prompt on a terminal.
 */
function freeBytes(path: string): number | undefined {
  const permissions = denoPermissions();
  if (permissions !== undefined && permissions.querySync({ name: "sys", kind: "statfs" }).state !== "granted") {
    return undefined;
  }
  try {
    const { bavail, bsize } = fs.statfsSync(path);
    return bavail * bsize;
  } catch {
    return undefined;
  }
}

/** Once Linux has reported a change to a folder, polling is this many times slower. */
const TOLD_FACTOR = 10;

/**
 * Watches a folder, and also polls it: a system can run out of watches, and some file systems report no changes. If
 * Linux reports one write to a folder, it reports all. Other systems report writes late, or only when the file is
 * closed.
 */
function watch(path: string, milliseconds: number, callback: () => void): () => void {
  let timer = setInterval(callback, milliseconds);
  const poll = (every: number) => {
    clearInterval(timer);
    timer = setInterval(callback, every);
  };
  let isTold = process.platform !== "linux";
  let watcher: fs.FSWatcher | undefined;
  try {
    watcher = fs.watch(path, () => {
      if (!isTold) poll(milliseconds * TOLD_FACTOR);
      isTold = true;
      callback();
    });
    watcher.on("error", () => {
      watcher?.close();
      poll(milliseconds);
    });
  } catch {
    // Polling alone is slower, but also correct.
  }
  return () => {
    clearInterval(timer);
    watcher?.close();
  };
}

/** The code that a thread runs after the task's text. */
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
    // Load it only when needed, because most logs are never that large.
    const { Worker } = process.getBuiltinModule("node:worker_threads");
    const worker = new Worker(`const task = ${task};${THREAD_START}`, { eval: true, workerData: input });
    worker.unref();
    worker.on("message", receive);
    worker.on("error", () => receive(undefined));
    worker.on("exit", () => receive(undefined));
    return () => void worker.terminate();
  },
};

/** Size of a log's reserve, in bytes: enough for a thousand hard states, or for a new segment and a small snapshot. */
const RESERVE_BYTES = 64 * 1024;

/** The machine that the process runs on. */
export const nodeFileSystem: FileSystem = {
  resolve: resolveLinks,
  open: (path, mode, permissions = FILE_PERMISSIONS) => new NodeFile(path, mode, permissions),
  list: (path) => fs.readdirSync(path),
  makeDirectory,
  rename: (from, to) => fs.renameSync(from, to),
  remove,
  syncDirectory,
  copyOwner,
  lock: lockFile,
  watch,
  freeBytes,
  reserveBytes: RESERVE_BYTES,
  threads,
  // Not the global `crypto`, because Node needs some milliseconds to load it.
  now: () => Date.now(),
  random: (into) => void process.getBuiltinModule("node:crypto").randomFillSync(into),
  after(milliseconds, callback) {
    const timer = setTimeout(callback, milliseconds);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
