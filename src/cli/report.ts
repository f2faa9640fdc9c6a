/**
 * `wal-log report`: a log as a page to look at.
 *
 * @module
 */

import { randomUUID } from "node:crypto";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { errorCode } from "../io/full.ts";
import { statOf } from "./aside.ts";
import { adviseOn } from "./advice.ts";
import { type Command, EXIT } from "./command.ts";
import { findingOf } from "./finding.ts";
import { inspect } from "./inspect.ts";
import { gather, type ReportData } from "./report_data.ts";
import { renderPage } from "./report_page.ts";
import { oneLine } from "./text.ts";

/** How often to look again at a log that is compacted meanwhile. */
const ATTEMPTS_MAX = 5;

/** The command. */
export const report: Command = {
  name: "report",
  summary: "Draw a log as one page for the browser",
  operands: ["DIR"],
  options: {
    output: { type: "string", short: "o", value: "FILE", help: "The file to write. Default: standard output" },
  },
  help: `Shows a map of the segments with the density of entries, the terms, the snapshot, the proven position, the
damage in red with its indexes, and the sizes of entries. The page is self-contained: no scripts, no requests. The log
may be damaged or in use, and is not changed. Exits with 0 if the page was made, whatever it shows.`,
  async run({ operands: [path], options, out, result }) {
    const data = await look(path!);
    const page = renderPage(data, adviseOn(await findingOf(data.found)), new Date());
    if (options.output === undefined || options.output === "-") await out.line(page.trimEnd());
    else {
      const target = resolve(String(options.output));
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
