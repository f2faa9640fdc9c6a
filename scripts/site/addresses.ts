/**
 * Addresses of the site: where each file of the repository is shown, and how the links between pages are rewritten. All
 * addresses are relative, so that the site works in any folder, and from a disk.
 *
 * @module
 */

import { posix } from "node:path";

/** The folder of the pages that show source files. */
const SOURCES = "source";
/** The folder of the pages of the API, which `deno doc` makes. */
export const API = "api";

/** Files that are copied to the site as they are. A link to any other file leads to a page with its text. */
const COPIED = /\.(svg|webp|png)$/;

/** The kind of a path in the repository. */
export type Kind = "file" | "folder" | undefined;

/** The target of a link. */
export interface Target {
  /** The address for `href` or `src`, relative to the page with the link. */
  readonly href: string;
  /** A file to copy to the site: its path in the repository. */
  readonly copied?: string;
  /** A file or folder that needs a page with its source: its path in the repository. */
  readonly source?: string;
}

/**
 * The address of a page.
 *
 * @param path The path of a Markdown file in the repository.
 * @returns The address, from the root of the site.
 */
export function pageAddress(path: string): string {
  return path.toLowerCase().replace(/(^|\/)readme\.md$/, "$1index.md").replace(/\.md$/, ".html");
}

/**
 * The address of the page with the text of a source file, or with the list of a folder.
 *
 * @param path The path of the file or folder in the repository, without a slash at the end.
 * @param kind Its kind.
 * @returns The address, from the root of the site.
 */
export function sourceAddress(path: string, kind: Kind): string {
  return posix.join(SOURCES, kind === "folder" ? posix.join(path, "index.html") : `${path}.html`);
}

/**
 * The address of one page as seen from another.
 *
 * @param from The address of the page with the link, from the root.
 * @param to The address of the target, from the root.
 * @returns The relative address.
 */
export function relativeAddress(from: string, to: string): string {
  return posix.relative(posix.dirname(from), to);
}

/**
 * Rewrites a link of a page.
 *
 * @param link The link, as it is written.
 * @param page The path of the page in the repository.
 * @param kindOf Returns the kind of a path in the repository.
 * @returns Its target.
 * @throws {Error} If the target is not in the repository.
 */
export function rewriteLink(link: string, page: string, kindOf: (path: string) => Kind): Target {
  if (/^(\w+:|#|\/\/)/.test(link)) return { href: link };
  const [written = "", anchor] = link.split("#");
  const path = posix.join(posix.dirname(page), written).replace(/\/$/, "");
  const kind = path.startsWith("..") ? undefined : kindOf(path);
  if (kind === undefined) throw new Error(`${page} links to ${link}, and no such file exists`);
  const from = pageAddress(page);
  const suffix = anchor === undefined ? "" : `#${anchor}`;
  if (path.endsWith(".md")) return { href: relativeAddress(from, pageAddress(path)) + suffix };
  if (COPIED.test(path)) return { href: relativeAddress(from, path), copied: path };
  return { href: relativeAddress(from, sourceAddress(path, kind)) + suffix, source: path };
}
