/**
 * Runs programs under `strace`: what they do to a folder, in order, and what becomes of them when a call fails.
 *
 * @module
 */

import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import process from "node:process";

/** Calls that change what is on a disk; with `?`, those that not every architecture has. */
const CALLS = [
  ...["openat", "?open", "?creat", "write", "writev", "pwrite64", "pwritev", "pwritev2", "ftruncate", "truncate"],
  ...["fallocate", "copy_file_range", "fdatasync", "fsync", "sync_file_range", "syncfs", "mkdirat", "?mkdir"],
  ...["?rename", "renameat", "renameat2", "?unlink", "unlinkat", "?link", "linkat"],
].join(",");

/** A program that neither ends nor says anything for so long is stuck. In milliseconds. */
const STUCK_MS = 60_000;

/** A system call. */
export interface SystemCall {
  readonly thread: number;
  readonly name: string;
  /** Name of the file in the folder that was traced; empty for the folder itself. */
  readonly file: string;
  /** The other name of a rename. */
  readonly to: string;
  /** As strace writes them. */
  readonly args: string;
  /** What it returned; -1 for a failure. */
  readonly result: number;
  readonly isInjected: boolean;
  /** Places in the trace at which it began and returned. */
  readonly begin: number;
  readonly end: number;
  /** What was said, for a write to the standard output; `undefined` for everything else. */
  readonly said: string | undefined;
}

/** What became of a program. */
export interface Traced {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
  /** The calls that concern the folder or the standard output, in the order in which they returned. */
  readonly calls: readonly SystemCall[];
}

/** A call that is to fail. */
export interface Injection {
  readonly call: string;
  /** Which one, from 1 on. */
  readonly nth: number;
  /** `error=EIO` or `signal=KILL`. */
  readonly action: string;
  /** The files of the folder that it is about; calls on others do not count. Empty for the folder itself. */
  readonly files: readonly string[];
}

/**
 * Why nothing can be traced here.
 *
 * @returns The reason, for the tests that are skipped; `undefined` if everything is there.
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
 * @param folder The folder whose calls are wanted, absolute and without links.
 * @param injection A call that is to fail.
 * @returns What became of it.
 */
export async function trace(command: readonly string[], folder: string, injection?: Injection): Promise<Traced> {
  const scratch = mkdtempSync(join(tmpdir(), "wallog-strace-"));
  const output = join(scratch, "trace");
  const args = ["-f", "-y", "-s", "64", "-e", "signal=none", "-o", output];
  // Much faster; but a signal for a call that a filter stops gets lost.
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
    // Deno, Bun and Node do what they must off the main thread; one thread there makes the n-th call a certain one.
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

/** Reads a trace: lines `1234 fsync(5</folder>) = 0`, in two halves where threads come between. */
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
  // A killed process leaves calls of which nobody knows what they returned.
  const groups = /^(?<name>\w+)\((?<args>.*)\) += (?<result>-?\d+|\?)(?<note>.*)$/.exec(text)?.groups;
  if (groups === undefined || groups.result === "?") return undefined;
  const { name, args, result, note } = groups as Record<"name" | "args" | "result" | "note", string>;
  const said = name === "write" && /^1</.test(args) ? /, "(.*?)"/.exec(args)?.[1]?.replace(/\\n$/, "") : undefined;
  // A descriptor with its path, a path in quotes, or for a rename two.
  const paths = [...args.matchAll(/^\d+<([^>]*)>|"([^"]*)"/g)].map((match) => match[1] ?? match[2]!);
  const [path = "", other = ""] = name.startsWith("pwrite") || name === "write" ? paths.slice(0, 1) : paths;
  const inside = path === folder || dirname(path) === folder;
  if (said === undefined && !inside) return undefined;
  return {
    thread,
    name,
    file: path === folder ? "" : basename(path),
    to: basename(other),
    args,
    result: Number(result),
    isInjected: note.includes("(INJECTED)"),
    begin,
    end,
    said,
  };
}
