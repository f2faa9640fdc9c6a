/**
 * Files that are being written beside the segments.
 *
 * @module
 */

/** A file that is being written beside the segments. */
export interface Unfinished {
  /** Whether the file has its final name, so that abandoning it leaves it in place. */
  readonly isNamed: boolean;
  /** Abandons the file, and removes it unless it has its final name. */
  abort(): void;
  /** Abandons the file after a failure. The next opening removes it. */
  release(): void;
}
