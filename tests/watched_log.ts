/**
 * A log on a watched file system, and its state after a failure.
 *
 * @module
 */

import assert from "node:assert/strict";
import { join } from "node:path";
import { WalLog, WalLogError, type WalLogOptions } from "../mod.ts";
import { entryAt, type History } from "./history.ts";
import { bytesOf, stateOf } from "./model.ts";
import { inTemporaryFolder } from "./temporary.ts";
import { WatchedFileSystem } from "./watched_file_system.ts";

/** A log on a watched file system. */
export interface Subject {
  readonly path: string;
  readonly fileSystem: WatchedFileSystem;
  readonly log: WalLog;
}

/** Runs a test with an open log. The calls of the opening are not recorded. */
export function withLog(
  body: (subject: Subject) => void | Promise<void>,
  options: WalLogOptions = {},
): () => Promise<void> {
  return () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const fileSystem = new WatchedFileSystem();
      const log = WalLog.openSync(path, { ...options, fileSystem });
      fileSystem.calls = [];
      try {
        await body({ path, fileSystem, log });
      } finally {
        fileSystem.fail = () => {};
        fileSystem.gate = () => Promise.resolve();
        await close(log);
        // A file is closed only after its running flush, which may end after the log is closed.
        for (let wait = 0; fileSystem.openFiles > 0 && wait < 200; wait++) {
          await new Promise((done) => setTimeout(done, 5));
        }
        assert.equal(fileSystem.openFiles, 0, "files left open");
      }
    });
}

/** Closes a log; the call must fail if it is poisoned. */
export async function close(log: WalLog): Promise<void> {
  await log.close().catch((error) => assert.equal(error.code, "POISONED", `closing: ${error}`));
}

/** Holds flushes until they are released, one by one. */
export function gated(
  fileSystem: WatchedFileSystem,
): { readonly begun: number; release(error?: Error): Promise<void> } {
  const waiting: { resolve: () => void; reject: (error: Error) => void }[] = [];
  let begun = 0;
  fileSystem.gate = () => {
    begun++;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    waiting.push({ resolve, reject });
    return promise;
  };
  return {
    get begun() {
      return begun;
    },
    async release(error?: Error) {
      const next = waiting.shift();
      assert.ok(next, "no flush is under way");
      if (error === undefined) next.resolve();
      else next.reject(error);
      await turn();
    },
  };
}

/** Waits for one turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}

/** Fails unless the log rejects all writes with the cause, and can still be read. */
export async function assertPoisoned(log: WalLog, cause: string, entries: number): Promise<void> {
  const snapshot = { index: 2, term: 1, config: [], data: bytesOf(4) };
  const calls: (() => unknown)[] = [
    () => log.append([entryAt(log.lastIndex + 1, 9)]),
    () => log.append([]),
    () => log.truncate(log.lastIndex),
    () => log.setHardState({ term: 9, votedFor: null }),
    () => log.setHardState({ term: 9, votedFor: null }, { force: true }),
    () => log.applySnapshot(snapshot),
    () => log.createSnapshot(snapshot),
    () => log.receiveSnapshot(snapshot),
    () => log.compact(2),
    () => log.compact(0),
    () => log.syncSync(),
    () => log.sync(),
  ];
  for (const call of calls) {
    await assert.rejects(async () => await call(), (error) => {
      assert.ok(error instanceof WalLogError, `${error}`);
      assert.equal(error.code, "POISONED", `${call}: ${error.message}`);
      assert.equal(error.isFatal, true);
      assert.equal(error.isRetryable, false);
      const found = error.cause as { code?: string; cause?: { code?: string } };
      assert.ok(found.code === cause || found.cause?.code === cause, `the cause of ${call}: ${error.cause}`);
      return true;
    });
  }
  assert.equal(log.lastIndex, entries);
  assert.equal(log.entries(1, entries).length, entries, "reads go on");
  assert.equal(log.entry(5)?.index, 5);
}

/** Fails unless closing releases the lock, and the reopened log has at least the durable entries. */
export async function assertReopens({ path, fileSystem, log }: Subject, history: History, least = 10): Promise<WalLog> {
  fileSystem.fail = () => {};
  fileSystem.gate = () => Promise.resolve();
  await assert.rejects(log.close(), { code: "POISONED" }, "closing says that not everything was saved");
  await log.close();
  const again = WalLog.openSync(path, { segmentBytes: 4096 });
  assert.ok(again.lastIndex >= least, `lastIndex ${again.lastIndex}, synced ${least}`);
  assert.notEqual(again.recovery.verdict, "corrupt");
  history.stepOf(stateOf(again), history.durable, "after the failure");
  again.append([entryAt(again.lastIndex + 1, 9)]);
  again.syncSync();
  again.closeSync();
  const last = WalLog.openSync(path);
  assert.equal(last.recovery.verdict, "clean");
  last.closeSync();
  return again;
}
