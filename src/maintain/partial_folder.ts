/**
 * A folder in which a log is being made: the names of its files have a suffix until all of them are complete.
 *
 * @module
 */

import { segmentNumber } from "../format/segment_name.ts";
import { delegateTo } from "../io/delegate.ts";
import type { FileLock, FileSystem } from "../io/file_system.ts";
import { IDENTITY_NAME } from "../recovery/identity.ts";

/**
 * A file system that adds a suffix to the names in a folder whose lock is already held.
 *
 * @param base The machine.
 * @param folder The folder.
 * @param lock The lock.
 * @param suffix The suffix.
 * @returns The file system, for opening the unfinished log.
 */
export function partialNames(base: FileSystem, folder: string, lock: FileLock, suffix: string): FileSystem {
  // A thread would look for the final names, which do not exist yet. A reserve would be copied too.
  const { threads: _, reserveBytes: __, ...plain } = delegateTo(base);
  const renamed = (path: string) => path.startsWith(`${folder}/`) ? path + suffix : path;
  return {
    ...plain,
    resolve: (path) => path,
    open: (path, mode, permissions) => base.open(renamed(path), mode, permissions),
    list: (path) =>
      base.list(path).filter((name) => name.endsWith(suffix)).map((name) => name.slice(0, -suffix.length)),
    rename: (from, to) => base.rename(renamed(from), renamed(to)),
    remove: (path) => base.remove(renamed(path)),
    copyOwner: (path, like) => base.copyOwner?.(renamed(path), renamed(like)),
    lock: () => ({ check: () => lock.check(), release: () => {} }),
  };
}

/** Removes the unfinished files of a folder. */
export function removePartial(fileSystem: FileSystem, folder: string, suffix: string): void {
  for (const name of fileSystem.list(folder)) if (name.endsWith(suffix)) fileSystem.remove(`${folder}/${name}`);
}

/**
 * The final names of unfinished files, in an order in which they can be renamed: the folder opens as a log only after
 * the last one.
 *
 * @param fileSystem The machine.
 * @param folder The folder.
 * @param suffix The suffix of unfinished files.
 * @returns The names without the suffix: `IDENTITY` first, the oldest segment last.
 */
export function namesInOrder(fileSystem: FileSystem, folder: string, suffix: string): string[] {
  const names = fileSystem.list(folder).filter((name) => name.endsWith(suffix))
    .map((name) => name.slice(0, -suffix.length));
  const segments = names.filter((name) => segmentNumber(name) !== undefined).sort().reverse();
  const others = names.filter((name) => name !== IDENTITY_NAME && !segments.includes(name));
  return [...names.includes(IDENTITY_NAME) ? [IDENTITY_NAME] : [], ...others, ...segments];
}
