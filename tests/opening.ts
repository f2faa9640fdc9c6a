/**
 * Logs to open, and refusals to open them.
 *
 * @module
 */

import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { WalLog, WalLogError, type WalLogErrorCode, type WalLogOptions } from "../mod.ts";
import { entriesAt } from "./history.ts";
import { assertSameContents, contentsOf } from "./memory_disk.ts";
import { inTemporaryFolder } from "./temporary.ts";

export const SMALL: WalLogOptions = { segmentBytes: 4096 };

/** Runs a test with the path of a log that does not exist yet. */
export function withPath(body: (path: string) => void | Promise<void>): () => Promise<void> {
  return () => inTemporaryFolder((folder) => body(join(folder, "raft.wal")));
}

/** Makes a log of several segments and closes it. */
export function writeSegments(path: string): { names: string[]; lastIndex: number } {
  const log = WalLog.openSync(path, SMALL);
  log.setHardState({ term: 1, votedFor: 1n });
  for (const entry of entriesAt(1, 60, 1, 400)) log.append([entry]);
  log.closeSync();
  const names = readdirSync(path).filter((name) => name.endsWith(".seg")).sort();
  assert.ok(names.length >= 4, names.join());
  return { names, lastIndex: 60 };
}

/** The error that a call throws. */
export function refusal(call: () => unknown, code: WalLogErrorCode): WalLogError {
  try {
    const log = call();
    if (log instanceof WalLog) log.closeSync();
  } catch (error) {
    assert.ok(error instanceof WalLogError, `a WalLogError, found ${error}`);
    assert.equal(error.code, code, error.message);
    return error;
  }
  throw new assert.AssertionError({ message: `nothing was thrown, expected ${code}` });
}

/** Fails unless opening is refused in every way, without a change and without a lock. */
export async function refusesToOpen(path: string, code: WalLogErrorCode): Promise<WalLogError> {
  const before = contentsOf(path);
  let first: WalLogError | undefined;
  for (const options of [{}, { readOnly: true }, { verify: "tail" as const }]) {
    const error = refusal(() => WalLog.openSync(path, options), code);
    await assert.rejects(WalLog.open(path, options), { name: "WalLogError", code });
    assertSameContents(contentsOf(path), before, "a refusal changes nothing");
    assert.ok(error.path?.startsWith(path), `path of the error: ${error.path}`);
    first ??= error;
  }
  return first!;
}

/** Whether the damage reports an index. */
export function names({ damage }: WalLogError, index: number): boolean {
  return damage.some(({ firstIndex, lastIndex }) =>
    firstIndex !== undefined && firstIndex <= index && index <= (lastIndex ?? Infinity)
  );
}
