/**
 * Finds the Deno, Bun and Node that the suite runs on, and the arguments to run a TypeScript file in each. It works in
 * all three, so that a test in one of them can start the other two.
 *
 *     import { locateRuntime } from "../scripts/runtimes.ts";
 *     const [binary, ...prefix] = locateRuntime("bun").run;
 *     spawnSync(binary, [...prefix, "child.ts", "argument"]);
 *
 * The order of the search: the environment (`WALLOG_DENO`, `WALLOG_BUN`, `WALLOG_NODE`: the path of a binary), the
 * running process, `node_modules` (pinned in `deno.json`), `PATH`. Unsupported old versions are skipped.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

export type RuntimeName = "deno" | "bun" | "node";

export interface Runtime {
  readonly name: RuntimeName;
  /** The name for people: "Deno", "Bun", "Node". */
  readonly title: string;
  readonly version: string;
  readonly binary: string;
  /** A description of where the binary was found. */
  readonly source: string;
  /** The binary and the arguments before the path of a TypeScript file. */
  readonly run: readonly [string, ...string[]];
}

export const RUNTIME_NAMES: readonly RuntimeName[] = ["deno", "bun", "node"];

/** The permissions of the suite and its programs in Deno: files, processes, and the loopback network. */
export const DENO_PERMISSIONS: readonly string[] = [
  "--no-prompt",
  "--allow-read",
  "--allow-write",
  "--allow-env",
  "--allow-run",
  "--allow-net=127.0.0.1,127.0.0.2",
];

const TITLES: Record<RuntimeName, string> = { deno: "Deno", bun: "Bun", node: "Node" };
const OLDEST: Record<RuntimeName, string> = { deno: "2.4.0", bun: "1.4.0", node: "22.13.0" };
const ENVIRONMENT: Record<RuntimeName, string> = { deno: "WALLOG_DENO", bun: "WALLOG_BUN", node: "WALLOG_NODE" };
const NODE_MODULES = fileURLToPath(new URL("../node_modules/", import.meta.url));

/**
 * Finds one runtime.
 *
 * @throws {Error} If no supported one was found. The message lists the candidates.
 */
export function locateRuntime(name: RuntimeName): Runtime {
  const chosen = process.env[ENVIRONMENT[name]];
  // A binary from the environment is used or refused, never replaced by another.
  const candidates = chosen ? [{ binary: chosen, source: ENVIRONMENT[name] }] : candidatesFor(name);
  const refused: string[] = [];
  for (const { binary, source } of candidates) {
    const version = versionOf(binary);
    if (version === undefined) {
      refused.push(`${binary} (${source}): does not run`);
    } else if (isOlder(version, OLDEST[name])) {
      refused.push(`${binary} (${source}): ${version} is too old`);
    } else {
      const run = [binary, ...argumentsToRun(name, version)] as const;
      return { name, title: TITLES[name], version, binary, source, run };
    }
  }
  throw new Error(
    `Cannot find ${TITLES[name]} >= ${OLDEST[name]}. Looked at:\n  ${refused.join("\n  ")}\n` +
      `Run \`deno install\` in this repository, or put ${name} on PATH, or set ${ENVIRONMENT[name]} to its path.`,
  );
}

/** The environment in which a child process in any runtime finds the same binaries. */
export function environmentFor(runtimes: readonly Runtime[]): Record<string, string> {
  return Object.fromEntries(runtimes.map(({ name, binary }) => [ENVIRONMENT[name], binary]));
}

function candidatesFor(name: RuntimeName): { binary: string; source: string }[] {
  const candidates: { binary: string; source: string }[] = [];
  if (name === currentRuntime()) candidates.push({ binary: process.execPath, source: "the running process" });
  for (const binary of binariesInNodeModules(name)) candidates.push({ binary, source: "node_modules" });
  candidates.push({ binary: name, source: "PATH" });
  return candidates;
}

function currentRuntime(): RuntimeName {
  if (process.versions.deno !== undefined) return "deno";
  return process.versions.bun !== undefined ? "bun" : "node";
}

/** The platform packages contain the binaries. The main packages would need to run their install scripts. */
function binariesInNodeModules(name: RuntimeName): string[] {
  const windows = process.platform === "win32";
  const executable = windows ? `${name}.exe` : name;
  let folders: string[] = [];
  if (name === "node") {
    folders = [join(NODE_MODULES, `node-${windows ? "win" : process.platform}-${process.arch}`)];
  } else if (name === "bun" && existsSync(join(NODE_MODULES, "bun"))) {
    const siblings = join(realpathSync(join(NODE_MODULES, "bun")), "..", "@oven");
    const target = `bun-${windows ? "windows" : process.platform}-${
      process.arch === "arm64" ? "aarch64" : process.arch
    }`;
    // On Linux, binaries for both C libraries are installed. The wrong one does not run.
    folders = [join(siblings, target), join(siblings, `${target}-musl`)];
  }
  return folders.map((folder) => join(folder, "bin", executable)).filter((binary) => existsSync(binary));
}

function argumentsToRun(name: RuntimeName, version: string): string[] {
  // Deno prints a wait for the lock of node_modules to stderr, which tests compare.
  if (name === "deno") return ["run", "--quiet", ...DENO_PERMISSIONS];
  if (name === "bun") return ["run"];
  // Node prints warnings about node:sqlite and type stripping to stderr, which tests compare.
  const quiet = "--disable-warning=ExperimentalWarning";
  const stripsTypes = !isOlder(version, version.startsWith("22.") ? "22.18.0" : "23.6.0");
  return stripsTypes ? [quiet] : [quiet, "--experimental-strip-types"];
}

function versionOf(binary: string): string | undefined {
  // Deno 2.4 cannot start itself with these arguments.
  if (binary === process.execPath) return process.versions[currentRuntime()];
  const { stdout, status } = spawnSync(binary, ["--version"], { encoding: "utf8" });
  return status === 0 ? /\d+\.\d+\.\d+/.exec(stdout)?.[0] : undefined;
}

/** Whether a version is older than another. */
export function isOlder(version: string, than: string): boolean {
  return version.localeCompare(than, "en", { numeric: true }) < 0;
}
