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
 * @returns The index; 0 if this is no snapshot's name.
 */
export function snapshotIndexOf(name: string): Index {
  return Number(NAME.exec(name)?.[1] ?? 0);
}
