/**
 * Packs the library for npm, installs the tarball in an empty project and uses it there by name: types checked, then run
 * in Node and in Bun, and the command line with them. Needs `npm`; the library has no dependencies, so nothing is fetched.
 *
 *     deno task smoke                             what `deno pack` makes
 *     deno task smoke --package dist/npm          a folder that holds a package, or a tarball of one
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { COMMAND, COMMAND_EXPORT, NPM_FIELDS } from "./npm_manifest.ts";
import { locateRuntime } from "./runtimes.ts";

const PACKAGE = "@wallog/wallog";
const ROOT = fileURLToPath(new URL("../", import.meta.url));

const PROGRAM = `
import assert from "node:assert/strict";
import process from "node:process";
import { type LogEntry, MemoryLog, WalLog } from "${PACKAGE}";
import { type Action, RaftNode } from "${PACKAGE}/raft";
import { exportWalDb, importWalDb } from "${PACKAGE}/wal-db";

const path = process.argv[2]!;
const entries: LogEntry[] = [1, 2, 3].map((index) => (
  { term: 1, index, kind: "normal", command: new TextEncoder().encode("command " + index) }
));

const log: WalLog = await WalLog.open(path);
log.append(entries);
const durable: number = await log.sync();
assert.equal(durable, 3);
await log.close();

const reopened: WalLog = await WalLog.open(path);
assert.equal(reopened.recovery.verdict, "clean");
assert.equal(reopened.lastIndex, 3);
const entry: LogEntry | undefined = reopened.entry(2);
assert.equal(new TextDecoder().decode(entry?.command), "command 2");
await exportWalDb(reopened, path + ".exported");
const imported = new MemoryLog();
assert.equal((await importWalDb(path + ".exported", imported)).verdict, "clean");
assert.equal(imported.lastIndex, 3);

const node: RaftNode = RaftNode.withLog({ id: 1n }, reopened);
while (!node.isLeader) await node.stepAsync({ type: "tick" });
const actions: Action[] = await node.stepAsync({ type: "propose", command: new TextEncoder().encode("command 4") });
assert.deepEqual(actions.map((action) => action.type === "apply" && action.index), [1, 2, 3, 4]);
await reopened.close();
`;

/** What npm is told of a package, as far as it is looked at here. */
interface Manifest {
  readonly version: string;
  readonly exports: Record<string, string | { readonly types?: string; readonly import?: Target }>;
  readonly bin: Record<string, string>;
  readonly [field: string]: unknown;
}

/** A module, and where its declarations are if not beside it. */
type Target = string | { readonly types?: string; readonly default?: string };

const { values: options } = parseArgs({ options: { package: { type: "string" } } });
const project = mkdtempSync(join(tmpdir(), "wallog-smoke-"));
try {
  const deno = locateRuntime("deno");
  const tarball = options.package === undefined ? pack(deno.binary) : given(resolve(options.package));
  writeFileSync(join(project, "package.json"), JSON.stringify({ name: "smoke", private: true, type: "module" }));
  run(["npm", "install", "--offline", "--no-audit", "--no-fund", tarball], project);
  const installed = join(project, "node_modules", PACKAGE);
  requireComplete(installed);

  writeFileSync(join(project, "program.ts"), PROGRAM);
  borrowNodeTypes();
  run([deno.binary, "check", "program.ts"], project);
  console.log("The types that were packed fit the program.");
  for (const name of ["node", "bun"] as const) {
    const { title, version, run: prefix } = locateRuntime(name);
    const folder = join(project, name);
    mkdirSync(folder);
    run([...prefix, "program.ts", join(folder, "raft.wal")], project);
    console.log(`${title} ${version}: installed and used as ${PACKAGE}.`);
    run(
      [...prefix, join(installed, manifestOf(installed).bin[COMMAND]!), "verify", join(folder, "raft.wal")],
      project,
    );
  }
  // As its users call it: by the name that npm links, in the Node that comes first.
  process.env.PATH = [dirname(locateRuntime("node").binary), process.env.PATH].join(delimiter);
  run(["npx", "--no-install", COMMAND, "verify", join(project, "node", "raft.wal")], project);
} finally {
  rmSync(project, { recursive: true, force: true });
}

/** Makes the tarball: `deno pack` knows nothing of commands, so that the manifest is completed and packed once more. */
function pack(deno: string): string {
  const first = join(project, "first.tgz");
  run([deno, "pack", "--no-source-maps", "--allow-dirty", "--output", first], ROOT);
  run(["tar", "-xzf", "first.tgz"], project);
  const folder = join(project, "package");
  const manifest = manifestOf(folder);
  const { import: command } = manifest.exports[COMMAND_EXPORT] as { readonly import: string };
  const complete = { ...manifest, ...NPM_FIELDS, bin: { [COMMAND]: command } };
  writeFileSync(join(folder, "package.json"), JSON.stringify(complete, undefined, 2));
  return given(folder);
}

/** The tarball of a package: one that is there, or that of a folder. */
function given(path: string): string {
  if (!statSync(path).isDirectory()) return path;
  run(["npm", "pack", "--silent", "--pack-destination", project], path);
  return join(project, `${PACKAGE.slice(1).replace("/", "-")}-${manifestOf(path).version}.tgz`);
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
}

/** A program for Node is checked with Node's types; these are the pinned ones of this repository. */
function borrowNodeTypes(): void {
  const types = realpathSync(join(ROOT, "node_modules", "@types", "node"));
  mkdirSync(join(project, "node_modules", "@types"), { recursive: true });
  symlinkSync(types, join(project, "node_modules", "@types", "node"), "junction");
}

/** `deno pack` leaves out declarations and still succeeds where a public type must be inferred: look, do not trust. */
function requireComplete(folder: string): void {
  const manifest = manifestOf(folder);
  for (const kind of ["dependencies", "optionalDependencies", "peerDependencies"]) {
    if (Object.keys(manifest[kind] ?? {}).length > 0) fail(`The package must have no ${kind}.`);
  }
  for (const field of ["license", "engines", "description"]) {
    if (manifest[field] === undefined) fail(`The package's manifest lacks ${field}.`);
  }
  const required = Object.values(manifest.exports).flatMap((entry) => {
    const { types, import: target } = typeof entry === "string" ? { import: entry } : entry;
    const module = typeof target === "string" ? target : target?.default;
    if (module === undefined) return fail("An export of the package has no module.");
    return [module, types ?? (typeof target === "string" ? undefined : target?.types) ?? declarationsOf(module)];
  });
  const texts = ["README.md", "LICENSE-MIT", "LICENSE-APACHE", "CHANGELOG.md"];
  for (const file of [...required, ...Object.values(manifest.bin), ...texts]) {
    if (!existsSync(join(folder, file))) fail(`The package lacks ${file}.`);
  }
}

/** Where declarations are that nothing names. */
function declarationsOf(module: string): string {
  return module.replace(/\.js$/, ".d.ts");
}

function run([command, ...args]: readonly [string, ...string[]], cwd: string): void {
  // On Windows npm and npx are command files, which only a shell starts.
  const shell = (command === "npm" || command === "npx") && process.platform === "win32";
  const { status, error } = spawnSync(command, args, { cwd, shell, stdio: "inherit" });
  if (error !== undefined) fail(`Cannot start ${command}: ${error.message}`);
  if (status !== 0) fail(`Failed with ${status}: ${[command, ...args].join(" ")}`);
}

function fail(message: string): never {
  throw new Error(message);
}
