/**
 * `wal-log report`: a log as a page to look at.
 *
 * @module
 */

import { randomUUID } from "node:crypto";
import {
  existsSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { WalLogError } from "../api/errors.ts";
import { errorCode } from "../io/full.ts";
import { statOf } from "./aside.ts";
import { adviseOn } from "./advice.ts";
import { type Command, EXIT } from "./command.ts";
import { findingOf } from "./finding.ts";
import { inspect } from "./inspect.ts";
import { isFileOfLog } from "./log_files.ts";
import { gather, type ReportData } from "./report_data.ts";
import { renderPage } from "./report_page.ts";
import { oneLine } from "./text.ts";

/** The most attempts to read a log that its writer compacts meanwhile. */
const ATTEMPTS_MAX = 5;

/** The command. */
export const report: Command = {
  name: "report",
  summary: "Draw a log as one page for the browser",
  operands: ["DIR"],
  options: {
    output: { type: "string", short: "o", value: "FILE", help: "The file to write. Default: standard output" },
    force: { type: "boolean", help: "Overwrite FILE if it exists" },
  },
  help: `Shows the damage first, with links to its places on a map of the segments. The map shows the density of
entries, the terms, votes, truncations, checkpoints, and the proven position. The page also shows the snapshot, the terms
by index, and the sizes of entries. It is self-contained: no scripts, no requests. The log may be damaged or in use, and
is not changed: FILE must not be one of its files, not even with --force. Exits with 0 if the page was made, whatever it
shows.`,
  async run({ operands: [path], options, out, result }) {
    const target = options.output === undefined || options.output === "-" ? undefined : resolve(String(options.output));
    // Before the log is read, which may take a while.
    if (target !== undefined) requireFree(target, path!, options.force === true);
    const data = await look(path!);
    const page = renderPage(data, adviseOn(await findingOf(data.found)), new Date());
    if (target === undefined) await out.line(page.trimEnd());
    else {
      write(target, page);
      result({ path: target });
      await out.line(`written to ${oneLine(target)}`);
    }
    return EXIT.clean;
  },
};

async function look(path: string): Promise<ReportData> {
  for (let attempt = 1;; attempt++) {
    const found = await inspect(path);
    try {
      return gather(found);
    } catch (error) {
      if (errorCode(error) !== "ENOENT" || attempt === ATTEMPTS_MAX) throw error;
    }
  }
}

/** Fails if writing to a path would overwrite a file that the user has not named, or one of the log's. */
function requireFree(target: string, path: string, isForced: boolean): void {
  const found = statSync(target, { throwIfNoEntry: false });
  if (isOfLog(target, found, path)) throw taken(target, "it is a file of the log; choose another file");
  if (found?.isFile() && !isForced) throw taken(target, "the file exists; choose another one, or give --force");
}

/** Whether a path is that of a file of the log, or would become one. It may be a link to one. */
function isOfLog(target: string, found: Stats | undefined, path: string): boolean {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return false;
  const isSame = (name: string) => {
    const stats = statOf(join(path, name));
    return stats !== undefined && stats.ino === found?.ino && stats.dev === found.dev;
  };
  if (found !== undefined) return readdirSync(path).some((name) => isFileOfLog(name) && isSame(name));
  const parent = dirname(target);
  return isFileOfLog(basename(target)) && existsSync(parent) && realpathSync(parent) === realpathSync(path);
}

function taken(target: string, reason: string): WalLogError {
  return new WalLogError("INVALID_ARGUMENT", `Cannot write to ${target}: ${reason}`, { path: target });
}

/** Writes a file in one step. */
function write(target: string, text: string): void {
  const found = statOf(target);
  // A user who names a link or a device means its target.
  if (found !== undefined && !found.isFile()) return writeFileSync(target, text);
  const temporary = `${target}.${randomUUID()}.tmp`;
  try {
    writeFileSync(temporary, text, { flag: "wx" });
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
