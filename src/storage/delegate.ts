/**
 * Forwards every call to another file system: the base of file systems that change a few calls.
 *
 * @module
 */

import type { FileSystem } from "./file_system.ts";

/**
 * Wraps a file system. An object of a class has its methods in the prototype, where a spread does not find them.
 *
 * @param base The file system.
 * @returns A plain object that forwards every call.
 */
export function delegateTo(base: FileSystem): FileSystem {
  return {
    resolve: (path) => base.resolve(path),
    open: (path, mode, permissions) => base.open(path, mode, permissions),
    list: (path) => base.list(path),
    makeDirectory: (path, permissions) => base.makeDirectory(path, permissions),
    rename: (from, to) => base.rename(from, to),
    remove: (path) => base.remove(path),
    syncDirectory: (path) => base.syncDirectory(path),
    copyOwner: (path, like) => base.copyOwner?.(path, like),
    lock: (path, permissions) => base.lock(path, permissions),
    random: (into) => base.random(into),
    after: (milliseconds, callback) => base.after(milliseconds, callback),
    threads: base.threads,
  };
}
