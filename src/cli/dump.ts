/**
 * `wal-log dump`: the entries of a log, around its holes if it has any.
 *
 * @module
 */

import type { Damage } from "../api/report.ts";
import type { Index, LogEntry } from "../api/types.ts";
import type { WalLog } from "../api/wal_log.ts";
import { choiceOption, type Command, type Context, EXIT, indexOption, UsageError } from "./command.ts";
import { type Format, FORMAT_OPTIONS, formatOf } from "./entry_format.ts";
import { frameLine, type FrameRow, framesIn } from "./frames.ts";
import { inspect, openToRead } from "./inspect.ts";
import { type Hole, readAround } from "./read_around.ts";
import { counted, damageText, indexes, jsonText } from "./text.ts";

/** The command. */
export const dump: Command = {
  name: "dump",
  summary: "Print the entries, skipping the holes of a damaged log",
  operands: ["DIR"],
  options: {
    from: { type: "string", value: "INDEX", help: "The first entry. Default: the log's first" },
    to: { type: "string", value: "INDEX", help: "The last entry. Default: the log's last" },
    follow: { type: "boolean", help: "Wait for more entries, and print each once it is durable" },
    tail: { type: "string", value: "N", help: "The last N entries; with --frames, the last N frames" },
    term: { type: "string", value: "TERM", help: "Entries of this term only" },
    kind: {
      type: "string",
      value: "KIND",
      choices: ["normal", "config"],
      help: "Entries of this kind only: normal or config",
    },
    frames: { type: "boolean", help: "Print the frames of the segments instead of the entries" },
    ...FORMAT_OPTIONS,
  },
  help: `text: one line per entry, with index, term, kind, size, and the beginning of the command.
json: (or --json) one object per line, with the command in base64; a hole is {"damaged":true,"firstIndex":...}.
raw:  the bare commands with nothing between them: for a single command, or for self-delimiting ones.

--utf8 prints whole commands as text: quoted in the format text, in the field "text" in json. Commands that are not
UTF-8 stay in hexadecimal or base64. --json-commands prints commands that are JSON in the field "value" of json.
--decode runs COMMAND in the shell with each command on its standard input, and prints its standard output instead. It
starts a process for each entry, which takes milliseconds: select a range. It exits with 3 if COMMAND fails.

With --follow, it continues until it reaches --to or is interrupted, also across restarts of the writer. It shows only
durable entries. It exits with 3 if the log compacts the next entry, or truncates entries already shown.

With --from, --to or --tail, it reads only the newest segment and the segments with these entries. To find damage
elsewhere, use verify.

--frames: LSN, segment, offset, size and kind of each frame, its indexes, term, vote and changes, the LSN below which it
proves everything durable, and whether its payload is damaged. "gap" marks bytes without a valid frame header. --from
and --to select the segments with these entries.

Exits with 2 if entries in the range are damaged, and lists them on standard error too. Changes nothing.`,
  streams: true,
  async run(context) {
    const { operands: [path], options, note } = context;
    const format = formatOf(context);
    const filter = filterOf(context);
    const asked = rangeOf(context);
    if (options.frames === true) return await dumpFrames(context, asked, format.isJson);
    const isPart = asked.from !== undefined || asked.to !== undefined || asked.tail !== undefined;
    const log = await openToRead(path!, "keep", undefined, isPart ? "tail" : "full");
    try {
      const first = log.snapshotIndex + 1;
      const from = asked.tail === undefined ? asked.from : Math.max(log.lastIndex - asked.tail + 1, 1);
      if (asked.from !== undefined && asked.from < first) {
        note(`entries up to index ${first - 1} are in the snapshot; the first entry has index ${first}`);
      }
      const isFollowed = context.options.follow === true;
      const last = Math.min(asked.to ?? log.lastIndex, isFollowed ? log.durableIndex : log.lastIndex);
      const begin = Math.max(from ?? first, first);
      if (begin > last && !isFollowed) {
        const held = log.lastIndex < first ? "has none" : `has ${indexes(first, log.lastIndex)}`;
        note(`no entries in the range: the log ${held}`);
      }
      const holes = await write(context, log, begin, last, format, filter);
      for (const { first, last, reason } of holes.slice(0, NAMED_MAX)) {
        note(`damaged: ${indexes(first, last)}; ${reason}`);
      }
      if (holes.length > NAMED_MAX) note(`and ${counted(holes.length - NAMED_MAX, "more place", "more places")}`);
      const unknown = log.damaged.filter((one) => isUnknown(one, asked.to));
      for (const one of unknown.slice(0, NAMED_MAX)) {
        note(`damaged: ${damageText(one)}; what it held is not known, and may have discarded entries that are shown`);
      }
      if (isFollowed) await follow(context, log, Math.max(begin, last + 1), asked.to ?? Infinity, format, filter);
      return holes.length + unknown.length > 0 ? EXIT.corrupt : EXIT.clean;
    } finally {
      await log.close();
    }
  },
};

