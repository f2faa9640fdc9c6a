/**
 * `wal-log dump`: the entries of a log, around its holes if it has any.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { Damage } from "../api/report.ts";
import type { Index, LogEntry } from "../api/types.ts";
import type { WalLog } from "../api/wal_log.ts";
import { choiceOption, type Command, type Context, EXIT, indexOption, UsageError } from "./command.ts";
import { openToRead } from "./inspect.ts";
import { type Hole, readAround } from "./read_around.ts";
import { counted, damageText, indexes, jsonText, preview } from "./text.ts";

/** How entries are written. */
interface Format {
  entry(entry: LogEntry): string | Uint8Array;
  /** What stands for a hole; `undefined` if nothing can. */
  hole(hole: Hole): string | undefined;
}

/**
 * An entry as programs read it.
 *
 * @param entry The entry.
 * @returns Its fields, with the command in base64.
 */
export function entryJson({ index, term, kind, command }: LogEntry): Readonly<Record<string, unknown>> {
  const { buffer, byteOffset, byteLength } = command;
  return {
    index,
    term,
    kind,
    bytes: byteLength,
    command: Buffer.from(buffer, byteOffset, byteLength).toString("base64"),
  };
}

const FORMATS: Readonly<Record<"json" | "text" | "raw", Format>> = {
  json: {
    entry: (entry) => jsonText(entryJson(entry)),
    hole: ({ first, last, reason }) => jsonText({ damaged: true, firstIndex: first, lastIndex: last, reason }),
  },
  text: {
    entry: ({ index, term, kind, command }) =>
      `${String(index).padStart(8)}  ${String(term).padStart(4)}  ${kind}  ${String(command.length).padStart(6)}  ${
        preview(command)
      }`,
    hole: ({ first, last, reason }) => `${String(first).padStart(8)}  damaged: ${indexes(first, last)}; ${reason}`,
  },
  raw: { entry: ({ command }) => command, hole: () => undefined },
};

/** The command. */
export const dump: Command = {
  name: "dump",
  summary: "Write the entries to standard output, around the holes of a damaged log",
  operands: ["DIR"],
  options: {
    from: { type: "string", value: "INDEX", help: "The first entry. Default: the first that there is" },
    to: { type: "string", value: "INDEX", help: "The last entry. Default: the last that there is" },
    follow: { type: "boolean", help: "Wait for more entries, and write each when it is durable" },
    format: { type: "string", short: "f", value: "FORMAT", help: "text (the default), json or raw" },
  },
  help: `text: index, term, kind, bytes, and the beginning of the command, in a line each.
json: (or --json) an object a line, with the command in base64; a hole is {"damaged":true,"firstIndex":...}.
raw:  the commands as they are, with nothing between them: for one, or for what ends its own records.

With --follow it goes on until --to is reached or it is interrupted, also with the next writer, and shows durable entries
only. It ends with 3 if the log is compacted past the next entry, or truncated behind it.

Ends with 2 if entries are damaged in the range, which are named on standard error too. Changes nothing.`,
  streams: true,
  async run(context) {
    const { operands: [path], options, note } = context;
    const format = FORMATS[options.json === true ? "json" : choiceOption(context, "format", ["text", "json", "raw"])];
    const from = indexOption(context, "from");
    const to = indexOption(context, "to");
    if (from !== undefined && to !== undefined && from > to) {
      throw new UsageError(`--from ${from} is above --to ${to}`);
    }
    const log = await openToRead(path!, "keep");
    try {
      const first = log.snapshotIndex + 1;
      if (from !== undefined && from < first) {
        note(`entries up to index ${first - 1} are in the snapshot, the first that there is has index ${first}`);
      }
      const isFollowed = context.options.follow === true;
      const last = Math.min(to ?? log.lastIndex, isFollowed ? log.durableIndex : log.lastIndex);
      const holes = await write(context, log, Math.max(from ?? first, first), last, format);
      for (const { first, last, reason } of holes.slice(0, NAMED_MAX)) {
        note(`damaged: ${indexes(first, last)}; ${reason}`);
      }
      if (holes.length > NAMED_MAX) note(`and ${counted(holes.length - NAMED_MAX, "more place", "more places")}`);
      const unknown = log.damaged.filter((one) => isUnknown(one, to));
      for (const one of unknown.slice(0, NAMED_MAX)) {
        note(`damaged: ${damageText(one)}; what it held is not known, and may have discarded entries that are shown`);
      }
      if (isFollowed) await follow(context, log, Math.max(from ?? first, first, last + 1), to ?? Infinity, format);
      return holes.length + unknown.length > 0 ? EXIT.corrupt : EXIT.clean;
    } finally {
      await log.close();
    }
  },
};

/** Whether a damaged place is no hole between entries: it may have held a truncation, or whatever followed the last. */
function isUnknown({ kind, firstIndex, lastIndex }: Damage, to: Index | undefined): boolean {
  if (kind === "frames" || kind === "segment" || kind === "segment header") {
    return firstIndex === undefined || (lastIndex === undefined && (to === undefined || to >= firstIndex));
  }
  return false;
}

/** Writes entries as they become durable, each at once, up to an index. */
async function follow({ out, signal }: Context, log: WalLog, from: Index, to: Index, format: Format): Promise<void> {
  await out.flush();
  if (from > to) return;
  for await (const entry of log.follow({ from, signal })) {
    const written = format.entry(entry);
    await (typeof written === "string" ? out.line(written) : out.bytes(written));
    await out.flush();
    if (entry.index === to) return;
  }
}

/** Holes that are named on standard error. */
const NAMED_MAX = 20;

/** Writes a range; returns the holes in it. */
async function write(
  { out, signal }: Context,
  log: WalLog,
  from: Index,
  to: Index,
  format: Format,
): Promise<Hole[]> {
  const holes: Hole[] = [];
  for (const found of readAround(log, from, to)) {
    signal.throwIfAborted();
    if ("hole" in found) holes.push(found.hole);
    const written = "hole" in found ? format.hole(found.hole) : format.entry(found.entry);
    if (typeof written === "string") await out.line(written);
    else if (written !== undefined) await out.bytes(written);
  }
  return holes;
}
