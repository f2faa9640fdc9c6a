/**
 * What a mutant is.
 *
 * @module
 */

/** One mistake. */
export interface Mutant {
  /** What is wrong with it. */
  readonly name: string;
  /** The file, from the root of the repository. */
  readonly file: string;
  /** Texts that occur exactly once in the file, and what they are replaced with, in this order. */
  readonly edits: readonly (readonly [find: string, replacement: string])[];
  /** Which check is expected to notice: `simulation`, `raft simulation`, or a test file. */
  readonly dies: string;
  /** Why nothing can notice, if nothing can. */
  readonly equivalent?: string;
}
