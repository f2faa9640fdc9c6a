/**
 * The report: that the page holds what the log does, that it asks nobody for anything, and, where there is a chromium to
 * ask, that a browser shows it: at every width, in its colours, with nothing that sticks out.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, linkSync, lstatSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { inspect } from "../src/cli/inspect.ts";
import { gather } from "../src/cli/report_data.ts";
import { renderPage } from "../src/cli/report_page.ts";
import { cli, cliHere, damageEntry, makeLog } from "./cli.ts";
import { entriesAt } from "./history.ts";
import { assertSameContents, contentsOf } from "./memory_disk.ts";
import { bytesOf } from "./model.ts";
import { skipReason, skipWithoutLinks } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";

const WIDTHS = [340, 700, 860, 1280];
const NOW = new Date("2026-01-02T03:04:05Z");

/** Logs to draw. */
const LOGS: Readonly<Record<string, (path: string) => void>> = {
  clean: makeLog,
  damaged(path) {
    makeLog(path);
    damageEntry(path, 50, "payload");
    for (const index of [70, 71]) damageEntry(path, index, "header");
  },
  "without a segment and its snapshot"(path) {
    makeLog(path);
    rmSync(join(path, "000000000002.seg"));
    for (const name of readdirSync(path)) if (name.endsWith(".snap")) rmSync(`${path}/${name}`);
  },
  empty: (path) => WalLog.openSync(path).closeSync(),
  "of a snapshot": (path) => {
    const log = WalLog.openSync(path);
    log.applySnapshot({ index: 2 ** 52, term: 2 ** 40, config: [2n ** 64n - 1n], data: bytesOf(10) });
    log.closeSync();
  },
  "of many segments and terms": (path) => {
    const log = WalLog.openSync(path, { segmentBytes: 4096 });
    for (let i = 0; i < 300; i++) log.append(entriesAt(i * 4 + 1, i * 4 + 4, 1000 + i, 500 + (i * 37) % 900));
    log.closeSync();
  },
  torn(path) {
    const log = WalLog.openSync(`${path}-live`);
    log.append(entriesAt(1, 40, 1, 300));
    log.syncSync();
    log.append(entriesAt(41, 60, 1, 300));
    cpSync(`${path}-live`, path, { recursive: true, filter: (name) => !name.endsWith("LOCK") });
    log.closeSync();
    const file = join(path, "000000000001.seg");
    const bytes = readFileSync(file);
    bytes[bytes.findLastIndex((byte) => byte !== 0) - 500]! ^= 1;
    writeFileSync(file, bytes);
  },
};

/** The page of a log. */
async function pageOf(make: (path: string) => void): Promise<string> {
  return await inTemporaryFolder(async (folder) => {
    const path = join(folder, "raft.wal");
    make(path);
    return renderPage(gather(await inspect(path)), { text: "nothing to do", commands: [] }, NOW);
  });
}

