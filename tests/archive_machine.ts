/** A simulated machine with a log that is archived, and random changes of the log. */

import type { WalLog } from "../mod.ts";
import type { Archiver } from "../src/archive/archiver.ts";
import type { Random, SimulatedDisk } from "../src/testing/mod.ts";
import { entriesBehind, fingerprint, isPoisoned } from "./simulated_log.ts";

/** A log and its archiver. */
export interface Machine {
  readonly path: string;
  log: WalLog;
  archiver: Archiver;
  /** The states that the log has had, as far as no crash has undone them. */
  states: string[];
  /** The number of the last state that the disk proves. */
  proven: number;
}

/**
 * Changes a log at random, and adds its state to those that it has had.
 *
 * @param machine The machine.
 * @param random Random decisions.
 * @param disk Its disk.
 * @param id A counter that makes commands unique.
 */
export function changeLog(machine: Machine, random: Random, disk: SimulatedDisk, id: { next: number }): void {
  const { log } = machine;
  const dice = random.below(20);
  try {
    if (dice < 9) log.append(entriesBehind(random, log, id));
    else if (dice < 11) log.setHardState({ term: log.hardState.term + 1, votedFor: BigInt(random.below(5)) });
    else if (dice < 13) proveLog(machine, disk);
    else if (dice < 15) log.truncate(Math.max(log.lastIndex - random.below(12), log.snapshotIndex + 1));
    else if (dice < 16) clearLog(machine, random);
    else if (dice < 18) {
      const data = new Uint8Array(random.below(3000));
      random.fill(data);
      log.compact(log.lastIndex - random.below(Math.min(20, log.lastIndex - log.snapshotIndex + 1)), { data });
    } else disk.idle();
  } catch (error) {
    if (!isPoisoned(error)) throw error;
  }
  const state = fingerprint(log);
  if (state !== machine.states.at(-1)) machine.states.push(state);
}

/** Installs a leader's snapshot, which can clear the log. */
function clearLog({ log }: Machine, random: Random): void {
  const index = log.lastIndex + random.below(5);
  const data = new Uint8Array(8);
  random.fill(data);
  if (index > log.snapshotIndex) log.applySnapshot({ index, term: log.lastTerm + 1, config: [], data });
}

/** Makes everything durable, and lets the disk prove it. */
export function proveLog(machine: Machine, disk: SimulatedDisk): void {
  machine.log.syncSync();
  disk.idle();
  machine.log.syncSync();
  machine.proven = machine.states.length - 1;
}

/** Copies the files of a log, as a clone of its machine would. */
export function copyFiles(disk: SimulatedDisk, from: string, to: string): void {
  for (const file of disk.files().filter((name) => name.startsWith(`${from}/`))) {
    const name = file.slice(from.length + 1);
    if (name === "LOCK") continue;
    const made = disk.fileSystem.open(`${to}/${name}`, "create");
    made.write(disk.content(file), 0);
    made.sync();
    made.close();
  }
  disk.fileSystem.syncDirectory(to);
}

/**
 * Releases archived entries, as `archive()` does after a step. A retention is advanced by its holder. Here, a new one
 * takes its place.
 *
 * @param machine The machine.
 * @param name The name of the new retention.
 */
export function releaseArchived({ log, archiver: { archivedIndex, log: view } }: Machine, name: string): void {
  const [retention] = log.retentions;
  if (retention === undefined || log.termAt(archivedIndex) !== view.termAt(archivedIndex)) return;
  const from = Math.max(retention.from, archivedIndex + 1);
  log.retain(name, Math.max(from, log.firstIndex)).advance(from);
}
