/**
 * Which version of the package this is: a test holds it against `deno.json`, which does not go into every build.
 *
 * @module
 */

export const VERSION = "0.1.0";
