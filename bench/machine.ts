/**
 * The machine of a measurement, so that its figures can be understood later.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import os from "node:os";
import { fileURLToPath } from "node:url";
import { spaceOf } from "./workspace.ts";

/** Machine, disk, source and day. */
export interface Machine {
  readonly date: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly system: string;
  /** The file system of the benchmark's folder. */
  readonly fileSystem: string;
  /** The commit of the source, with "+" if the source has changes. */
  readonly commit: string;
  /** The average number of runnable processes in the last minute. A high load distorts the figures. */
  readonly load: number;
}

/** Describes the machine before the measurement. */
export function lookAtMachine(folder: string): Machine {
  const cpus = os.cpus();
  return {
    date: new Date().toISOString().slice(0, 16).replace("T", " ") + " UTC",
    cpu: cpus[0]?.model.trim() ?? "unknown",
    cores: cpus.length,
    memoryBytes: os.totalmem(),
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    fileSystem: spaceOf(folder).fileSystem,
    commit: commit(),
    load: Math.round(os.loadavg()[0]! * 100) / 100,
  };
}

function commit(): string {
  const cwd = fileURLToPath(new URL("../", import.meta.url));
  const git = (...args: string[]) => spawnSync("git", args, { cwd, encoding: "utf8" });
  const head = git("rev-parse", "--short=10", "HEAD");
  if (head.status !== 0) return "unknown";
  // The results of an earlier benchmark are not changes of the source.
  const changed = git("status", "--porcelain", "--", ".", ":!docs", ":!bench/results").stdout.trim() !== "";
  return head.stdout.trim() + (changed ? "+" : "");
}
