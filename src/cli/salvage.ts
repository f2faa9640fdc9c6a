/**
 * `wal-log salvage`: writes everything that can be read of a damaged log into a new one.
 *
 * @module
 */

import { join } from "node:path";
import { WalLogError } from "../api/errors.ts";
import { TERM_UNKNOWN } from "../format/numbers.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import type { HardState, Index } from "../api/types.ts";
import type { WalLog } from "../api/wal_log.ts";
import type { Contents } from "../maintain/write_anew.ts";
import { makeFolder } from "./aside.ts";
import { sizeOf } from "./backup.ts";
import { type Command, type Context, EXIT, hardStateJson, indexOption, UsageError } from "./command.ts";
import { makeLogFrom } from "./copy.ts";
import { entryJson } from "./entry_format.ts";
import { inspect, type Inspection, openToRead } from "./inspect.ts";
import { LineWriter } from "./line_writer.ts";
import { progressLine } from "./progress.ts";
import { SCHEMA } from "./schema.ts";
import { readAround } from "./read_around.ts";
import { type LeftOut, planSalvage, type SalvagePlan } from "./salvage_plan.ts";
import { readableSnapshot } from "./readable_snapshot.ts";
import { yellow } from "./terminal.ts";
import { counted, hardStateText, indexes, jsonText, nextLine, oneLine, sized } from "./text.ts";
import { unreliableIn } from "./unreliable.ts";

/** The list of everything missing from the new log, for programs. */
const REPORT_NAME = "SALVAGE.json";
/** Readable entries that have no place in the new log. */
const ENTRIES_NAME = "SALVAGE.jsonl";

/** The options of salvaging. */
export const SALVAGE_OPTIONS = {
  to: { type: "string", value: "INDEX", help: "The last entry to salvage. Default: the last possible one" },
  unconfirmed: { type: "boolean", help: "Include entries that a lost frame may have truncated" },
} as const;

/** The command. */
export const salvage: Command = {
  name: "salvage",
  summary: "Write everything readable in a damaged log to a new log",
  operands: ["DIR", "NEWDIR"],
  options: SALVAGE_OPTIONS,
  help: `Works on any damage, without another replica, and changes nothing in DIR. NEWDIR must not exist, or be an empty
folder. It appears only when it is complete, flushed and read back. It becomes a log with an incarnation of its own.

A log cannot have holes: the new log gets the snapshot, the hard state, and the entries up to the first unreadable one.
Readable entries after that go to NEWDIR/${ENTRIES_NAME}, in the format of "dump --format json".
NEWDIR/${REPORT_NAME} lists what is missing from the log, as the output does.

THE NODE OF A SALVAGED LOG HAS FORGOTTEN EVERYTHING THAT IS MISSING. It must not vote under its old id: let it rejoin
its cluster as a new member. Exits with 0 if nothing is missing, and with 2 otherwise.`,
  writes: true,
  async run(context) {
    const { operands: [, destination], out } = context;
    const salvaged = await makeFolder(destination!, (folder) => salvageInto(context, folder, true));
    const { text, left } = salvaged;
    await out.line(`${text} in ${oneLine(destination!)}`);
    for (const line of leftOutLines(salvaged)) await out.line(line);
    if (left > 0) {
      const path = oneLine(join(destination!, ENTRIES_NAME));
      await out.line(`${counted(left, "readable entry", "readable entries")} left out of the log, written to ${path}`);
    }
    await out.line(nextLine({
      text: `let its node rejoin the cluster as a new member, with ${oneLine(destination!)} as its log or an empty one`,
    }));
    return salvageExit(salvaged);
  },
};

/** The result of salvaging. */
export interface Salvaged {
  readonly plan: SalvagePlan;
  /** The contents of the new log. */
  readonly text: string;
  /** The number of readable entries that are not in it. */
  readonly left: number;
  /** Index of an unreadable snapshot; `undefined` if the snapshot can be read. */
  readonly lostSnapshot: Index | undefined;
  readonly hardStateLost: boolean;
}

/**
 * The exit code of a command that salvages.
 *
 * @param salvaged The result.
 * @returns 0 if the new log has everything that was requested.
 */
export function salvageExit({ plan, lostSnapshot, hardStateLost }: Salvaged): number {
  const isWhole = plan.leftOut.every(({ why }) => why === "not requested") && lostSnapshot === undefined;
  return isWhole && !hardStateLost ? EXIT.clean : EXIT.corrupt;
}

/**
 * Writes everything that can be read of a log into a new one.
 *
 * @param context The command: its first operand is the damaged log.
 * @param folder An empty folder.
 * @param withReport Whether to write the report and the entries that have no place in the log there too.
 * @returns The result.
 */
