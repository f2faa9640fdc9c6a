/**
 * `wal-log backup`: a copy of a log that may be in use, in a folder or as a tar archive.
 *
 * @module
 */

import { lstatSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Index } from "../api/types.ts";
import type { WalLog } from "../api/wal_log.ts";
import { segmentNumber } from "../format/segment_name.ts";
import { isSnapshotName } from "../format/snapshot_name.ts";
import { KeptFiles } from "../io/kept_files.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import { contentsOf } from "../maintain/write_anew.ts";
import { folderOf } from "../recovery/open.ts";
import { writeTar } from "./tar_backup.ts";
import { makeFolder } from "./aside.ts";
import { type Command, type Context, EXIT, hardStateJson, indexOption, UsageError } from "./command.ts";
import { flushFiles, makeLogFrom } from "./copy.ts";
import { readWhole } from "./inspect.ts";
import { hardStateText, oneLine, sized } from "./text.ts";

/** The destination that stands for standard output. */
const STDOUT = "-";

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

If DEST is -, the copy goes to standard output as a tar archive of one folder, NAME.backup for a log called NAME. No
copy is made on disk, and memory holds at most a few segments of 32 MiB. The archive is not read back: verify the log
where you unpack it. If an archive is cut off, its files do not open as a log.

A node that starts from a backup has forgotten everything that it acknowledged since, including its votes. Let it into
a cluster that remembers more only as a new member.`,
  writes: ({ operands: [, destination] }) => destination !== STDOUT,
  async run(context) {
    const { operands: [, destination], out } = context;
    if (destination === STDOUT) await archive(context);
    else await out.line(await copy(context));
    return EXIT.clean;
  },
};

/** Copies the log into a folder; returns a description of the copy. */
async function copy(context: Context): Promise<string> {
  const { operands: [path, destination], note, result, signal } = context;
  return await readWhole(path!, { note, signal }, async (source) => {
    const lastIndex = lastIndexOf(context, source);
    flushFiles(source.path);
    const bytes = await makeFolder(destination!, async (folder) => {
      await makeLogFrom(folder, contentsOf(source, lastIndex), signal);
      return sizeOf(folder);
    });
    result({ path: resolve(destination!), lastIndex, hardState: hardStateJson(source.hardState), bytes });
    return copiedText(source, lastIndex, bytes, oneLine(destination!));
  });
}

/** Writes the copy to standard output. */
async function archive(context: Context): Promise<void> {
  const { operands: [path], options, out, note, signal } = context;
  if (options.json === true) throw new UsageError("--json cannot be combined with -: standard output has the archive");
  if (out.isTerminal) throw new UsageError("standard output is a terminal: redirect it to a file or a program");
  const kept = keepFiles(folderOf(path!));
  try {
    await readWhole(path!, { note, signal, fileSystem: kept.fileSystem }, async (source) => {
      const lastIndex = lastIndexOf(context, source);
      flushFiles(source.path);
      const { name, bytes } = await writeTar(source, lastIndex, out);
      note(copiedText(source, lastIndex, bytes, `an archive of ${name}`));
    });
  } finally {
    kept.close();
  }
}

/** Opens the files of a log, so that its writer cannot take them away while they are read. */
function keepFiles(folder: string): KeptFiles {
  const isPart = (name: string) => segmentNumber(name) !== undefined || isSnapshotName(name);
  let names: string[] = [];
  try {
    names = nodeFileSystem.list(folder).filter(isPart).sort();
  } catch {
    // Opening the log reports why.
  }
  return new KeptFiles(nodeFileSystem, folder, names);
}

/** The last entry to copy. */
function lastIndexOf(context: Context, { snapshotIndex, lastIndex }: WalLog): Index {
  const to = indexOption(context, "to") ?? lastIndex;
  if (to < snapshotIndex) throw new UsageError(`--to ${to} is below the snapshot's index ${snapshotIndex}`);
  return Math.min(to, lastIndex);
}

function copiedText({ hardState }: WalLog, lastIndex: Index, bytes: number, where: string): string {
  return `copied up to index ${lastIndex}, ${hardStateText(hardState)}: ${sized(bytes)} in ${where}`;
}

/**
 * The size of a folder's files.
 *
 * @param folder The folder; it has no folders in it.
 * @returns Bytes.
 */
export function sizeOf(folder: string): number {
  return readdirSync(folder).reduce((sum, name) => sum + lstatSync(join(folder, name)).size, 0);
}
