/**
 * The version of the package. A test compares it with `deno.json`, which not every build includes.
 *
 * @module
 */

export const VERSION = "0.1.0";
