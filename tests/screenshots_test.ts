/** The pictures of the report in the docs, and the logs on them. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { makeRestless, SAMPLE_LOGS } from "../scripts/screenshots/logs.ts";
import { PICTURES } from "../scripts/screenshots/pictures.ts";
import { inspect } from "../src/cli/inspect.ts";
import { gather } from "../src/cli/report_data.ts";
import { inTemporaryFolder } from "./temporary.ts";

const DOCS = fileURLToPath(new URL("../docs/", import.meta.url));

describe("docs/REPORT.md", () => {
  it("shows all pictures of all logs, and there are no others", () => {
    const page = readFileSync(join(DOCS, "REPORT.md"), "utf8");
    const shown = [...page.matchAll(/ src="report\/([^"]+)"/g)].map(([, name]) => name!).sort();
    const expected = SAMPLE_LOGS.flatMap(({ name }) => PICTURES.map(({ suffix }) => `${name}-${suffix}`)).sort();
    assert.deepEqual(shown, expected);
    assert.deepEqual(readdirSync(join(DOCS, "report")).sort(), expected);
    for (const name of expected) {
      const head = readFileSync(join(DOCS, "report", name)).subarray(0, 12).toString("latin1");
      assert.match(head, /^RIFF[^]{4}WEBP$/, name);
    }
  });

  for (const [name, verdict] of [["sound", "clean"], ["torn", "torn"], ["corrupt", "corrupt"]] as const) {
    it(`shows a ${name} log`, async () => {
      await inTemporaryFolder(async (folder) => {
        const path = join(folder, name);
        SAMPLE_LOGS.find((one) => one.name === name)!.make(path);
        const { found, rows, loss } = gather(await inspect(path));
        assert.equal(found.opened.report.verdict, verdict);
        assert.equal(loss.places, verdict === "corrupt" ? 4 : 0);
        assert.equal(rows.filter(({ kind }) => kind === "lost").length, verdict === "corrupt" ? 1 : 0);
      });
    });
  }

  it("shows a large log of 800 terms, most of them short", async () => {
    await inTemporaryFolder(async (folder) => {
      const bytes = 16 * 1024 ** 2;
      makeRestless(join(folder, "large"), bytes);
      const { found, terms, sizes } = gather(await inspect(join(folder, "large")));
      assert.deepEqual([found.opened.report.verdict, terms.length], ["clean", 800]);
      const written = sizes.reduce((sum, one) => sum + one.bytes, 0);
      assert.ok(written > 0.9 * bytes && written < 1.2 * bytes, `${written} of ${bytes} bytes`);
      const last = (at: number) => terms[at + 1]?.[0] ?? found.lastIndex + 1;
      const short = terms.filter(([first], at) => last(at) - first <= 19).length;
      assert.ok(short >= 400, `${short} short terms`);
    });
  });
});
