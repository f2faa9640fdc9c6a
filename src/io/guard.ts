/**
 * A file system for a writer that holds the log's lock. Before it creates, renames, deletes or flushes a file, it
 * checks that the folder and the lock file are still those of the held lock. If one of them was moved, deleted or
 * replaced, the operation fails, so that no file of another log is touched.
 *
 * A flush is checked only when it begins. That is enough, because a writer that takes the lock later reads the earlier
 * writes from the page cache.
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
 * @param permissions Permission bits of new files.
 * @returns The guarded file system.
 */
export function guard(fileSystem: FileSystem, lock: FileLock, permissions: number): FileSystem {
  return {
    ...delegateTo(fileSystem),
    open(path, mode) {
      lock.check();
      const file = fileSystem.open(path, mode, permissions);
      if (mode === "read") return file;
      try {
        // The path may have led to another folder when the file was opened.
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
        // The file is already gone, as the caller wants.
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
    const folder = lock.check();
    file.requireNamed?.(folder);
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
