/**
 * `wal-log backup`: a copy of a log that may be in use.
 *
 * @module
 */

import { lstatSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { makeFolder } from "./aside.ts";
import { type Command, EXIT, hardStateJson, indexOption, UsageError } from "./command.ts";
import { contentsOf } from "../maintain/write_anew.ts";
import { flushFiles, makeLogFrom } from "./copy.ts";
import { readWhole } from "./inspect.ts";
import { hardStateText, oneLine, sized } from "./text.ts";

/** The command. */
export const backup: Command = {
  name: "backup",
  summary: "Copy a log, which may be in use",
  operands: ["DIR", "DEST"],
  options: { to: { type: "string", value: "INDEX", help: "The last entry to copy. Default: the last that there is" } },
  help: `DEST becomes a log of its own, closed cleanly, with the entries, the hard state and the snapshot that the log
had at one moment after this was started. What the log had by then is flushed before it is copied, every entry is
verified on the way, and the copy is read back. DEST must not exist, or be an empty folder; it appears when it is
whole. A damaged log is refused: see repair.

A node that is started from a backup has forgotten what it acknowledged since, its votes included. Do not let it
into a cluster whose other nodes remember, but as a new member.`,
  writes: true,
  async run(context) {
    const { operands: [path, destination], out, note, result, signal } = context;
    const to = indexOption(context, "to") ?? Number.MAX_SAFE_INTEGER;
    const text = await readWhole(path!, { note, signal }, async (source) => {
      const { hardState, snapshotIndex } = source;
      if (to < snapshotIndex) throw new UsageError(`--to ${to} is below the snapshot's index ${snapshotIndex}`);
      const lastIndex = Math.min(to, source.lastIndex);
      flushFiles(source.path);
      const bytes = await makeFolder(destination!, async (folder) => {
        await makeLogFrom(folder, contentsOf(source, lastIndex), signal);
        return sizeOf(folder);
      });
      result({ path: resolve(destination!), lastIndex, hardState: hardStateJson(hardState), bytes });
      return `copied up to index ${lastIndex}, ${hardStateText(hardState)}: ${sized(bytes)} in ${
        oneLine(destination!)
      }`;
    });
    await out.line(text);
    return EXIT.clean;
  },
};

/**
 * The size of a folder's files.
 *
 * @param folder The folder; it has no folders in it.
 * @returns Bytes.
 */
export function sizeOf(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + lstatSync(join(folder, name)).size, 0);
}
