/**
 * Runs programs under `strace`, to trace their calls on a folder and to make calls fail.
 *
 * @module
 */

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import process from "node:process";

/** Calls that change what is on a disk; with `?`, those that not every architecture has. */
const CALLS = [
  ...["openat", "?open", "?creat", "write", "writev", "pwrite64", "pwritev", "pwritev2", "ftruncate", "truncate"],
  ...["fallocate", "copy_file_range", "fdatasync", "fsync", "sync_file_range", "syncfs", "mkdirat", "?mkdir"],
  ...["?rename", "renameat", "renameat2", "?unlink", "unlinkat", "?link", "linkat"],
].join(",");

/** A program that neither ends nor prints anything for this long is stuck. In milliseconds. */
const STUCK_MS = 60_000;

/** A system call. */
export interface SystemCall {
  readonly thread: number;
  readonly name: string;
  /** Path of the file in the folder that was traced; empty for the folder itself. */
  readonly file: string;
  /** The other name of a rename. */
  readonly to: string;
  /** The arguments, as strace prints them. */
  readonly args: string;
  /** The result; -1 for a failure. */
  readonly result: number;
  readonly isInjected: boolean;
  /** Positions in the trace at which it began and returned. */
  readonly begin: number;
  readonly end: number;
  /** The text of a write to standard output; `undefined` for all other calls. */
  readonly said: string | undefined;
}

/** The outcome of a program. */
export interface Traced {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The calls that concern the folder or the standard output, in the order in which they returned. */
  readonly calls: readonly SystemCall[];
}

/** A call to fail. */
export interface Injection {
  readonly call: string;
  /** The number of the call, from 1. */
  readonly nth: number;
  /** `error=EIO` or `signal=KILL`. */
  readonly action: string;
  /** The files of the folder. Calls on other files do not count. Empty for the folder itself. */
  readonly files: readonly string[];
}

/**
 * Why strace cannot be used here.
 *
 * @returns The reason, for skipped tests; `undefined` if strace works.
 */
export function whyNoStrace(): string | undefined {
  if (process.platform !== "linux") return `strace is for Linux, this is ${process.platform}`;
  const { error, status, stderr } = spawnSync("strace", ["-f", "-o", "/dev/null", "/bin/true"], { encoding: "utf8" });
  if (error !== undefined) return "strace is not installed (Debian: apt-get install strace)";
  return status === 0 ? undefined : `strace cannot trace here: ${stderr.trim()}`;
}

/**
 * Runs a program under strace.
 *
 * @param command The program and its arguments.
 * @param folder The folder to trace: an absolute path without links.
 * @param injection A call to fail.
 * @returns The outcome.
 */
export async function trace(command: readonly string[], folder: string, injection?: Injection): Promise<Traced> {
  const scratch = mkdtempSync(join(tmpdir(), "wallog-strace-"));
  const output = join(scratch, "trace");
  const args = ["-f", "-y", "-s", "64", "-e", "signal=none", "-o", output];
  // The filter is much faster, but loses the signal for a call that it stops.
  if (injection?.action.startsWith("signal=") !== true) args.push("--seccomp-bpf");
  if (injection === undefined) args.push("-e", `trace=${CALLS}`);
  else {
    const { call, nth, action, files } = injection;
    args.push("-e", `trace=${CALLS}`, "-e", `inject=${call}:${action}:when=${nth}`);
    for (const file of files) args.push("-P", file === "" ? folder : join(folder, file));
  }
  try {
    const ended = await run("strace", [...args, ...command]);
    return { ...ended, calls: parse(readFileSync(output, "utf8"), folder) };
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

function run(binary: string, args: readonly string[]): Promise<Omit<Traced, "calls">> {
  return new Promise((resolve, reject) => {
    // With only one additional thread in each runtime, the n-th call is always the same one.
    const env = { ...process.env, UV_THREADPOOL_SIZE: "1" };
    const child = spawn(binary, args, { stdio: ["ignore", "pipe", "pipe"], env });
    let [stdout, stderr] = ["", ""];
    const stuck = setTimeout(() => child.kill("SIGTERM"), STUCK_MS);
    child.stdout.setEncoding("utf8").on("data", (text: string) => stdout += text);
    child.stderr.setEncoding("utf8").on("data", (text: string) => stderr += text);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(stuck);
      resolve({ code, signal, stdout, stderr });
    });
  });
}

/** Parses a trace. A line is `1234 fsync(5</folder>) = 0`, or two halves if other threads interrupt it. */
function parse(text: string, folder: string): SystemCall[] {
  const calls: SystemCall[] = [];
  const unfinished = new Map<string, { readonly begin: number; readonly head: string }>();
  for (const [at, line] of text.split("\n").entries()) {
    const { thread, rest } = /^(?<thread>\d+) +(?<rest>.*)$/.exec(line)?.groups ?? {};
    if (thread === undefined || rest === undefined) continue;
    if (rest.endsWith("<unfinished ...>")) {
      unfinished.set(thread, { begin: at, head: rest.slice(0, -"<unfinished ...>".length).trimEnd() });
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>(?<tail>.*)$/.exec(rest)?.groups?.tail;
    const { begin, head } = resumed === undefined ? { begin: at, head: "" } : unfinished.get(thread) ??
      { begin: at, head: "" };
    const call = parseCall(Number(thread), head + (resumed ?? rest), begin, at, folder);
    if (call !== undefined) calls.push(call);
  }
  return calls;
}

function parseCall(thread: number, text: string, begin: number, end: number, folder: string): SystemCall | undefined {
  // A killed process leaves calls without a result.
  const groups = /^(?<name>\w+)\((?<args>.*)\) += (?<result>-?\d+|\?)(?<note>.*)$/.exec(text)?.groups;
  if (groups === undefined || groups.result === "?") return undefined;
  const { name, args, result, note } = groups as Record<"name" | "args" | "result" | "note", string>;
  const said = name === "write" && /^1</.test(args) ? /, "(.*?)"/.exec(args)?.[1]?.replace(/\\n$/, "") : undefined;
  // A descriptor with its path, a path in quotes, or for a rename two.
  const paths = [...args.matchAll(/^\d+<([^>]*)>|"([^"]*)"/g)].map((match) => match[1] ?? match[2]!);
  const [path = "", other = ""] = name.startsWith("pwrite") || name === "write" ? paths.slice(0, 1) : paths;
  const inside = path === folder || path.startsWith(folder + "/");
  if (said === undefined && !inside) return undefined;
  return {
    thread,
    name,
    file: relative(folder, path),
    to: other === "" ? "" : relative(folder, other),
    args,
    result: Number(result),
    isInjected: note.includes("(INJECTED)"),
    begin,
    end,
    said,
  };
}
