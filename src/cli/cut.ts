/**
 * Cuts a damaged tail: the log is written anew without it. How its files replace the old ones is in `exchange.ts`.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Codec } from "../codec/codec.ts";
import { liveFrames } from "../log/live_frames.ts";
import type { Segment } from "../log/segment.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import type { Index } from "../api/types.ts";
import { type Context, EXIT } from "./command.ts";
import { contentsOf } from "../maintain/write_anew.ts";
import { inspect, type Inspection, openToRead } from "./inspect.ts";
import { listFiles } from "./log_files.ts";
import { replaceLog } from "./mended.ts";
import { green, yellow } from "./terminal.ts";
import { counted, indexes, oneLine } from "./text.ts";

/**
 * Cuts everything from the first damaged entry on.
 *
 * @param context What the command runs with.
 * @param found The damaged log.
 * @param before The state of its files before it was read.
 * @returns What the program ends with.
 */
export async function cutTail(context: Context, found: Inspection, before: string): Promise<number> {
  const { options, out, signal } = context;
  const { folder, lastIndex } = found;
  const from = firstLost(found);
  const gone = lastIndex - from + 1;
  // Before anything is said: what cannot be moved is refused.
  listFiles(folder);
  await out.line("will keep the old files in a folder beside the log");
  await out.line(
    gone > 0
      ? `will cut ${indexes(from, lastIndex)}: ${counted(gone, "entry", "entries")}`
      : `will take the log to end at index ${from - 1}: what followed is lost already`,
  );
  await out.line(
    yellow(
      `what is cut was acknowledged: this node must neither vote nor count until it has been sent everything again`,
    ),
  );
  if (found.opened.state.replacementsLost) {
    await out.line(yellow("what was discarded before may be in what stays: nothing tells from which index on"));
  }
  await out.flush();
  if (options["dry-run"] === true) return EXIT.clean;

  const source = await openToRead(folder, "keep", signal);
  let plan;
  try {
    const contents = contentsOf(source, from - 1);
    const replacement = { contents, isShortened: true, before, close: () => source.close() };
    plan = await replaceLog(folder, replacement, signal);
  } finally {
    await source.close();
  }
  await out.line(`the old files are in ${oneLine(plan.evidence)}`);
  const { opened } = await inspect(folder);
  await out.line(green(`cut: the log is ${opened.report.verdict}, and ends at index ${opened.report.lastIndex}`));
  return opened.report.verdict === "corrupt" ? EXIT.corrupt : EXIT.clean;
}

/** The first index that is not to be relied on. */
function firstLost({ folder, opened, firstIndex }: Inspection): Index {
  const { report, index } = opened;
  let first = Infinity;
  for (const damage of report.damage) {
    const segment = index.segments.find(({ path }) => path === damage.path);
    // Frames that held no entry may have held a truncation: what lies behind them is not to be relied on.
    const at = damage.kind === "snapshot"
      ? undefined
      : damage.firstIndex ?? (segment && firstBehind(opened.codec, segment, damage.offset));
    if (at === undefined) {
      const what = damage.kind === "snapshot" ? "the snapshot is" : `a ${damage.kind} is`;
      throw new WalLogError(
        "CORRUPT",
        `Cannot cut the log at ${folder}: ${what} damaged, and not the end of the log; restore it from another replica`,
        { damage: [damage] },
      );
    }
    first = Math.min(first, at);
  }
  return Math.max(first, firstIndex);
}

/** Index of the first entry whose frame lies at an offset or behind it. */
function firstBehind(codec: Codec, segment: Segment, offset: number): Index {
  const file = nodeFileSystem.open(segment.path, "read");
  try {
    for (const frame of liveFrames(codec, file, segment, segment.firstIndex, segment.end - 1)) {
      if (frame.offset >= offset) return frame.first;
    }
    return segment.end;
  } finally {
    file.close();
  }
}
