/**
 * Damages the disk of a log that has ended. It spares bytes whose loss looks the same as a crash: see
 * `docs/RELIABILITY.md`.
 *
 * @module
 */

import { CHECKPOINT_BYTES } from "../../src/format/checkpoint.ts";
import { NEXT_POINTER_OFFSETS, SEGMENT_HEADER_BYTES } from "../../src/format/header_block.ts";
import type { DamageHistory } from "./damage_history.ts";
import { append, close, setHardState, sync, truncate } from "./steps.ts";

/** How the writer ended. */
type Ending = "closed" | "killed" | "crashed";

/** A file to damage. */
interface Target {
  readonly path: string;
  /** Whether it is the newest segment. */
  readonly isNewest: boolean;
  /** Whether other places are damaged too. */
  readonly isOneOfSeveral: boolean;
  readonly ending: Ending;
}

/** The writer ends, one to three places on its disk are damaged, and the log is opened again. */
export function rot(history: DamageHistory): void {
  const { random, disk } = history;
  disk.heal();
  history.space.left = Infinity;
  const ending = random.pick<Ending>(["closed", "killed", "crashed"]);
  const newest = disk.files().filter((name) => name.endsWith(".seg")).at(-1)!;
  if (!end(history, ending)) return;
  const places = 1 + (random.chance(0.35) ? random.below(3) : 0);
  let isNewestHit = false;
  let faults = 0;
  for (let place = 0; place < places; place++) {
    // A crash can tear the end of the log by itself. And a second fault there can destroy the evidence of the first.
    const isNewestSpared = ending === "crashed" || isNewestHit;
    const paths: string[] = disk.files().filter((name) =>
      /(\.seg|\.snap|IDENTITY)$/.test(name) && (!name.endsWith(".seg") || name < newest || !isNewestSpared)
    );
    if (paths.length === 0) break;
    const path = random.pick(paths);
    const isNewest = path.endsWith(".seg") && path >= newest;
    isNewestHit ||= isNewest;
    if (damage(history, { path, isNewest, isOneOfSeveral: places > 1, ending })) faults++;
  }
  if (faults > 0) history.isRotten = history.hasRotted = true;
  history.note(`faults-${faults}`);
  history.reopen();
}

/** Ends the writer; `false` if the disk failed before that, and the log is open again. */
function end(history: DamageHistory, ending: Ending): boolean {
  const { random, disk } = history;
  if (ending === "closed") return close(history);
  if (ending === "killed") {
    // Everything is flushed, and the checkpoint proves it.
    if (!setHardState(history) || !sync(history)) return false;
    disk.idle();
    flushAll(history);
    history.note("kill");
    disk.restart();
    history.floor = history.states.length - 1;
    return true;
  }
  if (!sync(history)) return false;
  if (random.chance(0.5)) append(history);
  if (random.chance(0.3)) truncate(history);
  history.note("crash");
  disk.crash();
  return true;
}

function flushAll({ disk }: DamageHistory): void {
  for (const path of disk.files()) {
    const file = disk.fileSystem.open(path, "write");
    file.sync();
    file.close();
  }
}

/** Loses a file, zeroes sectors of it or flips a bit; `false` if the file was spared. */
function damage(history: DamageHistory, { path, isNewest, isOneOfSeveral, ending }: Target): boolean {
  const { random, disk } = history;
  const used = disk.content(path).findLastIndex((byte) => byte !== 0) + 1;
  if (used === 0) return false;
  const isSegment = path.endsWith(".seg");
  const hasFrames = isSegment && used > SEGMENT_HEADER_BYTES && random.chance(0.7);
  const offset = hasFrames
    ? SEGMENT_HEADER_BYTES + random.below(used - SEGMENT_HEADER_BYTES)
    : random.below(isSegment ? Math.min(used, SEGMENT_HEADER_BYTES) : used);
  const kind = random.below(10);
  const isClosed = ending === "closed";
  const from = offset - offset % 512;
  const isHeader = isSegment && from < SEGMENT_HEADER_BYTES;
  // Zeros over the end of a log that was not closed would also destroy the checkpoint that proves that end.
  const end = isClosed ? used : used - CHECKPOINT_BYTES;
  const length = Math.min(512 * (isHeader ? 1 : 1 + random.below(6)), end - from);
  if (kind < 2 && random.chance(0.6)) {
    // The newest segment holds that checkpoint too.
    if (isNewest && isOneOfSeveral) return false;
    history.note(`lose ${path}`);
    disk.lose(path);
  } else if (kind < 5 && length > 0 && (!isNewest || isClosed)) {
    // A zeroed next-segment pointer looks like one that was never written. If the old tail is damaged too, nothing shows
    // that the copies in the next segment are part of the log.
    if (isHeader && NEXT_POINTER_OFFSETS.some((offset) => offset === from) && isOneOfSeveral) return false;
    history.note(`zero ${path} at ${from}, ${length} of ${used}`);
    disk.zero(path, from, length);
  } else {
    history.note(`flip ${path} at ${offset} of ${used}`);
    disk.flip(path, offset, 1 << random.below(8));
  }
  return true;
}
