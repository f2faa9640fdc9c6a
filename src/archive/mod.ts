/**
 * Archives of logs in object stores, which outlive the machine of the log. `docs/ARCHIVE.md` defines their layout.
 *
 * @module
 */

export { FolderStore } from "./folder_store.ts";
export { MemoryStore } from "./memory_store.ts";
export {
  bodyOf,
  type GetResult,
  type ListedObject,
  type ObjectBody,
  type ObjectRange,
  type ObjectStore,
  type PutResult,
  type RequestOptions,
} from "./object_store.ts";
