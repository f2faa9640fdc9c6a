/**
 * The pieces of HTML that all parts of the report use.
 *
 * @module
 */

import { oneLine } from "./text.ts";

/** The most lines of a table, and the most places on a map that link to them. */
export const LINES_MAX = 200;

/** Beyond this part of a track, the description of a mark stands to its left. */
const TIP_END = 0.5;

/** Escapes text for HTML. Invisible characters are escaped too, because some of them reorder or hide text. */
export function escape(text: string): string {
  return oneLine(text).replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** A fraction as a percentage, for a style. */
export function percent(part: number): string {
  return `${(Math.min(Math.max(part, 0), 1) * 100).toFixed(3)}%`;
}

/** A section with its heading. */
export function section(id: string, title: string, about: string, content: string): string {
  return `<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2><p>${about}</p>
${content}</section>`;
}

/** A mark that shows its description when it is pointed at or has the focus. */
export function mark(
  style: string,
  { at, part = 1, width, text, link, id, label = "" }: {
    readonly at: number;
    /** The length of the row, as a part of the track. */
    readonly part?: number;
    readonly width?: number;
    readonly text: string;
    /** The id of the element to which it leads. */
    readonly link?: string;
    readonly id?: string;
    /** The visible text. */
    readonly label?: string;
  },
): string {
  const place = `left:${percent(at)}${width === undefined ? "" : `;width:${percent(width)}`}`;
  const [tag, role] = link === undefined ? ["b", 'role="img" tabindex="0"'] : ["a", `href="#${link}"`];
  return `<${tag} class="mark ${style}${at * part > TIP_END ? " end" : ""}"${
    id === undefined ? "" : ` id="${id}"`
  } ${role} ` +
    `style="${place}" aria-label="${escape(text)}"><i></i>${label}</${tag}>`;
}
