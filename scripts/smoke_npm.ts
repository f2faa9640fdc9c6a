/**
 * Packs the library for npm and uses the tarball by its name, like projects of different kinds: ES modules and CommonJS
 * in Node and Bun, two versions of TypeScript with and without the DOM's declarations, a bundler, and a test runner
 * with a DOM. `publint` and `attw` check the tarball. The programs are in `scripts/smoke`.
 *
 *     deno task smoke                             the package that `deno pack` compiles
 *     deno task smoke --package dist/npm          a folder that holds a package, or a tarball of one
 *
 * Needs `npm`. The library has no dependencies but an optional one, for S3. `scripts/smoke/package-lock.json` pins the tools that test it.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { COMMAND, makePackage, PACKAGE } from "./npm_package.ts";
import { locateRuntime } from "./runtimes.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const PROGRAMS = join(ROOT, "scripts", "smoke");
/** The most bytes that a bundler may keep for `MemoryLog` alone, minified. */
const MEMORY_LOG_BYTES_MAX = 13_000;
/** The most modules that entry points may share. Node takes more than half a millisecond to load one. */
const SHARED_MODULES_MAX = 10;

/** The checked parts of a package's manifest. */
interface Manifest {
  readonly version: string;
  readonly exports: Record<string, string | { readonly types: string; readonly import: string }>;
  readonly bin: Record<string, string>;
  readonly peerDependencies?: Record<string, string>;
  readonly peerDependenciesMeta?: Record<string, { readonly optional?: boolean }>;
  readonly [field: string]: unknown;
}

const { values: options } = parseArgs({ options: { package: { type: "string" } } });
const project = realpathSync(mkdtempSync(join(tmpdir(), "wallog-smoke-")));
// Programs that run by name, including npx, must use the Node that the library is tested with.
const { binary: node } = locateRuntime("node");
process.env.PATH = [dirname(node), process.env.PATH].join(delimiter);
try {
  const tarball = options.package === undefined ? await pack() : given(resolve(options.package));
  install(tarball);
  const installed = join(project, "node_modules", PACKAGE);
  requireComplete(installed);
  lint(tarball);
  checkTypes();
  useInRuntimes(installed);
  await bundle();
  run([node, tool("vitest"), "run", "--globals", "--environment=jsdom", "dom.test.mjs"], project);
  console.log("Vitest with jsdom: a log takes what the DOM makes.");
  useWithoutPeer(installed);
} finally {
  rmSync(project, { recursive: true, force: true });
}

/** Makes the tarball from the output of `deno pack`. */
async function pack(): Promise<string> {
  const { binary: deno } = locateRuntime("deno");
  const compiled = join(project, "compiled");
  mkdirSync(compiled);
  run([deno, "pack", "--no-source-maps", "--allow-dirty", "--output", join(compiled, "first.tgz")], ROOT);
  run(["tar", "-xzf", "first.tgz"], compiled);
  await makePackage(join(compiled, "package"), join(project, "package"));
  return given(join(project, "package"));
}

/** The tarball of a package: an existing one, or one made from a folder. */
function given(path: string): string {
  if (!statSync(path).isDirectory()) return path;
  run(["npm", "pack", "--silent", "--pack-destination", project], path);
  return join(project, `${PACKAGE.slice(1).replace("/", "-")}-${manifestOf(path).version}.tgz`);
}

/** Makes the project: the programs, the tools that test them, and the package. */
function install(tarball: string): void {
  for (const name of readdirSync(PROGRAMS)) {
    if (name !== "node_modules") cpSync(join(PROGRAMS, name), join(project, name));
  }
  const quietly = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  run(["npm", "ci", ...quietly], project);
  run(["npm", "install", "--offline", "--no-save", ...quietly, tarball], project);
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
}

/** The program of an installed package, for Node. */
function tool(name: string, command: string = name): string {
  const folder = join(project, "node_modules", name);
  const { bin } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return join(folder, typeof bin === "string" ? bin : bin[command]);
}

/** Fails unless the package has every file that the manifest names, and no file that it must not have. */
function requireComplete(folder: string): void {
  const manifest = manifestOf(folder);
  for (const kind of ["dependencies", "optionalDependencies", "scripts"]) {
    if (Object.keys(manifest[kind] ?? {}).length > 0) fail(`The package must have no ${kind}.`);
  }
  for (const name of Object.keys(manifest.peerDependencies ?? {})) {
    if (manifest.peerDependenciesMeta?.[name]?.optional !== true) fail(`The peer dependency ${name} must be optional.`);
  }
  for (const field of ["license", "engines", "description", "sideEffects"]) {
    if (manifest[field] === undefined) fail(`The package's manifest lacks ${field}.`);
  }
  const named = Object.values(manifest.exports).flatMap((one) => typeof one === "string" ? [one] : Object.values(one));
  const texts = ["README.md", "LICENSE-MIT", "LICENSE-APACHE", "CHANGELOG.md"];
  for (const file of [...named, ...Object.values(manifest.bin), ...texts]) {
    if (!existsSync(join(folder, file))) fail(`The package lacks ${file}.`);
  }
  const shared = readdirSync(join(folder, "dist")).filter((name) => name.startsWith("shared-"));
  if (shared.length > SHARED_MODULES_MAX) fail(`Entry points share too many modules: ${shared.join(", ")}.`);
}

