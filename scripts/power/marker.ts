/**
 * The text by which the disk recognizes entries.
 *
 * @module
 */

/** Begins every command of the histories, so that a block with entries is recognized as data of the log. */
export const COMMAND_MARKER = "power-cut";
