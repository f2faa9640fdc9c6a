/**
 * `wal-log backup`: a copy of a log that may be in use.
 *
 * @module
 */

import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { WalLogError } from "../errors.ts";
import { errorCode } from "../storage/full.ts";
import { makeFolder } from "./aside.ts";
import { type Command, EXIT } from "./command.ts";
import { checkCopy, copyLog, flushFiles } from "./copy.ts";
import { openToRead } from "./inspect.ts";
import { hardStateText, sized } from "./text.ts";

/** How often to begin again when the writer compacts the log meanwhile. */
const ATTEMPTS_MAX = 5;

/** The command. */
export const backup: Command = {
  name: "backup",
  summary: "Copy a log, which may be in use",
  operands: ["DIR", "DEST"],
  options: {},
  help: `DEST becomes a log of its own, closed cleanly, with the entries, the hard state and the snapshot that the log
had at one moment after this was started. What the log had by then is flushed before it is copied, every entry is
verified on the way, and the copy is read back. DEST must not exist, or be an empty folder; it appears when it is
whole. A damaged log is refused: see repair.

A node that is started from a backup has forgotten what it acknowledged since, its votes included. Do not let it
into a cluster whose other nodes remember, but as a new member.`,
  writes: true,
  async run({ operands: [path, destination], out, note, signal }) {
    for (let attempt = 1;; attempt++) {
      const source = await openToRead(path!, "fail", signal);
      try {
        const { lastIndex, hardState } = source;
        flushFiles(source);
        const bytes = await makeFolder(destination!, async (folder) => {
          await copyLog(source, folder, lastIndex, signal);
          await checkCopy(source, folder, lastIndex);
          return sizeOf(folder);
        });
        await out.line(
          `copied up to index ${lastIndex}, ${hardStateText(hardState)}: ${sized(bytes)} in ${destination}`,
        );
        return EXIT.clean;
      } catch (error) {
        if (attempt === ATTEMPTS_MAX || !isCompaction(error)) throw error;
        note("the log was compacted meanwhile; beginning again");
      } finally {
        await source.close();
      }
    }
  },
};

/** Whether an error says that a file went that was there when the log was opened. */
function isCompaction(error: unknown): boolean {
  if (!(error instanceof WalLogError)) return errorCode(error) === "ENOENT";
  return error.code === "COMPACTED" || errorCode(error.cause) === "ENOENT" ||
    (error.code === "CORRUPT" && error.damage.some(({ kind }) => kind === "snapshot"));
}

/**
 * The size of a folder's files.
 *
 * @param folder The folder; it has no folders in it.
 * @returns Bytes.
 */
export function sizeOf(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}
