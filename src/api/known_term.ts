/**
 * A term that must be known.
 *
 * @module
 */

import { TERM_UNKNOWN } from "../format/numbers.ts";
import { WalLogError } from "./errors.ts";
import type { Index, Term } from "./types.ts";

/**
 * Refuses a term that damage has taken.
 *
 * @param path The log's folder.
 * @param term What the log has for the term at the index.
 * @param index The index.
 * @returns The term.
 * @throws {WalLogError} `DAMAGED_ENTRY` if the entry's header is lost.
 */
export function knownTerm(path: string, term: Term, index: Index): Term {
  if (term !== TERM_UNKNOWN) return term;
  throw new WalLogError(
    "DAMAGED_ENTRY",
    `Cannot tell the term at index ${index}: the entry was written and its header is lost; fetch it from a peer`,
    { path },
  );
}
