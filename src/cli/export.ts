/**
 * `wal-log export`: a log written as a wal-db log.
 *
 * @module
 */

import { exportWalDb, type WalDbExportProgress } from "../wal_db/export.ts";
import { type Command, EXIT } from "./command.ts";
import { progressLine, readWhole } from "./inspect.ts";
import { counted, oneLine, sized } from "./text.ts";

/** The command. */
export const exportCommand: Command = {
  name: "export",
  summary: "Write a log as a wal-db log with raft-io's records",
  operands: ["DIR", "FILE.wal"],
  options: {},
  help: `The log may be in use: what is written is the log as of the moment of opening it. FILE.wal must not exist; it
appears when it is whole and flushed. A damaged log is refused, and so are entries and snapshots that make a record
of more than 64 MiB, which the format does not allow.`,
  writes: true,
  async run({ operands: [path, file], out, note, signal }) {
    const line = progressLine("exporting");
    const onProgress = ({ entriesDone, entriesTotal }: WalDbExportProgress) =>
      line.show({ bytesDone: entriesDone, bytesTotal: entriesTotal });
    const text = await readWhole(path!, { note, signal }, async (log) => {
      const { entries, bytes, metaBytes } = await exportWalDb(log, file!, { signal, onProgress });
      if (metaBytes > 0) {
        note(`left out ${counted(metaBytes, "byte", "bytes")} of the snapshot's meta: the format has no place for it`);
      }
      return `${counted(entries, "entry", "entries")} up to index ${log.lastIndex}: ${sized(bytes)} in ${
        oneLine(file!)
      }`;
    }).finally(() => line.clear());
    await out.line(text);
    return EXIT.clean;
  },
};
