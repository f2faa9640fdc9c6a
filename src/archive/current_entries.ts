/**
 * The entries that a log in another process has now, compared with those that are archived.
 *
 * @module
 */

import type { Index } from "../api/types.ts";
import { WalLog } from "../api/wal_log.ts";
import type { FileSystem } from "../io/file_system.ts";
import type { LogView } from "./log_view.ts";

/** Reads the log beside its writer, including the entries that are not durable yet. */
export class CurrentEntries {
  private readonly fileSystem: FileSystem;
  private readonly path: string;
  private reader: WalLog | undefined;

  constructor(fileSystem: FileSystem, path: string) {
    this.fileSystem = fileSystem;
    this.path = path;
  }

  /**
   * The highest index up to which the log still has the archived entries. An entry is the same as another one if it has
   * the same index and term, and then all entries before it are the same.
   *
   * @param archivedIndex Returns the last archived index. It is called after the log was read.
   * @param view The log as it was archived.
   */
  async same(archivedIndex: () => Index, view: LogView): Promise<Index> {
    const { fileSystem, path } = this;
    if (this.reader === undefined) {
      const options = { fileSystem, readOnly: true, create: false, verify: "tail", onDamage: "keep" } as const;
      this.reader = await WalLog.open(path, options);
    } else await this.reader.refresh();
    const { reader } = this;
    const isSame = (index: Index) => {
      const archived = index <= reader.snapshotIndex ? undefined : view.termAt(index);
      return archived === undefined || reader.termAt(index) === archived;
    };
    let [low, high] = [0, archivedIndex()];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (isSame(middle)) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** Closes the files. */
  async close(): Promise<void> {
    await this.reader?.close();
  }
}
