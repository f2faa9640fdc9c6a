/**
 * Cuts the power of virtual machines while they write a log, and judges what their disks hold afterwards. Half of the
 * machines ship their log to an archive meanwhile, in a folder of the same disk. So the archive loses its power too.
 *
 *     deno task power                        100 cuts on ext4
 *     deno task power --quick                20 cuts, for CI
 *     deno task power --fs ext4,xfs,btrfs    file systems in turn
 *     deno task power --cuts 1000 --jobs 2   as many as wanted, on so many machines at a time
 *     deno task power --seed 4711            the same histories and choices again; the guest's timing differs
 *     deno task power --fault drop-flushes   a disk that drops flushes, which must be noticed; or early-ack,
 *                                            early-archive
 *     deno task power --mutant "NAME"        a mutant of tests/mutants, which must be noticed
 *     Ctrl-C                                 ends the run after the cuts at work, and prints the sums
 *     deno task power --self-test            all faults and mutants that must be noticed, one after the other
 *     deno task power --kernel FOLDER        where a Debian package with a kernel was extracted; default: /
 *
 * It needs qemu-system-x86, busybox-static, a Debian kernel with its modules, and Python. `docs/RELIABILITY.md`
 * explains what the cuts show.
 *
 * @module
 */

import process from "node:process";
import { parseArgs } from "node:util";
import { MUTANTS } from "../tests/mutants/mutants.ts";
import { Bench, type DiskResult, type Fault, FILE_SYSTEMS, keepFiles } from "./power/bench.ts";
import { findKernel, findProgram } from "./power/image.ts";
import { addResult, noSums, summary, type Sums } from "./power/sums.ts";
import { locateRuntime } from "./runtimes.ts";

/** Cuts of one disk, before the next one with another seed. */
const CUTS_A_DISK = 10;
const CUTS_DEFAULT = 100;
const CUTS_QUICK = 20;
/** A fault that was not noticed after so many cuts counts as unnoticed. */
const CUTS_UNTIL_NOTICED = 100;
const FAULTS: readonly Fault[] = ["drop-flushes", "early-ack", "early-archive"];
/** Mutants that the self-test must notice. */
const SELF_TEST_MUTANTS = [
  "fdatasync is not called",
  "fsync of a directory is not called",
  "a snapshot is not flushed before it is renamed",
];

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    fs: { type: "string", default: "ext4" },
    cuts: { type: "string" },
    seed: { type: "string", default: String(Date.now() % 2 ** 31) },
    jobs: { type: "string", default: "1" },
    fault: { type: "string" },
    mutant: { type: "string" },
    "self-test": { type: "boolean", default: false },
    kernel: { type: "string", default: "/" },
  },
});
const cuts = Number(values.cuts ?? (values.quick ? CUTS_QUICK : CUTS_DEFAULT));
const [firstSeed, jobs] = [Number(values.seed), Number(values.jobs)];
if (![cuts, firstSeed, jobs].every(Number.isSafeInteger) || cuts < 1 || jobs < 1) {
  fail("--cuts, --seed and --jobs take whole numbers");
}
const systems = values.fs.split(",");
const unknown = systems.filter((fs) => !FILE_SYSTEMS.includes(fs));
if (unknown.length > 0) fail(`no such file system: ${unknown.join(", ")}. There are ${FILE_SYSTEMS.join(", ")}.`);

const kernel = findKernel(values.kernel);
const missing = [
  ...["qemu-system-x86_64", "busybox", "python3", ...systems.map((fs) => `mkfs.${fs}`), "mkfs.ext4"]
    .filter((name) => findProgram(name) === undefined),
  ...kernel === undefined
    ? [`a Debian kernel with its modules under ${values.kernel} (see --kernel in CONTRIBUTING.md)`]
    : [],
];
if (missing.length > 0) {
  console.log(`skipped: no power was cut, because this machine lacks ${[...new Set(missing)].join(", ")}`);
  process.exit(0);
}
const node = locateRuntime("node").binary;

