/**
 * What the package's `package.json` says for npm beyond what `deno pack` takes from `deno.json`.
 *
 * @module
 */

/** Fields to be added. */
export const NPM_FIELDS = {
  /** The only one, so that `npx @wallog/wallog` runs it. */
  bin: { "wal-log": "./src/cli/mod.js" },
  engines: { node: ">=22.13" },
} as const;
