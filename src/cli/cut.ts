/**
 * Cuts a damaged tail. The log is written anew without it, in a temporary folder. Its files then replace the old ones,
 * IDENTITY last: until that is replaced, the log does not open. So a crash never leaves a log that opens and is
 * shorter.
 *
 * @module
 */

import { readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { WalLogError } from "../api/errors.ts";
import { IDENTITY_NAME } from "../recovery/identity.ts";
import type { Codec } from "../codec/codec.ts";
import { liveFrames } from "../log/live_frames.ts";
import type { Segment } from "../log/segment.ts";
import type { FileLock } from "../io/file_system.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import type { Index } from "../api/types.ts";
import { makeFolder, statOf, withTemporaryFolder } from "./aside.ts";
import { type Context, EXIT } from "./command.ts";
import { contentsOf } from "../maintain/write_anew.ts";
import { makeLogFrom } from "./copy.ts";
import { inspect, type Inspection, openToRead } from "./inspect.ts";
import { copyFile, isSegmentOrSnapshot, listFiles, LOCK_NAME, prepareRepair } from "./log_files.ts";
import { keepOwner } from "./owner.ts";
import { green, yellow } from "./terminal.ts";
import { counted, indexes, oneLine, sized } from "./text.ts";

/**
 * Cuts everything from the first damaged entry on.
 *
 * @param context What the command runs with.
 * @param found The damaged log.
 * @returns What the program ends with.
 */
export async function cutTail(context: Context, found: Inspection): Promise<number> {
  const { options, out, signal } = context;
  const { folder, lastIndex } = found;
  const listed = listFiles(folder);
  const from = firstLost(found);
  const evidence = vacant(folder);
  const gone = lastIndex - from + 1;
  const bytes = [...listed.files.values()].reduce((sum, { size }) => sum + size, 0);
  await out.line(`will copy ${oneLine(folder)} as it is to ${oneLine(evidence)}: ${sized(bytes)}`);
  for (const [name, kind] of listed.others) await out.line(`will not copy ${oneLine(name)}: it is ${kind}`);
  await out.line(
    gone > 0
      ? `will cut ${indexes(from, lastIndex)}: ${counted(gone, "entry", "entries")}`
      : `will take the log to end at index ${from - 1}: what followed is lost already`,
  );
  await out.line(
    yellow(
      `what is cut was acknowledged: this node must neither vote nor count until it has been sent everything again`,
    ),
  );
  if (found.opened.state.replacementsLost) {
    await out.line(yellow("what was discarded before may be in what stays: nothing tells from which index on"));
  }
  await out.flush();
  if (options["dry-run"] === true) return EXIT.clean;

  const fileSystem = prepareRepair(folder, listed);
  const lock = nodeFileSystem.lock(join(folder, LOCK_NAME));
  if (typeof lock !== "object") {
    throw new WalLogError("LOCKED", `Cannot repair the log at ${folder}: a writer has it open; close that one`);
  }
  try {
    await makeFolder(evidence, (copy) => copyFiles(folder, copy, signal));
    await out.line(`copied to ${oneLine(evidence)}`);
    const source = await openToRead(folder, "keep", signal);
    try {
      await withTemporaryFolder(folder, async (anew) => {
        await makeLogFrom(anew, contentsOf(source, from - 1), signal, fileSystem);
        await source.close();
        replaceFiles(folder, anew, lock);
      });
    } finally {
      await source.close();
    }
  } finally {
    lock.release();
  }
  const { opened } = await inspect(folder);
  await out.line(green(`cut: the log is ${opened.report.verdict}, and ends at index ${opened.report.lastIndex}`));
  return opened.report.verdict === "corrupt" ? EXIT.corrupt : EXIT.clean;
}

/** The first index that is not to be relied on. */
function firstLost({ folder, opened, firstIndex }: Inspection): Index {
  const { report, index } = opened;
  let first = Infinity;
  for (const damage of report.damage) {
    const segment = index.segments.find(({ path }) => path === damage.path);
    // Frames that held no entry may have held a truncation: what lies behind them is not to be relied on.
    const at = damage.kind === "snapshot"
      ? undefined
      : damage.firstIndex ?? (segment && firstBehind(opened.codec, segment, damage.offset));
    if (at === undefined) {
      const what = damage.kind === "snapshot" ? "the snapshot is" : `a ${damage.kind} is`;
      throw new WalLogError(
        "CORRUPT",
        `Cannot cut the log at ${folder}: ${what} damaged, and not the end of the log; restore it from another replica`,
        { damage: [damage] },
      );
    }
    first = Math.min(first, at);
  }
  return Math.max(first, firstIndex);
}

/** Index of the first entry whose frame lies at an offset or behind it. */
function firstBehind(codec: Codec, segment: Segment, offset: number): Index {
  const file = nodeFileSystem.open(segment.path, "read");
  try {
    for (const frame of liveFrames(codec, file, segment, segment.firstIndex, segment.end - 1)) {
      if (frame.offset >= offset) return frame.first;
    }
    return segment.end;
  } finally {
    file.close();
  }
}

/** A name for the evidence that is not taken. */
function vacant(folder: string): string {
  for (let number = 1;; number++) {
    const path = `${folder}.damaged-${number}`;
    if (statOf(path) === undefined) return path;
  }
}

/** Copies the files of a folder durably, with owners and modes. Skips LOCK: closing it would release the lock. */
async function copyFiles(from: string, to: string, signal: AbortSignal): Promise<void> {
  for (const [name, like] of listFiles(from).files) {
    if (name !== LOCK_NAME) await copyFile(join(from, name), join(to, name), like, signal);
  }
  nodeFileSystem.syncDirectory(to);
  keepOwner(to, statSync(from));
}

/**
 * Replaces the files of a log with those of another, IDENTITY last. It is synchronous: nothing else of this process runs in
 * between.
 *
 * @param folder The log's folder.
 * @param anew The folder with the new files.
 * @param lock The log's lock, which must still be held at each step.
 * @throws {WalLogError} `LOCK_LOST` if the folder or its lock was moved, deleted or replaced.
 */
export function replaceFiles(folder: string, anew: string, lock: FileLock): void {
  const names = readdirSync(anew).filter(isSegmentOrSnapshot);
  const old = readdirSync(folder).filter(isSegmentOrSnapshot);
  // The copying took a while, and the folder or its lock may be another one by now.
  const change = (step: () => void) => {
    lock.check();
    step();
  };
  for (const name of names) change(() => renameSync(join(anew, name), join(folder, name)));
  for (const name of old) if (!names.includes(name)) change(() => rmSync(join(folder, name)));
  nodeFileSystem.syncDirectory(folder);
  change(() => renameSync(join(anew, IDENTITY_NAME), join(folder, IDENTITY_NAME)));
  nodeFileSystem.syncDirectory(folder);
}
