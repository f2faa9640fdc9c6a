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
import { progressLine, readWhole } from "./inspect.ts";
import { leftOutJson, leftOutLines, SALVAGE_OPTIONS, salvageExit, salvageInto } from "./salvage.ts";
import { counted, oneLine, sized } from "./text.ts";

/** The command. */
export const exportCommand: Command = {
  name: "export",
  summary: "Write a log as a wal-db log with raft-io's records",
  operands: ["DIR", "FILE.wal"],
  options: {
    salvage: { type: "boolean", help: "Of a damaged log, take whatever can be read" },
    ...SALVAGE_OPTIONS,
  },
  help: `The log may be in use: what is written is the log as of the moment of opening it. FILE.wal must not exist; it
appears when it is whole and flushed. A damaged log is refused, and so are entries and snapshots that make a record
of more than 64 MiB, which the format does not allow.

--salvage: as the command salvage does it, with the entries up to the first one that cannot be read. The output says
what is not in the file. Ends with 2 then.`,
  writes: true,
  async run(context) {
    const { operands: [path, file], options, out, note, signal } = context;
    if (options.salvage === true) return await exportSalvaged(context);
    for (const name of Object.keys(SALVAGE_OPTIONS)) {
      if (options[name] !== undefined) throw new UsageError(`--${name} goes with --salvage`);
    }
    await out.line(await readWhole(path!, { note, signal }, (log) => write(log, file!, context)));
    return EXIT.clean;
  },
};

/** Writes a log as a wal-db log; returns what was written, in words. */
async function write(log: WalLog, file: string, { note, result, signal }: Context): Promise<string> {
  const line = progressLine("exporting");
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
