/**
 * Decodes commands with a program of the user.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { WalLogError } from "../api/errors.ts";
import type { LogEntry } from "../api/types.ts";
import { oneLine } from "./text.ts";

/** The length of the part of a decoder's message that an error shows, in characters. */
const MESSAGE_LENGTH_MAX = 200;

/** The end of a process. */
interface Ended {
  readonly status: string | undefined;
  readonly stdout: Uint8Array;
  readonly stderr: string;
}

/**
 * Decodes the command of an entry: starts a process of its own for it, writes the command to its standard input, and
 * reads its standard output.
 *
 * @param program A command line for the shell.
 * @param entry The entry.
 * @returns The output, without a line feed at its end.
 * @throws {WalLogError} `IO` if the process cannot be started or fails.
 */
export async function decode(program: string, { index, command }: LogEntry): Promise<Uint8Array> {
  let ended: Ended;
  try {
    ended = await run(program, command);
  } catch (error) {
    // Deno's error for a missing permission says what to do.
    if ((error as Error).name === "NotCapable") throw error;
    throw failed(index, (error as Error).message, error);
  }
  const { status, stdout, stderr } = ended;
  if (status !== undefined) {
    const message = stderr.trim().slice(0, MESSAGE_LENGTH_MAX);
    throw failed(index, `${program} ended with ${status}${message === "" ? "" : `: ${message}`}`);
  }
  return stdout.at(-1) === 10 ? stdout.subarray(0, -1) : stdout;
}

function failed(index: number, reason: string, cause?: unknown): WalLogError {
  return new WalLogError("IO", `Cannot decode the command at index ${index}: ${oneLine(reason)}`, { cause });
}

function run(program: string, input: Uint8Array): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, { shell: true, stdio: ["pipe", "pipe", "pipe"] });
    const stdout: Uint8Array[] = [];
    const stderr: Uint8Array[] = [];
    child.stdout.on("data", (part: Uint8Array) => stdout.push(part));
    child.stderr.on("data", (part: Uint8Array) => stderr.push(part));
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const status = code === 0 ? undefined : signal === null ? `exit code ${code}` : signal;
      resolve({ status, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() });
    });
    // A decoder need not read everything. Its exit code says whether it has failed.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
  });
}
