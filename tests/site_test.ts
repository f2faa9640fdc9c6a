/** The site of the documentation: addresses, navigation, rendering, search index, and the check of links. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { type Kind, pageAddress, rewriteLink } from "../scripts/site/addresses.ts";
import { anchorMaker } from "../scripts/site/anchors.ts";
import { fitPage } from "../scripts/site/api.ts";
import { checkLinks } from "../scripts/site/check.ts";
import { frame } from "../scripts/site/layout.ts";
import { renderMarkdown } from "../scripts/site/markdown.ts";
import { neighboursOf, readNavigation } from "../scripts/site/navigation.ts";
import { sectionsOf, symbolsOf } from "../scripts/site/search_index.ts";

const KINDS: Readonly<Record<string, Kind>> = {
  ...{ "README.md": "file", "docs/CLI.md": "file", "docs/guides/replica.md": "file", "docs/append.svg": "file" },
  ...{ "src/api/wal_log.ts": "file", tests: "folder" },
};
const kindOf = (path: string): Kind => KINDS[path];
const unchanged = (link: string) => ({ href: link });

const INDEX = `# Documentation

Intro.

## Start

| I want to ... | Page |
| --- | --- |
| store \`events\` | [Events](guides/event-log.md) |
| look | [Examples](../examples/README.md), with a [decoder](decode.py) |

## Nothing

Text.

## More

| I want to ... | Page |
| --- | --- |
| archive | [\`wal-log\`](CLI.md#archiving), [Events](guides/event-log.md) |
`;

describe("the addresses of the site", () => {
  it("are those of the files, with README.md as the index of its folder", () => {
    assert.equal(pageAddress("README.md"), "index.html");
    assert.equal(pageAddress("docs/README.md"), "docs/index.html");
    assert.equal(pageAddress("docs/guides/event-log.md"), "docs/guides/event-log.html");
    assert.equal(pageAddress("docs/GLOSSARY.md"), "docs/glossary.html");
  });

  it("replace the links between pages, and keep their anchors", () => {
    const href = (link: string, page: string) => rewriteLink(link, page, kindOf).href;
    assert.equal(href("docs/CLI.md", "README.md"), "docs/cli.html");
    assert.equal(href("../CLI.md#archiving", "docs/guides/replica.md"), "../cli.html#archiving");
    assert.equal(href("../README.md", "docs/CLI.md"), "../index.html");
  });

  it("keep links to other hosts and within the page", () => {
    assert.deepEqual(rewriteLink("https://example.org/a.md", "README.md", kindOf), {
      href: "https://example.org/a.md",
    });
    assert.deepEqual(rewriteLink("#limits", "README.md", kindOf), { href: "#limits" });
  });

  it("lead to copies of pictures, and to pages with the text of other files", () => {
    assert.deepEqual(rewriteLink("../append.svg", "docs/guides/replica.md", kindOf), {
      ...{ href: "../append.svg", copied: "docs/append.svg" },
    });
    assert.deepEqual(rewriteLink("../src/api/wal_log.ts", "docs/CLI.md", kindOf), {
      ...{ href: "../source/src/api/wal_log.ts.html", source: "src/api/wal_log.ts" },
    });
    assert.deepEqual(rewriteLink("../tests/", "docs/CLI.md", kindOf), {
      ...{ href: "../source/tests/index.html", source: "tests" },
    });
  });

  it("exist: a link to no file, or out of the repository, is an error", () => {
    assert.throws(() => rewriteLink("NOWHERE.md", "docs/CLI.md", kindOf), /docs\/CLI\.md links to NOWHERE\.md/);
    assert.throws(() => rewriteLink("../../README.md", "docs/CLI.md", kindOf), /no such file/);
  });
});

describe("the navigation of the site", () => {
  it("has a group for each heading, and a page once", () => {
    assert.deepEqual(readNavigation(INDEX, "docs/README.md"), [
      {
        title: "Start",
        items: [
          { path: "docs/guides/event-log.md", title: "Events", task: "store events" },
          { path: "examples/README.md", title: "Examples", task: "look" },
        ],
      },
      { title: "More", items: [{ path: "docs/CLI.md", title: "wal-log", task: "archive" }] },
    ]);
  });

  it("orders the pages", () => {
    const groups = readNavigation(INDEX, "docs/README.md");
    const titles = (path: string) => {
      const { previous, next } = neighboursOf(groups, path);
      return [previous?.title, next?.title];
    };
    assert.deepEqual(titles("docs/guides/event-log.md"), [undefined, "Examples"]);
    assert.deepEqual(titles("examples/README.md"), ["Events", "wal-log"]);
    assert.deepEqual(titles("docs/NOWHERE.md"), [undefined, undefined]);
  });

  it("lists every page of the documentation", () => {
    const root = fileURLToPath(new URL("../", import.meta.url));
    const groups = readNavigation(readFileSync(`${root}docs/README.md`, "utf8"), "docs/README.md");
    const listed = groups.flatMap(({ items }) => items.map(({ path }) => path));
    const pages = ["docs", "docs/guides"].flatMap((folder) =>
      readdirSync(root + folder).filter((name) => name.endsWith(".md")).map((name) => `${folder}/${name}`)
    );
    assert.deepEqual(pages.filter((path) => path !== "docs/README.md" && !listed.includes(path)), []);
  });
});

describe("the pages of the site", () => {
  it("have the anchors that GitHub makes", () => {
    const anchorOf = anchorMaker();
    const headings = ["What `sync` means, exactly", "A [link](x.md) & more", "Added", "Added", "Added"];
    assert.deepEqual(headings.map(anchorOf), [
      ...["what-sync-means-exactly", "a-link--more", "added", "added-1", "added-2"],
    ]);
  });

  it("keep their text, and colour their code", () => {
    const text = "# A `log`\n\nFirst [page](x.md).\n\n## Use it\n\n```ts level\nconst a = 1 < 2;\n```\n";
    const { title, summary, headings, html } = renderMarkdown(text, () => ({ href: "y.html" }));
    assert.deepEqual([title, summary], ["A log", "First page."]);
    assert.deepEqual(headings, [{ depth: 2, anchor: "use-it", html: "Use it" }]);
    assert.match(html, /<a href="y\.html">page<\/a>/);
    assert.match(html, /<span class="hljs-keyword">const<\/span> a = .*&lt;/);
  });

  it("mark the commands of a console", () => {
    const { html } = renderMarkdown("```console\n$ wal-log info <x>\nclean\n```\n", unchanged);
    assert.match(html, /<span class="command">wal-log info &lt;x&gt;<\/span>\nclean/);
  });

  it("rewrite the links of HTML in Markdown", () => {
    const { html } = renderMarkdown(
      '<a href="a.webp"><img src="a.webp" alt="A"></a>\n',
      (link) => ({ href: `../${link}` }),
    );
    assert.equal(html, '<p><a href="../a.webp"><img src="../a.webp" alt="A"></a></p>\n');
  });

  it("fail with the error of a broken link", () => {
    const rewrite = (link: string) => rewriteLink(link, "docs/CLI.md", kindOf);
    assert.throws(() => renderMarkdown("[x](NOWHERE.md)", rewrite), {
      message: "docs/CLI.md links to NOWHERE.md, and no such file exists",
    });
  });

  it("need no script: navigation, headings and neighbours are in the page", () => {
    const groups = readNavigation(INDEX, "docs/README.md");
    const { html, ...rendered } = renderMarkdown("# Examples\n\n## One\n\n## Two\n", unchanged);
    const page = frame(
      { path: "examples/README.md", address: "examples/index.html", html, ...rendered },
      { groups, entryPoints: [], version: "0.1.0", repository: undefined },
    );
    assert.match(page, /<a href="index\.html" aria-current="page" title="To look">Examples<\/a>/);
    assert.match(page, /<a href="#two">Two<\/a>/);
    assert.match(page, /<a rel="prev" href="\.\.\/docs\/guides\/event-log\.html">/);
  });
});

describe("the search index of the site", () => {
  it("has a section for each heading and each term of a table", () => {
    const { html } = renderMarkdown(
      "# Terms\n\nText & more.\n\n## All\n\n| Term | Meaning |\n| - | - |\n| **flush** | Makes `data` durable |\n| 17 | x |\n",
      unchanged,
    );
    assert.deepEqual(sectionsOf("terms.html", "Terms", html), [
      ["terms.html", "Terms", "", "Text & more."],
      ["terms.html#all", "Terms", "All", "Term Meaning x"],
      ["terms.html#all", "Terms", "flush", "Makes data durable"],
    ]);
  });

  it("has the symbols of the API, with the first sentence about each", () => {
    const nodes = [{
      name: "A.prototype.b",
      file: "raft",
      doc: "Does it. Returns 1.5 of it.",
      url: "././raft/~/A.b.html",
    }];
    const script = `(function () {\n  window.DENO_DOC_SEARCH_INDEX = ${
      JSON.stringify({ kind: "search", nodes })
    };\n})()`;
    assert.deepEqual(symbolsOf(script, "api"), [["api/raft/~/A.b.html", "API, raft", "A.b", "Does it."]]);
    assert.throws(() => symbolsOf("", "api"), /another form/);
  });
});

describe("the API pages of the site", () => {
  it("link to sources, and name what to import", () => {
    const html = `<a href="file:&#x2F;&#x2F;&#x2F;repo&#x2F;src&#x2F;a.ts"><div class="usageContent">` +
      `import { A } from &quot;raft/more&quot;;</div>import x from &quot;other&quot;`;
    const fitted = fitPage(html, { name: "@wallog/wallog", rootUrl: "file:///repo/", address: "api/raft/~/A.html" });
    assert.deepEqual(fitted.sources, ["src/a.ts"]);
    assert.match(fitted.html, /href="\.\.\/\.\.\/\.\.\/source\/src\/a\.ts\.html"/);
    assert.match(fitted.html, /from &quot;@wallog\/wallog\/raft\/more&quot;.*from &quot;other&quot;/);
  });
});

describe("the check of the site", () => {
  const check = (html: string) =>
    checkLinks(new Map([["a/page.html", html], ["a/index.html", '<h2 id="here">'], ["b.svg", undefined]]));

  it("accepts links to files and anchors that exist", () => {
    const html = '<a href="index.html#here"><img src="../b.svg"><a href="">' +
      '<a href="https://example.org/"><p id="x"><a href="#x">';
    assert.deepEqual(check(html), { links: 5, faults: [] });
  });

  it("reports a missing file, a missing anchor, and a request to another host", () => {
    const html =
      '<a href="none.html"><a href="index.html#gone"><a class="x" href="#gone"><script src="https://example.org/a.js">';
    assert.deepEqual(check(html), {
      links: 4,
      faults: [
        "a/page.html: none.html: no such file",
        "a/page.html: index.html#gone: no such anchor",
        "a/page.html: #gone: no such anchor",
        "a/page.html: <script> loads https://example.org/a.js from another host",
      ],
    });
  });
});