export async function salvageInto(context: Context, folder: string, withReport: boolean): Promise<Salvaged> {
  const { operands: [path], options, signal } = context;
  const found = await inspect(path!);
  signal.throwIfAborted();
  const { snapshotIndex } = found.opened.index;
  const { hardStateLost } = found.opened.state;
  const snapshot = await readableSnapshot(found, signal);
  const base = snapshot?.meta.index ?? (snapshotIndex === 0 ? 0 : undefined);
  const to = indexOption(context, "to") ?? Number.MAX_SAFE_INTEGER;
  if (to < (base ?? 0)) throw new UsageError(`--to ${to} is below the snapshot's index ${base}`);
  const { firstIndex, lastIndex } = found;
  const unreliable = unreliableIn(found);
  const unconfirmed = options.unconfirmed === true;
  const plan = planSalvage({ base, firstIndex, lastIndex, unreliable, to, unconfirmed });
  const source = await openToRead(path!, "keep", signal);
  try {
    if (source.snapshotIndex !== snapshotIndex || source.lastIndex < lastIndex) throw changed(found);
    const first = (snapshot?.meta.index ?? 0) + 1;
    const contents: Contents = {
      cluster: source.identity.cluster,
      snapshot,
      lastIndex: plan.lastIndex,
      hardState: hardStateOf(found),
      entries: () => source.iterate(first, plan.lastIndex),
    };
    await makeLogFrom(folder, contents, signal);
    const bytes = sizeOf(folder);
    const left = withReport ? await writeLeft(join(folder, ENTRIES_NAME), source, plan, signal) : 0;
    if (withReport) writeReport(join(folder, REPORT_NAME), context, found, contents, plan, left);
    nodeFileSystem.syncDirectory(folder);
    const entries = Math.max(plan.lastIndex - first + 1, 0);
    const of = snapshot === undefined ? "" : `, snapshot at index ${snapshot.meta.index}`;
    const range = entries === 0
      ? "no entries"
      : `${counted(entries, "entry", "entries")}, ${indexes(first, plan.lastIndex)}`;
    const lostSnapshot = base === undefined ? snapshotIndex : undefined;
    const text = `salvaged ${range}${of}; ${hardStateText(contents.hardState)}: ${sized(bytes)}`;
    return { plan, text, left, lostSnapshot, hardStateLost };
  } finally {
    await source.close();
  }
}

function changed({ folder }: Inspection): WalLogError {
  return new WalLogError("CHANGING", `Cannot salvage the log at ${folder}: it is in use; stop its writer first`, {
    path: folder,
  });
}

/** The hard state, or the certain part of it: a node with an entry of a term has been in that term. */
function hardStateOf({ opened }: Inspection): HardState {
  const { hardState, hardStateLost } = opened.state;
  const { lastTerm } = opened.index;
  if (!hardStateLost || lastTerm === TERM_UNKNOWN || lastTerm <= hardState.term) return hardState;
  return { term: lastTerm, votedFor: null };
}

/** The lines about data that is missing from the new log. */
export function* leftOutLines({ plan, lostSnapshot, hardStateLost }: Salvaged): Generator<string> {
  if (hardStateLost) yield yellow("left out: the latest hard state");
  if (lostSnapshot !== undefined) yield yellow(`left out: the snapshot at index ${lostSnapshot}`);
  for (const { why, first, last, reason } of plan.leftOut) {
    const range = last === undefined ? `from index ${first} on` : indexes(first, last);
    yield yellow(`left out: ${range}: ${why} (${reason})`);
  }
}

/** Whether entries that are left out were requested and may be readable. */
function isLeft({ why }: LeftOut): boolean {
  return why === "unconfirmed" || why === "after a hole";
}

/** Writes the readable entries that have no place in the log. Returns their number. */
async function writeLeft(path: string, source: WalLog, plan: SalvagePlan, signal: AbortSignal): Promise<number> {
  const ranges = plan.leftOut.filter(isLeft);
  if (ranges.length === 0) return 0;
  const file = new LineWriter(nodeFileSystem, path);
  const line = progressLine("writing readable entries", "entries");
  const total = ranges.reduce((sum, { first, last = source.lastIndex }) => sum + last - first + 1, 0);
  let written = 0;
  try {
    for (const { why, first, last = source.lastIndex } of ranges) {
      for (const found of readAround(source, first, last)) {
        if (!("entry" in found)) continue;
        const entry = entryJson(found.entry);
        file.line(jsonText(why === "unconfirmed" ? { ...entry, unconfirmed: true } : entry));
        if (++written % 1024 !== 0) continue;
        line.show({ bytesDone: written, bytesTotal: total });
        await pause(signal);
      }
    }
    file.sync();
  } finally {
    line.clear();
    file.close();
  }
  return written;
}

async function pause(signal: AbortSignal): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve));
  signal.throwIfAborted();
}

/**
 * The data that is missing from the new log, for programs.
 *
 * @param plan The plan.
 * @returns The ranges.
 */
export function leftOutJson({ leftOut }: SalvagePlan): unknown[] {
  return leftOut.map((one) => ({ ...one, last: one.last ?? null }));
}

function writeReport(
  path: string,
  { result }: Context,
  found: Inspection,
  contents: Contents,
  plan: SalvagePlan,
  left: number,
): void {
  const { hardState, snapshot, lastIndex } = contents;
  const report = {
    source: found.folder,
    firstIndex: (snapshot?.meta.index ?? 0) + 1,
    lastIndex,
    snapshotIndex: snapshot?.meta.index ?? null,
    hardState: { ...hardStateJson(hardState), lost: found.opened.state.hardStateLost },
    leftOut: leftOutJson(plan),
    readable: left,
  };
  result(report);
  const file = new LineWriter(nodeFileSystem, path);
  try {
    file.line(jsonText({ schema: SCHEMA, command: "salvage", ...report }, 2));
    file.sync();
  } finally {
    file.close();
  }
}
