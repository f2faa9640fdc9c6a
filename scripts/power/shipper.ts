/**
 * Ships a log to an archive beside its writer, and reports what is archived. It runs in the guest.
 *
 * @module
 */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import type { WalLog } from "../../mod.ts";
import { type Archive, archive, FolderStore } from "../../src/archive/mod.ts";
import type { FileSystem } from "../../src/io/file_system.ts";
import type { Report } from "./orders.ts";

/** Short, so that a history has many steps of the archiver. */
const INTERVAL_MS = 5;
const FAILURES = "wallog:archive-failure";

/** Ships a log to a store in a folder. */
export class Shipper {
  readonly #archive: Archive;
  readonly #isEarly: boolean;
  readonly #say: (line: Report) => void;
  readonly #failed = Promise.withResolvers<never>();

  /**
   * Begins to ship.
   *
   * @param log The log.
   * @param fileSystem Its file system.
   * @param folder The folder of the store.
   * @param isEarly Whether to report an index as archived before it is: a fault that the judge must notice.
   * @param say Gets the reports.
   */
  constructor(log: WalLog, fileSystem: FileSystem, folder: string, isEarly: boolean, say: (line: Report) => void) {
    this.#isEarly = isEarly;
    this.#say = say;
    this.#failed.promise.catch(() => {});
    subscribe(FAILURES, this.#onFailure);
    this.#archive = archive(log, new FolderStore(folder), { intervalMilliseconds: INTERVAL_MS, fileSystem });
  }

  /**
   * Waits until an index is archived, and reports it.
   *
   * @param index An index that is durable.
   * @param number The step after which the log has the entry at the index.
   */
  async ship(index: number, number: number): Promise<void> {
    if (this.#isEarly) this.#say({ is: "archived", index, number });
    await Promise.race([this.#archive.archived(index), this.#failed.promise]);
    if (!this.#isEarly) this.#say({ is: "archived", index, number });
  }

  /** Stops. Waits that are not over are rejected. */
  async stop(): Promise<void> {
    await this.#archive.close();
    unsubscribe(FAILURES, this.#onFailure);
  }

  /** An archiver tries again for ever. Here, only two failures are expected. */
  readonly #onFailure = (message: unknown): void => {
    const { error } = message as { readonly error: Error & { readonly code: string } };
    // The writer has replaced a snapshot, or deleted a segment, before the archiver read it.
    const isGone = (error.cause as { readonly code?: string } | undefined)?.code === "ENOENT";
    if (error.code !== "CHANGING" && !isGone) this.#failed.reject(error);
  };
}