/** The requested entries. */
interface Range {
  readonly from: Index | undefined;
  readonly to: Index | undefined;
  readonly tail: number | undefined;
}

function rangeOf(context: Context): Range {
  const [from, to, tail] = ["from", "to", "tail"].map((name) => indexOption(context, name));
  if (from !== undefined && to !== undefined && from > to) throw new UsageError(`--from ${from} is above --to ${to}`);
  if (tail !== undefined && (from !== undefined || to !== undefined)) {
    throw new UsageError("--tail excludes --from and --to");
  }
  return { from, to, tail };
}

/** A filter for the entries to print. */
function filterOf(context: Context): (entry: LogEntry) => boolean {
  const term = indexOption(context, "term");
  const kind = context.options.kind === undefined ? undefined : choiceOption(context, "kind", ["normal", "config"]);
  return (entry) => (term === undefined || entry.term === term) && (kind === undefined || entry.kind === kind);
}

/** Writes the last frames, or those of the segments with entries of a range. */
async function dumpFrames({ operands: [path], out }: Context, range: Range, isJson: boolean): Promise<number> {
  const { segments, opened } = await inspect(path!);
  const { from = 0, to = Infinity, tail } = range;
  const isAll = range.from === undefined && range.to === undefined;
  const wanted = segments.filter(({ firstIndex, lastIndex }) => isAll || (firstIndex <= to && lastIndex >= from));
  const frames = wanted.map(({ segment }) => framesIn(opened.codec, segment));
  let isDamaged = false;
  for (const part of tail === undefined ? frames : [lastOf(frames, tail)]) {
    for (const row of part) {
      isDamaged ||= row.kind === "gap" || row.payload === "damaged";
      await out.line(isJson ? jsonText(row) : frameLine(row));
    }
  }
  return isDamaged ? EXIT.corrupt : EXIT.clean;
}

/** The last frames of a log. Reads no segment before those that have them. */
function lastOf(segments: readonly Iterable<FrameRow>[], count: number): FrameRow[] {
  let last: FrameRow[] = [];
  for (const frames of segments.toReversed()) {
    const missing = count - last.length;
    if (missing <= 0) break;
    const own: FrameRow[] = [];
    for (const row of frames) if (own.push(row) > 2 * missing) own.splice(0, missing);
    last = [...own.slice(-missing), ...last];
  }
  return last;
}

/** Whether a damaged place is no hole between entries: it may have held a truncation, or whatever followed the last. */
function isUnknown({ kind, firstIndex, lastIndex }: Damage, to: Index | undefined): boolean {
  if (kind === "frames" || kind === "segment" || kind === "segment header") {
    return firstIndex === undefined || (lastIndex === undefined && (to === undefined || to >= firstIndex));
  }
  return false;
}

/** Writes entries as they become durable, each at once, up to an index. */
async function follow(
  { out, signal }: Context,
  log: WalLog,
  from: Index,
  to: Index,
  format: Format,
  isShown: (entry: LogEntry) => boolean,
): Promise<void> {
  await out.flush();
  if (from > to) return;
  for await (const entry of log.follow({ from, signal })) {
    if (isShown(entry)) {
      const written = await format.entry(entry);
      await (typeof written === "string" ? out.line(written) : out.bytes(written));
      await out.flush();
    }
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
  isShown: (entry: LogEntry) => boolean,
): Promise<Hole[]> {
  const holes: Hole[] = [];
  for (const found of readAround(log, from, to)) {
    signal.throwIfAborted();
    if ("hole" in found) holes.push(found.hole);
    else if (!isShown(found.entry)) continue;
    const made = "hole" in found ? format.hole(found.hole) : format.entry(found.entry);
    const written = made instanceof Promise ? await made : made;
    if (typeof written === "string") await out.line(written);
    else if (written !== undefined) await out.bytes(written);
  }
  return holes;
}
