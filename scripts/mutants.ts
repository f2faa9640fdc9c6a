/**
 * Mutation testing: applies the mutants of `tests/mutants/` one at a time to a copy of the repository, and runs checks
 * until one fails. The first check is the one that the mutant names. If it passes, the simulation and all tests follow.
 * A mutant that survives is a gap in the tests.
 *
 *     deno task mutants                      all of them, in two hours or so
 *     deno task mutants slot flush           those whose names contain "slot" or "flush"
 *     deno task mutants --named              only with the check that each names, which is much faster
 *     deno task mutants --part 1/2           the first of two halves, for a second process
 *     deno task mutants --check              only whether each still applies to the source
 *     deno task mutants --only simulation    with these checks only, or test files: may be repeated
 *     deno task mutants --json FILE          results as JSON too
 *
 * @module
 */

import { spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Mutant } from "../tests/mutants/mutant.ts";
import { MUTANTS } from "../tests/mutants/mutants.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
/** The files and folders of a copy. */
const COPIED = ["src", "wasm", "tests", "scripts", "examples", "docs", "bench", "mod.ts"]
  .concat("deno.json", "deno.lock", "README.md", "CHANGELOG.md", "CONTRIBUTING.md");
/** The longest time of a check, in milliseconds. A check that hangs kills the mutant. */
const CHECK_MS_MAX = 180_000;
/** The number of histories of each kind. */
const SEEDS_DEFAULT = "400";
/** Fast and effective tests first. The others follow by name. */
const FIRST_TESTS = [
  "close",
  "create",
  "durable_proof",
  "flush",
  "misplaced",
  "sealed",
  "pointer",
  "torn",
  "rotation",
  "group_commit",
  "fail_stop",
  "snapshot_install",
  "snapshot_header",
  "open",
  "damage_healed",
  "damage_kept",
  "damage",
  "model",
  "layout",
  "xxh3",
];
/** The simulations run separately. The other tests do not run mutated code, or only repeat everything. */
const SKIPPED_TESTS = ["simulation", "raft_simulation", "fuzz", "memory_log"];
/** The programs that run the histories. */
const SIMULATIONS: ReadonlyMap<string, string> = new Map([
  ["simulation", "tests/mutants/simulate.ts"],
  ["raft simulation", "tests/mutants/simulate_raft.ts"],
]);
/** Tests that compare bytes fail at any change of the format, which shows little. They run last. */
const LAST_TESTS = ["kill", "runtimes", "golden"];

interface Result {
  readonly name: string;
  readonly file: string;
  readonly killedBy: string | undefined;
  readonly what: string;
  readonly seconds: number;
  readonly equivalent: string | undefined;
  readonly error: string | undefined;
}

const { values: options, positionals: filters } = parseArgs({
  options: {
    check: { type: "boolean", default: false },
    json: { type: "string" },
    named: { type: "boolean", default: false },
    only: { type: "string", multiple: true, default: [] },
    part: { type: "string", default: "1/1" },
    seeds: { type: "string", default: SEEDS_DEFAULT },
  },
  allowPositionals: true,
});

const [part, parts] = options.part.split("/").map(Number) as [number, number];
if (!(part >= 1 && part <= parts)) fail("--part takes a number and how many there are, such as 1/2");
const chosen = MUTANTS.filter(({ name, file }) =>
  filters.length === 0 || filters.some((filter) => name.includes(filter) || file.includes(filter))
).filter((_, position) => position % parts === part - 1);
const names = new Set(MUTANTS.map(({ name }) => name));
if (names.size !== MUTANTS.length) fail("two mutants have the same name");
const stale = chosen.map((mutant) => applied(mutant, ROOT)).filter((one) => one.error !== undefined);
for (const { error } of stale) console.error(error);
if (stale.length > 0) fail(`${stale.length} mutants do not apply to the source any more`);
const strays = chosen.filter(({ dies }) => !SIMULATIONS.has(dies) && !existsSync(join(ROOT, "tests", `${dies}.ts`)));
for (const { name, dies } of strays) console.error(`${name}: there is no check ${dies}`);
if (strays.length > 0) fail(`${strays.length} mutants are to be noticed by checks that do not exist`);
if (options.check) {
  console.log(`${chosen.length} mutants apply`);
  process.exit(0);
}

