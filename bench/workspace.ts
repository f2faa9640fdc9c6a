/**
 * The workspace of a benchmark: a folder on the measured disk with enough space, which is removed at the end, even
 * after Ctrl-C, and the processes that work in it.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { join, resolve } from "node:path";
import process from "node:process";
import { MIB, sizeText } from "./units.ts";

/** The space that a benchmark must leave free, in bytes. */
const SPARE_BYTES = 256 * MIB;

/** Names of file systems, by their numbers in `statfs`. `ext4` includes ext2 and ext3. */
const FILE_SYSTEMS: Record<number, string> = {
  0xef53: "ext4",
  0x58465342: "xfs",
  0x9123683e: "btrfs",
  0x2fc12fc1: "zfs",
  0x01021994: "tmpfs",
  0x794c7630: "overlayfs",
  0x6969: "nfs",
  0x1a: "apfs",
};

/** The file system of a folder. */
export interface Space {
  /** Bytes free for this user. */
  readonly freeBytes: number;
  /** Its name, or its number if it is not known here. */
  readonly fileSystem: string;
}

/** The free space and the kind of a folder's file system. */
export function spaceOf(folder: string): Space {
  const { bavail, bsize, type } = statfsSync(folder);
  return { freeBytes: bavail * bsize, fileSystem: FILE_SYSTEMS[type] ?? `0x${type.toString(16)}` };
}

/** The error of a benchmark that cannot run. It is printed without a stack. */
export class CannotRun extends Error {}

/** A folder for one benchmark. */
export class Workspace {
  /** Its path. */
  readonly path: string;
  #children = new Set<ChildProcess>();
  #isStopping = false;
  readonly #stop = (): void => this.#stopped();

  /**
   * Makes the folder.
   *
   * @param parent The parent folder, on the disk to measure.
   * @throws {CannotRun} If it cannot be created.
   */
  constructor(parent: string) {
    try {
      this.path = mkdtempSync(join(resolve(parent), "wallog-bench-"));
    } catch (error) {
      throw new CannotRun(`Cannot make a folder in ${parent}: ${(error as Error).message}`);
    }
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.on(signal, this.#stop);
    }
  }

  /**
   * Checks that there is enough space.
   *
   * @throws {CannotRun} If there is not enough space.
   */
  require(bytes: number, what: string): void {
    const { freeBytes } = spaceOf(this.path);
    if (freeBytes >= bytes + SPARE_BYTES) return;
    throw new CannotRun(
      `${what} needs ${sizeText(bytes + SPARE_BYTES)} and ${sizeText(freeBytes)} are free in ${this.path}: ` +
        `--folder names another disk`,
    );
  }

  /** The most bytes that may be written here. */
  get roomBytes(): number {
    return Math.max(spaceOf(this.path).freeBytes - SPARE_BYTES, 0);
  }

  /**
   * Runs a process to its end.
   *
   * @param command The binary and its arguments.
   * @param environment Additions to this process's environment.
   * @param options `cwd`: the folder to run in. `onLine`: called with each line of its standard output.
   * @returns Its standard output.
   * @throws {Error} If its exit code is not 0. The message includes its standard error.
   */
  run(
    command: readonly string[],
    environment: Readonly<Record<string, string>> = {},
    { cwd, onLine }: { readonly cwd?: string; readonly onLine?: (line: string) => void } = {},
  ): Promise<string> {
    return new Promise((resolve, reject) => {
      const env = { ...process.env, ...environment };
      const child = spawn(command[0]!, command.slice(1), { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
      this.#children.add(child);
      let output = "";
      let errors = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        output += text;
        if (onLine !== undefined && text.endsWith("\n")) onLine(output.trimEnd().split("\n").at(-1)!);
      });
      child.stderr.setEncoding("utf8").on("data", (text: string) => (errors += text));
      child.on("error", reject).on("close", (code, signal) => {
        this.#children.delete(child);
        if (this.#isStopping) return;
        if (code === 0) resolve(output);
        else {
          reject(new Error(`${command.join(" ")}\nended with ${code ?? signal}:\n${errors}`));
        }
      });
    });
  }

  /** Removes the folder with everything in it. */
  remove(): void {
    for (const signal of ["SIGINT", "SIGTERM"] as const) {
      process.off(signal, this.#stop);
    }
    rmSync(this.path, { recursive: true, force: true, maxRetries: 3 });
  }

  /** Ends early, without leaving files or processes that might create files. */
  #stopped(): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    const ends = [...this.#children].map((child) => new Promise((resolve) => child.on("close", resolve)));
    for (const child of this.#children) child.kill("SIGKILL");
    void Promise.all(ends).then(() => {
      this.remove();
      console.error("\nStopped; what the benchmark wrote is removed.");
      process.exit(130);
    });
  }
}

/** The running runtime and its version, such as "Node 24.21.0". */
export function versionText(): string {
  const { deno, bun, node } = process.versions as Record<string, string | undefined>;
  if (deno !== undefined) return `Deno ${deno}`;
  return bun === undefined ? `Node ${node}` : `Bun ${bun}`;
}
