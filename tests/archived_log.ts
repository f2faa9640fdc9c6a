/** A log on a simulated disk, its archive in memory, and the steps of its archiver, for tests. */

import assert from "node:assert/strict";
import { type LogEntry, WalLog, type WalLogOptions } from "../mod.ts";
import { MemoryStore, type ObjectStore, restore, type RestoreOptions } from "../src/archive/mod.ts";
import { Archiver } from "../src/archive/archiver.ts";
import { LogView } from "../src/archive/log_view.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { fingerprint } from "./simulated_log.ts";

export const PATH = "/raft.wal";

/** An entry with a text as its command. */
export function textEntry(index: number, term = 1, text = `${term}.${index}`): LogEntry {
  return { term, index, kind: "normal", command: new TextEncoder().encode(text) };
}

/** A log that is archived step by step. */
export class ArchivedLog {
  readonly disk: SimulatedDisk;
  readonly store: ObjectStore;
  log: WalLog;
  archiver: Archiver;
  private restores = 0;
  private archivers = 0;
  private readonly options: WalLogOptions;

  constructor(store: ObjectStore = new MemoryStore(), options: WalLogOptions = {}, seed = 1) {
    this.disk = new SimulatedDisk({ seed });
    this.store = store;
    this.options = { segmentBytes: 4096, ...options, fileSystem: this.disk.fileSystem };
    this.log = this.open();
    this.archiver = this.newArchiver();
  }

  private open(): WalLog {
    return WalLog.openSync(PATH, this.options);
  }

  /** Another archiver of the same log. */
  newArchiver(path = PATH): Archiver {
    return new Archiver(this.store, new LogView(this.disk.fileSystem, path), `token-${++this.archivers}`);
  }

  /** Appends entries with a text of some length. */
  append(count: number, term = Math.max(this.log.lastTerm, 1), bytes = 20): void {
    const first = this.log.lastIndex + 1;
    const text = (index: number) => `${term}.${index}`.padEnd(bytes, "x");
    for (let i = 0; i < count; i++) this.log.append([textEntry(first + i, term, text(first + i))]);
  }

  /** Makes the log durable, so that the disk proves it, and archives it. */
  async archive(archiver: Archiver = this.archiver): Promise<void> {
    this.prove();
    await archiver.step();
  }

  /** Makes the log durable, so that the disk proves it. */
  prove(): void {
    this.log.syncSync();
    this.disk.idle();
    this.log.syncSync();
  }

  /** Opens the log again, after a kill of the process, or a power failure. */
  reopen(how: "killed" | "crashed" | "closed"): void {
    if (how === "closed") this.log.closeSync();
    if (how === "crashed") this.disk.crash();
    else this.disk.restart();
    this.log = this.open();
    this.archiver = this.newArchiver();
  }

  /** Restores the archive to a new folder; returns the log, opened for reading only. */
  async restored(options: RestoreOptions = {}): Promise<WalLog> {
    const path = `/restored-${++this.restores}.wal`;
    const { fileSystem } = this.disk;
    const report = await restore(this.store, path, { fileSystem, ...options });
    const log = WalLog.openSync(path, { fileSystem, readOnly: true, create: false });
    assert.equal(log.recovery.verdict, "clean");
    assert(log.recovery.closed);
    assert.deepEqual(
      [report.lastIndex, report.snapshotIndex, report.hardState],
      [log.lastIndex, log.snapshotIndex, log.hardState],
    );
    return log;
  }

  /** Fails unless the restored archive is the same as the log. */
  async requireSame(): Promise<void> {
    assert.equal(fingerprint(await this.restored()), fingerprint(this.log));
  }
}
