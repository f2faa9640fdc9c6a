/**
 * Checks the finished site: each link leads to a file and an anchor that exist, and no page loads anything from
 * elsewhere.
 *
 * @module
 */

import { posix } from "node:path";
import { unescapeHtml } from "./html.ts";

/** The files of the site by their addresses from the root. Those that are not HTML have no text. */
export type Files = ReadonlyMap<string, string | undefined>;

/** The result of a check. */
export interface Checked {
  /** The number of links checked. */
  readonly links: number;
  /** Broken links, and requests to other hosts. */
  readonly faults: readonly string[];
}

/**
 * Checks the links of all pages.
 *
 * @param files The files of the site.
 * @returns The number of links, and the broken ones.
 */
export function checkLinks(files: Files): Checked {
  const anchors = new Map<string, Set<string>>();
  const faults: string[] = [];
  let links = 0;
  for (const [page, html] of files) {
    if (html === undefined) continue;
    for (const [, tag, name, value] of html.matchAll(/<(\w+)\b[^<>]*?\s(href|src)="([^"]*)"/g)) {
      const link = unescapeHtml(value!);
      links++;
      if (/^(https?:)?\/\//.test(link)) {
        if (tag !== "a" || name === "src") faults.push(`${page}: <${tag}> loads ${link} from another host`);
        continue;
      }
      if (/^(mailto|data):/.test(link)) continue;
      const fault = faultOf(link, page, files, anchors);
      if (fault !== undefined) faults.push(`${page}: ${link}: ${fault}`);
    }
  }
  return { links, faults };
}

function faultOf(link: string, page: string, files: Files, anchors: Map<string, Set<string>>): string | undefined {
  const [path = "", anchor = ""] = link.split("#");
  const target = path === "" ? page : posix.join(posix.dirname(page), decodeURI(path)).replace(/\/$/, "/index.html");
  if (!files.has(target)) return "no such file";
  const html = files.get(target);
  if (anchor === "" || html === undefined) return undefined;
  const known = anchors.get(target) ?? anchorsIn(html);
  anchors.set(target, known);
  return known.has(decodeURIComponent(anchor)) ? undefined : "no such anchor";
}

function anchorsIn(html: string): Set<string> {
  return new Set([...html.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => unescapeHtml(id!)));
}
