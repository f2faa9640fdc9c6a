/**
 * Notices whether files in a folder were created, deleted, renamed or replaced: each of them changes the folder's time
 * of modification.
 *
 * @module
 */

import type { FolderStatus } from "./file_system.ts";

const SECOND_NS = 1_000_000_000n;
/** The clock that file systems take their times from has ticks of up to 16 ms, on Windows. */
const SETTLED_NS = 100_000_000n;
/** Some file systems keep whole seconds, and FAT every other one. */
const SETTLED_COARSE_NS = 3n * SECOND_NS;

/**
 * Notices whether names in a folder have changed since the last check.
 *
 * Two changes in the same tick of the clock leave the same time. So a time counts only if it was old enough when it was
 * seen: then every later change has another one.
 */
export class FolderNames {
  /** Programs can set the time of modification back, but not that of the last change. So both are compared. */
  private seen: FolderStatus | undefined;

  /**
   * Whether no name has changed since the last check.
   *
   * @param folder The folder's status.
   * @returns `false` if a name may have changed.
   */
  areUnchanged({ dev, ino, mtimeNs, ctimeNs }: FolderStatus): boolean {
    const { seen } = this;
    return seen !== undefined && ino === seen.ino && dev === seen.dev && mtimeNs === seen.mtimeNs &&
      ctimeNs === seen.ctimeNs;
  }

  /**
   * Records that the names were checked.
   *
   * @param folder The folder's status, taken before the check.
   */
  checked(folder: FolderStatus): void {
    const ageNs = BigInt(Date.now()) * 1_000_000n - folder.mtimeNs;
    const isSettled = ageNs > (folder.mtimeNs % SECOND_NS === 0n ? SETTLED_COARSE_NS : SETTLED_NS);
    this.seen = isSettled ? folder : undefined;
  }
}
