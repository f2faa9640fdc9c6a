/**
 * Archives of logs in object stores, which outlive the machine of the log. `docs/ARCHIVE.md` defines their layout.
 *
 * @module
 */

export { type Archive, archive, type ArchiveLag, type ArchiveOptions } from "./archive.ts";
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
export { restore, type RestoreOptions } from "./restore.ts";
export type { RestoreReport } from "./restored_folder.ts";
