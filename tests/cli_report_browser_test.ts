/**
 * The report in a browser, if there is a Chromium: nothing sticks out, is cut off or covers something else, at any
 * width.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { drawn, LOGS } from "./report_pages.ts";
import { skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";

const WIDTHS = [340, 390, 700, 860, 1280];

/** What a browser says of a page at a width. */
interface Seen {
  readonly page: string;
  readonly width: number;
  /** How far it can be scrolled sideways. In pixels. */
  readonly overflow: number;
  /** Elements whose content does not fit them and is not to be scrolled. */
  readonly cramped: string[];
  /** Things that the page asked for. */
  readonly requests: number;
  readonly bars: number;
  /** Bars that cannot be seen. */
  readonly invisible: number;
  /** Damaged places on the maps. */
  readonly holes: {
    readonly width: number;
    readonly colour: string;
    readonly pattern: string;
    /** How far it reaches above and below its bar. In pixels. */
    readonly beyond: number;
  }[];
  /** Marks and names below a bar that cover each other, or stick out of the page. */
  readonly collisions: string[];
  /** Cells of the table of damage that are not within the page. */
  readonly hidden: string[];
  /** Descriptions of marks that would stick out of the page. */
  readonly tips: string[];
  /** Names of terms, and what lies on them. */
  readonly covered: string[];
  readonly colours: string[];
}

/** Asks each page, in a frame of each width, and leaves the answers for who dumps the document. */
const HARNESS = `
onload = () => {
  const seen = [];
  for (const frame of document.querySelectorAll("iframe")) {
    const page = frame.contentDocument, root = page.documentElement, view = frame.contentWindow;
    const style = (element) => view.getComputedStyle(element);
    const scrolls = (element) => element.closest(".names, .strip .bands");
    seen.push({
      page: frame.title, width: frame.clientWidth, overflow: root.scrollWidth - root.clientWidth,
      cramped: [...page.querySelectorAll("h1, h2, p, dd, dt, small, .tiles, .key, .strip, td, footer")]
        .filter((element) => !scrolls(element) && element.scrollWidth > element.clientWidth + 1)
        .map((element) => element.outerHTML.slice(0, 80)),
      requests: view.performance.getEntriesByType("resource").length,
      bars: page.querySelectorAll(".bar").length,
      invisible: [...page.querySelectorAll(".bar")].filter((bar) => bar.getBoundingClientRect().width < 3 ||
        bar.getBoundingClientRect().height < 10).length,
      holes: [...page.querySelectorAll("a.hole")].map((hole) => {
        const [at, around] = [hole.getBoundingClientRect(), hole.parentElement.getBoundingClientRect()];
        return { width: at.width, colour: style(hole).borderTopColor, pattern: style(hole).backgroundImage,
          beyond: Math.min(around.top - at.top, at.bottom - around.bottom) };
      }),
      collisions: [...page.querySelectorAll(".names")].flatMap((line) => {
        const shown = [...line.querySelectorAll(".item")].filter((item) => item.getBoundingClientRect().width > 0);
        const edges = shown.map((item) => [item.getBoundingClientRect(), item.textContent])
          .sort(([a], [b]) => a.left - b.left);
        return edges.flatMap(([at, text], i) => [
          ...at.left < 0 || at.right > root.clientWidth ? [text + " sticks out"] : [],
          ...i > 0 && edges[i - 1][0].right > at.left + 1 ? [edges[i - 1][1] + " covers " + text] : [],
        ]);
      }),
      hidden: [...page.querySelectorAll(".damage td:not(.absent)")].filter((cell) => {
        const { left, right, height } = cell.getBoundingClientRect();
        return left < 0 || right > root.clientWidth || height < 10;
      }).map((cell) => cell.textContent),
      tips: [...page.querySelectorAll(".mark")].filter((mark) => {
        const tip = view.getComputedStyle(mark, "::after");
        const width = Math.min(parseFloat(tip.maxWidth), 272);
        const { left, right } = mark.getBoundingClientRect();
        return mark.classList.contains("end") ? right - width < 0 : left + width > root.clientWidth;
      }).map((mark) => mark.getAttribute("aria-label")),
      covered: [...page.querySelectorAll(".strip .label > span")].flatMap((name) => {
        const { left, right, top, bottom } = name.getBoundingClientRect();
        const band = name.parentElement.getBoundingClientRect();
        // A name that does not fit is wrapped out of sight.
        if (top > band.bottom) return [];
        const places = [];
        for (let x = Math.max(left, band.left) + 1; x < Math.min(right, band.right) - 1; x += 2) places.push(x);
        const above = places.map((x) => page.elementFromPoint(x, (top + bottom) / 2));
        return above.filter((it) => it && !name.contains(it)).map((it) => name.textContent + ": " + it.outerHTML.slice(0, 80));
      }),
      colours: [style(page.body).backgroundColor, style(page.body).color],
    });
  }
  document.getElementById("seen").textContent = JSON.stringify(seen);
};`;

