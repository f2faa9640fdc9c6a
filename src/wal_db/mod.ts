/**
 * Imports and exports logs of wal-db, a write-ahead log for Rust, with the records of raft-io, a consensus library on
 * top of it. Both directions stream: at most a chunk and a record are in memory.
 *
 * @example
 * ```ts
 * import { WalLog } from "@wallog/wallog";
 * import { exportWalDb, importWalDb } from "@wallog/wallog/wal-db";
 * import { mkdtempSync, rmSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import assert from "node:assert/strict";
 *
 * const folder = mkdtempSync(join(tmpdir(), "wallog-"));
 * {
 *   await using log = await WalLog.open(join(folder, "log"));
 *   log.append([{ term: 1, index: 1, kind: "normal", command: new TextEncoder().encode("x = 1") }]);
 *   await exportWalDb(log, join(folder, "raft.wal"));
 * }
 * {
 *   await using log = await WalLog.open(join(folder, "again"));
 *   const { verdict } = await importWalDb(join(folder, "raft.wal"), log);
 *   assert.equal(verdict, "clean");
 *   assert.equal(new TextDecoder().decode(log.entry(1)?.command), "x = 1");
 * }
 * rmSync(folder, { recursive: true });
 * ```
 *
 * @module
 */

export { exportWalDb, type WalDbExport, type WalDbExportOptions, type WalDbExportProgress } from "./export.ts";
export { importWalDb, type WalDbCut, type WalDbImport, type WalDbImportOptions } from "./import.ts";
