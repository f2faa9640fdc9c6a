/**
 * Bit rot, and opening the damaged log.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type LogEntry, WalLog, WalLogError } from "../../mod.ts";
import { CHECKPOINT_BYTES } from "../../src/format/checkpoint.ts";
import { fingerprint, isPoisoned } from "../simulated_log.ts";
import { FOLDER, type SimulatedHistory } from "./simulated_history.ts";

/** Makes bytes rot. The log must report damage, or have exactly an allowed state. */
export function rot(history: SimulatedHistory): void {
  const random = history.random;
  const dirty = random.chance(0.5);
  history.space.left = Infinity;
  // The damaged log is compared below.
  history.isLooking = true;
  history.states.length = history.states.lastIndexOf(fingerprint(history.model)) + 1;
  if (dirty) history.disk.restart();
  else {
    history.disk.heal();
    try {
      history.log.closeSync();
      history.proven = history.floor = history.states.length - 1;
    } catch (failure) {
      if (!isPoisoned(failure)) throw failure;
    }
    history.disk.restart();
  }
  const path = random.pick(history.disk.files().filter((name) => /(\.seg|\.snap|IDENTITY)$/.test(name)));
  const size = history.disk.content(path).length;
  if (size === 0) return;
  const used = history.disk.content(path).findLastIndex((byte) => byte !== 0) + 1;
  const offset = random.below(random.chance(0.9) ? Math.max(used, 1) : size);
  const kind = random.below(10);
  // Zeros over the end of the log also destroy its proof, and look like the end of a shorter log. The docs say that
  // this cannot be detected.
  const from = offset - offset % 512;
  const length = Math.min(512 * (1 + random.below(4)), used - CHECKPOINT_BYTES - from);
  if (kind < 2) history.disk.lose(path);
  else if (kind < 4 && !dirty && length > 0) history.disk.zero(path, from, length);
  else history.disk.flip(path, offset, 1 << random.below(8));
  history.note(`rot ${path} at ${offset} of ${size}, ${kind}`);
  let log: WalLog;
  try {
    log = history.open(random.chance(0.5));
  } catch (error) {
    assert(error instanceof WalLogError && error.code === "CORRUPT", error as Error);
    assert(error.damage.length > 0, "CORRUPT without a damage report");
    history.note("rot-refused");
    keepDamaged(history);
    return;
  }
  let found: string;
  try {
    found = fingerprint(log);
  } catch (error) {
    assert(
      error instanceof WalLogError && (error.code === "DAMAGED_ENTRY" || error.code === "CORRUPT"),
      error as Error,
    );
    history.note("rot-refused-late");
    return;
  }
  const at = history.states.lastIndexOf(found);
  history.note(at === history.states.length - 1 ? "rot-harmless" : "rot-in-unproven");
  const allowed = `damaged log opened to ${found}\nallowed, from ${history.proven} of ${history.states.length}:\n` +
    history.states.slice(history.proven).join("\n");
  assert(at >= history.proven, allowed);
}

/** Opens the damaged log. Everything that can be read must be correct, and everything else must be reported. */
function keepDamaged(history: SimulatedHistory): void {
  const log = WalLog.openSync(FOLDER, {
    fileSystem: history.disk.fileSystem,
    segmentBytes: history.segmentBytes,
    onDamage: "keep",
  });
  const { damaged, snapshotIndex, lastIndex } = log;
  assert(damaged.length > 0);
  const model = history.model;
  const isNamed = (index: number) =>
    damaged.some(({ firstIndex = Infinity, lastIndex = Infinity }) => firstIndex <= index && index <= lastIndex);
  // Lost frames at the end may have held a truncation. Then discarded entries are readable again. And a log that has
  // lost its latest snapshot falls back to the previous one.
  const isOpenEnded = damaged.some(({ kind, firstIndex, lastIndex }) =>
    kind === "snapshot" || (firstIndex !== undefined && lastIndex === undefined)
  );
  const from = Math.max(snapshotIndex, model.snapshotIndex) + 1;
  for (let index = from; index <= Math.max(model.lastIndex, lastIndex); index++) {
    const expected = model.entry(index);
    try {
      const found = log.entry(index);
      if (found === undefined) {
        assert(isOpenEnded || isNamed(index) || expected === undefined, `entry ${index} is missing and not reported`);
      } else if (!isOpenEnded) assert.deepEqual(found, expected, `entry ${index} of a damaged log`);
    } catch (error) {
      if (!(error instanceof WalLogError) || error.code !== "DAMAGED_ENTRY") throw error;
      assert(isNamed(index), `entry ${index} cannot be read and is not reported`);
      history.note("rot-named");
    }
  }
  const isRepaired = !isOpenEnded && repair(history, log);
  log.closeSync();
  let again: WalLog;
  try {
    again = history.open(false, "full");
  } catch (error) {
    assert(error instanceof WalLogError && error.code === "CORRUPT", error as Error);
    assert(!isRepaired, `not repaired: ${error.message}`);
    return;
  }
  assert(isRepaired || !isOpenEnded, "damage was forgotten by opening the log");
  assert.equal(fingerprint(again), fingerprint(model), "the repaired log");
}

/** Repairs everything damaged with good copies; returns `false` if the entries had to be appended again. */
function repair(history: SimulatedHistory, log: WalLog): boolean {
  const model = history.model;
  try {
    log.setHardState(model.hardState, { force: true });
  } catch (error) {
    if (!isPoisoned(error)) throw error;
  }
  const snapshot = model.snapshot();
  if (snapshot !== undefined && log.snapshotIndex < snapshot.index) log.applySnapshot(snapshot);
  const good: LogEntry[] = [];
  let first = Infinity;
  for (const { kind, firstIndex, lastIndex } of log.damaged) {
    if (firstIndex === undefined || lastIndex === undefined) continue;
    if (kind === "segment" || kind === "segment header") first = Math.min(first, firstIndex);
    for (let index = firstIndex; index <= lastIndex; index++) {
      const entry = model.entry(index);
      if (entry !== undefined) good.push(entry);
    }
  }
  try {
    if (first < Infinity) throw new WalLogError("INVALID_ARGUMENT", "a segment is missing");
    log.repair(good);
    assert.equal(fingerprint(log), fingerprint(model), "the log after its repair");
    history.note("rot-repaired");
    return log.damaged.length === 0;
  } catch (error) {
    if (!(error instanceof WalLogError) || error.code !== "INVALID_ARGUMENT") throw error;
    // Entries that cannot be repaired in place can always be replaced.
    for (const { firstIndex } of log.damaged) first = Math.min(first, firstIndex ?? Infinity);
    first = Math.max(first, log.snapshotIndex + 1);
    assert(first < Infinity, error);
    log.truncate(first);
    log.append(model.entries(first, model.lastIndex));
    log.syncSync();
    assert.equal(fingerprint(log), fingerprint(model), "the log after its entries were replaced");
    history.note("rot-replaced");
    return false;
  }
}
