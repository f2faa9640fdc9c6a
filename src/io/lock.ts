/**
 * The writer's lock: an exclusive transaction on an empty SQLite database, through the SQLite that Deno, Bun
 * and Node all bring along.
 *
 * Why SQLite: none of the three offers file locks that the other two respect (`flock` is Deno's alone), and a lock
 * file with a process id survives a kill. SQLite takes the kernel's own record locks, which end with the
 * process however it ends. It takes the same ones in all three runtimes, and it keeps two opens within one
 * process apart as well, which bare record locks would not.
 *
 * SQLite trusts the files that it opens: a database with a crafted journal can make it delete any file that the process
 * may delete. So it only ever sees an empty regular file with no journal beside it. The database stays empty: the
 * transaction is never committed.
 *
 * Nothing here opens the lock file through `node:fs` while it may be locked: closing any descriptor of a file drops all
 * record locks that the process has on it.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import fs from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { WalLogError } from "../api/errors.ts";
import type { FileLock, LockHolder } from "./file_system.ts";
import { errorCode } from "./full.ts";
import { adoptOwner, FILE_PERMISSIONS, isSameFile, look, requireRegular } from "./node_file.ts";

/** SQLite opens paths of up to 512 bytes, a terminator and `-journal` included. */
const SQLITE_PATH_BYTES_MAX = 503;

/**
 * Takes the lock. The journal is in memory, so that this writes nothing and works on a full disk. The transaction creates a
 * table because SQLite silently opens a file that it may not write as read-only. The write then fails. Small pages and no
 * cache halve the memory of a held lock, to 83 KiB.
 */
const LOCKING =
  "PRAGMA page_size = 512; PRAGMA cache_size = 1; PRAGMA busy_timeout = 0; PRAGMA journal_mode = MEMORY; " +
  "BEGIN EXCLUSIVE; CREATE TABLE held (x)";

/** Files that SQLite would read beside the database. */
const COMPANIONS = ["-journal", "-wal", "-shm"];

/** The part of `node:sqlite` that is used. */
interface Database {
  exec(sql: string): void;
  close(): void;
}

/**
 * Locks that this thread holds, by device and inode. Shared by all copies of this module: a process may load it bundled
 * and unbundled. It also keeps the databases alive: Bun collects an unreferenced database, which releases the lock.
 */
const held: Map<string, Database> = (globalThis as Record<symbol, Map<string, Database> | undefined>)[
  Symbol.for("@wallog/wallog.locks")
] ??= new Map();

function keyOf({ dev, ino }: fs.BigIntStats): string {
  return `${dev}:${ino}`;
}

/**
 * Takes the lock.
 *
 * @param path The lock file; if it is missing, an empty one is made.
 * @param permissions Permission bits of a file that is made.
 * @returns The lock, or who holds it.
 * @throws {WalLogError} `UNSAFE_FILE` if the file is anything but an empty regular file, or files of SQLite's lie
 * beside it; `IO` if it cannot be locked.
 */
export function lockFile(path: string, permissions: number = FILE_PERMISSIONS): FileLock | LockHolder {
  const created = create(path, permissions);
  let database: Database | undefined;
  let folder: number | undefined;
  try {
    const before = requireHarmless(path);
    // Another process takes the lock file away.
    if (before === undefined) return "another process";
    if (held.has(keyOf(before))) return "this process";
    // Held open, so that no other folder can get its inode.
    folder = openFolder(dirname(path));
    database = lockWithSqlite(path);
    if (database === undefined) return "another process";
    // Another process takes the lock file away.
    if (!isSameFile(before, look(path))) return "another process";
    const lock = new HeldLock(path, before, database, [folder, created]);
    [database, folder] = [undefined, undefined];
    return lock;
  } finally {
    database?.close();
    if (folder !== undefined) fs.closeSync(folder);
    // `created` stays open if the lock was not taken: another thread of this process may have it, and would lose it.
  }
}

/** A lock that is held. */
class HeldLock implements FileLock {
  private readonly path: string;
  private readonly folder: string;
  private readonly file: fs.BigIntStats;
  private readonly home: fs.BigIntStats;
  private readonly descriptors: readonly (number | undefined)[];

  constructor(path: string, file: fs.BigIntStats, database: Database, descriptors: readonly (number | undefined)[]) {
    this.path = path;
    this.folder = dirname(path);
    this.file = file;
    this.home = fs.statSync(this.folder, { bigint: true });
    this.descriptors = descriptors;
    held.set(keyOf(file), database);
  }

  check(): void {
    const { path, folder } = this;
    const home = fs.statSync(folder, { bigint: true, throwIfNoEntry: false });
    if (!isSameFile(this.home, home)) {
      const found = home === undefined ? "moved or deleted" : "replaced by another folder";
      throw lost(folder, `the folder was ${found}`);
    }
    const file = look(path);
    if (isSameFile(this.file, file)) return;
    const found = file === undefined ? "deleted" : "replaced";
    throw lost(folder, `its LOCK was ${found}, so another writer may have the log open`);
  }

