/**
 * The names by which links refer to headings, as GitHub makes them.
 *
 * @module
 */

/**
 * The anchor of a heading.
 *
 * @param heading Its text in Markdown.
 * @returns The anchor, without "#".
 */
export function anchorOf(heading: string): string {
  return heading.toLowerCase().replace(/\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/[^\p{L}\p{N} _-]/gu, "")
    .replaceAll(" ", "-");
}

/**
 * Makes the anchors of one page unique: the second heading with the same text gets "-1", the third "-2".
 *
 * @returns A function from the text of each heading, in their order, to its anchor.
 */
export function anchorMaker(): (heading: string) => string {
  const counts = new Map<string, number>();
  return (heading) => {
    const anchor = anchorOf(heading);
    const count = counts.get(anchor) ?? 0;
    counts.set(anchor, count + 1);
    return count === 0 ? anchor : `${anchor}-${count}`;
  };
}