function findChromium(): string | undefined {
  return ["chromium", "chromium-browser", "google-chrome"].find((name) => {
    try {
      return spawnSync(name, ["--version"], { encoding: "utf8" }).status === 0;
    } catch {
      return false;
    }
  });
}

const chromium = findChromium();

describe("the report in a browser", { skip: skipReason(chromium === undefined && "there is no chromium") }, () => {
  let pages: [string, string][];
  before(async () => {
    pages = await Promise.all(
      Object.entries(LOGS).map(async ([name, make]) => [name, (await drawn(make)).page] as [string, string]),
    );
  });

  /** Shows all pages at all widths. */
  async function look(...flags: string[]): Promise<Seen[]> {
    return await inTemporaryFolder((folder) => {
      const attribute = (text: string) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;");
      const frames = pages.flatMap(([name, page]) =>
        WIDTHS.map((width) =>
          `<iframe title="${name}" style="width:${width}px;height:900px;border:0" srcdoc="${attribute(page)}"></iframe>`
        )
      );
      const file = join(folder, "harness.html");
      writeFileSync(
        file,
        `<!doctype html><meta charset="utf-8"><pre id="seen"></pre>${frames.join("")}<script>${HARNESS}</script>`,
      );
      const { stdout, stderr } = spawnSync(chromium!, [
        ...["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
        ...[`--user-data-dir=${join(folder, "profile")}`, "--dump-dom", ...flags, `file://${file}`],
      ], { encoding: "utf8", maxBuffer: 2 ** 28 });
      const [, text] = /<pre id="seen">(.*?)<\/pre>/s.exec(stdout) ?? [];
      assert.ok(text, `chromium gave no answer: ${stderr.slice(-2000)}`);
      return JSON.parse(text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&"));
    });
  }

  it("fits every width, shows its bars, and its holes in red with a pattern", async () => {
    const seen = await look();
    assert.equal(seen.length, pages.length * WIDTHS.length);
    for (const { page, width, overflow, cramped, requests, bars, invisible, holes, covered, ...rest } of seen) {
      const where = `${page} at ${width} pixels`;
      assert.equal(overflow, 0, `${where}: it can be scrolled sideways`);
      assert.deepEqual(cramped, [], where);
      assert.deepEqual([covered, rest.collisions, rest.hidden, rest.tips], [[], [], [], []], where);
      assert.equal(requests, 0, where);
      assert.ok(bars > 0 && invisible === 0, `${where}: ${invisible} of ${bars} bars cannot be seen`);
      assert.equal(holes.length > 0, /^(damaged|with)/.test(page), where);
      for (const hole of holes) {
        assert.ok(hole.beyond >= 3 && hole.pattern.includes("gradient"), `${where}: a hole is told by its colour only`);
        assert.ok(hole.width >= 2.9, `${where}: a hole ${hole.width} pixels wide`);
        const [red, green, blue] = hole.colour.match(/\d+/g)!.map(Number) as [number, number, number];
        assert.ok(red > 150 && red > 1.8 * green && red > 1.8 * blue, `${where}: ${hole.colour}`);
      }
    }
  });

  it("is dark where that is wanted", async () => {
    const [light, dark] = [await look(), await look("--blink-settings=preferredColorScheme=0")];
    const brightness = (colour: string) => colour.match(/\d+/g)!.slice(0, 3).map(Number).reduce((a, b) => a + b);
    const isDark = ({ colours: [paper, ink] }: Seen) => brightness(paper!) < brightness(ink!);
    assert.ok(!light.some(isDark) && dark.every(isDark), JSON.stringify([light[0]?.colours, dark[0]?.colours]));
  });
});
