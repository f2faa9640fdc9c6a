/**
 * Cutting a damaged tail. The log is written anew beside itself without it, and its files then take the old ones' place,
 * the one that says whose they are last: whatever a crash leaves on the way does not open, and is never a shorter log.
 *
 * @module
 */

import { copyFileSync, existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { WalLogError } from "../errors.ts";
import { IDENTITY_NAME } from "../segments/identity.ts";
import { nodeFileSystem } from "../storage/node_fs.ts";
import type { Index } from "../types.ts";
import { makeFolder, withTemporaryFolder } from "./aside.ts";
import { sizeOf } from "./backup.ts";
import { type Context, EXIT } from "./command.ts";
import { checkCopy, copyLog } from "./copy.ts";
import { inspect, type Inspection, openToRead } from "./inspect.ts";
import { green, yellow } from "./terminal.ts";
import { counted, indexes, oneLine, sized } from "./text.ts";

const LOCK_NAME = "LOCK";
/** The files of a log that are replaced. */
const REPLACED = /\.(seg|snap)$/;

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
  const from = firstLost(found);
  const evidence = vacant(folder);
  const gone = lastIndex - from + 1;
  await out.line(`will copy ${oneLine(folder)} as it is to ${oneLine(evidence)}: ${sized(sizeOf(folder))}`);
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
        await copyLog(source, anew, from - 1, signal);
        await checkCopy(source, anew, from - 1);
        await source.close();
        replace(folder, anew);
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
      : damage.firstIndex ?? (segment && segment.firstIndex + segment.countBelow(damage.offset));
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

/** A name for the evidence that is not taken. */
function vacant(folder: string): string {
  for (let number = 1;; number++) {
    const path = `${folder}.damaged-${number}`;
    if (!existsSync(path)) return path;
  }
}

/** Copies the files of a folder, flushed. Not the lock: whoever closes a copy of it gives up the lock itself. */
async function copyFiles(from: string, to: string, signal: AbortSignal): Promise<void> {
  for (const name of readdirSync(from)) {
    signal.throwIfAborted();
    if (name === LOCK_NAME || !statSync(join(from, name)).isFile()) continue;
    copyFileSync(join(from, name), join(to, name));
    const file = nodeFileSystem.open(join(to, name), "write");
    try {
      await file.syncAsync();
    } finally {
      file.close();
    }
  }
  nodeFileSystem.syncDirectory(to);
}

/** Puts the files of one log in the place of another's, its identity last. Does not let anything else run. */
function replace(folder: string, anew: string): void {
  const names = readdirSync(anew).filter((name) => REPLACED.test(name));
  const old = readdirSync(folder).filter((name) => REPLACED.test(name));
  for (const name of names) renameSync(join(anew, name), join(folder, name));
  for (const name of old) if (!names.includes(name)) rmSync(join(folder, name));
  nodeFileSystem.syncDirectory(folder);
  renameSync(join(anew, IDENTITY_NAME), join(folder, IDENTITY_NAME));
  nodeFileSystem.syncDirectory(folder);
}
