/**
 * The index that the search of the site reads: the sections of all pages, and the symbols of the API.
 *
 * @module
 */

import { textOf } from "./html.ts";

/** The address from the root, the title of the page, the heading, and the text below it. */
export type Section = readonly [address: string, title: string, heading: string, text: string];

/** A row of a table that explains a term: the term in bold, and its meaning. */
const TERM = /<tr>\s*<td><strong>([^]*?)<\/strong><\/td>\s*<td>([^]*?)<\/td>\s*<\/tr>/g;

/**
 * Splits a page into its sections.
 *
 * @param address The page's address, from the root.
 * @param title The page's title.
 * @param html Its content.
 * @returns A section for each heading of the first three levels, and one for each term that a table explains. Numbers in
 *     tables are left out.
 */
export function sectionsOf(address: string, title: string, html: string): Section[] {
  return html.split(/(?=<h[1-3] id=)/).filter((part) => part.trim() !== "").flatMap((part) => {
    const [, depth, anchor = "", heading = ""] = /^<h([1-3]) id="([^"]*)">([^]*?)(?: <a class="anchor"[^]*?)?<\/h\1>/
      .exec(part) ?? [];
    const body = part.replace(/^<h[1-3][^]*?<\/h[1-3]>/, "").replace(/<td[^>]*>[\d.<-][^<]*<\/td>/g, " ");
    const isTop = depth === undefined || depth === "1";
    const place = isTop ? address : `${address}#${anchor}`;
    const terms = [...body.matchAll(TERM)].map((
      [, term, text],
    ): Section => [place, title, textOf(term!), textOf(text!)]);
    return [[place, title, isTop ? "" : textOf(heading), textOf(body.replace(TERM, " "))], ...terms];
  });
}

/** A symbol, as `deno doc` lists it. */
interface Symbol {
  readonly name: string;
  readonly file: string;
  readonly doc: string;
  readonly url: string;
}

/**
 * Reads the symbols of the API.
 *
 * @param script The text of `search_index.js`, which `deno doc --html` writes.
 * @param folder The folder of the API's pages, from the root.
 * @returns A section for each symbol, with the first sentence of its documentation.
 * @throws {Error} If the text is not as expected.
 */
export function symbolsOf(script: string, folder: string): Section[] {
  const json = /DENO_DOC_SEARCH_INDEX = (\{.*\});?\s*$/m.exec(script)?.[1];
  if (json === undefined) throw new Error("deno doc has written a search index of another form");
  const { nodes } = JSON.parse(json) as { nodes: Symbol[] };
  return nodes.map(({ name, file, doc, url }) => {
    const address = `${folder}/${url.replace(/^(\.\/)+/, "")}`;
    const where = file === "." ? "API" : `API, ${file}`;
    return [address, where, name.replace(".prototype.", "."), (/^[^]*?[.:](?=\s|$)/.exec(doc)?.[0] ?? doc).trim()];
  });
}
