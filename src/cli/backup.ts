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
  summary: "Copy a log, even if it is in use",
  operands: ["DIR", "DEST"],
  options: { to: { type: "string", value: "INDEX", help: "The last entry to copy. Default: the log's last" } },
  help: `DEST becomes a cleanly closed log with the entries, the hard state and the snapshot of the source at one moment
after this command started. The source is flushed before it is copied, every entry is verified, and the copy is read
back. DEST must not exist, or be an empty folder. It appears only when it is complete. If the log is damaged, repair it
first.

A node that starts from a backup has forgotten everything that it acknowledged since, including its votes. Let it into
a cluster that remembers more only as a new member.`,
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
