/**
 * Takes the pictures of `wal-log report` in `docs/report`: of four logs, for a desk and a phone, in light and dark. The
 * logs are made in the temporary folder, and removed. The largest one needs 5 GiB there.
 *
 *     deno task screenshots
 *     deno task screenshots --only torn,corrupt        of these logs only
 *     deno task screenshots --browser chrome           with this program instead of chromium
 *
 * @module
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { adviseOn } from "../src/cli/advice.ts";
import { findingOf } from "../src/cli/finding.ts";
import { inspect } from "../src/cli/inspect.ts";
import { gather } from "../src/cli/report_data.ts";
import { renderPage } from "../src/cli/report_page.ts";
import { sized } from "../src/cli/text.ts";
import { Browser } from "./screenshots/browser.ts";
import { SAMPLE_LOGS } from "./screenshots/logs.ts";
import { PICTURES } from "./screenshots/pictures.ts";

const TARGET = fileURLToPath(new URL("../docs/report/", import.meta.url));
/** The path on the pages, instead of that of a temporary folder. */
const SHOWN_PATH = "/var/lib/kv/raft.wal";

const { values: { only, browser: binary } } = parseArgs({
  options: { only: { type: "string" }, browser: { type: "string", default: "chromium" } },
});
const wanted = only?.split(",") ?? SAMPLE_LOGS.map(({ name }) => name);
const folder = mkdtempSync(join(tmpdir(), "wallog-screenshots-"));
const browser = await Browser.start(binary);
try {
  mkdirSync(TARGET, { recursive: true });
  for (const { name, make } of SAMPLE_LOGS.filter(({ name }) => wanted.includes(name))) {
    const path = join(folder, name);
    make(path);
    const file = join(folder, `${name}.html`);
    writeFileSync(file, await pageOf(path));
    rmSync(path, { recursive: true });
    for (const { suffix, ...picture } of PICTURES) {
      const bytes = await browser.take({ url: pathToFileURL(file).href, ...picture });
      writeFileSync(join(TARGET, `${name}-${suffix}`), bytes);
      console.log(`${name}-${suffix}: ${sized(bytes.length)}`);
    }
  }
} finally {
  await browser.close();
  rmSync(folder, { recursive: true });
}

/** The page of a log. */
async function pageOf(path: string): Promise<string> {
  const found = await inspect(path);
  const next = adviseOn({ ...await findingOf(found), folder: SHOWN_PATH });
  return renderPage(gather({ ...found, folder: SHOWN_PATH }), next, new Date());
}
