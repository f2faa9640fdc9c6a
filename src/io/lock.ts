/**
 * The writer's lock: an exclusive transaction on an empty SQLite database. Deno, Bun and Node all include SQLite.
 *
 * Why SQLite: no runtime offers file locks that the other two respect (only Deno has `flock`), and a lock file with a
 * process id survives a kill. SQLite uses the kernel's record locks, which end with the process even if it is killed.
 * They are the same in all three runtimes. SQLite also excludes a second open within one process, which bare record
 * locks do not.
 *
 * SQLite trusts the files that it opens: a database with a crafted journal can make it delete any file that the process
 * may delete. So it only gets an empty regular file without a journal. The database stays empty, because the
 * transaction is never committed.
 *
 * This module never opens the lock file through `node:fs` while it may be locked: closing any descriptor of a file
 * releases all record locks that the process has on it.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import fs from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { WalLogError } from "../api/errors.ts";
import type { FileLock, FolderStatus, LockHolder } from "./file_system.ts";
import { errorCode } from "./full.ts";
import { FolderNames } from "./folder_names.ts";
import { adoptOwner, FILE_PERMISSIONS, isSameFile, look, requireRegular } from "./node_file.ts";

/** SQLite opens paths of up to 512 bytes, including a terminator and `-journal`. */
const SQLITE_PATH_BYTES_MAX = 503;

/**
 * Takes the lock. The journal is in memory, so that locking writes nothing and works on a full disk. The transaction
 * creates a table, because SQLite silently opens a file without write permission as read-only, and creating a table
 * then fails. Small pages and no cache halve the memory of a held lock to 83 KiB.
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
 * @param path The lock file. If it is missing, an empty one is created.
 * @param permissions Permission bits of a new file.
 * @returns The lock, or its holder.
 * @throws {WalLogError} `UNSAFE_FILE` if the file is not an empty regular file, or if SQLite's companion files exist;
 * `IO` if it cannot be locked.
 */
export function lockFile(path: string, permissions: number = FILE_PERMISSIONS): FileLock | LockHolder {
  const created = create(path, permissions);
  let database: Database | undefined;
  let folder: number | undefined;
  try {
    const before = requireHarmless(path);
    // Another process is removing the lock file.
    if (before === undefined) return "another process";
    if (held.has(keyOf(before))) return "this process";
    // Keep it open, so that no other folder can get its inode.
    folder = openFolder(dirname(path));
    database = lockWithSqlite(path);
    if (database === undefined) return "another process";
    // Another process is removing the lock file.
    if (!isSameFile(before, look(path))) return "another process";
    const lock = new HeldLock(path, before, database, [folder, created]);
    [database, folder] = [undefined, undefined];
    return lock;
  } finally {
    database?.close();
    if (folder !== undefined) fs.closeSync(folder);
    // If the lock was not taken, `created` stays open: another thread of this process may hold the lock and would lose
    // it.
  }
}

/** A held lock. */
class HeldLock implements FileLock {
  private readonly path: string;
  private readonly folder: string;
  private readonly file: fs.BigIntStats;
  private readonly home: fs.BigIntStats;
  private readonly names: FolderNames = new FolderNames();
  private readonly descriptors: readonly (number | undefined)[];

  constructor(path: string, file: fs.BigIntStats, database: Database, descriptors: readonly (number | undefined)[]) {
    this.path = path;
    this.folder = dirname(path);
    this.file = file;
    this.home = fs.statSync(this.folder, { bigint: true });
    this.descriptors = descriptors;
    held.set(keyOf(file), database);
  }

  check(): FolderStatus {
    const { path, folder } = this;
    const home = fs.statSync(folder, { bigint: true, throwIfNoEntry: false });
    if (home === undefined || !isSameFile(this.home, home)) {
      const found = home === undefined ? "moved or deleted" : "replaced by another folder";
      throw lost(folder, `the folder was ${found}`);
    }
    if (this.names.areUnchanged(home)) return home;
    const file = look(path);
    if (isSameFile(this.file, file)) {
      this.names.checked(home);
      return home;
    }
    const found = file === undefined ? "deleted" : "replaced";
    throw lost(folder, `its LOCK was ${found}, so another writer may have the log open`);
  }

  release(): void {
    const key = keyOf(this.file);
    const database = held.get(key);
    if (!held.delete(key)) return;
    // Close the descriptors before the database. After the database is closed, another thread may take the lock, and
    // closing a descriptor would release it.
    for (const descriptor of this.descriptors) if (descriptor !== undefined) fs.closeSync(descriptor);
    database!.close();
  }
}

function lost(folder: string, what: string): WalLogError {
  return new WalLogError("LOCK_LOST", `This writer has lost the log at ${folder}: ${what}`, { path: folder });
}

/** Creates the lock file if it is missing. */
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

/** Fails if SQLite must not open the lock file. Returns `undefined` if the file is gone. */
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
    // On Windows, a folder cannot be moved while a file in it is open.
    if (process.platform === "win32") return undefined;
    throw error;
  }
}

/** Locks with SQLite. Returns `undefined` if the lock is held elsewhere. */
function lockWithSqlite(path: string): Database | undefined {
  // Load it only when needed: a reader takes no lock, and loading SQLite takes some milliseconds.
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
 * A name by which SQLite can open the lock file. If the path is too long for SQLite, this is a hard link in the nearest
 * parent folder with a short enough path. Record locks belong to the file, not to its name.
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
      "to the file could be created in a parent folder; use a shorter path",
    { path },
  );
}
