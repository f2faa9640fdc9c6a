/**
 * Files that are being written beside the segments.
 *
 * @module
 */

/** A file that is being written beside the segments. */
export interface Unfinished {
  /** Whether the file has its name, so that giving it up leaves it. */
  readonly isNamed: boolean;
  /** Gives the file up, and removes it unless it has its name. */
  abort(): void;
  /** Gives the file up after a failure. The next opening removes it. */
  release(): void;
}
