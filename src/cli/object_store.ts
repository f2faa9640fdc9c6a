/**
 * The object stores of the command line.
 *
 * @module
 */

import { FolderStore } from "../archive/folder_store.ts";
import type { ObjectStore } from "../archive/object_store.ts";
import { UsageError } from "./command.ts";

/**
 * The store that an argument names.
 *
 * @param place `file:///folder`.
 * @returns The store.
 * @throws {UsageError} For anything else.
 */
export function storeOf(place: string): ObjectStore {
  if (/^file:\/\/\/./.test(place) && URL.canParse(place)) return new FolderStore(new URL(place));
  throw new UsageError(`STORE is file:///FOLDER, found ${JSON.stringify(place)}`);
}
