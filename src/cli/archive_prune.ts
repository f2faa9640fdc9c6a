/**
 * `wal-log archive prune`: deletes old objects of an archive.
 *
 * @module
 */

import { prune, type PruneReport } from "../archive/prune.ts";
import { type Arguments, type Command, EXIT, Interrupted, UsageError } from "./command.ts";
import { storeOf } from "./object_store.ts";
import { progressLine } from "./progress.ts";
import { counted, oneLine, sized } from "./text.ts";

const SECOND_MS = 1000;
const DAY_MS = 24 * 60 * 60 * SECOND_MS;
/** The units of ages, in milliseconds. */
const UNITS: Readonly<Record<string, number>> = {
  s: SECOND_MS,
  m: 60 * SECOND_MS,
  h: 60 * 60 * SECOND_MS,
  d: DAY_MS,
  w: 7 * DAY_MS,
};

/** The command that prunes. */
export const archivePrune: Command = {
  name: "archive prune",
  summary: "Delete old states from an archive",
  operands: ["STORE"],
  options: {
    keep: { type: "string", value: "NUMBER", help: "Keep all states since the newest NUMBER generations began" },
    "older-than": { type: "string", value: "AGE", help: "Keep all states of the last AGE, such as 30d, 12h or 90m" },
    "dry-run": { type: "boolean", help: "Delete nothing, and print the number of objects" },
  },
  help:
    `Deletes the objects that no kept state needs. Give --keep, --older-than, or both: then a state is kept if one of them
keeps it. The newest state and everything after its snapshot is always kept. A log without snapshots needs all objects.
The log can be archived and restored meanwhile. If the command is interrupted, repeat it to delete the rest.

Times are those of the log's clock, and a state is as old as the first later checkpoint.`,
  writes: true,
  async run(context) {
    const { operands: [place], options, out, result, signal } = context;
    const keepGenerations = countOption(context);
    const age = ageOption(context);
    if (keepGenerations === undefined && age === undefined) throw new UsageError("give --keep or --older-than");
    const dryRun = options["dry-run"] === true;
    const store = await storeOf(place!);
    const line = progressLine("deleting");
    const report = await prune(store, {
      ...keepGenerations !== undefined && { keepGenerations },
      ...age !== undefined && { keepSince: Date.now() - age },
      dryRun,
      onProgress: line.show,
      signal,
    }).catch((error) => {
      throw signal.aborted ? new Interrupted("repeat the command to delete the rest") : error;
    }).finally(() => line.clear());
    result({ store: store.name, dryRun, ...report });
    await out.line(textOf(report, dryRun, store.name));
    return EXIT.clean;
  },
};

function textOf({ objects, bytes, oldestIndex, oldestTime }: PruneReport, dryRun: boolean, store: string): string {
  const done = dryRun ? "would delete" : "deleted";
  const floor = oldestIndex === 0 ? "" : `; the oldest state is at index ${oldestIndex}`;
  const since = oldestTime === 0 ? "" : `, not before ${new Date(oldestTime).toISOString()}`;
  return `${done} ${counted(objects, "object", "objects")}, ${sized(bytes)}, from ${oneLine(store)}${floor}${since}`;
}

/** The option `--keep`. */
function countOption({ options: { keep } }: Arguments): number | undefined {
  if (keep === undefined) return undefined;
  const count = typeof keep === "string" && /^\d{1,8}$/.test(keep) ? Number(keep) : 0;
  if (count >= 1) return count;
  throw new UsageError(`--keep takes a number of generations, 1 or more, found ${JSON.stringify(keep)}`);
}

/** The option `--older-than`, in milliseconds. */
function ageOption({ options }: Arguments): number | undefined {
  const text = options["older-than"];
  if (text === undefined) return undefined;
  const [, number, unit] = /^(\d{1,8})([smhdw])$/.exec(String(text)) ?? [];
  if (unit !== undefined) return Number(number) * UNITS[unit]!;
  throw new UsageError(
    `--older-than takes a number and a unit (s, m, h, d, w), such as 30d, found ${JSON.stringify(text)}`,
  );
}
