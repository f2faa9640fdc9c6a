/**
 * Real logs that mutations start from.
 *
 * @module
 */

import { resolve } from "node:path";
import { WalLog } from "../../mod.ts";
import { Random, SimulatedDisk } from "../../src/testing/mod.ts";

export const FOLDER = resolve("/raft.wal");

/** Real logs that mutations start from. */
export const ORIGINALS = 32;

export type Files = Map<string, Uint8Array>;

export const originals = new Map<number, Files>();

/** A real log, left as it is by a close, a kill or a power cut. */
export function original(seed: number): Files {
  let files = originals.get(seed);
  if (files === undefined) originals.set(seed, files = writeOriginal(seed));
  return new Map([...files].map(([path, bytes]) => [path, bytes.slice()]));
}

function writeOriginal(seed: number): Files {
  const random = new Random(seed ^ 0x0f1cca5e);
  const disk = new SimulatedDisk({ seed });
  const segmentBytes = random.pick([4096, 4096, 12288, 61_440]);
  const open = () => WalLog.openSync(FOLDER, { fileSystem: disk.fileSystem, segmentBytes });
  let log = open();
  for (let step = 10 + random.below(40); step > 0; step--) {
    const dice = random.below(20);
    if (dice < 11) {
      const term = Math.max(log.lastTerm, 1) + (random.chance(0.1) ? 1 : 0);
      const first = log.lastIndex + 1;
      log.append(Array.from({ length: 1 + random.below(6) }, (_, i) => {
        const command = new Uint8Array(random.below(random.chance(0.8) ? 90 : 3000));
        random.fill(command);
        return { term, index: first + i, kind: random.chance(0.1) ? "config" : "normal", command };
      }));
    } else if (dice < 13) log.setHardState({ term: log.hardState.term + 1, votedFor: BigInt(random.below(4)) });
    else if (dice < 14 && log.lastIndex > log.snapshotIndex) {
      log.truncate(log.lastIndex - random.below(Math.min(3, log.lastIndex - log.snapshotIndex)));
    } else if (dice < 15) {
      // Sometimes a snapshot far ahead, as for a node that has fallen behind.
      const far = random.chance(0.3);
      const index = far ? log.lastIndex + 2 ** 40 + random.below(1000) : Math.max(1, log.lastIndex - random.below(4));
      const data = new Uint8Array(random.below(3000));
      random.fill(data);
      log.applySnapshot({ index, term: log.termAt(index) ?? log.lastTerm + 1, config: [1n, 2n, 3n], data });
    } else if (dice < 17) log.syncSync();
    else if (dice < 18) disk.idle();
    else if (dice < 19) {
      if (random.chance(0.5)) log.closeSync();
      else disk.restart();
      log = open();
    }
  }
  const end = random.below(3);
  if (end === 0) log.closeSync();
  else if (end === 1) disk.crash();
  else disk.idle();
  disk.restart();
  // Most of the preallocated zeros are cut off, because they are all alike.
  return new Map(
    disk.files().map((path) => {
      const bytes = disk.content(path);
      const used = bytes.findLastIndex((byte) => byte !== 0) + 1;
      return [path, bytes.length - used > 4096 ? bytes.slice(0, used + 4096) : bytes];
    }),
  );
}
