/**
 * The version of the documents of `--json`.
 *
 * @module
 */

/** The schema version in every document. The meaning of fields changes only with this number. */
export const SCHEMA = "wal-log/1";
