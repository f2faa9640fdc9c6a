/**
 * The input of the demo: the lines of this repository's files, repeated. Writer and reader use one copy, so both know
 * every byte of every entry.
 *
 * @module
 */

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";

/** Digits of the index before every line. They make each entry unique. */
const INDEX_DIGITS = 10;
const DIGIT_ZERO = 48;
/** Larger files are skipped, because they are generated. In bytes. */
const FILE_BYTES_MAX = 256 * 1024;
const FOLDERS_SKIPPED = new Set(["node_modules", "dist", "coverage"]);

/** The lines of all files below a folder, each with its file and line number. */
export function gatherLines(root: string): { files: number; lines: string[] } {
  const lines: string[] = [];
  let files = 0;
  for (const path of filesBelow(root)) {
    if (statSync(path).size > FILE_BYTES_MAX) continue;
    const text = readFileSync(path, "utf8");
    if (text.includes("\0")) continue;
    const name = relative(root, path);
    text.split(/\r?\n/).forEach((line, i) => lines.push(`${name}:${i + 1} ${line}`));
    files++;
  }
  return { files, lines };
}

function* filesBelow(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name.startsWith(".") || FOLDERS_SKIPPED.has(entry.name)) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else if (entry.isFile()) yield path;
  }
}

/** The command of the entry at any index. */
export class Input {
  readonly #commands: readonly Uint8Array<ArrayBuffer>[];

  /** @param path A file of lines. */
  constructor(path: string) {
    const encoder = new TextEncoder();
    const room = " ".repeat(INDEX_DIGITS + 1);
    this.#commands = readFileSync(path, "utf8").split("\n").map((line) => encoder.encode(room + line));
  }

  /** The number of lines before they repeat. */
  get length(): number {
    return this.#commands.length;
  }

  /**
   * The command of the entry at an index: `0000004711 src/wal_log.ts:12 ` and the line.
   *
   * @param index The index.
   * @returns Bytes that are valid until the same line is requested again. `append` copies them.
   */
  command(index: number): Uint8Array<ArrayBuffer> {
    const command = this.#commands[(index - 1) % this.#commands.length]!;
    for (let at = INDEX_DIGITS - 1, rest = index; at >= 0; at--, rest = Math.floor(rest / 10)) {
      command[at] = DIGIT_ZERO + rest % 10;
    }
    return command;
  }
}
