/**
 * `wal-log restore --follow`: a warm standby.
 *
 * @module
 */

import { subscribe, unsubscribe } from "node:diagnostics_channel";
import process from "node:process";
import type { WalLogEvents } from "../api/events.ts";
import { type Standby, standby } from "../archive/standby.ts";
import { type Context, EXIT, UsageError } from "./command.ts";
import { intervalOption } from "./interval.ts";
import { storeOf } from "./object_store.ts";
import { StatusLine } from "./terminal.ts";
import { counted, jsonText, oneLine } from "./text.ts";

/** Whether the arguments ask to follow. */
export function isFollowed(words: readonly string[]): boolean {
  return words.includes("--follow") || words.includes("-f");
}

/**
 * Follows an archive until it is interrupted.
 *
 * @param context The arguments.
 * @returns The exit code.
 */
export async function followArchive(context: Context): Promise<number> {
  const { operands: [place, destination], options, out, note, signal } = context;
  for (const name of ["to", "generation"]) {
    if (options[name] !== undefined) throw new UsageError(`--follow cannot be combined with --${name}`);
  }
  const intervalMilliseconds = intervalOption(context);
  const store = await storeOf(place!);
  await using warm = await standby(store, destination!, { intervalMilliseconds });
  const line = new StatusLine(Infinity, process.stderr);
  let writing = Promise.resolve();
  const write = (value: unknown) => {
    writing = writing.then(() => out.line(jsonText(value))).then(() => out.flush());
    // The reader of the lines is gone.
    writing.catch(() => void warm.close());
  };
  const onUpdate = (message: unknown) => {
    const { isNewCopy } = message as WalLogEvents["wallog:standby"];
    if (isNewCopy) note("the archive no longer has the entries after the log's last one; made a new copy");
    if (options.json === true) write(lineOf(warm));
    else line.show(`following: ${lagText(warm)}`);
  };
  const onFailure = (message: unknown) => {
    const { error, willRetry } = message as WalLogEvents["wallog:standby-failure"];
    if (!willRetry) return;
    const { code } = error;
    if (options.json === true) write({ ...lineOf(warm), error: { code, message: error.message } });
    else note(`${error.message}; trying again`);
  };
  subscribe("wallog:standby", onUpdate);
  subscribe("wallog:standby-failure", onFailure);
  const stop = () => void warm.close();
  signal.addEventListener("abort", stop, { once: true });
  try {
    if (signal.aborted) stop();
    await warm.closed;
  } finally {
    signal.removeEventListener("abort", stop);
    unsubscribe("wallog:standby", onUpdate);
    unsubscribe("wallog:standby-failure", onFailure);
    line.clear();
  }
  await writing;
  if (options.json !== true) await out.line(`stopped: ${lagText(warm)}, in ${oneLine(destination!)}`);
  return EXIT.clean;
}

/** The state of a standby for programs. */
function lineOf({ lastIndex, lag: { entries, seconds } }: Standby) {
  return { lastIndex, lagEntries: entries, lagSeconds: Number.isFinite(seconds) ? seconds : null };
}

function lagText({ lastIndex, lag: { entries, seconds } }: Standby): string {
  const age = Number.isFinite(seconds) ? `, up to date ${seconds.toFixed(1)} s ago` : "";
  return `up to index ${lastIndex}, ${counted(entries, "entry", "entries")} behind the archive${age}`;
}
