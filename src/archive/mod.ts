/**
 * Archives of logs in object stores, which outlive the machine of the log. `docs/ARCHIVE.md` defines their layout.
 *
 * **Experimental.** This entry point may change in any release until it has users. So may the layout, in a way that
 * needs a new archive. The format of the archived log is frozen from 0.1.0 on.
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
export { prune, type PruneOptions, type PruneReport } from "./prune.ts";
export { restore, type RestoreOptions } from "./restore.ts";
export type { RestoreReport } from "./restored_folder.ts";
export { type Standby, standby, type StandbyLag, type StandbyOptions } from "./standby.ts";
