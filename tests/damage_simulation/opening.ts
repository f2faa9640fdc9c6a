/**
 * Opens a log that may be damaged while the power or the disk fails.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type WalLog, WalLogError } from "../../mod.ts";
import { type DiskFault, PowerLoss } from "../../src/testing/mod.ts";
import { isExpected, isPowerLoss } from "../simulated_log.ts";
import type { DamageHistory } from "./damage_history.ts";
import { lineOf, readable } from "./reading.ts";

/** The most attempts with faults. */
const DISTURBED_MAX = 5;

/** The most attempts on a full disk before there is space again. */
const FULL_MAX = 3;

/** The most attempts. After them, the log must be open. */
const OPENINGS_MAX = 40;

/**
 * Opens the log, with faults planned for some of the attempts.
 *
 * @param history The history of the log.
 * @param floor The first state that the log may hold.
 * @returns The log, and the first state that it may hold now: a crash on the way can undo unflushed mutations.
 */
export function openDisturbed(history: DamageHistory, floor: number): { log: WalLog; floor: number } {
  const { random, disk } = history;
  let first = floor;
  for (let opening = 0;; opening++) {
    assert(opening < OPENINGS_MAX, "the log does not open");
    if (opening >= FULL_MAX) history.space.left = Infinity;
    disk.heal();
    const isDisturbed = opening < DISTURBED_MAX && random.chance(0.35);
    if (isDisturbed) {
      const fault = random.pick<DiskFault>(["crash", "crash", "EIO", "ENOSPC"]);
      disk.failAfter(fault, random.below(16));
    } else if (random.chance(0.2)) openBriefly(history);
    try {
      const log = history.openOnce({ onDamage: random.chance(0.7) || opening > DISTURBED_MAX ? "keep" : "fail" });
      // The log also opens if the power fails while it creates its reserve.
      if (!disk.hasPower) throw new PowerLoss("open");
      disk.heal();
      return { log, floor: first };
    } catch (error) {
      if (isRefusal(history, error)) continue;
      if (!isExpected(error)) throw error;
      history.note("crash-in-recovery");
      if (history.space.left < Infinity && !isPowerLoss(error)) readFull(history);
      if (isPowerLoss(error) || random.chance(0.5)) {
        disk.crash();
        first = history.floor;
      } else disk.restart();
    }
  }
}

/** Whether the log was refused for its damage. The error must list the damage. */
function isRefusal(history: DamageHistory, error: unknown): boolean {
  if (!(error instanceof WalLogError) || error.code !== "CORRUPT") return false;
  assert(history.isRotten, error);
  assert(error.damage.length > 0, "CORRUPT without a damage report");
  history.note("refused");
  return true;
}

/** A log on a full disk, damaged or not, must open for reading. */
function readFull(history: DamageHistory): void {
  history.note("read-full");
  history.disk.heal();
  const reader = history.openOnce({ readOnly: true, onDamage: "keep" });
  assert(history.isRotten || reader.damaged.length === 0, `damage, but there was none: ${reader.damaged.map(lineOf)}`);
  readable(reader);
  reader.closeSync();
}

/** Another writer, which reads only segment indexes and the tail, opens the log and ends without writing. */
function openBriefly(history: DamageHistory): void {
  const { random, disk } = history;
  history.note("opened-briefly");
  try {
    const log = history.openOnce({ verify: "tail", onDamage: random.pick(["keep", "fail"]) });
    if (random.chance(0.6)) log.closeSync();
    else disk.restart();
  } catch (error) {
    if (history.space.left < Infinity && isExpected(error)) return disk.restart();
    assert(history.isRotten && error instanceof WalLogError && error.code === "CORRUPT", error as Error);
  }
}
