/**
 * Pages with the source files that other pages link to.
 *
 * @module
 */

import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { type Kind, relativeAddress, sourceAddress } from "./addresses.ts";
import { highlight } from "./highlight.ts";
import { escapeHtml } from "./html.ts";

/** A page with a source file, or with the list of a folder's files. */
export interface SourcePage {
  readonly path: string;
  readonly address: string;
  readonly html: string;
}

/**
 * Makes the pages of source files, and of the files in folders.
 *
 * @param wanted The paths of files and folders in the repository.
 * @param root The folder of the repository.
 * @param kindOf Returns the kind of a path in the repository.
 * @returns The pages.
 */
export function sourcePages(wanted: Iterable<string>, root: string, kindOf: (path: string) => Kind): SourcePage[] {
  const paths = new Set(wanted);
  const isFile = (path: string) => kindOf(path) === "file";
  const contents = (folder: string) => readdirSync(join(root, folder)).sort().map((name) => posix.join(folder, name));
  for (const path of [...paths]) {
    if (!isFile(path)) { for (const file of contents(path).filter(isFile)) paths.add(file); }
  }
  return [...paths].map((path) => {
    const address = sourceAddress(path, kindOf(path));
    const title = `<h1 class="path">${path.split("/").map(escapeHtml).join("/<wbr>")}</h1>\n`;
    if (isFile(path)) return { path, address, html: title + textPage(readFileSync(join(root, path), "utf8"), path) };
    return { path, address, html: title + folderPage(contents(path), address, isFile) };
  });
}

function textPage(text: string, path: string): string {
  const extension = posix.extname(path).slice(1);
  return `<div class="code" data-language="${extension}"><pre tabindex="0"><code>${
    highlight(text, extension)
  }</code></pre></div>\n`;
}

/** Folders in a folder are named, and have no page. */
function folderPage(paths: readonly string[], address: string, isFile: (path: string) => boolean): string {
  const items = paths.map((path) => {
    const name = escapeHtml(posix.basename(path));
    return `<li>${
      isFile(path) ? `<a href="${relativeAddress(address, sourceAddress(path, "file"))}">${name}</a>` : `${name}/`
    }</li>`;
  });
  return `<ul>\n${items.join("\n")}\n</ul>\n`;
}
