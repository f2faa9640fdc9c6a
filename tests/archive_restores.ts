/** Verifies a simulated archive, and restores states before the newest one. */

import assert from "node:assert/strict";
import { WalLog, WalLogError } from "../mod.ts";
import { type ObjectStore, restore } from "../src/archive/mod.ts";
import { type ArchiveDamage, verifyArchive } from "../src/archive/verify_archive.ts";
import type { Random, SimulatedDisk } from "../src/testing/mod.ts";
import { fingerprint } from "./simulated_log.ts";

/** The longest time before now to restore to, in milliseconds. */
const AGE_MS_MAX = 2000;

/**
 * Restores up to an index that the newest state has, and compares the entries.
 *
 * @returns Whether the newest state has entries.
 */
export async function restoreToIndex(
  store: ObjectStore,
  { fileSystem }: SimulatedDisk,
  path: string,
  newest: WalLog,
  random: Random,
): Promise<boolean> {
  const { lastIndex, snapshotIndex } = newest;
  if (lastIndex <= snapshotIndex) return false;
  const toIndex = snapshotIndex + 1 + random.below(lastIndex - snapshotIndex);
  try {
    await restore(store, path, { fileSystem, toIndex });
    const earlier = WalLog.openSync(path, { fileSystem, readOnly: true, create: false });
    assert.equal(earlier.lastIndex, toIndex);
    const from = Math.max(snapshotIndex, earlier.snapshotIndex) + 1;
    if (from <= toIndex) assert.deepEqual(earlier.entries(from, toIndex), newest.entries(from, toIndex));
    return true;
  } catch (error) {
    // A late write can have ended a step of another archiver meanwhile, so that the newest state is another one.
    await restore(store, `${path}.again`, { fileSystem });
    const again = WalLog.openSync(`${path}.again`, { fileSystem, readOnly: true, create: false });
    if (fingerprint(again) === fingerprint(newest)) throw error;
    return false;
  }
}

/**
 * Restores as of a time.
 *
 * @returns Whether the log had begun then.
 */
export async function restoreAsOf(
  store: ObjectStore,
  { fileSystem }: SimulatedDisk,
  path: string,
  random: Random,
): Promise<boolean> {
  const toTime = fileSystem.now() - random.below(AGE_MS_MAX);
  try {
    await restore(store, path, { fileSystem, toTime });
  } catch (error) {
    if (!(error instanceof WalLogError) || error.code !== "NOT_FOUND") throw error;
    return false;
  }
  const earlier = WalLog.openSync(path, { fileSystem, readOnly: true, create: false });
  assert.equal(earlier.recovery.verdict, "clean");
  return true;
}

/** The objects that are missing, as far as requests succeed. Replies can be damaged, so damage proves nothing. */
export async function missingObjects(store: ObjectStore): Promise<ArchiveDamage[]> {
  try {
    return (await verifyArchive(store)).damage.filter(({ reason }) => reason === "missing");
  } catch (error) {
    if (error instanceof WalLogError && ["STORE", "CHANGING"].includes(error.code)) return [];
    throw error;
  }
}
