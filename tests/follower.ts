/** A standby on a simulated disk, for tests. */

import assert from "node:assert/strict";
import { WalLog } from "../mod.ts";
import type { ObjectStore } from "../src/archive/mod.ts";
import { StandbyFiles } from "../src/archive/standby_files.ts";
import { StandbyLog } from "../src/archive/standby_update.ts";
import { SimulatedDisk } from "../src/testing/mod.ts";
import { fingerprint } from "./simulated_log.ts";

/** The folder of a standby. */
export const WARM = "/warm.wal";

/** A standby that is updated step by step, on a disk of its own. */
export class Follower {
  readonly disk: SimulatedDisk;
  readonly store: ObjectStore;
  log: StandbyLog | undefined;

  constructor(store: ObjectStore, seed = 7) {
    this.disk = new SimulatedDisk({ seed });
    this.store = store;
  }

  /** Starts the standby, unless it runs, and updates it. */
  async update(): Promise<void> {
    await this.load();
    await this.log!.update();
  }

  /** Starts the standby, unless it runs. */
  async load(): Promise<void> {
    if (this.log === undefined) {
      const { fileSystem } = this.disk;
      fileSystem.makeDirectory(WARM);
      const lock = fileSystem.lock(`${WARM}/LOCK`);
      assert(typeof lock === "object");
      const files = new StandbyFiles(fileSystem, WARM);
      try {
        await files.load();
      } catch (error) {
        lock.release();
        throw error;
      }
      this.log = new StandbyLog(this.store, files, lock);
    }
  }

  /** Opens the log for reading only. */
  open(): WalLog {
    return WalLog.openSync(WARM, { fileSystem: this.disk.fileSystem, readOnly: true, create: false });
  }

  /** Fails unless the log is clean and in a state. */
  requireSame(state: string): void {
    const own = this.open();
    assert.equal(own.recovery.verdict, "clean");
    assert.equal(fingerprint(own), state);
    const names = this.disk.fileSystem.list(WARM);
    assert.deepEqual(names.filter((name) => name.endsWith(".restore")), []);
  }

  /** Ends the process, or the power. */
  end(how: "killed" | "crashed"): void {
    if (how === "killed") this.disk.restart();
    else this.disk.crash();
    this.log = undefined;
  }
}
