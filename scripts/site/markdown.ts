/**
 * Renders the pages' Markdown as HTML.
 *
 * @module
 */

import { Marked, type Tokens } from "marked";
import type { Target } from "./addresses.ts";
import { anchorMaker } from "./anchors.ts";
import { highlight } from "./highlight.ts";
import { escapeHtml, textOf } from "./html.ts";

/** A table with this many columns may be wider than the page. */
const WIDE_COLUMNS = 4;

/** A heading below the title. */
export interface Heading {
  readonly depth: number;
  readonly anchor: string;
  /** Its text in HTML, without links. */
  readonly html: string;
}

/** A page's content. */
export interface Rendered {
  /** The first heading, as text. */
  readonly title: string;
  readonly html: string;
  readonly headings: readonly Heading[];
  /** The first paragraph, as text. */
  readonly summary: string;
}

/**
 * Renders a page.
 *
 * @param text The page in Markdown.
 * @param rewrite Returns the target of a link of the page.
 * @returns The page's content.
 */
export function renderMarkdown(text: string, rewrite: (link: string) => Target): Rendered {
  const makeAnchor = anchorMaker();
  const headings: Heading[] = [];
  const marked = new Marked({ gfm: true });
  marked.use({
    renderer: {
      heading({ tokens, depth, text }: Tokens.Heading): string {
        const html = this.parser.parseInline(tokens);
        const anchor = makeAnchor(text);
        headings.push({ depth, anchor, html: html.replace(/<\/?a\b[^>]*>/g, "") });
        const link = depth === 1 ? "" : ` <a class="anchor" href="#${anchor}" aria-label="Link to this section">#</a>`;
        return `<h${depth} id="${anchor}">${html}${link}</h${depth}>\n`;
      },
      link({ href, tokens, title }: Tokens.Link): string {
        const tip = title ? ` title="${escapeHtml(title)}"` : "";
        return `<a href="${escapeHtml(rewrite(href).href)}"${tip}>${this.parser.parseInline(tokens)}</a>`;
      },
      image: ({ href, text }: Tokens.Image) =>
        `<img src="${escapeHtml(rewrite(href).href)}" alt="${escapeHtml(text)}" loading="lazy">`,
      html: ({ text }: Tokens.HTML | Tokens.Tag) =>
        text.replace(/\b(href|src)="([^"]*)"/g, (_, name, link) => `${name}="${escapeHtml(rewrite(link).href)}"`),
      code({ text, lang }: Tokens.Code): string {
        const name = lang?.split(" ")[0] ?? "";
        const code = `<code>${highlight(text, name)}</code>`;
        return `<div class="code" data-language="${escapeHtml(name)}"><pre tabindex="0">${code}</pre></div>\n`;
      },
      table(token: Tokens.Table): string {
        const row = (cells: Tokens.TableCell[]) =>
          `<tr>${cells.map((cell) => this.tablecell(cell)).join("")}</tr>\n`.replaceAll(
            /<th( [^>]*)?>\n?<\/th>/g,
            "<td></td>",
          );
        const names = token.header.map((cell) => textOf(this.parser.parseInline(cell.tokens))).filter((name) =>
          name !== ""
        );
        const head = names.length === 0 ? "" : `<thead>${row(token.header)}</thead>`;
        const body = `<tbody>${token.rows.map(row).join("")}</tbody>`;
        const name = token.header.length >= WIDE_COLUMNS ? "table wide-table" : "table";
        const region = `class="${name}" role="group" tabindex="0" aria-label="${
          escapeHtml(["Table", ...names].join(", "))
        }"`;
        return `<div ${region}><table>${head}${body}</table></div>\n`;
      },
    },
  });
  // Not `parse`, which asks to report errors of `rewrite` to the authors of marked.
  const html = marked.parser(marked.lexer(text, marked.defaults), marked.defaults);
  const first = headings[0];
  return {
    title: first === undefined ? "" : textOf(first.html),
    html,
    headings: headings.slice(1),
    summary: textOf(/<p>([^]*?)<\/p>/.exec(html)?.[1] ?? ""),
  };
}
