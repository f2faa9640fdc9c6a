/**
 * The navigation of the site, from the index of the documentation: a group for each heading, and a page for each row.
 *
 * @module
 */

import { posix } from "node:path";

/** A page in the navigation. */
export interface Item {
  /** The path of the Markdown file in the repository. */
  readonly path: string;
  /** Its name in the navigation. */
  readonly title: string;
  /** The task that it is for, as the index has it. */
  readonly task: string;
}

/** A group of pages. */
export interface Group {
  readonly title: string;
  readonly items: readonly Item[];
}

/** A link to a Markdown file. */
const PAGE_LINK = /\[([^\]]+)\]\(([^)#\s]+\.md)(?:#[^)]*)?\)/g;

/**
 * Reads the navigation from the index of the documentation.
 *
 * @param index The text of the index in Markdown. Each of its headings of the second level is a group. The first column
 *     of a table has tasks, the second one links. A page is in the group that has it first.
 * @param path The path of the index in the repository.
 * @returns The groups that have pages, in their order.
 */
export function readNavigation(index: string, path: string): Group[] {
  const seen = new Set<string>();
  return index.split(/^## /m).slice(1).map((section) => {
    const lines = section.split("\n");
    const items = lines.filter((line) => line.startsWith("|")).flatMap((line) => itemsOf(line, path));
    return { title: lines[0]!.trim(), items: items.filter((item) => !seen.has(item.path) && seen.add(item.path)) };
  }).filter(({ items }) => items.length > 0);
}

/** The pages that a row of the index links to. */
function itemsOf(row: string, index: string): Item[] {
  const [, task = "", links = ""] = row.split("|");
  return [...links.matchAll(PAGE_LINK)].map(([, title, target]) => ({
    path: posix.join(posix.dirname(index), target!),
    title: title!.replaceAll("`", ""),
    task: task.trim().replaceAll("`", ""),
  }));
}

/**
 * The pages before and after a page.
 *
 * @param groups The navigation.
 * @param path The path of the page.
 * @returns Those that exist. Neither does if the page is not in the navigation.
 */
export function neighboursOf(groups: readonly Group[], path: string): { previous?: Item; next?: Item } {
  const items = groups.flatMap(({ items }) => items);
  const at = items.findIndex((item) => item.path === path);
  if (at < 0) return {};
  return { previous: items[at - 1], next: items[at + 1] };
}
