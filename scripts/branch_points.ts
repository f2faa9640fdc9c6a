/**
 * Counts branch points: `if`, loops, `case`, `catch`, the conditional operator, `&&`, `||` and `??`, outside comments and
 * strings.
 *
 *     deno task branches src/recovery                   in the files of folders, or in single files
 *     deno task branches src/log --without follow.ts    leaves a file out; may be repeated
 *     deno task branches --at 6c5e17a src/open.ts       as of a commit; default: HEAD
 *
 * @module
 */

import { execFileSync } from "node:child_process";
import process from "node:process";
import { parseArgs } from "node:util";

const { values: { at, without }, positionals } = parseArgs({
  options: { at: { type: "string", default: "HEAD" }, without: { type: "string", multiple: true, default: [] } },
  allowPositionals: true,
});
if (positionals.length === 0) {
  console.error("deno task branches [--at COMMIT] [--without FILE]... PATH...");
  process.exit(64);
}

function git(...args: string[]): string {
  return execFileSync("git", args, { encoding: "utf8", maxBuffer: 1 << 28 });
}

/** Source code without comments, and with empty strings. The expressions in template strings are dropped too. */
function withoutTexts(source: string): string {
  const pattern = /\/\*[^]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`(?:\\.|[^`\\])*`/g;
  return source.replace(pattern, (found) => found.startsWith("/") ? "" : '""');
}

function branchPoints(source: string): number {
  return withoutTexts(source).match(/\b(?:if|for|while|case|catch)\b|&&|\|\||\?\?| \? /g)?.length ?? 0;
}

const paths = git("ls-tree", "-r", "--name-only", at, ...positionals).trim().split("\n").filter((path) =>
  path.endsWith(".ts") && !without.includes(path.slice(path.lastIndexOf("/") + 1))
);
let total = 0;
let lines = 0;
for (const path of paths) {
  const source = git("show", `${at}:${path}`);
  const count = branchPoints(source);
  total += count;
  lines += source.trimEnd().split("\n").length;
  console.log(`${String(count).padStart(5)}  ${path}`);
}
console.log(`${String(total).padStart(5)}  in ${paths.length} files, ${lines} lines`);
