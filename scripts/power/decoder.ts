/**
 * Reads the files of a log with `docs/decode.py`, which was written from the format's description alone.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Contents } from "./history.ts";

const DECODER = fileURLToPath(new URL("../../docs/decode.py", import.meta.url));
/** The most bytes that the decoder may print. */
const OUTPUT_BYTES_MAX = 2 ** 28;

/** What the decoder says about a log. */
export interface Decoded {
  readonly verdict: string;
  /** What is damaged; `null` if nothing is. */
  readonly damage: string | null;
  readonly contents: Contents;
}

/** Files by their names, in base64. */
export type Files = Readonly<Record<string, string>>;

/**
 * Writes the files of a log into a folder.
 *
 * @param folder The folder.
 * @param files The files.
 */
export function writeFiles(folder: string, files: Files): void {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), Buffer.from(text, "base64"));
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
    const { status, stdout, stderr, error } = spawnSync("python3", ["-B", DECODER, folder], {
      encoding: "utf8",
      maxBuffer: OUTPUT_BYTES_MAX,
    });
    if (status !== 0) throw new Error(`decode.py: ${error?.message ?? stderr}`);
    const { verdict, damage, hardState, snapshot, entries } = JSON.parse(stdout);
    return { verdict, damage, contents: { hardState, snapshot, entries } };
  } finally {
    rmSync(folder, { recursive: true });
  }
}
