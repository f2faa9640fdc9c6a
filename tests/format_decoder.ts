/**
 * The decoder that was written from docs/FORMAT.md, and its expected output.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { spawnSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type RaftLog, WalLog, WalLogError } from "../mod.ts";
import { skipReason } from "./skip.ts";

export const DOCS = fileURLToPath(new URL("../docs/", import.meta.url));

const PYTHON = ["python3", "python"].find((name) => {
  const { status, stdout } = spawnSync(name, ["--version"], { encoding: "utf8" });
  return status === 0 && /^Python 3\./.test(stdout);
});

export const skip = skipReason(PYTHON === undefined && "there is no Python 3 here");
const NO_CLUSTER = "0".repeat(32);

/** The decoder's output for a log. */
interface Decoded {
  readonly verdict: "clean" | "torn" | "corrupt";
  readonly damage: string | null;
  readonly identity: string[] | null;
  readonly hardState: { readonly term: number; readonly votedFor: string | null };
  readonly snapshot:
    | { readonly index: number; readonly term: number; config: string[]; meta: string; data: string }
    | null;
  readonly entries: Record<string, { readonly term: number; readonly kind: string; readonly command: string } | null>;
}

/** Runs Python with the decoder, without leaving compiled files. */
export function python(args: readonly string[], input = ""): string {
  const { status, stdout, stderr } = spawnSync(PYTHON!, ["-B", ...args], {
    cwd: DOCS,
    input,
    encoding: "utf8",
    maxBuffer: 2 ** 30,
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" },
  });
  assert.equal(status, 0, stderr);
  return stdout;
}

export function decode(...folders: readonly string[]): Decoded[] {
  return python(["decode.py", ...folders]).trim().split("\n").map((line) => JSON.parse(line) as Decoded);
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** The expected output for a log. */
function expected(log: RaftLog): Omit<Decoded, "verdict" | "damage" | "identity"> {
  const { hardState: { term, votedFor }, snapshotIndex, lastIndex } = log;
  const snapshot = log.snapshot();
  const entries = log.entries(snapshotIndex + 1, lastIndex)
    .map(({ index, term, kind, command }) => [index, { term, kind, command: hex(command) }] as const);
  return {
    hardState: { term, votedFor: votedFor === null ? null : String(votedFor) },
    snapshot: snapshot === undefined
      ? null
      : { ...snapshot, config: snapshot.config.map(String), meta: hex(snapshot.meta!), data: hex(snapshot.data) },
    entries: Object.fromEntries(entries),
  };
}

/**
 * Compares the decoder's result with the library's. If a missing file held nothing that the log needs, only the library
 * knows that.
 */
export function compare(folder: string, found: Decoded, when: string, isFileMissing = false): string {
  const { verdict, damage, hardState, snapshot, entries, identity } = found;
  let log;
  try {
    log = WalLog.openSync(folder, { readOnly: true });
  } catch (error) {
    assert(error instanceof WalLogError && error.code === "CORRUPT", `${when}: ${error}`);
    assert.equal(verdict, "corrupt", `${when}: ${error.message}`);
    return verdict;
  }
  try {
    // The same applies to damage to data that is no longer needed.
    if (verdict === "corrupt") assert(isFileMissing || log.recovery.harmless.length > 0, `${when}: ${damage}`);
    else {
      assert.equal(verdict, log.recovery.verdict, when);
      assert.deepEqual({ hardState, snapshot, entries }, expected(log), when);
      const { log: uuid, incarnation, cluster = NO_CLUSTER } = log.identity;
      const ids = incarnation === undefined ? null : [uuid, incarnation, cluster].map((id) => id.replaceAll("-", ""));
      assert.deepEqual(identity, ids, when);
    }
  } finally {
    log.closeSync();
  }
  return verdict;
}
