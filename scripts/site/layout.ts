/**
 * The frame of every page: header, navigation, headings, neighbours.
 *
 * @module
 */

import { pageAddress, relativeAddress } from "./addresses.ts";
import { escapeHtml } from "./html.ts";
import type { Heading } from "./markdown.ts";
import { type Group, type Item, neighboursOf } from "./navigation.ts";

/** Facts that all pages share. */
export interface Site {
  readonly groups: readonly Group[];
  /** Entry points of the API: the name to import, and the address of its page from the root. */
  readonly entryPoints: readonly { readonly name: string; readonly address: string }[];
  readonly version: string;
  /** The address of the repository, if it is known. */
  readonly repository: string | undefined;
}

/** One page. */
export interface Page {
  /** Its path in the repository. */
  readonly path: string;
  /** Its address, from the root. */
  readonly address: string;
  readonly title: string;
  readonly summary: string;
  readonly html: string;
  readonly headings: readonly Heading[];
}

const MENU = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 6h16M4 12h16M4 18h16"/></svg>`;
const LIST = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 6h10M8 12h12M8 18h12"/></svg>`;
const MOON = `<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M20 14A8 8 0 0 1 10 4a8 8 0 1 0 10 10z"/></svg>`;
const SUN = `<svg viewBox="0 0 24 24" aria-hidden="true"><circle cx="12" cy="12" r="4"/>` +
  `<path d="M12 3v2m0 14v2m9-9h-2M5 12H3m15.4-6.4L17 7M7 17l-1.4 1.4m12.8 0L17 17M7 7 5.6 5.6"/></svg>`;

/** The deepest headings that the list of headings has. */
const LISTED_DEPTH = 3;

/**
 * Puts a page into its frame.
 *
 * @param page The page.
 * @param site The facts that all pages share.
 * @returns The whole page.
 */
export function frame(page: Page, site: Site): string {
  const to = (address: string) => relativeAddress(page.address, address);
  const root = "../".repeat(page.address.split("/").length - 1);
  const title = page.address === "index.html"
    ? "WalLog: a durable log for Deno, Bun and Node"
    : `${page.title} · WalLog`;
  const headings = page.headings.filter(({ depth }) => depth <= LISTED_DEPTH);
  return `<!DOCTYPE html>
<html lang="en" data-root="${root}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="description" content="${escapeHtml(page.summary.slice(0, 160))}">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="${to("assets/icon.svg")}">
<link rel="stylesheet" href="${to("assets/site.css")}">
<script src="${to("assets/theme.js")}"></script>
<script src="${to("assets/site.js")}" defer></script>
<script src="${to("assets/search.js")}" defer></script>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
${header(site, to, headings.length > 1)}
<div class="columns">
<nav id="nav" popover aria-label="Pages">${navigation(page.path, site, to)}</nav>
<main id="content" tabindex="-1">
<article>
${page.html}</article>
${neighbours(page.path, site.groups, to)}
</main>
<nav id="toc" popover aria-label="On this page">${headings.length > 1 ? listOf(headings) : ""}</nav>
</div>
</body>
</html>
`;
}

type To = (address: string) => string;

function header({ version, repository }: Site, to: To, hasHeadings: boolean): string {
  const list = `<button class="icon narrow-toc" popovertarget="toc" aria-label="On this page">${LIST}</button>`;
  return `<header>
<button class="icon narrow" popovertarget="nav" aria-label="Pages">${MENU}</button>
<a class="brand" href="${to("index.html")}">WalLog</a> <span class="version">${escapeHtml(version)}</span>
<div id="search" role="search" hidden>
<input type="search" placeholder="Search" aria-label="Search the documentation" autocomplete="off" spellcheck="false"
 role="combobox" aria-expanded="false" aria-controls="results" aria-autocomplete="list"><kbd aria-hidden="true">/</kbd>
<div class="found"><ul id="results" role="listbox" aria-label="Results" hidden></ul><p role="status"></p></div>
</div>
<a class="wide" href="${to("docs/index.html")}">By task</a>
<a class="wide" href="${to("api/index.html")}">API</a>
${repository === undefined ? "" : `<a class="wide" href="${escapeHtml(repository)}">Source</a>`}
<button class="icon" id="theme-toggle" aria-label="Light or dark colours" hidden>${MOON}${SUN}</button>
${hasHeadings ? list : ""}
</header>`;
}

function navigation(current: string, { groups, entryPoints }: Site, to: To): string {
  const item = ({ path, title, task }: Item) => {
    const mark = path === current ? ` aria-current="page"` : "";
    const tip = task === "" ? "" : ` title="To ${escapeHtml(task)}"`;
    return `<li><a href="${to(pageAddress(path))}"${mark}${tip}>${escapeHtml(title)}</a></li>`;
  };
  const pages = groups.map(({ title, items }) =>
    `<h2>${escapeHtml(title)}</h2>\n<ul>\n${items.map(item).join("\n")}\n</ul>`
  );
  const api = entryPoints.map(({ name, address }) =>
    `<li><a href="${to(address)}"><code>${escapeHtml(name)}</code></a></li>`
  );
  return `${pages.join("\n")}\n<h2>API</h2>\n<ul>\n${api.join("\n")}\n</ul>\n`;
}

function listOf(headings: readonly Heading[]): string {
  const items = headings.map(({ depth, anchor, html }) =>
    `<li class="depth${depth}"><a href="#${anchor}">${html}</a></li>`
  );
  return `<h2>On this page</h2>\n<ul>\n${items.join("\n")}\n</ul>\n`;
}

function neighbours(path: string, groups: readonly Group[], to: To): string {
  const { previous, next } = neighboursOf(groups, path);
  const link = (rel: string, word: string, item: Item | undefined) =>
    item === undefined
      ? ""
      : `<a rel="${rel}" href="${to(pageAddress(item.path))}"><span>${word}</span> ${escapeHtml(item.title)}</a>`;
  const links = link("prev", "Previous", previous) + link("next", "Next", next);
  return links === "" ? "" : `<nav class="neighbours" aria-label="Previous and next page">${links}</nav>`;
}