/** The running check, in its own process group. */
let running: number | undefined;
for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.on(signal, () => {
    if (running !== undefined) process.kill(-running, "SIGKILL");
    rmSync(copy, { recursive: true, force: true });
    process.exit(130);
  });
}
const copy = mkdtempSync(join(tmpdir(), "wallog-mutants-"));
const results: Result[] = [];
/** What fails in each check without a mutant. */
const baselines = new Map<string, ReadonlySet<string>>();
try {
  for (const name of COPIED) {
    if (existsSync(join(ROOT, name))) cpSync(join(ROOT, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  const tests = testFiles().filter((test) => chosen.some((mutant) => isFor(mutant, test)));
  console.log(`${chosen.length} mutants, ${options.seeds} seeds of each kind`);
  for (const mutant of chosen) {
    const result = await judge(mutant, tests);
    results.push(result);
    const verdict = result.killedBy ?? (result.equivalent === undefined ? "SURVIVED" : "equivalent");
    console.log(
      `${verdict.padEnd(14)} ${result.seconds.toFixed(0).padStart(4)} s  ${mutant.name}${
        result.what && `: ${result.what}`
      }`,
    );
    if (options.json !== undefined) writeFileSync(options.json, JSON.stringify(results, undefined, 2) + "\n");
  }
} finally {
  rmSync(copy, { recursive: true, force: true });
}

const by = new Map<string, number>();
for (const { killedBy, equivalent } of results) {
  const key = killedBy ?? (equivalent === undefined ? "SURVIVED" : "equivalent");
  by.set(key, (by.get(key) ?? 0) + 1);
}
console.log(`\n${results.length} mutants`);
for (const [key, count] of [...by].sort((a, b) => b[1] - a[1])) console.log(`${String(count).padStart(6)} ${key}`);
process.exitCode = by.has("SURVIVED") || by.has("INVALID") ? 1 : 0;

/** The mutated text of a mutant's file, or why the mutant does not apply. */
function applied({ name, file, edits }: Mutant, root: string): { text: string; original: string; error?: string } {
  const original = readFileSync(join(root, file), "utf8");
  let text = original;
  for (const [find, replacement] of edits) {
    const parts = text.split(find);
    if (parts.length !== 2) {
      const error = `${name}: ${file} has ${parts.length - 1} times, instead of once:\n${find}`;
      return { text, original, error };
    }
    text = parts.join(replacement);
  }
  return { text, original };
}

async function judge(mutant: Mutant, tests: readonly string[]): Promise<Result> {
  // Run the expected check first. It usually fails, so the others need not run.
  const checks = [...SIMULATIONS.keys(), ...tests].filter(isWanted)
    .filter((check) => check === mutant.dies || (!options.named && isFor(mutant, check)))
    .sort((a, b) => Number(b === mutant.dies) - Number(a === mutant.dies));
  await failuresWithoutMutant(mutant.dies);
  const started = performance.now();
  const { text, original } = applied(mutant, copy);
  const module = join(copy, "src/codec/codec_wasm.ts");
  const moduleText = readFileSync(module, "utf8");
  const write = (text: string, moduleText: string) => {
    writeFileSync(join(copy, mutant.file), text);
    writeFileSync(module, moduleText);
  };
  const result = (killedBy: string | undefined, what: string): Result => ({
    name: mutant.name,
    file: mutant.file,
    killedBy,
    what,
    seconds: (performance.now() - started) / 1000,
    equivalent: killedBy === undefined ? mutant.equivalent : undefined,
    error: undefined,
  });
  write(text, moduleText);
  try {
    if (mutant.file.startsWith("wasm/")) {
      const built = await run(["run", "-A", "--no-check", "scripts/build_wasm.ts"]);
      if (built.code !== 0) return result("INVALID", "does not compile");
    }
    // A mutant that does not load proves nothing.
    const loaded = await run([
      "eval",
      "--no-check",
      modulesOf(mutant.file).map((path) => `import "./${path}";`).join(""),
    ]);
    if (loaded.code !== 0) return result("INVALID", "does not load");
    const mutatedModule = readFileSync(module, "utf8");
    for (const check of checks) {
      const { failures, hangs } = await runCheck(check);
      if (failures.length === 0 && !hangs) continue;
      write(original, moduleText);
      const failing = await failuresWithoutMutant(check);
      if (hangs) return result(check, "does not come to an end");
      const killer = failures.find((name) => !failing.has(name));
      if (killer !== undefined) return result(check, killer);
      write(text, mutatedModule);
    }
    return result(undefined, mutant.equivalent ?? "");
  } finally {
    write(original, moduleText);
  }
}

/** What fails in a check without a mutant. It is not counted. The source must be without one. */
async function failuresWithoutMutant(check: string): Promise<ReadonlySet<string>> {
  let failing = baselines.get(check);
  if (failing === undefined) {
    const { failures, hangs } = await runCheck(check);
    if (hangs || (SIMULATIONS.has(check) && failures.length > 0)) fail(`${check} fails without a mutant`);
    failing = new Set(failures);
    if (failing.size > 0) console.log(`fails without a mutant, and is not counted: ${failures.join("; ")}`);
    baselines.set(check, failing);
  }
  return failing;
}

async function runCheck(check: string): Promise<{ failures: string[]; hangs: boolean }> {
  return await (SIMULATIONS.has(check) ? simulate(check) : runTest(check));
}

/** The modules that show whether a mutant loads: the library, and the file itself unless it is no module of the library. */
function modulesOf(file: string): string[] {
  return file.startsWith("src/") ? ["mod.ts", file] : ["mod.ts"];
}

function isRaft(file: string): boolean {
  return file.startsWith("src/raft/");
}

/** Whether a check runs the mutated code: checks of the log do not run the consensus core. */
function isFor({ file }: Mutant, check: string): boolean {
  return isRaft(file) === /^raft[ _]/.test(check);
}

async function simulate(check: string): Promise<{ failures: string[]; hangs: boolean }> {
  const script = SIMULATIONS.get(check)!;
  const { code, output } = await run(["run", "--no-check", "--allow-env", script, options.seeds]);
  const line = output.split("\n").find((line) => line.startsWith("seed ")) ?? output.trim().split("\n").at(-1) ?? "";
  return { failures: code === 0 ? [] : [line.slice(0, 160)], hangs: code === undefined };
}

async function runTest(test: string): Promise<{ failures: string[]; hangs: boolean }> {
  const report = join(copy, "report.xml");
  rmSync(report, { force: true });
  const { code, output } = await run(["test", "-A", "--no-check", `--junit-path=${report}`, `tests/${test}.ts`]);
  if (code === 0) return { failures: [], hangs: false };
  const found = existsSync(report) ? readFileSync(report, "utf8").split("<testcase ").slice(1) : [];
  const failures = found.filter((text) => /<(failure|error)\b/.test(text)).map((text) =>
    /^name="([^"]*)"/.exec(text)?.[1] ?? ""
  );
  // The innermost test, not the groups around it.
  const inner = failures.filter((name) => !failures.some((other) => other.startsWith(`${name} &gt; `)));
  if (inner.length === 0) inner.push(`${test}: ${output.trim().split("\n").at(-1)}`);
  return { failures: inner, hangs: code === undefined };
}

function testFiles(): string[] {
  const files = readdirSync(join(ROOT, "tests")).filter((name) => name.endsWith("_test.ts")).map((name) =>
    name.slice(0, -3)
  );
  const known = files.filter(isWanted).filter((name) => !SKIPPED_TESTS.includes(name.slice(0, -"_test".length)));
  const rank = (name: string) => {
    const short = name.slice(0, -"_test".length);
    const first = FIRST_TESTS.indexOf(short);
    const last = LAST_TESTS.indexOf(short);
    return first >= 0 ? first : 100 + last;
  };
  return known.sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

function isWanted(check: string): boolean {
  return options.only.length === 0 || options.only.includes(check);
}

/** Runs Deno in the copy. The code is undefined if it had to be stopped. */
function run(args: readonly string[]): Promise<{ code: number | undefined; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(Deno(), args, { cwd: copy, env: { ...process.env, NO_COLOR: "1" }, detached: true });
    running = child.pid;
    let output = "";
    child.stdout.on("data", (text) => output += text);
    child.stderr.on("data", (text) => output += text);
    let hangs = false;
    // Kill it with all its child processes.
    const timer = setTimeout(() => {
      hangs = true;
      process.kill(-child.pid!, "SIGKILL");
    }, CHECK_MS_MAX);
    child.on("error", reject);
    child.on("close", (code) => {
      running = undefined;
      clearTimeout(timer);
      resolve({ code: hangs ? undefined : code ?? 1, output });
    });
  });
}

function Deno(): string {
  return process.execPath;
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
