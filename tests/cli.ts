/**
 * The command line run as people run it, in a process of its own; and the logs to run it on.
 *
 * @module
 */

import { type ChildProcess, spawn } from "node:child_process";
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { locateRuntime } from "../scripts/runtimes.ts";
import { FRAME_HEADER_BYTES, KIND_ENTRIES, KIND_HARD_STATE } from "../src/format/frame.ts";
import { WalLog } from "../src/api/wal_log.ts";
import { main } from "../src/cli/main.ts";
import { appendEach, entriesAt, framesOf } from "./history.ts";
import { bytesOf } from "./model.ts";

/** The program. */
export const CLI: string = fileURLToPath(new URL("../src/cli/mod.ts", import.meta.url));
const { deno, bun } = process.versions as Record<string, string | undefined>;
const [binary, ...prefix] = locateRuntime(deno !== undefined ? "deno" : bun !== undefined ? "bun" : "node").run;

/** What became of a run. */
export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as it came. */
  readonly bytes: Uint8Array;
}

/**
 * Starts the command line.
 *
 * @param args Its arguments.
 * @returns The process.
 */
export function startCli(args: readonly string[]): ChildProcess {
  return spawn(binary, [...prefix, CLI, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, TERM: "xterm" },
  });
}

/**
 * Runs the command line to its end.
 *
 * @param args Its arguments.
 * @returns What became of it.
 */
export function cli(...args: readonly string[]): Promise<Run> {
  return endOf(startCli(args));
}

/**
 * Runs the command line in this process, which takes less time than {@link cli}.
 *
 * @param args Its arguments.
 * @returns What became of it.
 */
export async function cliHere(...args: readonly string[]): Promise<Run> {
  const parts: { stdout: Uint8Array[]; stderr: Uint8Array[] } = { stdout: [], stderr: [] };
  const streamTo = (pieces: Uint8Array[]) => ({
    write: (data: string | Uint8Array) => {
      pieces.push(typeof data === "string" ? new TextEncoder().encode(data) : data.slice());
      return true;
    },
    on: () => {},
    once: () => {},
  });
  const code = await main(args, { stdout: streamTo(parts.stdout), stderr: streamTo(parts.stderr) });
  const text = (pieces: Uint8Array[]) => new TextDecoder().decode(joined(pieces));
  return { code, stdout: text(parts.stdout), stderr: text(parts.stderr), bytes: joined(parts.stdout) };
}

/** Waits for a process to end. */
export function endOf(child: ChildProcess): Promise<Run> {
  const parts: { stdout: Uint8Array[]; stderr: Uint8Array[] } = { stdout: [], stderr: [] };
  child.stdout!.on("data", (part: Uint8Array) => parts.stdout.push(part));
  child.stderr!.on("data", (part: Uint8Array) => parts.stderr.push(part));
  const text = (pieces: Uint8Array[]) => new TextDecoder().decode(joined(pieces));
  return new Promise((resolve, reject) => {
    child.on("error", reject).on(
      "close",
      (code) => resolve({ code, stdout: text(parts.stdout), stderr: text(parts.stderr), bytes: joined(parts.stdout) }),
    );
  });
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/**
 * Makes a log of several segments: snapshot at 10, entries 11 to 120 in terms 1 to 4, a hard state.
 *
 * @param path Its folder.
 */
export function makeLog(path: string): void {
  const log = WalLog.openSync(path, { segmentBytes: 12 * 1024 });
  log.setHardState({ term: 1, votedFor: 2n ** 64n - 1n });
  for (let term = 1; term <= 4; term++) appendEach(log, entriesAt(term * 30 - 29, term * 30, term, 100 * term));
  log.applySnapshot({ index: 10, term: 1, config: [1n, 2n, 3n], data: bytesOf(5000) });
  log.setHardState({ term: 4, votedFor: null });
  log.closeSync();
}

/**
 * Makes a log that was not closed, and whose latest hard state is damaged: a checkpoint that would repeat it came never to be.
 *
 * @param path Its folder.
 */
export function makeForgetful(path: string): void {
  const log = WalLog.openSync(`${path}-live`);
  log.setHardState({ term: 1, votedFor: 7n });
  appendEach(log, entriesAt(1, 5));
  log.setHardState({ term: 2, votedFor: 8n });
  appendEach(log, entriesAt(6, 7));
  log.syncSync();
  // It carries that the flush returned.
  appendEach(log, entriesAt(8, 8));
  cpSync(`${path}-live`, path, { recursive: true, filter: (name) => !name.endsWith("LOCK") });
  log.closeSync();
  rmSync(`${path}-live`, { recursive: true });
  const file = join(path, "000000000001.seg");
  const bytes = readFileSync(file);
  bytes[framesOf(bytes).findLast(({ kind }) => kind === KIND_HARD_STATE)!.offset]! ^= 1;
  writeFileSync(file, bytes);
}

/**
 * The segments of a log.
 *
 * @param path The log's folder.
 * @returns Their names, oldest first.
 */
export function segmentsOf(path: string): string[] {
  return readdirSync(path).filter((name) => name.endsWith(".seg")).sort();
}

/**
 * Turns a bit over in an entry of a log.
 *
 * @param path The log's folder.
 * @param index The entry.
 * @param where In its `header`, which loses what is there, or its `payload`.
 */
export function damageEntry(path: string, index: number, where: "header" | "payload"): void {
  for (const name of segmentsOf(path)) {
    const file = `${path}/${name}`;
    const bytes = readFileSync(file);
    const frame = framesOf(bytes).find((frame) => frame.kind === KIND_ENTRIES && frame.index === index);
    if (frame === undefined) continue;
    bytes[frame.offset + (where === "header" ? 1 : FRAME_HEADER_BYTES)]! ^= 4;
    writeFileSync(file, bytes);
    return;
  }
  throw new Error(`no entry ${index} in ${path}`);
}
