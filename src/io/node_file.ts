/**
 * Files through `node:fs`: regular files only, without following links.
 *
 * A folder can hold files of other users. A FIFO would block the thread, a device may never end, and a link may lead to
 * a file outside the log. So a path is checked before it is opened. It is opened without following a link and without
 * blocking, and checked again through the descriptor.
 *
 * @module
 */

import fs from "node:fs";
import { dirname } from "node:path";
import { WalLogError } from "../api/errors.ts";
import type { File, FolderStatus, OpenMode } from "./file_system.ts";
import { FolderNames } from "./folder_names.ts";

/** Default permission bits of a file: only the owner may read and write it. */
export const FILE_PERMISSIONS = 0o600;

// Windows has no such flags.
const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_NONBLOCK = 0 } = fs.constants;
const SAFELY = O_NOFOLLOW | O_NONBLOCK;
const FLAGS: Record<OpenMode, number> = {
  read: O_RDONLY | SAFELY,
  write: O_RDWR | SAFELY,
  create: O_RDWR | O_CREAT | O_EXCL | SAFELY,
};

/** Device and inode, which identify a file. */
interface Identity {
  readonly dev: bigint;
  readonly ino: bigint;
}

/**
 * Whether two results of {@link look} show the same file.
 *
 * @param one The first.
 * @param other The second; `undefined` if nothing was there.
 */
export function isSameFile(one: Identity, other: Identity | undefined): boolean {
  return other !== undefined && one.ino === other.ino && one.dev === other.dev;
}

/**
 * Gets the status of a file, without following a link.
 *
 * @param path The file.
 * @returns Its status; `undefined` if there is no file.
 */
export function look(path: string): fs.BigIntStats | undefined {
  return fs.lstatSync(path, { bigint: true, throwIfNoEntry: false });
}

/** The kind of a file, for an error message. */
function kindOf(stats: fs.BigIntStats): string {
  if (stats.isSymbolicLink()) return "a symbolic link";
  if (stats.isDirectory()) return "a directory";
  if (stats.isFIFO()) return "a FIFO";
  if (stats.isSocket()) return "a socket";
  return "a device";
}

/**
 * Fails if a file is not regular.
 *
 * @param path Its path.
 * @param stats Its status.
 * @throws {WalLogError} `UNSAFE_FILE`.
 */
export function requireRegular(path: string, stats: fs.BigIntStats): void {
  if (stats.isFile()) return;
  const advice = stats.isSymbolicLink()
    ? "if you have moved the file, move it back in place of the link; otherwise, move the link out of the folder"
    : "move it out of the folder";
  throw new WalLogError(
    "UNSAFE_FILE",
    `Cannot open ${path}: expected a regular file, found ${kindOf(stats)}; nothing was changed; ${advice}`,
    { path },
  );
}

/** An open regular file, and its identity. */
interface OpenedFile {
  readonly descriptor: number;
  readonly identity: Identity;
}

function openRegular(path: string, mode: OpenMode, permissions: number): OpenedFile {
  const before = mode === "create" ? undefined : look(path);
  if (before !== undefined) requireRegular(path, before);
  const descriptor = fs.openSync(path, FLAGS[mode], permissions);
  try {
    const stats = fs.fstatSync(descriptor, { bigint: true });
    requireRegular(path, stats);
    // Deno follows links despite the flags, unless it has permission for all paths.
    if (before !== undefined && !isSameFile(before, stats)) throw replaced(path);
    if (mode === "create") adoptOwner(descriptor, stats, dirname(path));
    return { descriptor, identity: stats };
  } catch (error) {
    fs.closeSync(descriptor);
    throw error;
  }
}

/**
 * Gives a new file to the owner of its folder. So a service can use the files that root creates in its folder, for
 * example with the command line.
 *
 * @param descriptor The file.
 * @param stats Its status.
 * @param folder Its folder.
 */
export function adoptOwner(descriptor: number, stats: fs.BigIntStats, folder: string): void {
  const owner = fs.statSync(folder, { bigint: true });
  if (owner.uid === stats.uid) return;
  try {
    fs.fchownSync(descriptor, Number(owner.uid), Number(owner.gid));
  } catch {
    // Only root can give files away. Other users keep the file, as with any program.
  }
}

/** A regular file. */
export class NodeFile implements File {
  private readonly path: string;
  private readonly descriptor: number;
  private readonly identity: Identity;
  private readonly names: FolderNames = new FolderNames();
  /**
   * Linux reports a failed write-back once to each open file. If two flushes overlap, one on a thread and one here,
   * both must fail. So each uses its own open file, opened before anything is written.
   */
  private readonly flushDescriptor: number | undefined;

  constructor(path: string, mode: OpenMode, permissions: number) {
    this.path = path;
    const { descriptor, identity } = openRegular(path, mode, permissions);
    this.descriptor = descriptor;
    this.identity = identity;
    if (mode === "read") return;
    try {
      const again = openRegular(path, "write", permissions);
      this.flushDescriptor = again.descriptor;
      if (!isSameFile(identity, again.identity)) throw replaced(path);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  size(): number {
    return fs.fstatSync(this.descriptor).size;
  }

  modified(): number {
    return fs.fstatSync(this.descriptor).mtimeMs;
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

  requireNamed(status?: FolderStatus): void {
    // Since Linux 6.13, the next write after a look at the file changes its time in the journal, and the flush after
    // that takes almost twice as long. So the file is looked at only if the folder has changed.
    const folder = status ?? fs.statSync(dirname(this.path), { bigint: true, throwIfNoEntry: false });
    if (folder !== undefined && this.names.areUnchanged(folder)) return;
    if (folder === undefined || !isSameFile(this.identity, look(this.path))) throw replaced(this.path);
    this.names.checked(folder);
  }

  close(): void {
    try {
      if (this.flushDescriptor !== undefined) fs.closeSync(this.flushDescriptor);
    } finally {
      fs.closeSync(this.descriptor);
    }
  }
}

function replaced(path: string): WalLogError {
  return new WalLogError("LOCK_LOST", `${path} was moved, deleted or replaced while it was being written`, { path });
}

/**
 * Gives a file the owner and the permissions of another, as far as the process may.
 *
 * @param path The file.
 * @param like The other file.
 */
export function copyOwner(path: string, like: string): void {
  const wanted = look(like);
  if (wanted === undefined) return;
  const { descriptor } = openRegular(path, "write", FILE_PERMISSIONS);
  try {
    const found = fs.fstatSync(descriptor, { bigint: true });
    const isOwned = found.uid === wanted.uid && found.gid === wanted.gid;
    if (!isOwned) fs.fchownSync(descriptor, Number(wanted.uid), Number(wanted.gid));
    if ((found.mode & 0o777n) !== (wanted.mode & 0o777n)) fs.fchmodSync(descriptor, Number(wanted.mode & 0o777n));
  } catch (error) {
    // Only root can give files away, and only the owner can change permissions.
    if ((error as NodeJS.ErrnoException).code !== "EPERM") throw error;
  } finally {
    fs.closeSync(descriptor);
  }
}