describe("the report", () => {
  it("is written to a file in one step, or to standard output", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      makeLog(path);
      const file = join(folder, "report.html");
      writeFileSync(file, "an older one");
      const refused = await cli("report", path, "-o", file);
      assert.equal(refused.code, 3);
      assert.match(refused.stderr, /report\.html: the file exists; choose another one, or give --force\n$/);
      assert.equal(readFileSync(file, "utf8"), "an older one");
      const { code, stdout, stderr } = await cli("report", path, "-o", file, "--force");
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^written to .*report\.html\n$/);
      const { stdout: page } = await cli("report", path);
      const withoutTime = (text: string) => text.replace(/as it was on [^.]*/, "");
      assert.equal(withoutTime(page).trimEnd(), withoutTime(readFileSync(file, "utf8")).trimEnd());
      assert.deepEqual(readdirSync(folder).sort(), ["raft.wal", "report.html"]);
      assert.equal((await cli("report", path, "-o", join(folder, "no", "report.html"))).code, 3);
    });
  });

  it("is written to the target of a link that the user names", { skip: skipWithoutLinks() }, async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const link = join(folder, "latest.html");
      makeLog(path);
      writeFileSync(join(folder, "report.html"), "an older one");
      symlinkSync("report.html", link);
      assert.equal((await cli("report", path, "-o", link)).code, 3);
      assert.equal((await cli("report", path, "-o", link, "--force")).code, 0);
      assert.ok(lstatSync(link).isSymbolicLink());
      assert.match(readFileSync(join(folder, "report.html"), "utf8"), /^<!doctype html>/);
    });
  });

  it("never overwrites a file of the log, or takes the name of one", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      makeLog(path);
      writeFileSync(join(path, "notes"), "");
      const before = contentsOf(path);
      const names = [...readdirSync(path).filter((name) => name !== "notes"), "000000000099.seg", "LOCK", "RESERVE"];
      for (const name of names) {
        for (const force of [[], ["--force"]]) {
          const { code, stderr } = await cliHere("report", path, "-o", join(path, name), ...force);
          assert.equal(code, 3, name);
          assert.match(stderr, /: it is a file of the log; choose another file\n$/);
        }
      }
      assertSameContents(contentsOf(path), before);
      assert.equal((await cliHere("report", path, "-o", join(path, "notes"), "--force")).code, 0);
      assert.equal((await cliHere("report", path, "-o", join(path, "report.html"))).code, 0);
    });
  });

  it("does not overwrite a file of the log through a link", { skip: skipWithoutLinks() }, async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      makeLog(path);
      const before = contentsOf(path);
      symlinkSync(join(path, "IDENTITY"), join(folder, "soft.html"));
      linkSync(join(path, "000000000002.seg"), join(folder, "hard.html"));
      symlinkSync(path, join(folder, "link.wal"));
      for (const file of ["soft.html", "hard.html", "link.wal/000000000099.seg", "link.wal/IDENTITY"]) {
        const { code, stderr } = await cliHere("report", path, "-o", join(folder, file), "--force");
        assert.equal(code, 3, file);
        assert.match(stderr, /: it is a file of the log; choose another file\n$/);
      }
      assertSameContents(contentsOf(path), before);
    });
  });

  for (const [name, make] of Object.entries(LOGS)) {
    it(`of a log ${name} asks nobody for anything`, async () => {
      const page = await pageOf(make);
      assert.match(page, /^<!doctype html>/);
      assert.match(page, /Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/);
      assert.doesNotMatch(page, /https?:|\bsrc=|\bhref=|url\(|@import|<script|<link|<iframe/i);
      assert.doesNotMatch(page, /NaN|undefined|Infinity|\[object/);
    });
  }

  it("shows entries, indexes, terms, snapshot, hard state and sizes of a clean log", async () => {
    const page = await pageOf(makeLog);
    const text = page.replace(/<style>.*?<\/style>/s, "").replace(/<[^>]*>/g, " ").replace(/\s+/g, " ");
    for (
      const shown of [
        "clean",
        "Entries 110 terms 1 to 4",
        "Indexes 11 to 120",
        "up to 120 all of it",
        "term 4 no vote",
        "at 10 term 1, 4.9 KiB, 3 members",
        "snapshot: 1 to 10",
        "term 1 term 2 term 3 term 4",
        "2026-01-02 03:04 UTC",
        "64 to 127 20 18.2% 2.0 KiB",
        "256 to 511 60 54.5%",
      ]
    ) assert.ok(text.includes(shown), `${shown} in: ${text}`);
    assert.ok(!text.includes("damaged"), text);
    assert.equal(page.match(/class="row"/g)?.length, 3);
  });

  it("shows damage in red with its indexes, and counts the sizes of what has a header", async () => {
    const page = await pageOf(LOGS.damaged!);
    for (
      const shown of [
        "damaged: 50",
        "damaged: 70 to 71",
        ">index 50<",
        ">indexes 70 to 71<",
        "payload checksum mismatch",
      ]
    ) {
      assert.ok(page.includes(shown), shown);
    }
    assert.ok(page.match(/class="hole"/g)!.length >= 4, "in the strip, and in the map");
    const { sizes } = await inTemporaryFolder(async (folder) => {
      LOGS.damaged!(join(folder, "log"));
      return gather(await inspect(join(folder, "log")));
    });
    assert.equal(sizes.reduce((sum, { entries }) => sum + entries, 0), 108);
  });

  it("puts every entry in a cell, and no more rows than can be looked at", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "log");
      LOGS["of many segments and terms"]!(path);
      const data = gather(await inspect(path));
      assert.ok(data.found.segments.length > 60 && data.rows.length <= 40, `${data.rows.length}`);
      assert.equal(data.rows.flatMap(({ cells }) => cells).reduce((sum, count) => sum + count, 0), 1200);
      assert.equal(data.rows.flatMap(({ terms }) => terms).length, 300);
      assert.equal(data.rows.reduce((sum, { borders }) => sum + borders.length + 1, 0), data.found.segments.length);
      assert.equal(data.rows.filter(({ proven }) => proven !== undefined).length, 1);
      for (const { part, cells, terms, borders } of data.rows) {
        assert.ok(part > 0 && part <= 1 && cells.length <= 161);
        assert.ok([...terms.map(({ at }) => at), ...borders].every((at) => at >= 0 && at <= 1));
      }
    });
  });
});

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
  readonly holes: { readonly width: number; readonly colour: string }[];
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
    const scrolls = (element) => element.closest(".wide, .names, .strip .bands");
    seen.push({
      page: frame.title, width: frame.clientWidth, overflow: root.scrollWidth - root.clientWidth,
      cramped: [...page.querySelectorAll("h1, h2, p, dd, dt, small, .tiles, .key, .row, .strip, .lost, segment index")]
        .filter((element) => !scrolls(element) && element.scrollWidth > element.clientWidth + 1)
        .map((element) => element.outerHTML.slice(0, 80)),
      requests: view.performance.getEntriesByType("resource").length,
      bars: page.querySelectorAll(".bar").length,
      invisible: [...page.querySelectorAll(".bar")].filter((bar) => bar.getBoundingClientRect().width < 3 ||
        bar.getBoundingClientRect().height < 10).length,
      holes: [...page.querySelectorAll("b.hole")].map((hole) => (
        { width: hole.getBoundingClientRect().width, colour: style(hole).backgroundColor })),
      covered: [...page.querySelectorAll(".strip .bands span")].flatMap((name) => {
        const { left, right, top, bottom } = name.getBoundingClientRect();
        const band = name.parentElement.getBoundingClientRect();
        const places = [];
        for (let x = Math.max(left, band.left) + 1; x < Math.min(right, band.right) - 1; x += 2) places.push(x);
        const above = places.map((x) => page.elementFromPoint(x, (top + bottom) / 2));
        return above.filter((it) => it && it !== name).map((it) => name.textContent + ": " + it.outerHTML.slice(0, 80));
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
      Object.entries(LOGS).map(async ([name, make]) => [name, await pageOf(make)] as [string, string]),
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

  it("fits every width, shows its bars, and its holes in red", async () => {
    const seen = await look();
    assert.equal(seen.length, pages.length * WIDTHS.length);
    for (const { page, width, overflow, cramped, requests, bars, invisible, holes, covered } of seen) {
      const where = `${page} at ${width} pixels`;
      assert.equal(overflow, 0, `${where}: it can be scrolled sideways`);
      assert.deepEqual(cramped, [], where);
      assert.deepEqual(covered, [], where);
      assert.equal(requests, 0, where);
      assert.ok(bars > 0 && invisible === 0, `${where}: ${invisible} of ${bars} bars cannot be seen`);
      assert.equal(holes.length > 0, page === "damaged" || page.startsWith("without"), where);
      for (const hole of holes) {
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
