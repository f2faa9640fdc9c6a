/**
 * Files that are being flushed: such a file is closed when its flushes are done.
 *
 * @module
 */

import type { File } from "../io/file_system.ts";

/** Flushes files without blocking, and closes them no earlier than that is done. */
export class OpenFlushes {
  private readonly flushing = new Map<File, number>();
  private readonly retired = new Set<File>();

  /**
   * Flushes a file, and keeps it open meanwhile.
   *
   * @param file The file.
   * @returns Settles when it is done.
   */
  async sync(file: File): Promise<void> {
    this.flushing.set(file, (this.flushing.get(file) ?? 0) + 1);
    try {
      await file.syncAsync();
    } finally {
      const left = this.flushing.get(file)! - 1;
      if (left > 0) this.flushing.set(file, left);
      else {
        this.flushing.delete(file);
        if (this.retired.delete(file)) file.close();
      }
    }
  }

  /** Closes a file, at once or when the flushes under way are done. */
  retire(file: File): void {
    if (this.flushing.has(file)) this.retired.add(file);
    else file.close();
  }
}
