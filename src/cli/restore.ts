/**
 * `wal-log restore`: restores a log from its archive.
 *
 * @module
 */

import { resolve } from "node:path";
import { restore } from "../archive/restore.ts";
import { GENERATION, generationOption } from "./archive.ts";
import { type Command, EXIT, hardStateJson, Interrupted, UsageError } from "./command.ts";
import { storeOf } from "./object_store.ts";
import { progressLine } from "./progress.ts";
import { followArchive, isFollowed } from "./restore_follow.ts";
import { hardStateText, oneLine, sized } from "./text.ts";

/** The command. */
export const restoreCommand: Command = {
  name: "restore",
  summary: "Make a log from its archive",
  operands: ["STORE", "DEST"],
  options: {
    to: { type: "string", value: "INDEX|TIME", help: "The last entry wanted, or a time such as 2026-01-31T12:00:00Z" },
    generation: GENERATION,
    follow: { type: "boolean", short: "f", help: "Take what the archive adds, until interrupted: a warm standby" },
    interval: { type: "string", value: "MS", help: "With --follow: the time between two updates. Default: 1000" },
  },
  streams: isFollowed,
  help:
    `DEST becomes a cleanly closed log: the newest usable snapshot and the entries after it. Every frame is verified.
DEST must not exist, or be an empty folder. If a restore is interrupted, repeat the command to continue it. Until it is
complete, DEST does not open as a log.

With --follow, DEST becomes a warm standby: a log that other processes can open for reading, and that is as new as the
archive. Interrupt the command and open the log for writing to promote it. Until then, repeat the command to go on. It
prints a line for each change with --json.

Times are those of the log's clock. The result is the state before the first checkpoint with a later time. It can
include entries that were written after the given time.

A node that starts from an archive has lost all later votes and acknowledgements. Add it to its cluster only as a new
member.`,
  writes: true,
  async run(context) {
    if (context.options.follow === true) return await followArchive(context);
    if (context.options.interval !== undefined) throw new UsageError("--interval needs --follow");
    const { operands: [place, destination], out, result, signal } = context;
    const store = await storeOf(place!);
    const generation = generationOption(context);
    const line = progressLine("restoring");
    const report = await restore(store, destination!, {
      ...targetOf(context.options.to),
      ...generation !== undefined && { generation },
      onProgress: line.show,
      signal,
    }).catch((error) => {
      throw signal.aborted ? new Interrupted("repeat the command to continue") : error;
    }).finally(() => line.clear());
    const { lastIndex, snapshotIndex, hardState, bytes } = report;
    result({
      path: resolve(destination!),
      store: store.name,
      generation: report.generation,
      lastIndex,
      snapshotIndex,
      hardState: hardStateJson(hardState),
      bytes,
    });
    await out.line(
      `restored up to index ${lastIndex}, ${hardStateText(hardState)}: ${sized(bytes)} in ${oneLine(destination!)}`,
    );
    return EXIT.clean;
  },
};

/** The state that `--to` selects. */
function targetOf(to: string | boolean | undefined): { readonly toIndex?: number; readonly toTime?: number } {
  if (to === undefined) return {};
  const text = String(to);
  const index = /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(index)) return { toIndex: index };
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : NaN;
  if (Number.isFinite(time)) return { toTime: time };
  throw new UsageError(`--to takes an index or a time such as 2026-01-31T12:00:00Z, found ${JSON.stringify(text)}`);
}
