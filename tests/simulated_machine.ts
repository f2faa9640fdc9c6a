/**
 * Wrappers of a simulated disk's file system: some run a function between operations, and one has limited space.
 *
 * @module
 */

import { delegateTo, delegateToFile } from "../src/io/delegate.ts";
import type { FileSystem } from "../src/io/file_system.ts";

/** Space on a disk. */
export interface Space {
  /** The number of bytes by which files can still grow. */
  left: number;
}

/**
 * A file system that calls a function before each operation that changes the disk.
 *
 * @param base The file system.
 * @param before The function.
 */
export function betweenChanges(base: FileSystem, before: () => void): FileSystem {
  const preceded = <Result>(change: () => Result): Result => {
    before();
    return change();
  };
  return {
    ...delegateTo(base),
    open: (path, mode) => {
      const file = mode === "create" ? preceded(() => base.open(path, mode)) : base.open(path, mode);
      return {
        ...delegateToFile(file),
        write: (from, position) => preceded(() => file.write(from, position)),
        truncate: (size) => preceded(() => file.truncate(size)),
        sync: () => preceded(() => file.sync()),
        syncAsync: () => preceded(() => file.syncAsync()),
      };
    },
    rename: (from, to) => preceded(() => base.rename(from, to)),
    remove: (path) => preceded(() => base.remove(path)),
    syncDirectory: (path) => preceded(() => base.syncDirectory(path)),
  };
}

/**
 * A file system that calls a function before each operation that reads.
 *
 * @param base The file system.
 * @param before The function.
 */
export function betweenReads(base: FileSystem, before: () => void): FileSystem {
  return {
    ...delegateTo(base),
    list: (path) => {
      before();
      return base.list(path);
    },
    open: (path, mode) => {
      before();
      const file = base.open(path, mode);
      return {
        ...delegateToFile(file),
        read: (into, position) => {
          before();
          return file.read(into, position);
        },
      };
    },
  };
}

/**
 * The size of a log's reserve on such a disk, in bytes. Small, because a simulated disk copies every written sector.
 */
const RESERVE_BYTES = 1024;

/**
 * A file system on a disk that can be full. As on a real disk, a write may be short before the next one fails.
 *
 * @param base The file system.
 * @param space The free space. A test may change it.
 */
export function withinSpace(base: FileSystem, space: Space): FileSystem {
  const full = (path: string) =>
    Object.assign(new Error(`ENOSPC: the simulated disk is full, '${path}'`), { code: "ENOSPC" });
  return {
    ...delegateTo(base),
    reserveBytes: RESERVE_BYTES,
    freeBytes: () => space.left === Infinity ? undefined : space.left,
    open: (path, mode) => {
      if (mode === "create" && space.left <= 0) throw full(path);
      const file = base.open(path, mode);
      return {
        ...delegateToFile(file),
        write: (from, position) => {
          const size = file.size();
          const count = Math.min(from.length, Math.max(size - position, 0) + space.left);
          if (count <= 0 && from.length > 0) throw full(path);
          const written = file.write(from.subarray(0, count), position);
          space.left -= file.size() - size;
          return written;
        },
        truncate: (size) => {
          const before = file.size();
          file.truncate(size);
          space.left += Math.max(before - size, 0);
        },
      };
    },
    remove: (path) => {
      const file = base.open(path, "read");
      const size = file.size();
      file.close();
      base.remove(path);
      space.left += size;
    },
  };
}
