/**
 * The version of what `--json` gives.
 *
 * @module
 */

/** What every document names: its meaning changes only with the number. */
export const SCHEMA = "wal-log/1";
