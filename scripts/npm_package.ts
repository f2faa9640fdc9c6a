/**
 * Assembles the npm package from compiled modules and declarations, either from dnt (`build_npm.ts`) or from `deno
 * pack` (`smoke_npm.ts`).
 *
 * One module for each entry point: Node takes more than half a millisecond to load a module, and the library has over
 * forty. Entry points share modules for their common code, so that `WalLogError` is the same class in all.
 *
 * @module
 */

import { build } from "esbuild";
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const CONFIG = JSON.parse(readFileSync(join(ROOT, "deno.json"), "utf8"));

/** The package's name. */
export const PACKAGE: string = CONFIG.name;

/** The command's name. It is the only command, so that `npx @wallog/wallog` runs it. */
export const COMMAND = "wal-log";

/** The entry point of `deno.json` that is the command. */
const COMMAND_EXPORT = "./cli";

/** Entry points by name, each with its source. */
export const ENTRY_POINTS: Readonly<Record<string, string>> = CONFIG.exports;

/** Files that the package contains unchanged. */
const TEXTS = ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"];

/** The oldest Node that the package runs in, and the syntax that it may use. */
const NODE_OLDEST = "22.13";

/** npm compares the provenance with this, so it must be the repository of the release job. */
function repository(): { readonly repository?: { readonly type: "git"; readonly url: string } } {
  const { GITHUB_SERVER_URL, GITHUB_REPOSITORY } = process.env;
  if (GITHUB_SERVER_URL === undefined || GITHUB_REPOSITORY === undefined) return {};
  return { repository: { type: "git", url: `git+${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}.git` } };
}

/** The name of an entry point's module in the package. */
function moduleName(entryPoint: string): string {
  return entryPoint === "." ? "index" : entryPoint.slice(2);
}

/** A source's path with another extension. */
function compiled(source: string, extension: string): string {
  return source.replace(/^\.\/(.*)\.ts$/, `$1${extension}`);
}

/**
 * Makes the package.
 *
 * @param modules A folder with the compiled modules and their declarations, in the layout of the sources.
 * @param target The folder to create.
 */
export async function makePackage(modules: string, target: string): Promise<void> {
  rmSync(target, { recursive: true, force: true });
  mkdirSync(target, { recursive: true });
  await build({
    entryPoints: Object.fromEntries(
      Object.entries(ENTRY_POINTS).map(([name, source]) => [moduleName(name), join(modules, compiled(source, ".js"))]),
    ),
    outdir: join(target, "dist"),
    bundle: true,
    splitting: true,
    chunkNames: "shared-[hash]",
    format: "esm",
    platform: "node",
    target: `node${NODE_OLDEST}`,
    legalComments: "none",
    logLevel: "warning",
  });
  copyDeclarations(modules, join(target, "types"));
  for (const name of TEXTS) copyFileSync(join(ROOT, name), join(target, name));
  writeFileSync(join(target, "package.json"), JSON.stringify(manifest(), undefined, 2) + "\n");
}

/** Copies declarations. Fails if one is missing, which happens if a public type must be inferred. */
function copyDeclarations(from: string, to: string): void {
  for (const source of Object.values(ENTRY_POINTS)) {
    const path = join(from, compiled(source, ".d.ts"));
    if (!existsSync(path)) throw new Error(`Cannot make the package: ${path} is missing`);
  }
  for (const name of readdirSync(from, { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".d.ts")) continue;
    mkdirSync(dirname(join(to, name)), { recursive: true });
    cpSync(join(from, name), join(to, name));
  }
}

/** The package's `package.json`. */
function manifest(): unknown {
  const module = (name: string) => `./dist/${moduleName(name)}.js`;
  return {
    name: PACKAGE,
    version: CONFIG.version,
    description: "A durable Raft log for Deno, Bun and Node: entries, hard state and snapshots that survive a crash",
    keywords: ["raft", "wal", "write-ahead-log", "log", "durable", "fsync", "crash-safe", "consensus", "storage"],
    license: CONFIG.license,
    ...repository(),
    type: "module",
    engines: { node: `>=${NODE_OLDEST}` },
    // Importing the command runs it. All other modules have no side effects.
    sideEffects: [module(COMMAND_EXPORT)],
    exports: {
      ...Object.fromEntries(
        Object.entries(ENTRY_POINTS).map(([name, source]) => [name, {
          types: `./types/${compiled(source, ".d.ts")}`,
          import: module(name),
          // `require` finds it here, and loads it in Node 22.12 and newer and in Bun.
          default: module(name),
        }]),
      ),
      "./package.json": "./package.json",
    },
    // For tools that ignore `exports`.
    main: module("."),
    types: `./types/${compiled(ENTRY_POINTS["."]!, ".d.ts")}`,
    bin: { [COMMAND]: module(COMMAND_EXPORT).slice(2) },
    publishConfig: { access: "public" },
  };
}
