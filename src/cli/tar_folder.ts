/**
 * A folder that exists only as a tar archive. A log is written into it as into any folder, and each file goes into the
 * archive as soon as it is complete. So neither the disk nor the memory ever holds the whole log.
 *
 * A tar header has the size of the file and precedes its contents. So a segment stays in memory until the next one has
 * begun. A snapshot goes into the archive while it is written, because its size is known beforehand.
 *
 * The folder comes first, then `IDENTITY`, the snapshot, and the segments in order. Each segment but the last has a
 * pointer to the next one. So if the archive is cut off, recovery detects the missing segment.
 *
 * @module
 */

import { segmentNumber } from "../format/segment_name.ts";
import type { File, FileSystem, OpenMode } from "../io/file_system.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import { IDENTITY_NAME } from "../recovery/identity.ts";
import { TAR_END, tarHeader, type TarMember, tarPadding } from "./tar.ts";
import { nameOf } from "./text.ts";

/** Permission bits in the archive: only the owner may use the files. */
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;

/** The name of the folder, and the owner of its files. */
export interface TarOptions {
  /** The folder's name in the archive. */
  readonly name: string;
  /** The owner and the group, as numbers. */
  readonly uid: number;
  readonly gid: number;
  /** The snapshot that will be written: the name and the size of its file. */
  readonly snapshot: { readonly name: string; readonly bytes: number } | undefined;
}

/** A file of the folder. */
interface Held {
  /** Its contents, with room to grow; empty once they are in the archive. */
  bytes: Uint8Array;
  size: number;
  /** Whether it is in the archive, and can no longer change. */
  isArchived: boolean;
}

/** An archive of a folder. */
export class TarFolder {
  /** The file system for the log's writer. Only the log may use it, under any path. */
  readonly fileSystem: FileSystem;
  private readonly options: TarOptions;
  private readonly files = new Map<string, Held>();
  private readonly ready: Uint8Array[] = [];
  private readonly modified: number;

  /** @param options The folder. */
  constructor(options: TarOptions) {
    this.options = options;
    this.modified = Math.floor(nodeFileSystem.now() / 1000);
    this.fileSystem = this.makeFileSystem();
    this.begin("", 0, "folder");
  }

  /**
   * Puts the complete files into the archive.
   *
   * @param isEnd Whether the log is closed. Otherwise its newest segment is not complete yet.
   */
  seal(isEnd: boolean): void {
    const segments = [...this.files.keys()].filter((name) => segmentNumber(name) !== undefined).sort();
    for (const name of isEnd ? segments : segments.slice(0, -1)) this.archive(name);
    if (!isEnd) return;
    const left = [...this.files].find(([, { isArchived }]) => !isArchived);
    if (left !== undefined) throw new Error(`${left[0]} is not in the archive`);
    this.ready.push(TAR_END);
  }

  /** Takes the bytes added to the archive since the last call, in order. */
  take(): Uint8Array[] {
    return this.ready.splice(0);
  }

  private archive(name: string): void {
    const file = this.files.get(name)!;
    if (file.isArchived) return;
    if (name !== IDENTITY_NAME) this.archive(IDENTITY_NAME);
    this.begin(name, file.size);
    this.ready.push(file.bytes.subarray(0, file.size), tarPadding(file.size));
    file.bytes = new Uint8Array(0);
    file.isArchived = true;
  }

  private begin(name: string, bytes: number, type: TarMember["type"] = "file"): void {
    const { options: { name: folder, uid, gid }, modified } = this;
    const mode = type === "file" ? FILE_MODE : FOLDER_MODE;
    this.ready.push(tarHeader({ type, name: `${folder}/${name}`, bytes, mode, uid, gid, modified }));
  }

  private makeFileSystem(): FileSystem {
    const { files } = this;
    return {
      resolve: (path) => path,
      open: (path, mode) => this.open(nameOf(path), mode),
      list: () => [...files.keys()],
      makeDirectory: () => {},
      rename: (from, to) => {
        files.set(nameOf(to), files.get(nameOf(from))!);
        files.delete(nameOf(from));
      },
      remove: (path) => {
        if (files.get(nameOf(path))?.isArchived === true) throw new Error(`${path} is in the archive already`);
        files.delete(nameOf(path));
      },
      syncDirectory: () => {},
      lock: () => ({ check: () => {}, release: () => {} }),
      random: nodeFileSystem.random,
      now: nodeFileSystem.now,
      // The log is open only briefly, and proves its flushes when it is closed.
      after: () => () => {},
    };
  }

  private open(name: string, mode: OpenMode): File {
    const { options: { snapshot }, files } = this;
    const known = files.get(name);
    if ((known === undefined) !== (mode === "create")) throw systemError(known === undefined ? "ENOENT" : "EEXIST");
    const file = known ?? { bytes: new Uint8Array(0), size: 0, isArchived: false };
    files.set(name, file);
    // A snapshot is written under a temporary name, which begins with the final one.
    if (snapshot === undefined || !name.startsWith(snapshot.name)) return openHeld(name, file);
    return this.openSnapshot(file, snapshot);
  }

  /** Opens the snapshot, whose bytes go into the archive in the order in which they are written. */
  private openSnapshot(file: Held, { name, bytes }: NonNullable<TarOptions["snapshot"]>): File {
    this.archive(IDENTITY_NAME);
    this.begin(name, bytes);
    return {
      ...openHeld(name, file),
      write: (from, position) => {
        if (position !== file.size || position + from.length > bytes) throw new Error(`${name} differs from its size`);
        this.ready.push(from.slice());
        file.size += from.length;
        return from.length;
      },
      close: () => {
        if (file.size !== bytes) return;
        this.ready.push(tarPadding(bytes));
        file.isArchived = true;
      },
    };
  }
}

/** Opens a file that is in memory. */
function openHeld(name: string, file: Held): File {
  const requireHeld = () => {
    if (file.isArchived) throw new Error(`${name} is in the archive already`);
  };
  return {
    size: () => file.size,
    read: (into, position) => {
      requireHeld();
      const part = file.bytes.subarray(position, Math.min(position + into.length, file.size));
      into.set(part);
      return part.length;
    },
    write: (from, position) => {
      requireHeld();
      resize(file, Math.max(file.size, position + from.length));
      file.bytes.set(from, position);
      return from.length;
    },
    truncate: (size) => {
      requireHeld();
      resize(file, size);
    },
    sync: () => {},
    syncAsync: () => Promise.resolve(),
    close: () => {},
  };
}

/** Changes the size of a file. New bytes are zeros. */
function resize(file: Held, size: number): void {
  if (size < file.size) file.bytes.fill(0, size, file.size);
  if (size > file.bytes.length) {
    const larger = new Uint8Array(Math.max(size, 2 * file.bytes.length));
    larger.set(file.bytes.subarray(0, file.size));
    file.bytes = larger;
  }
  file.size = size;
}

function systemError(code: "ENOENT" | "EEXIST"): Error {
  return Object.assign(new Error(code), { code });
}
