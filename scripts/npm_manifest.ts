/**
 * What the package's `package.json` says for npm beyond what is in `deno.json`: the same for the dnt build
 * (`build_npm.ts`) and for the `deno pack` tarball that `smoke_npm.ts` makes.
 *
 * @module
 */

import process from "node:process";

/** The command's name. The only one, so that `npx @wallog/wallog` runs it. */
export const COMMAND = "wal-log";

/** The entry point of `deno.json` that is the command. */
export const COMMAND_EXPORT = "./cli";

/** npm compares the provenance with this, so it is the repository that the release job runs in, and no other. */
function repository(): { readonly repository?: { readonly type: "git"; readonly url: string } } {
  const { GITHUB_SERVER_URL, GITHUB_REPOSITORY } = process.env;
  if (GITHUB_SERVER_URL === undefined || GITHUB_REPOSITORY === undefined) return {};
  return { repository: { type: "git", url: `git+${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}.git` } };
}

/** Fields to be added. */
export const NPM_FIELDS = {
  description: "A durable Raft log for Deno, Bun and Node: entries, hard state and snapshots that survive a crash",
  keywords: ["raft", "wal", "write-ahead-log", "log", "durable", "fsync", "crash-safe", "consensus", "storage"],
  engines: { node: ">=22.13" },
  publishConfig: { access: "public" },
  ...repository(),
} as const;
