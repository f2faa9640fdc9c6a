/**
 * Keeps files open while they are flushed.
 *
 * @module
 */

import type { File } from "../io/file_system.ts";

/** Flushes files without blocking, and closes a file only after its flushes. */
export class OpenFlushes {
  private readonly flushing = new Map<File, number>();
  private readonly retired = new Set<File>();

  /**
   * Flushes a file, and keeps it open meanwhile.
   *
   * @param file The file.
   * @returns Settles when the flush is done.
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

  /** Closes a file, after its running flushes. */
  retire(file: File): void {
    if (this.flushing.has(file)) this.retired.add(file);
    else file.close();
  }
}
