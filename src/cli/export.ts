/**
 * `wal-log export`: a log written as a wal-db log.
 *
 * @module
 */

import { resolve } from "node:path";
import { exportWalDb, type WalDbExportProgress } from "../wal_db/export.ts";
import { WalLog } from "../api/wal_log.ts";
import { withTemporaryFolder } from "./aside.ts";
import { type Command, type Context, EXIT, UsageError } from "./command.ts";
import { readWhole } from "./inspect.ts";
import { progressLine } from "./progress.ts";
import { leftOutJson, leftOutLines, SALVAGE_OPTIONS, salvageExit, salvageInto } from "./salvage.ts";
import { counted, oneLine, sized } from "./text.ts";

/** The command. */
export const exportCommand: Command = {
  name: "export",
  summary: "Write a log as a wal-db log with raft-io's records",
  operands: ["DIR", "FILE.wal"],
  options: {
    salvage: { type: "boolean", help: "Write everything that can be read of a damaged log" },
    ...SALVAGE_OPTIONS,
  },
  help: `The log may be in use: the file gets the log as of when it was opened. FILE.wal must not exist; it appears only
when it is complete and flushed. It is an error if the log is damaged, or if an entry or a snapshot needs a record of
more than 64 MiB, which the format does not allow.

--salvage: like the command salvage, writes the entries up to the first unreadable one. The output lists what is missing
from the file. Exits with 2 in that case.`,
  writes: true,
  async run(context) {
    const { operands: [path, file], options, out, note, signal } = context;
    if (options.salvage === true) return await exportSalvaged(context);
    for (const name of Object.keys(SALVAGE_OPTIONS)) {
      if (options[name] !== undefined) throw new UsageError(`--${name} needs --salvage`);
    }
    await out.line(await readWhole(path!, { note, signal }, (log) => write(log, file!, context)));
    return EXIT.clean;
  },
};

/** Writes a log as a wal-db log; returns what was written, in words. */
async function write(log: WalLog, file: string, { note, result, signal }: Context): Promise<string> {
  const line = progressLine("exporting", "entries");
  const onProgress = ({ entriesDone, entriesTotal }: WalDbExportProgress) =>
    line.show({ bytesDone: entriesDone, bytesTotal: entriesTotal });
  const { entries, bytes, metaBytes } = await exportWalDb(log, file, { signal, onProgress })
    .finally(() => line.clear());
  if (metaBytes > 0) {
    note(`left out ${counted(metaBytes, "byte", "bytes")} of the snapshot's meta: the format has no place for it`);
  }
  result({ path: resolve(file), entries, lastIndex: log.lastIndex, bytes });
  return `${counted(entries, "entry", "entries")} up to index ${log.lastIndex}: ${sized(bytes)} in ${oneLine(file)}`;
}

/** Exports a log that is salvaged in a temporary folder beside the file. */
async function exportSalvaged(context: Context): Promise<number> {
  const { operands: [, file], out, signal } = context;
  return await withTemporaryFolder(resolve(file!), async (folder) => {
    const salvaged = await salvageInto(context, folder, false);
    const log = await WalLog.open(folder, { readOnly: true, signal });
    try {
      await out.line(await write(log, file!, context));
    } finally {
      await log.close();
    }
    context.result({ leftOut: leftOutJson(salvaged.plan) });
    for (const line of leftOutLines(salvaged)) await out.line(line);
    return salvageExit(salvaged);
  });
}