/** Runs linters of packages. They must report nothing, except as explained below. */
function lint(tarball: string): void {
  run([node, tool("publint"), "run", "--strict", tarball], project);
  // The package has ES modules only, which `require` loads in every Node that it supports.
  run([node, tool("@arethetypeswrong/cli", "attw"), "--profile", "esm-only", "--no-emoji", tarball], project);
}

/** Checks the programs against the declarations, and the declarations themselves. */
function checkTypes(): void {
  run([locateRuntime("deno").binary, "check", "program.ts"], project);
  for (const version of ["oldest", "newest"]) {
    for (const lib of [["ES2023", "ESNext.Disposable"], ["ES2023", "ESNext.Disposable", "DOM", "DOM.AsyncIterable"]]) {
      const compilerOptions = {
        ...{ target: "ES2022", module: "NodeNext", lib, types: ["node"], noEmit: true },
        ...{ strict: true, skipLibCheck: false, exactOptionalPropertyTypes: true, allowImportingTsExtensions: true },
      };
      writeFileSync(
        join(project, "tsconfig.json"),
        JSON.stringify({ compilerOptions, files: ["program.ts", "platform.ts"] }),
      );
      run([node, tool(`typescript-${version}`, "tsc"), "--project", "tsconfig.json"], project);
      console.log(`TypeScript, ${version} version, ${lib.join(" and ")}: the types fit.`);
    }
  }
}

/** Runs the programs, and the command line by the name that npm links. */
function useInRuntimes(installed: string): void {
  for (const name of ["node", "bun"] as const) {
    const { title, version, run: prefix } = locateRuntime(name);
    const folder = join(project, name);
    mkdirSync(folder);
    run([...prefix, "program.ts", join(folder, "raft.wal")], project);
    run([...prefix, "required.cjs"], project);
    run([...prefix, join(installed, manifestOf(installed).bin[COMMAND]!), "verify", join(folder, "raft.wal")], project);
    console.log(`${title} ${version}: installed, imported and required as ${PACKAGE}.`);
  }
  const { title, version, run: prefix } = locateRuntime("deno");
  const folder = join(project, "deno");
  mkdirSync(folder);
  run([...prefix, "program.ts", join(folder, "raft.wal")], project);
  console.log(`${title} ${version}: imported from node_modules as ${PACKAGE}.`);
  run(["npx", "--no-install", COMMAND, "verify", join(project, "node", "raft.wal")], project);
}

/** Without the package that signs requests, the command for an archive in S3 fails and names it. */
function useWithoutPeer(installed: string): void {
  rmSync(join(project, "node_modules", "aws4fetch"), { recursive: true });
  const command = join(installed, manifestOf(installed).bin[COMMAND]!);
  run([node, command, "--version"], project);
  for (const name of ["node", "bun"] as const) {
    const [binary, ...prefix] = locateRuntime(name).run;
    const { status, stderr } = spawnSync(binary, [...prefix, command, "archive", "list", "s3://bucket/a"], {
      cwd: project,
      encoding: "utf8",
    });
    if (status !== 3 || !stderr.includes("npm install aws4fetch")) {
      fail(`Unclear without aws4fetch: ${status} ${stderr}`);
    }
  }
  console.log("Without aws4fetch: the command names it.");
}

/** Bundles programs as projects do. The second thread must still work, and unused code must be dropped. */
async function bundle(): Promise<void> {
  const common = { absWorkingDir: project, bundle: true, minify: true, format: "esm", platform: "node" } as const;
  await build({ ...common, entryPoints: ["bundled.ts"], outfile: "bundled.js", keepNames: true });
  run([node, "bundled.js", join(project, "bundled.wal")], project);
  console.log("esbuild with keepNames: a log is opened on two threads.");
  await build({ ...common, entryPoints: ["memory.js"], outfile: "memory.out.js" });
  const { size } = statSync(join(project, "memory.out.js"));
  if (size > MEMORY_LOG_BYTES_MAX) {
    fail(`MemoryLog alone takes ${size} bytes, at most ${MEMORY_LOG_BYTES_MAX} are allowed.`);
  }
  console.log(`esbuild: MemoryLog alone takes ${size} bytes.`);
}

function run([command, ...args]: readonly [string, ...string[]], cwd: string): void {
  // On Windows, npm and npx are command files, which only a shell can start.
  const shell = (command === "npm" || command === "npx") && process.platform === "win32";
  const { status, error } = spawnSync(command, args, { cwd, shell, stdio: "inherit" });
  if (error !== undefined) fail(`Cannot start ${command}: ${error.message}`);
  if (status !== 0) fail(`Failed with ${status}: ${[command, ...args].join(" ")}`);
}

function fail(message: string): never {
  throw new Error(message);
}
