/** A log for the tests of the command line, and the comparison of a copy with its source. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { WalLog } from "../mod.ts";
import { makeLog } from "./cli.ts";
import { assertSameState, stateOf } from "./model.ts";
import { inTemporaryFolder } from "./temporary.ts";

/** Runs a test in a folder with a log in it. */
export function withLog(test: (path: string, folder: string) => Promise<void> | void): () => Promise<void> {
  return () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      makeLog(path);
      await test(path, folder);
    });
}

/** Opens a log for reading. */
export function open(path: string): WalLog {
  return WalLog.openSync(path, { readOnly: true });
}

/** Fails unless two folders hold logs of the same state, the second one closed. */
export function assertCopy(source: string, copy: string): void {
  const [from, to] = [open(source), open(copy)];
  assertSameState(stateOf(to), stateOf(from));
  assert.equal(to.recovery.verdict, "clean");
  assert.ok(to.recovery.closed);
  assert.equal(to.identity.cluster, from.identity.cluster);
  assert.notEqual(to.identity.log, from.identity.log);
  assert.notEqual(to.identity.incarnation, from.identity.incarnation);
  from.closeSync();
  to.closeSync();
}
