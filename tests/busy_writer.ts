/**
 * A writer that changes its log as fast as possible, for tests of readers beside it:
 *
 *     busy_writer.ts <folder> <milliseconds>
 *
 * It ends earlier if there is a file `<folder>.stop`. It appends, truncates, rotates and compacts, prints `ready` after a while, and `done` at the end.
 * Entry I of term T has the command from {@link commandAt}, so that a reader can detect a wrong one.
 *
 * @module
 */

import { existsSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { WalLog } from "../mod.ts";
import { Random } from "../src/testing/random.ts";

/** Entries above the snapshot before the log is compacted. */
const ENTRIES_MAX = 60;

/**
 * The command of an entry.
 *
 * @param index Its index.
 * @param term Its term.
 * @returns Up to 900 bytes.
 */
export function commandAt(index: number, term: number): Uint8Array {
  const command = new Uint8Array(8 + (index * 37 + term * 11) % 900);
  new DataView(command.buffer).setFloat64(0, index * 4096 + term);
  return command.fill(index + term, 8);
}

async function write(folder: string, milliseconds: number): Promise<void> {
  const log = WalLog.openSync(folder, { segmentBytes: 4096 });
  const random = new Random(milliseconds);
  let term = 1;
  const end = performance.now() + milliseconds;
  const isStopped = (step: number) => step % 50 === 0 && existsSync(`${folder}.stop`);
  for (let step = 0; performance.now() < end && !isStopped(step); step++) {
    const count = 1 + random.below(8);
    const first = log.lastIndex + 1;
    log.append(Array.from({ length: count }, (_, i) => (
      { term, index: first + i, kind: "normal", command: commandAt(first + i, term) }
    )));
    if (random.chance(0.1)) log.setHardState({ term, votedFor: 1n });
    if (random.chance(0.2) && log.lastIndex > log.snapshotIndex + 3) {
      log.truncate(log.lastIndex - random.below(3)), term++;
    }
    if (random.chance(0.3)) log.syncSync();
    if (random.chance(0.05)) await log.sync();
    if (log.lastIndex - log.snapshotIndex > ENTRIES_MAX) {
      const index = log.lastIndex - random.below(20);
      log.applySnapshot({ index, term: log.termAt(index)!, config: [], data: commandAt(index, 0) });
    }
    if (step === 200) process.stdout.write("ready\n");
  }
  log.closeSync();
  process.stdout.write("done\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await write(process.argv[2]!, Number(process.argv[3]));
