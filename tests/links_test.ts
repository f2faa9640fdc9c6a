/** The links in the documentation: each file exists, and so does the heading that a link names. */

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { anchorMaker } from "../scripts/site/anchors.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const FOLDERS = ["docs", "docs/guides", "examples", ".github"];

/** All pages: those at the top, in the documentation and in the folders of examples. */
function pages(): string[] {
  const examples = readdirSync(join(ROOT, "examples")).map((name) => join("examples", name));
  return [".", ...FOLDERS, ...examples]
    .map((folder) => join(ROOT, folder))
    .filter((folder) => existsSync(folder) && statSync(folder).isDirectory())
    .flatMap((folder) => readdirSync(folder).filter((name) => name.endsWith(".md")).map((name) => join(folder, name)));
}

/** The targets of a page's links to other files and to headings. */
function linksOf(page: string): string[] {
  const text = readFileSync(page, "utf8").replace(/^```[^]*?^```$/gm, "").replace(/`[^`\n]*`/g, "");
  return [...text.matchAll(/\]\(([^()\s]+)\)/g)].map(([, target]) => target!).filter((target) => !/^\w+:/.test(target));
}

/** The names by which links refer to a page's headings. */
function anchorsOf(page: string): string[] {
  const text = readFileSync(page, "utf8").replace(/^```[^]*?^```$/gm, "");
  const anchorOf = anchorMaker();
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading!));
}

/** Describes a link that leads nowhere; `undefined` if it does not. */
function fault(page: string, link: string): string | undefined {
  const [path = "", anchor] = link.split("#");
  const target = path === "" ? page : resolve(dirname(page), path);
  const name = `${relative(ROOT, page)}: ${link}`;
  if (!existsSync(target)) return `${name}: no such file`;
  if (anchor === undefined || !target.endsWith(".md")) return undefined;
  return anchorsOf(target).includes(anchor) ? undefined : `${name}: no such heading`;
}

describe("the links in the documentation", () => {
  it("lead to files and headings that exist", () => {
    const found = pages();
    assert.ok(found.length > 15, `${found.length} pages`);
    assert.deepEqual(found.flatMap((page) => linksOf(page).flatMap((link) => fault(page, link) ?? [])), []);
  });

  it("are all checked: a missing file and a missing heading are found", () => {
    const page = join(ROOT, "README.md");
    assert.match(fault(page, "docs/NOWHERE.md")!, /no such file/);
    assert.match(fault(page, "docs/GUARANTEES.md#nowhere")!, /no such heading/);
    assert.equal(fault(page, "docs/GUARANTEES.md#limits"), undefined);
  });

  it("and the tour of the code name functions that exist", () => {
    const tour = readFileSync(join(ROOT, "CONTRIBUTING.md"), "utf8").replace(/\s+/g, " ");
    const stops = [...tour.matchAll(/`((?:src|wasm)\/[\w/]+\.ts)`(?:, `(\w+)`)?/g)];
    assert.ok(stops.length > 36, `${stops.length} stops`);
    for (const [stop, path, name = ""] of stops) {
      const source = readFileSync(join(ROOT, path!), "utf8");
      assert.match(source, new RegExp(`(function\\*?|class|^ +(async|static|private)*) ?\\*?${name}\\b`, "m"), stop);
    }
  });
});
