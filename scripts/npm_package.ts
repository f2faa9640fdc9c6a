/**
 * Assembles the npm package from compiled modules and declarations, either from dnt (`build_npm.ts`) or from `deno
 * pack` (`smoke_npm.ts`).
 *
 * One module for each entry point: Node takes more than half a millisecond to load a module, and the library has over
 * forty. Entry points share modules for their common code, so that `WalLogError` is the same class in all.
 *
 * @module
 */

import { build, type BuildOptions, type Plugin } from "esbuild";
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

/** Packages that a project installs itself if it uses the entry point that needs them, from `deno.json`. */
const OPTIONAL_PEERS = ["aws4fetch"];

/**
 * The entry point that is bundled apart, so that the others do not share more modules because of it. Of the library, it
 * shares the class of errors.
 */
const APART = "./archive/s3";

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
  const entryPoint = (name: string) => [moduleName(name), join(modules, compiled(ENTRY_POINTS[name]!, ".js"))];
  const common: BuildOptions = {
    outdir: join(target, "dist"),
    bundle: true,
    chunkNames: "shared-[hash]",
    format: "esm",
    platform: "node",
    external: OPTIONAL_PEERS,
    target: `node${NODE_OLDEST}`,
    legalComments: "none",
    logLevel: "warning",
  };
  const others = Object.keys(ENTRY_POINTS).filter((name) => name !== APART);
  await build({
    ...common,
    entryPoints: Object.fromEntries(others.map(entryPoint)),
    splitting: true,
    plugins: [leaveOut(/\/archive\/s3\.js$/, `./${moduleName(APART)}.js`)],
  });
  await build({
    ...common,
    entryPoints: Object.fromEntries([entryPoint(APART)]),
    plugins: [leaveOut(/\/api\/errors\.js$/, "../index.js")],
  });
  copyDeclarations(modules, join(target, "types"));
  for (const name of TEXTS) copyFileSync(join(ROOT, name), join(target, name));
  writeFileSync(join(target, "package.json"), JSON.stringify(manifest(), undefined, 2) + "\n");
}

/** Imports a module by another path, and does not bundle it. */
function leaveOut(filter: RegExp, path: string): Plugin {
  const leave = ({ kind }: { readonly kind: string }) => kind === "entry-point" ? undefined : { path, external: true };
  return { name: `leave out ${path}`, setup: ({ onResolve }) => onResolve({ filter }, leave) };
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
    peerDependencies: Object.fromEntries(
      OPTIONAL_PEERS.map((name) => [name, `^${CONFIG.imports[name].split("@").at(-1)}`]),
    ),
    peerDependenciesMeta: Object.fromEntries(OPTIONAL_PEERS.map((name) => [name, { optional: true }])),
    bin: { [COMMAND]: module(COMMAND_EXPORT).slice(2) },
    publishConfig: { access: "public" },
  };
}