  release(): void {
    const key = keyOf(this.file);
    const database = held.get(key);
    if (!held.delete(key)) return;
    // Before the database: once that is closed, another thread may take the lock, which closing this one would drop.
    for (const descriptor of this.descriptors) if (descriptor !== undefined) fs.closeSync(descriptor);
    database!.close();
  }
}

function lost(folder: string, what: string): WalLogError {
  return new WalLogError("LOCK_LOST", `The log at ${folder} is no longer this writer's: ${what}`, { path: folder });
}

/** Makes the lock file if it is missing. */
function create(path: string, permissions: number): number | undefined {
  if (look(path) !== undefined) return undefined;
  const { O_RDWR, O_CREAT, O_EXCL } = fs.constants;
  try {
    const descriptor = fs.openSync(path, O_RDWR | O_CREAT | O_EXCL, permissions);
    adoptOwner(descriptor, fs.fstatSync(descriptor, { bigint: true }), dirname(path));
    return descriptor;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return undefined;
    throw error;
  }
}

/** Refuses a lock file that SQLite must not open. Returns `undefined` if it is gone. */
function requireHarmless(path: string): fs.BigIntStats | undefined {
  const stats = look(path);
  if (stats === undefined) return undefined;
  requireRegular(path, stats);
  if (stats.size > 0n) {
    throw unsafe(path, `expected an empty file, found ${stats.size} bytes; delete it while no writer has the log open`);
  }
  for (const companion of COMPANIONS) {
    if (look(path + companion) === undefined) continue;
    throw unsafe(path, `found LOCK${companion} beside it, which no log has; move it out of the folder`);
  }
  return stats;
}

function unsafe(path: string, found: string): WalLogError {
  return new WalLogError("UNSAFE_FILE", `Cannot lock ${path}: ${found}`, { path });
}

function lockError(path: string, found: string, cause?: unknown): WalLogError {
  return new WalLogError("IO", `Cannot lock ${path}: ${found}`, { path, cause });
}

function openFolder(path: string): number | undefined {
  try {
    return fs.openSync(path, "r");
  } catch (error) {
    // Windows keeps a folder in its place while a file in it is open.
    if (process.platform === "win32") return undefined;
    throw error;
  }
}

/** Locks with SQLite. Returns `undefined` if the lock is held elsewhere. */
function lockWithSqlite(path: string): Database | undefined {
  // Loaded when needed: a reader takes no lock, and SQLite costs some milliseconds to load.
  const sqlite = process.getBuiltinModule?.("node:sqlite") as unknown as {
    DatabaseSync: new (path: string) => Database;
  } | undefined;
  if (sqlite === undefined) {
    throw lockError(path, "this runtime has no node:sqlite; use Node 22.13, Deno 2.4 or Bun 1.4, or newer");
  }
  const reachable = reachableName(path);
  let database: Database | undefined;
  try {
    database = new sqlite.DatabaseSync(reachable);
    database.exec(LOCKING);
    return database;
  } catch (error) {
    database?.close();
    const found = error instanceof Error ? error.message : String(error);
    if (/database is (locked|busy)/.test(found)) return undefined;
    if (/readonly database/.test(found)) {
      throw lockError(
        path,
        "it can be read but not written; check its owner, its permissions, and how the file system is mounted",
        error,
      );
    }
    throw lockError(path, `${found}; make it readable and writable for this user`, error);
  } finally {
    if (reachable !== path) fs.unlinkSync(reachable);
  }
}

/**
 * A name by which SQLite can open the lock file. A path that is too long for it gets a hard link in the nearest folder
 * above whose path is short enough; record locks belong to the file and not to its name.
 */
function reachableName(path: string): string {
  const length = Buffer.byteLength(path);
  if (length <= SQLITE_PATH_BYTES_MAX) return path;
  const name = `.wallog-lock-${process.getBuiltinModule("node:crypto").randomBytes(8).toString("hex")}`;
  for (let folder = dirname(path); folder !== dirname(folder); folder = dirname(folder)) {
    const link = join(folder, name);
    if (Buffer.byteLength(link) > SQLITE_PATH_BYTES_MAX) continue;
    try {
      fs.linkSync(path, link);
      return link;
    } catch {
      // Another file system, or no permission. Try the next folder above.
    }
  }
  throw new WalLogError(
    "INVALID_ARGUMENT",
    `Cannot lock ${path}: the path has ${length} bytes, SQLite accepts at most ${SQLITE_PATH_BYTES_MAX}, and no link ` +
      "to the file could be made in a folder above; use a shorter path",
    { path },
  );
}
