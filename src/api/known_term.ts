/**
 * A term that must be known.
 *
 * @module
 */

import { TERM_UNKNOWN } from "../format/numbers.ts";
import { WalLogError } from "./errors.ts";
import type { Index, Term } from "./types.ts";

/**
 * Rejects a term that was lost to damage.
 *
 * @param path The log's folder.
 * @param term The log's term at the index.
 * @param index The index.
 * @returns The term.
 * @throws {WalLogError} `DAMAGED_ENTRY` if the entry's header is lost.
 */
export function knownTerm(path: string, term: Term, index: Index): Term {
  if (term !== TERM_UNKNOWN) return term;
  throw new WalLogError(
    "DAMAGED_ENTRY",
    `Cannot read the term at index ${index}: the header of the entry is lost; repair the entry from a peer`,
    { path },
  );
}
