/**
 * `wal-log import --format json`: a log made from the lines of `dump --json`.
 *
 * @module
 */

import { resolve } from "node:path";
import { setImmediate } from "node:timers/promises";
import { WalLogError } from "../api/errors.ts";
import type { HardState, Index, LogEntry } from "../api/types.ts";
import type { WalLog } from "../api/wal_log.ts";
import { type Contents, snapshotOf } from "../maintain/write_anew.ts";
import { makeFolder } from "./aside.ts";
import { type Context, EXIT } from "./command.ts";
import { makeLogFrom } from "./copy.ts";
import { openToRead } from "./inspect.ts";
import { progressLine } from "./progress.ts";
import { bytesOf, type Line, linesOf, NOT_JSON, parseEntry, type Place } from "./json_lines.ts";
import { counted, hardStateText, oneLine } from "./text.ts";

/** The number of lines to check before other tasks may run. */
const LINES_AT_ONCE = 1024;

/** The result of checking a file. */
interface Checked {
  readonly verdict: "clean" | "torn" | "corrupt";
  readonly entries: number;
  readonly first: Place | undefined;
  readonly last: Place | undefined;
  /** The first line that is not imported, and why. */
  readonly left: { readonly line: Line; readonly bytes: number; readonly reason: string } | undefined;
}

/**
 * Imports entries. The file is read twice, so that no log is made from one that cannot be imported.
 *
 * @param context The command: its operands are the file and the folder of the new log.
 * @returns The exit code.
 */
export async function importJson(context: Context): Promise<number> {
  const { operands: [file, path], options, out, note, result, signal } = context;
  const checked = await check(file!, signal);
  const { verdict, entries, first, last, left } = checked;
  if (verdict === "corrupt" && options.cut !== true) throw damaged(file!, checked);
  if (first === undefined || last === undefined) {
    throw new WalLogError("INVALID_ARGUMENT", `There are no entries in ${file}`, { path: file! });
  }
  const other = await openBase(options["snapshot-from"], first.index, file!, signal);
  try {
    const snapshot = other && snapshotOf(other);
    const meta = snapshot?.meta;
    if (meta !== undefined && meta.term > first.term) throw notContinued(first.index, other!.path);
    // Only the node itself knows its vote. An entry proves that it has been in that term.
    const hardState: HardState = { term: last.term, votedFor: null };
    const contents: Contents = {
      cluster: other?.identity.cluster,
      snapshot,
      lastIndex: last.index,
      hardState,
      entries: () => entriesOf(file!, entries),
    };
    await makeFolder(path!, (folder) => makeLogFrom(folder, contents, signal));
    const snapshotIndex = meta?.index ?? 0;
    result({
      path: resolve(path!),
      verdict,
      records: entries,
      lastIndex: last.index,
      lastTerm: last.term,
      snapshotIndex,
    });
    const base = snapshotIndex > 0 ? `, snapshot at index ${snapshotIndex}` : "";
    await out.line(
      `${counted(entries, "entry", "entries")} imported, up to index ${last.index}, term ${last.term}${base}; ` +
        hardStateText(hardState),
    );
    note("a dump has no hard state: the vote of its node is unknown; let it join a cluster only as a new member");
    if (left !== undefined) note(`${verdict}: ${leftText(checked)} were left`);
    return EXIT[verdict];
  } finally {
    await other?.close();
  }
}

/** Checks all lines of a file, up to the first that cannot be imported. */
async function check(file: string, signal: AbortSignal): Promise<Checked> {
  const total = bytesOf(file);
  const progress = progressLine("checking");
  let [entries, first, last]: [number, Place | undefined, Place | undefined] = [0, undefined, undefined];
  try {
    for (const line of linesOf(file)) {
      const entry = parseEntry(line, last);
      if (typeof entry === "string") {
        // A dump that was cut short ends within a line.
        const verdict = entry === NOT_JSON && !line.isEnded ? "torn" : "corrupt";
        return { verdict, entries, first, last, left: { line, bytes: total - line.offset, reason: entry } };
      }
      last = { index: entry.index, term: entry.term };
      first ??= last;
      if (++entries % LINES_AT_ONCE === 0) {
        progress.show({ bytesDone: line.offset, bytesTotal: total });
        await setImmediate();
        signal.throwIfAborted();
      }
    }
  } finally {
    progress.clear();
  }
  return { verdict: "clean", entries, first, last, left: undefined };
}

function* entriesOf(file: string, count: number): Generator<LogEntry> {
  let last: Place | undefined;
  for (const line of linesOf(file)) {
    if (count-- === 0) return;
    const entry = parseEntry(line, last);
    if (typeof entry === "string") {
      throw new WalLogError("CHANGING", `Cannot import ${file}: line ${line.number} has changed since it was checked`, {
        path: file,
      });
    }
    yield entry;
    last = entry;
  }
}

/** Opens the log with the snapshot that the first entry continues from; `undefined` if it has index 1. */
async function openBase(
  option: string | boolean | undefined,
  first: Index,
  file: string,
  signal: AbortSignal,
): Promise<WalLog | undefined> {
  if (option === undefined) {
    if (first === 1) return undefined;
    throw new WalLogError(
      "INVALID_ARGUMENT",
      `Cannot import ${file}: it begins at index ${first}, after a snapshot; give --snapshot-from with a log that has ` +
        `this snapshot`,
      { path: file },
    );
  }
  const other = await openToRead(String(option), "fail", signal);
  if (other.snapshotIndex === first - 1 && first > 1) return other;
  await other.close();
  throw notContinued(first, other.path);
}

function notContinued(first: Index, path: string): WalLogError {
  const message = `Cannot import: the entry at index ${first} does not continue from the snapshot of ${path}`;
  return new WalLogError("INVALID_ARGUMENT", message, { path });
}

function leftText({ left }: Checked): string {
  const { line, bytes, reason } = left!;
  return `${counted(bytes, "byte", "bytes")} from line ${line.number} on (${reason})`;
}

function damaged(file: string, checked: Checked): WalLogError {
  const { line, bytes, reason } = checked.left!;
  const place = {
    kind: "entries",
    path: file,
    offset: line.offset,
    bytes,
    firstIndex: checked.last === undefined ? undefined : checked.last.index + 1,
    lastIndex: undefined,
    term: undefined,
    reason,
  } as const;
  return new WalLogError(
    "CORRUPT",
    `Cannot import ${oneLine(file)}: ${leftText(checked)}; correct it, or import the lines before it with --cut`,
    { path: file, offset: line.offset, damage: [place] },
  );
}
