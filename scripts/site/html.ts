/**
 * Text in HTML.
 *
 * @module
 */

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/**
 * Escapes text for HTML, also for attributes in double quotes.
 *
 * @param text The text.
 * @returns HTML.
 */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => ENTITIES[character]!);
}

/**
 * The text that HTML shows.
 *
 * @param html The HTML.
 * @returns The text, on one line.
 */
export function textOf(html: string): string {
  const text = html.replace(
    /<(?:!--[^]*?--|[^>]*)>/g,
    (tag) => /^<\/?(code|a|em|strong|span|wbr)\b/.test(tag) ? "" : " ",
  );
  return unescapeHtml(text).replace(/\s+/g, " ").trim();
}

/**
 * Replaces the entities in HTML by their characters.
 *
 * @param html The HTML, without tags.
 * @returns The text.
 */
export function unescapeHtml(html: string): string {
  const named: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: " " };
  return html.replace(/&(?:#x([\da-f]+)|#(\d+)|(\w+));/gi, (entity, hex, decimal, name) => {
    if (name !== undefined) return named[name] ?? entity;
    return String.fromCodePoint(hex === undefined ? Number(decimal) : parseInt(hex, 16));
  });
}
