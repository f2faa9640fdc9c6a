/**
 * Reads the files of a log with `docs/decode.py`, which was written from the format's description alone.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Contents } from "./history.ts";

const DOCS = fileURLToPath(new URL("../../docs/", import.meta.url));
/** Prints the checksums of blocks. The blocks are in hexadecimal, and the seeds decimal. */
const CHECKSUMS = `import json, sys; from xxh3 import xxh3
print(json.dumps([xxh3(bytes.fromhex(block), int(seed)).to_bytes(8, "little").hex() for block, seed in json.load(sys.stdin)]))`;
/** The most bytes that the decoder may print. */
const OUTPUT_BYTES_MAX = 2 ** 28;

/** The decoder's result for a log. */
export interface Decoded {
  readonly verdict: string;
  /** The damage; `null` if there is none. */
  readonly damage: string | null;
  readonly contents: Contents;
}

/** Files by their names, or objects by their keys, in base64. */
export type Files = Readonly<Record<string, string>>;

/**
 * Writes files into a folder.
 *
 * @param folder The folder. It is made if it is missing.
 * @param files The files.
 */
export function writeFiles(folder: string, files: Files): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), Buffer.from(text, "base64"));
  }
}

/**
 * Decodes a log.
 *
 * @param files Its files.
 * @returns The verdict and the contents.
 */
export function decode(files: Files): Decoded {
  const folder = mkdtempSync(join(tmpdir(), "wallog-decode-"));
  try {
    writeFiles(folder, files);
    const { verdict, damage, hardState, snapshot, entries } = JSON.parse(python(["decode.py", folder]));
    return { verdict, damage, contents: { hardState, snapshot, entries } };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * The checksums of the format, by `docs/xxh3.py`.
 *
 * @param blocks The blocks.
 * @param seeds The seed of each.
 * @returns Eight bytes for each, as the format stores them.
 */
export function checksumsOf(blocks: readonly Uint8Array[], seeds: readonly bigint[]): Buffer[] {
  if (blocks.length === 0) return [];
  const input = blocks.map((block, i) => [Buffer.from(block).toString("hex"), String(seeds[i])]);
  const sums: string[] = JSON.parse(python(["-c", CHECKSUMS], JSON.stringify(input)));
  return sums.map((sum) => Buffer.from(sum, "hex"));
}

function python(args: readonly string[], input = ""): string {
  const { status, stdout, stderr, error } = spawnSync("python3", ["-B", ...args], {
    cwd: DOCS,
    input,
    encoding: "utf8",
    maxBuffer: OUTPUT_BYTES_MAX,
  });
  if (status !== 0) throw new Error(`python3 ${args[0]}: ${error?.message ?? stderr}`);
  return stdout;
}
