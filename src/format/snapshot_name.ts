/**
 * Names of snapshot files.
 *
 * @module
 */

import type { Index, Term } from "../api/types.ts";

const NAME = /^(\d{12,16})-\d{12,16}\.snap$/;

/**
 * The name of a snapshot file.
 *
 * @param index The snapshot's index.
 * @param term Its term.
 * @returns `000000000100-000000000007.snap` for index 100 of term 7.
 */
export function snapshotName(index: Index, term: Term): string {
  return `${String(index).padStart(12, "0")}-${String(term).padStart(12, "0")}.snap`;
}

/**
 * The index in a snapshot file's name.
 *
 * @param name A file name.
 * @returns The index; 0 if this is not the name of a snapshot.
 */
export function snapshotIndexOf(name: string): Index {
  return Number(NAME.exec(name)?.[1] ?? 0);
}

/**
 * Whether a file has the name of a snapshot.
 *
 * @param name The file's name.
 */
export function isSnapshotName(name: string): boolean {
  return NAME.test(name);
}

/**
 * Whether a file is a snapshot that a later one replaces.
 *
 * @param name The file's name.
 * @param index Index of the later one.
 * @param term Its term.
 * @returns Whether it can be deleted once the later one is part of the log.
 */
export function isReplacedSnapshot(name: string, index: Index, term: Term): boolean {
  return NAME.test(name) && snapshotIndexOf(name) <= index && name !== snapshotName(index, term);
}
