/**
 * The type of a mutant.
 *
 * @module
 */

/** A mutant. */
export interface Mutant {
  /** The mistake, in words. */
  readonly name: string;
  /** The file, from the root of the repository. */
  readonly file: string;
  /** Texts that occur exactly once in the file, and their replacements, in this order. */
  readonly edits: readonly (readonly [find: string, replacement: string])[];
  /** The check that should fail: `simulation`, `raft simulation`, or a test file. */
  readonly dies: string;
  /** Why no check can fail, if none can. */
  readonly equivalent?: string;
}
