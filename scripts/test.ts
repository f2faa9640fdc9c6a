/**
 * Runs `tests/*_test.ts` on Deno, Bun and Node. On Deno, also runs the examples in the docstrings of `mod.ts` and `src/`.
 * Ends with a line for each runtime and the sum of the three.
 *
 *     deno task test                             everything
 *     deno task test recovery lock               files whose names contain "recovery" or "lock"
 *     deno task test --runtime node              one runtime; may be repeated
 *
 * Which binaries are used: see `runtimes.ts`.
 *
 * @module
 */

import { spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { DENO_PERMISSIONS, environmentFor, isOlder, locateRuntime, type Runtime, RUNTIME_NAMES } from "./runtimes.ts";

/** Bun's default timeout of a test is 5 s. Deno and Node have none. */
const BUN_TEST_TIMEOUT_MS = 10 * 60 * 1000;

/** A version of Deno that is known not to change the arguments of programs. */
const DENO_KEEPS_ARGUMENTS = "2.9.6";

interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const { values: options, positionals: filters } = parseArgs({
  options: { runtime: { type: "string", multiple: true, default: [...RUNTIME_NAMES] } },
  allowPositionals: true,
});

const unknown = options.runtime.filter((name) => !(RUNTIME_NAMES as readonly string[]).includes(name));
if (unknown.length > 0) fail(`No such runtime: ${unknown.join(", ")}. There are ${RUNTIME_NAMES.join(", ")}.`);

const files = readdirSync(join(ROOT, "tests"))
  .filter((name) => name.endsWith("_test.ts"))
  .filter((name) => filters.length === 0 || filters.some((filter) => name.includes(filter)))
  .sort()
  .map((name) => `./tests/${name}`);
if (files.length === 0) fail(`No file in tests/ matches ${filters.join(", ") || "*_test.ts"}.`);

// Always locate all three, because a test in one runtime starts programs in the others.
const runtimes = locateAll();
for (const { title, version, binary, source } of runtimes) console.log(`${title} ${version}: ${binary} (${source})`);

const reports = mkdtempSync(join(tmpdir(), "wallog-test-"));
const closing: string[] = [];
const sum: Totals = { passed: 0, failed: 0, skipped: 0 };
try {
  for (const runtime of runtimes) {
    if (!options.runtime.includes(runtime.name)) continue;
    console.log(`\n=== ${runtime.title} ${runtime.version} ===\n`);
    const totals = await runSuite(runtime);
    closing.push(`${runtime.title} ${runtime.version}: ${inWords(totals)}`);
    sum.passed += totals.passed;
    sum.failed += totals.failed;
    sum.skipped += totals.skipped;
  }
} finally {
  rmSync(reports, { recursive: true, force: true });
}

console.log(`\n${closing.join("\n")}\n\n${inWords(sum)}`);
process.exitCode = sum.failed > 0 ? 1 : 0;

async function runSuite(runtime: Runtime): Promise<Totals> {
  const report = join(reports, `${runtime.name}.xml`);
  const exitCode = await run(binaryFor(runtime), testArguments(runtime, report));
  const totals = countTests(report);
  // A file that does not load, a leak at the end, or a crashed runner is not in the report.
  if (exitCode !== 0 && totals.failed === 0) {
    console.log(`${runtime.title} ended with ${exitCode} although no test failed.`);
    totals.failed = 1;
  } else if (totals.passed + totals.failed === 0) {
    console.log(`${runtime.title} ran no test.`);
    totals.failed = 1;
  }
  return totals;
}

/**
 * The binary to run the suite with. Deno 2.4 changes the arguments of a program that it starts from its own path. So
 * the suite runs on a copy of the binary, and the tests start the original.
 */
function binaryFor({ name, binary, version }: Runtime): string {
  if (name !== "deno" || !isOlder(version, DENO_KEEPS_ARGUMENTS)) return binary;
  const other = join(reports, basename(binary));
  copyFileSync(binary, other);
  return other;
}

/** Each runner prints to the terminal, and also writes a JUnit file, which is read here. */
function testArguments({ name, run }: Runtime, report: string): string[] {
  if (name === "deno") {
    const documented = filters.length === 0 ? ["--doc", "mod.ts", "src"] : [];
    return ["test", ...DENO_PERMISSIONS, `--junit-path=${report}`, ...documented, ...files];
  }
  if (name === "bun") {
    const reporter = ["--reporter=junit", `--reporter-outfile=${report}`];
    return ["test", `--timeout=${BUN_TEST_TIMEOUT_MS}`, ...reporter, ...files];
  }
  return [
    ...run.slice(1),
    "--test",
    ...["--test-reporter=spec", "--test-reporter-destination=stdout"],
    ...["--test-reporter=junit", `--test-reporter-destination=${report}`],
    ...files,
  ];
}

function run(binary: string, args: string[]): Promise<number | string> {
  const env = { ...process.env, ...environmentFor(runtimes) };
  return new Promise((resolve, reject) => {
    spawn(binary, args, { cwd: ROOT, env, stdio: "inherit" })
      .on("error", reject)
      .on("exit", (code, signal) => resolve(code ?? signal ?? "no exit code"));
  });
}

/** Counts tests, not groups: Deno also lists a `describe`, and a test with subtests. */
function countTests(report: string): Totals {
  const totals: Totals = { passed: 0, failed: 0, skipped: 0 };
  const cases = readReport(report).split("<testcase ").slice(1).map((text) => ({
    name: /^name="([^"]*)"/.exec(text)?.[1] ?? "",
    outcome: /<(failure|error|skipped)\b/.exec(text)?.[1],
  }));
  for (const { name, outcome } of cases) {
    if (cases.some((other) => other.name.startsWith(`${name} &gt; `))) continue;
    if (outcome === undefined) totals.passed++;
    else if (outcome === "skipped") totals.skipped++;
    else totals.failed++;
  }
  return totals;
}

function readReport(report: string): string {
  try {
    return readFileSync(report, "utf8");
  } catch {
    return ""; // The runner ended before it wrote one, which its exit code tells.
  }
}

function inWords({ passed, failed, skipped }: Totals): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`;
}

function locateAll(): Runtime[] {
  try {
    return RUNTIME_NAMES.map(locateRuntime);
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}
