/**
 * Builds the site of the documentation: all pages, the API, and the sources that they link to, as static files that need
 * no server. Then checks all links. Ends with 1 if one is broken.
 *
 *     deno task site                     into dist/site
 *     deno task site --output FOLDER     into another folder, which must be empty or an older site
 *
 * In a GitHub workflow, the pages link to the repository.
 *
 * @module
 */

import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { API, type Kind, pageAddress, rewriteLink } from "./site/addresses.ts";
import { fitApi, makeApi } from "./site/api.ts";
import { checkLinks, type Files } from "./site/check.ts";
import { filesIn } from "./site/files.ts";
import { frame, type Page, type Site } from "./site/layout.ts";
import { renderMarkdown } from "./site/markdown.ts";
import { readNavigation } from "./site/navigation.ts";
import { sectionsOf, symbolsOf } from "./site/search_index.ts";
import { sourcePages } from "./site/sources.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const ASSETS = fileURLToPath(new URL("site/assets/", import.meta.url));
/** The folders with pages, besides the root. */
const FOLDERS = ["docs", "examples"];
const INDEX = "docs/README.md";
/** A file that only a site has: a folder without it, which is not empty, is not replaced. */
const MARK = "search_index.js";

const CONFIG: { name: string; version: string; exports: Record<string, string> } = JSON.parse(read("deno.json"));

const { values: { output } } = parseArgs({
  options: { output: { type: "string", default: join(ROOT, "dist/site") } },
});

try {
  build();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}

function build(): void {
  clear();
  cpSync(ASSETS, join(output, "assets"), { recursive: true });
  makeApi(Object.values(CONFIG.exports), ROOT, output);
  const api = fitApi(CONFIG.name, pathToFileURL(ROOT).href, output);
  const copied = new Set<string>();
  const sources = new Set(api.sources);
  const pages = pagePaths().map((path) => makePage(path, copied, sources));
  const site = facts();
  const listed = new Set(site.groups.flatMap(({ items }) => items.map(({ path }) => path)));
  const missing = pages.map(({ path }) => path).filter((path) => path !== INDEX && !listed.has(path));
  if (missing.length > 0) throw new Error(`${INDEX} does not list ${missing.join(", ")}`);
  for (const page of pages) write(page.address, frame(page, site));
  const shown = sourcePages(sources, ROOT, kindOf);
  for (const { path, address, html } of shown) {
    write(address, frame({ path, address, title: path, summary: path, html, headings: [] }, site));
  }
  for (const path of copied) cpSync(join(ROOT, path), join(output, path));
  const sections = pages.flatMap(({ address, title, html }) => sectionsOf(address, title, html));
  sections.push(...symbolsOf(readFileSync(join(output, API, "search_index.js"), "utf8"), API));
  write(MARK, `globalThis.WALLOG_SEARCH = ${JSON.stringify(sections)};\n`);
  const { links, faults } = checkLinks(builtFiles());
  for (const fault of faults) console.error(fault);
  if (faults.length > 0) process.exitCode = 1;
  const broken = faults.length === 0 ? "none broken" : `${faults.length} broken`;
  console.log(
    `${output}: ${pages.length} pages, ${api.pages} pages of the API, ${shown.length} of sources; ` +
      `${links} links checked, ${broken}`,
  );
}

/** Removes an older site. */
function clear(): void {
  if (existsSync(output) && readdirSync(output).length > 0 && !existsSync(join(output, MARK))) {
    throw new Error(`${output} is not empty, and holds no site. Choose another folder.`);
  }
  rmSync(output, { recursive: true, force: true });
  write(MARK, ""); // A site that failed half-way is also one.
}

function pagePaths(): string[] {
  const inFolders = FOLDERS.flatMap((folder) => filesIn(join(ROOT, folder)).map((path) => `${folder}/${path}`));
  return [...readdirSync(ROOT), ...inFolders].filter((path) => path.endsWith(".md")).sort();
}

/** Renders a page. Adds the files that it shows to `copied`, and the sources that it links to to `sources`. */
function makePage(path: string, copied: Set<string>, sources: Set<string>): Page {
  const rendered = renderMarkdown(read(path), (link) => {
    const target = rewriteLink(link, path, kindOf);
    if (target.copied !== undefined) copied.add(target.copied);
    if (target.source !== undefined) sources.add(target.source);
    return target;
  });
  return { path, address: pageAddress(path), ...rendered };
}

function facts(): Site {
  const start = { path: "README.md", title: "Overview", task: "" };
  const [first, ...others] = readNavigation(read(INDEX), INDEX);
  const entryPoints = Object.keys(CONFIG.exports).map((name) => ({
    name: name === "." ? CONFIG.name : name.replace("./", `${CONFIG.name}/`),
    address: name === "." ? `${API}/index.html` : `${API}/${name.slice(2)}/index.html`,
  }));
  const { GITHUB_SERVER_URL, GITHUB_REPOSITORY } = process.env;
  return {
    groups: first === undefined ? [] : [{ title: first.title, items: [start, ...first.items] }, ...others],
    entryPoints,
    version: CONFIG.version,
    repository: GITHUB_REPOSITORY === undefined ? undefined : `${GITHUB_SERVER_URL}/${GITHUB_REPOSITORY}`,
  };
}

/** The files of the site, for the check. */
function builtFiles(): Files {
  return new Map(
    filesIn(output).map((
      path,
    ) => [path, path.endsWith(".html") ? readFileSync(join(output, path), "utf8") : undefined]),
  );
}

function kindOf(path: string): Kind {
  const found = statSync(join(ROOT, path), { throwIfNoEntry: false });
  return found === undefined ? undefined : found.isDirectory() ? "folder" : "file";
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

function write(address: string, text: string): void {
  const file = join(output, address);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
