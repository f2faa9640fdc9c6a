/**
 * A file system for a writer that holds the log's lock. Before anything is made, renamed, deleted or flushed, it makes
 * sure that the folder and the lock are still the ones that are held. If the folder or the lock file was moved, deleted
 * or replaced, the writer ends, and no file of another log is touched.
 *
 * A flush is checked when it begins. That is enough: a writer that takes the lock later reads the earlier writes from
 * the page cache.
 *
 * @module
 */

import { delegateTo, delegateToFile } from "./delegate.ts";
import type { File, FileLock, FileSystem } from "./file_system.ts";
import { errorCode } from "./full.ts";

/**
 * Guards a file system.
 *
 * @param fileSystem The file system.
 * @param lock The lock.
 * @param permissions Permission bits of the files that are made.
 * @returns The same, for this writer.
 */
export function guard(fileSystem: FileSystem, lock: FileLock, permissions: number): FileSystem {
  return {
    ...delegateTo(fileSystem),
    open(path, mode) {
      lock.check();
      const file = fileSystem.open(path, mode, permissions);
      if (mode === "read") return file;
      try {
        // The path may have come to lead to another folder just before the file was opened.
        lock.check();
      } catch (error) {
        file.close();
        throw error;
      }
      return guardFile(file, lock);
    },
    rename(from, to) {
      lock.check();
      fileSystem.rename(from, to);
    },
    remove(path) {
      lock.check();
      try {
        fileSystem.remove(path);
      } catch (error) {
        // The file is gone already, as the caller wants.
        if (errorCode(error) !== "ENOENT") throw error;
      }
    },
    syncDirectory(path) {
      lock.check();
      fileSystem.syncDirectory(path);
    },
  };
}

function guardFile(file: File, lock: FileLock): File {
  const check = () => {
    lock.check();
    file.requireNamed?.();
  };
  return {
    ...delegateToFile(file),
    truncate(size) {
      check();
      file.truncate(size);
    },
    sync() {
      check();
      file.sync();
    },
    async syncAsync() {
      // Check the names while the disk flushes.
      const flushed = file.syncAsync();
      try {
        check();
      } catch (error) {
        await flushed.catch(() => {});
        throw error;
      }
      await flushed;
    },
    requireNamed: check,
  };
}
