/**
 * `wal-log import`: a log of this library made from a file of another format.
 *
 * @module
 */

import { resolve } from "node:path";
import { WalLogError } from "../api/errors.ts";
import { importWalDb } from "../wal_db/import.ts";
import { WalLog } from "../api/wal_log.ts";
import { makeFolder } from "./aside.ts";
import { choiceOption, type Command, type Context, EXIT, UsageError } from "./command.ts";
import { importJson } from "./import_json.ts";
import { progressLine } from "./progress.ts";
import { counted, hardStateText } from "./text.ts";

/** The command. */
export const importCommand: Command = {
  name: "import",
  summary: "Make a log from a wal-db log, or from a dump",
  operands: ["FILE", "DIR"],
  options: {
    format: {
      type: "string",
      short: "f",
      value: "FORMAT",
      choices: ["wal-db", "json"],
      help: "wal-db (the default) or json",
    },
    cut: { type: "boolean", help: "Import the records before the damage" },
    "snapshot-from": { type: "string", value: "OTHER", help: "With json: take the snapshot of the log in this folder" },
  },
  help: `DIR must not exist, or be an empty folder. It appears only when it is complete and flushed. If the file is
damaged, the error gives the offset or the line. A file that ends within a record, as after a crash, is imported up to
that record.

wal-db: a wal-db log with raft-io's records. Numbers above 2^53 - 1 are rejected, except for node ids.
json: the lines of "dump --json", and of SALVAGE.jsonl, with "command" or "text". A dump has no snapshot. If its first
index is not 1, --snapshot-from must name a log whose snapshot ends just before it. A dump has no hard state either:
the new log gets the last term, and no vote.

Exits with 0 if everything was imported, 1 if the file ends within a record, 2 if it is damaged, cut or not.`,
  writes: true,
  async run(context) {
    if (choiceOption(context, "format", ["wal-db", "json"]) === "json") return await importJson(context);
    if (context.options["snapshot-from"] !== undefined) throw new UsageError("--snapshot-from needs --format json");
    return await importFromWalDb(context);
  },
};

async function importFromWalDb(
  { operands: [file, path], options, out, note, result: tell, signal }: Context,
): Promise<number> {
  const line = progressLine("importing");
  const { result, state } = await makeFolder(path!, async (folder) => {
    const log = await WalLog.open(folder);
    try {
      const onDamage = options.cut === true ? "cut" : "fail";
      const result = await importWalDb(file!, log, { onDamage, signal, onProgress: line.show }).catch(explain);
      const { lastIndex, lastTerm, snapshotIndex } = log;
      tell({
        path: resolve(path!),
        verdict: result.verdict,
        records: result.records,
        lastIndex,
        lastTerm,
        snapshotIndex,
      });
      const snapshot = snapshotIndex > 0 ? `, snapshot at index ${snapshotIndex}` : "";
      return { result, state: `index ${lastIndex}, term ${lastTerm}${snapshot}; ${hardStateText(log.hardState)}` };
    } finally {
      line.clear();
      await log.close();
    }
  });
  await out.line(`${counted(result.records, "record", "records")} imported, up to ${state}`);
  if (result.cut !== undefined) {
    const { offset, bytes, reason, resumesAt } = result.cut;
    const behind = resumesAt === undefined ? "" : `; whole records follow from byte ${resumesAt}`;
    note(
      `${result.verdict}: ${counted(bytes, "byte", "bytes")} from byte ${offset} on were left (${reason})${behind}`,
    );
  }
  return EXIT[result.verdict];
}

/** Adds the possible next steps to the error of a damaged source. */
function explain(error: unknown): never {
  const [place] = error instanceof WalLogError && error.code === "CORRUPT" ? error.damage : [];
  if (place === undefined) throw error;
  const { path, offset, bytes, reason } = place;
  throw new WalLogError(
    "CORRUPT",
    `${path} is damaged at byte ${offset}, ${counted(bytes, "byte", "bytes")} (${reason}); restore it, or import the ` +
      `records before it with --cut`,
    { path, offset, damage: [place], cause: error },
  );
}