/** Whether Ctrl-C was pressed: then the power is cut no more, and the sums are printed. */
let isInterrupted = false;
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => isInterrupted = true);

try {
  if (values["self-test"]) {
    for (const fault of FAULTS) await mustNotice(fault, undefined);
    for (const mutant of SELF_TEST_MUTANTS) await mustNotice(undefined, mutant);
  } else if (values.fault !== undefined || values.mutant !== undefined) {
    if (values.fault !== undefined && !(FAULTS as readonly string[]).includes(values.fault)) {
      fail(`no such fault: ${values.fault}. There are ${FAULTS.join(", ")}.`);
    }
    await mustNotice(values.fault as Fault | undefined, values.mutant);
  } else {
    const { problem, text } = await cutDisks(cuts, undefined, undefined);
    console.log(text);
    process.exitCode = problem ? 1 : 0;
  }
} catch (error) {
  console.error(error);
  // Unlike an uncaught error, this ends the machines in every runtime.
  process.exit(1);
}

/** Cuts disks until one is wrong: with this fault, one must be. */
async function mustNotice(fault: Fault | undefined, mutant: string | undefined): Promise<void> {
  const name = fault ?? mutant;
  const { problem, sums } = await cutDisks(CUTS_UNTIL_NOTICED, fault, mutant);
  if (problem) console.log(`${name}: noticed within ${sums.cuts} cuts`);
  else console.log(`${name}: NOT NOTICED in ${sums.cuts} cuts`);
  if (!problem) process.exitCode = 1;
}

/** Cuts one disk after the other. With a fault, the first one that is wrong ends it. */
async function cutDisks(
  cuts: number,
  fault: Fault | undefined,
  mutant: string | undefined,
): Promise<{ problem: boolean; sums: Sums; text: string }> {
  const edit = mutant === undefined ? undefined : MUTANTS.find(({ name }) => name === mutant);
  if (mutant !== undefined && edit === undefined) fail(`no such mutant: ${mutant}`);
  const sums = noSums();
  const started = performance.now();
  const bench = new Bench({ kernel: kernel!, node, fault, edit, isStopped: () => isInterrupted });
  try {
    await bench.boot();
    const booted = performance.now();
    let begun = 0;
    await Promise.all(Array.from({ length: jobs }, async () => {
      const isNoticed = () => sums.problems > 0 && (edit ?? fault) !== undefined;
      while (begun * CUTS_A_DISK < cuts && !isNoticed() && !isInterrupted) {
        const number = begun++;
        const fs = systems[number % systems.length]!;
        const seed = firstSeed + number;
        const result = await bench.cutDisk(fs, seed, Math.min(CUTS_A_DISK, cuts - number * CUTS_A_DISK));
        addResult(sums, fs, result);
        const flags = `${fault ? ` --fault ${fault}` : ""}${mutant ? ` --mutant "${mutant}"` : ""}`;
        if (result.problem !== undefined) explain(fs, seed, flags, result);
        if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${sums.cuts} cuts`);
      }
    }));
    const seconds = (performance.now() - booted) / 1000;
    return {
      problem: sums.problems > 0,
      sums,
      text: summary(sums, firstSeed, seconds, (booted - started) / 1000),
    };
  } finally {
    bench.remove();
  }
}

function explain(fs: string, seed: number, flags: string, { problem, cuts, files, store }: DiskResult): void {
  const last = cuts.at(-1);
  console.log(`${fs}, seed ${seed}, cut ${cuts.length}: ${problem}
  cut while: ${last?.phase}, ${JSON.stringify(last?.report)}
  the log and its archive as the cut left them: ${keepFiles(files, store)}
  again: deno task power --fs ${fs} --seed ${seed} --cuts ${CUTS_A_DISK}${flags}`);
}

function fail(message: string): never {
  console.error(message);
  process.exit(64);
}
