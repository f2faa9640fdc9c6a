/**
 * The parts of charts. Each SVG has its own colours for light and dark pages and its own background, so that it is
 * readable as an image on any page.
 *
 * @module
 */

/** Colours of series, distinguishable with any colour vision, on light and on dark ground (after Okabe and Ito). */
const SERIES = [
  ["#0072b2", "#56b4e9"],
  ["#d55e00", "#ff8c42"],
  ["#009e73", "#2bc9a0"],
  ["#a3478a", "#e08fc6"],
] as const;
/** The most series of a chart. */
export const SERIES_MAX = SERIES.length;

const STYLE = `
  text { font-family: ui-sans-serif, system-ui, "Segoe UI", Helvetica, Arial, sans-serif; font-size: 12px; fill: #24292f }
  .ground { fill: #ffffff } .title { font-size: 15px; font-weight: 600 } .faint { fill: #57606a }
  .grid { stroke: #d8dee4; stroke-width: 1 } .axis { stroke: #57606a; stroke-width: 1 }
  .other { fill: #afb8c1 } .whisker { stroke: #24292f; stroke-width: 1.2 }
${
  SERIES.map(
    ([light], i) => `  .fill${i} { fill: ${light} } .line${i} { stroke: ${light}; fill: none; stroke-width: 2 }`,
  ).join("\n")
}
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .ground { fill: #0d1117 } .faint { fill: #9198a1 }
    .grid { stroke: #30363d } .axis { stroke: #9198a1 } .other { fill: #59636e } .whisker { stroke: #e6edf3 }
${SERIES.map(([, dark], i) => `    .fill${i} { fill: ${dark} } .line${i} { stroke: ${dark} }`).join("\n")}
  }
`;

/** Escapes text for XML. */
export function escape(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** A piece of text at a place. */
export function text(x: number, y: number, content: string, attributes = ""): string {
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escape(content)}</text>`;
}

/** A straight line. */
export function line(x1: number, y1: number, x2: number, y2: number, name: string): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" class="${name}"/>`;
}

/** A rectangle. */
export function rectangle(x: number, y: number, width: number, height: number, name: string): string {
  const size = `width="${round(width)}" height="${round(height)}"`;
  return `<rect x="${round(x)}" y="${round(y)}" ${size} class="${name}"/>`;
}

/** Formats a number for an SVG, to a tenth of a pixel. */
export function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** A complete picture with a title, also for screen readers, and a subtitle. */
export function picture(
  width: number,
  height: number,
  title: string,
  subtitle: string,
  parts: readonly string[],
): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ` +
    `role="img" aria-label="${escape(`${title}: ${subtitle}`)}">`,
    `<style>${STYLE}</style>`,
    rectangle(0, 0, width, height, "ground"),
    text(16, 26, title, `class="title"`),
    text(16, 44, subtitle, `class="faint"`),
    ...parts,
    "</svg>\n",
  ].join("\n");
}
