/**
 * Wrappers that forward every call to another file system or file. They are the base of wrappers that change a few
 * calls.
 *
 * @module
 */

import type { File, FileSystem } from "./file_system.ts";

/**
 * Wraps a file system. A spread would not copy the methods of a class, because they are in the prototype.
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
    now: () => base.now(),
    after: (milliseconds, callback) => base.after(milliseconds, callback),
    watch: base.watch && ((path, milliseconds, callback) => base.watch!(path, milliseconds, callback)),
    freeBytes: (path) => base.freeBytes?.(path),
    reserveBytes: base.reserveBytes,
    threads: base.threads,
  };
}

/**
 * Wraps a file, without `requireNamed`: the caller decides whether the file's name matters.
 *
 * @param file The file.
 * @returns A plain object that forwards every call.
 */
export function delegateToFile(file: File): File {
  return {
    size: () => file.size(),
    ...file.modified && { modified: () => file.modified!() },
    read: (into, position) => file.read(into, position),
    write: (from, position) => file.write(from, position),
    truncate: (size) => file.truncate(size),
    sync: () => file.sync(),
    syncAsync: () => file.syncAsync(),
    close: () => file.close(),
  };
}
