/**
 * The pages of the API: `deno doc --html` makes them, and this fits them into the site.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { appendFileSync, copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join, posix } from "node:path";
import process from "node:process";
import { API, relativeAddress, sourceAddress } from "./addresses.ts";
import { filesIn } from "./files.ts";
import { unescapeHtml } from "./html.ts";

/**
 * Makes the pages of the API.
 *
 * @param sources The entry points.
 * @param root The folder of the repository, with a slash at the end.
 * @param target The folder of the site.
 * @throws {Error} If `deno doc` fails.
 */
export function makeApi(sources: readonly string[], root: string, target: string): void {
  const args = ["doc", "--html", "--name=WalLog API", `--output=${join(target, API)}`, ...sources];
  const { status, stderr, error } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8" });
  if (status !== 0) throw new Error(`deno doc failed: ${error?.message ?? stderr}`);
  // The reader's choice of light or dark holds for all pages.
  copyFileSync(join(target, "assets/theme.js"), join(target, API, "darkmode_toggle.js"));
  appendFileSync(join(target, API, "page.css"), readFileSync(join(target, "assets/api.css")));
}

/**
 * Fits the pages of the API into the site: links to sources, the names to import, and a link to the documentation.
 *
 * @param name The name of the package.
 * @param rootUrl The URL of the folder of the repository, with a slash at the end.
 * @param target The folder of the site.
 * @returns The number of pages, and the source files that they link to.
 */
export function fitApi(name: string, rootUrl: string, target: string): { pages: number; sources: Set<string> } {
  const sources = new Set<string>();
  const paths = filesIn(join(target, API)).filter((path) => path.endsWith(".html"));
  for (const path of paths) {
    const address = posix.join(API, path);
    const file = join(target, address);
    const fitted = fitPage(readFileSync(file, "utf8"), { name, rootUrl, address });
    for (const source of fitted.sources) sources.add(source);
    writeFileSync(file, fitted.html);
  }
  return { pages: paths.length, sources };
}

/** The place of a page of the API. */
export interface ApiPage {
  readonly name: string;
  readonly rootUrl: string;
  /** From the root of the site. */
  readonly address: string;
}

/**
 * Fits one page of the API into the site.
 *
 * @param html The page, as `deno doc` wrote it.
 * @param page Its place.
 * @returns The page as it is in the site, and the source files that it links to.
 */
export function fitPage(html: string, { name, rootUrl, address }: ApiPage): { html: string; sources: string[] } {
  const sources: string[] = [];
  const home = relativeAddress(address, "index.html");
  const fitted = html
    .replace(/href="(file:[^"]*)"/g, (_, link) => {
      const path = unescapeHtml(link).slice(rootUrl.length);
      sources.push(path);
      return `href="${relativeAddress(address, sourceAddress(path, "file"))}"`;
    })
    // `deno doc` knows an entry point by its name in deno.json, and not by that of the package.
    .replace(
      /class="usageContent">[^]*?<\/div>/g,
      (usage) =>
        usage.replace(
          /(from &quot;)([\w/-]+|\.)(?=&quot;)/g,
          (_, before, entry) => before + (entry === "." ? name : `${name}/${entry}`),
        ),
    )
    .replace(
      /<button id="theme-toggle"/,
      (button) => `<a href="${home}" class="contextLink">Documentation</a>${button}`,
    );
  return { html: fitted, sources };
}
