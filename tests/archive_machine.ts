/** A simulated machine with a log that is archived, and random changes of the log. */

import type { WalLog } from "../mod.ts";
import type { Archiver } from "../src/archive/archiver.ts";
import { Random, type SimulatedDisk } from "../src/testing/mod.ts";
import { digest, entriesBehind, fingerprint, isPoisoned, wordOf } from "./simulated_log.ts";

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
      keepHistory(random, random.below(3000));
      const through = log.lastIndex - random.below(Math.min(20, log.lastIndex - log.snapshotIndex + 1));
      log.compact(through, { data: stateAt(log, through) });
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
  keepHistory(random, 8);
  const data = stateAt(log, log.lastIndex);
  if (index > log.snapshotIndex) log.applySnapshot({ index, term: log.lastTerm + 1, config: [], data });
}

/** Draws as many numbers as random data of this length needs, so that known seeds keep their histories. */
function keepHistory(random: Random, length: number): void {
  random.fill(new Uint8Array(length));
}

/**
 * The data of a snapshot. Like the state of a state machine, it depends on the entries up to an index, and on nothing
 * else. The frame of a snapshot does not have the data. So two copies of a log with the same frames are the same log,
 * and have the same data.
 */
function stateAt(log: WalLog, index: number): Uint8Array {
  const before = digest(log.snapshot()?.data ?? new Uint8Array(0));
  const words = log.entries(log.snapshotIndex + 1, index).map(wordOf);
  const hash = digest(new TextEncoder().encode(`${before} ${words}`)).split(":")[1]!;
  const random = new Random(parseInt(hash, 36));
  const data = new Uint8Array(random.below(3000));
  random.fill(data);
  return data;
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
