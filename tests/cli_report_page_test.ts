/** The page of `wal-log report`: it shows the log, the damage first, and needs nothing but itself. */

import assert from "node:assert/strict";
import { cpSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { KIND_CHECKPOINT } from "../src/format/frame.ts";
import { inspect } from "../src/cli/inspect.ts";
import { gather, type MapRow, type ReportData } from "../src/cli/report_data.ts";
import { mark } from "../src/cli/report_html.ts";
import { joinRanges } from "../src/cli/report_loss.ts";
import { type MarkedFrame, marksOf } from "../src/cli/report_marks.ts";
import { makeLog, segmentsOf } from "./cli.ts";
import { DAMAGES, makeDamageLog } from "./cli_damages.ts";
import { appendEach, entriesAt, framesOf } from "./history.ts";
import { drawn, LOGS } from "./report_pages.ts";
import { inTemporaryFolder } from "./temporary.ts";

/** The text of a page, with single spaces. */
function textOf(page: string): string {
  return page.replace(/<style>.*?<\/style>/s, "").replace(/<[^>]*>/g, " ").replace(/\s+/g, " ");
}

function mapRows({ rows }: ReportData): MapRow[] {
  return rows.filter((row) => row.kind === "segments");
}

/** The names of the marks with a class. */
function namesOf(page: string, style: string): string[] {
  return [...page.matchAll(new RegExp(`<(?:a|b) class="mark ${style}[" ][^>]*? aria-label="([^"]+)"`, "g"))]
    .map(([, name]) => name!);
}

/** Asserts that texts occur, in this order. */
function assertInOrder(page: string, texts: readonly string[]): void {
  let at = -1;
  for (const text of texts) {
    const found = page.indexOf(text, at + 1);
    assert.ok(found > at, `${text} is missing, or too early`);
    at = found;
  }
}

/** Asserts that ids are unique, and that every link leads to one. */
function assertLinked(page: string): string[] {
  const ids = [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id!);
  assert.equal(new Set(ids).size, ids.length, "an id occurs twice");
  const links = [...page.matchAll(/ href="([^"]*)"/g)].map(([, link]) => link!);
  for (const link of links) assert.ok(link.startsWith("#") && ids.includes(link.slice(1)), `${link} leads nowhere`);
  return links;
}

describe("the report's page", () => {
  for (const [name, make] of Object.entries(LOGS)) {
    it(`needs nothing but itself: ${name}`, async () => {
      const { page } = await drawn(make);
      assert.match(page, /^<!doctype html>/);
      assert.match(page, /Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/);
      assert.doesNotMatch(page, /https?:|\bsrc=|url\(|@import|<script|<link|<iframe/i);
      assert.doesNotMatch(page, /NaN|undefined|Infinity|\[object/);
      assertLinked(page);
    });
  }

  it("shows entries, indexes, terms, snapshot, hard state and sizes of a clean log", async () => {
    const { page } = await drawn(makeLog);
    const text = textOf(page);
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
    assert.ok(!text.includes("damaged") && !text.includes("Lost"), text);
    assert.equal(page.match(/class="row"/g)?.length, 3);
  });

  it("puts every entry in a cell, and no more rows than can be looked at", async () => {
    const { data } = await drawn(LOGS["of many segments and terms"]!);
    const rows = mapRows(data);
    assert.ok(data.found.segments.length > 60 && rows.length <= 40, `${rows.length}`);
    assert.equal(rows.flatMap(({ cells }) => cells).reduce((sum, count) => sum + count, 0), 1200);
    assert.equal(rows.flatMap(({ terms }) => terms).length, 300);
    assert.equal(rows.reduce((sum, { borders }) => sum + borders.length + 1, 0), data.found.segments.length);
    assert.equal(rows.filter(({ proven }) => proven !== undefined).length, 1);
    for (const { part, cells, terms, borders, marks } of rows) {
      assert.ok(part > 0 && part <= 1 && cells.length <= 161);
      assert.ok([...terms, ...marks].map(({ at }) => at).concat(borders).every((at) => at >= 0 && at <= 1));
    }
  });

  it("is one main part of headed sections, and a footer", async () => {
    const { page } = await drawn(LOGS.damaged!);
    assertInOrder(page, ["<body>", "<main>", "<header>", "<h1>", "</main>", "<footer>", "</footer>"]);
    assert.equal(page.match(/<main>/g)!.length, 1);
    const sections = [...page.matchAll(/<section aria-labelledby="([^"]+)"><h2 id="([^"]+)">/g)];
    assert.deepEqual(sections.map(([, labelled]) => labelled), ["damage", "by-index", "by-segment", "by-size"]);
    for (const [, labelled, id] of sections) assert.equal(labelled, id);
    assert.equal(page.match(/<section/g)!.length, sections.length);
  });

  it("escapes the name of a mark", () => {
    assert.match(mark("x", { at: 0, text: `"<b>&'` }), / aria-label="&#34;&#60;b&#62;&#38;&#39;"/);
  });
});

describe("the report of damage", () => {
  for (const { name, damage } of DAMAGES) {
    it(`puts the loss first, and links each damage with its place: ${name}`, async () => {
      const { page, data } = await drawn((path) => {
        makeDamageLog(path);
        damage(path);
      });
      const { damage: found } = data.found.opened.report;
      assert.equal(page.includes('class="loss"'), found.length > 0);
      assert.equal(page.includes('<table class="damage" '), found.length > 0);
      if (found.length === 0) return;
      const maps = ["By index", "By segment"].filter((title) => page.includes(`>${title}<`));
      assertInOrder(page, [
        "<h1>",
        "Durable data is damaged",
        "Next: ",
        'class="loss"',
        '<table class="damage"',
        ...maps,
      ]);
      assertLinked(page);
      for (const [at, { kind }] of found.entries()) {
        const line = page.slice(page.indexOf(` id="damage-${at + 1}"`)).split("</tr>")[0]!;
        const target = kind === "snapshot" ? "snapshot" : `place-${at + 1}`;
        if (kind === "snapshot" && data.found.snapshot === undefined) continue;
        assert.ok(line.includes(`<a href="#${target}">`), line);
        if (kind === "snapshot") continue;
        const place = page.split(` id="place-${at + 1}"`)[1]!.split(">")[0]!;
        assert.ok(place.includes(` href="#damage-${at + 1}"`), place);
        const named = /<a [^>]*>([^<]*)</.exec(line)![1]!;
        if (named !== "none") assert.ok(place.includes(` aria-label="Damaged: ${named}"`), `${named}: ${place}`);
      }
    });
  }

  it("names the lost entries in a red tile, in the table and on the maps", async () => {
    const { page } = await drawn(LOGS.damaged!);
    const text = textOf(page);
    assert.ok(text.includes("Lost 3 entries indexes 50, 70 to 71, in 2 damaged places"), text);
    assert.ok(text.includes("index 50 payload checksum mismatch entries"), text);
    assert.ok(text.includes("indexes 70 to 71 header checksum mismatch frames"), text);
    assert.ok(text.includes("damaged: 50 ") && text.includes("damaged: 70 to 71"), text);
    assert.deepEqual(namesOf(page, "hole"), [
      ...["Lost: index 50", "Lost: indexes 70 to 71"],
      ...["Damaged: index 50", "Damaged: indexes 70 to 71"],
    ]);
  });

  it("counts an entry once, however many places show that it is lost", () => {
    assert.deepEqual(joinRanges([[5, 8], [1, 3], [7, 10], [3, 4], [12, undefined], [14, 15]]), [
      [1, 4],
      [5, 10],
      [12, undefined],
    ]);
  });

  it("counts the sizes of the entries that have a header", async () => {
    const { data } = await drawn(LOGS.damaged!);
    assert.equal(data.sizes.reduce((sum, { entries }) => sum + entries, 0), 108);
  });

  it("speaks of the damage before the torn end", async () => {
    const { page, data } = await drawn(LOGS["damaged and torn"]!);
    const { verdict, cut } = data.found.opened.report;
    assert.ok(verdict === "corrupt" && cut !== undefined);
    assertInOrder(page, ["Durable data is damaged in 1 place. Lost: 1 entry.", "did not survive a crash", "Next: "]);
    const torn = await drawn(LOGS.torn!);
    assert.ok(!torn.page.includes("Durable data is damaged") && torn.page.includes("did not survive a crash"));
    assert.deepEqual(namesOf(torn.page, "torn-off"), ["Torn off: never acknowledged as durable"]);
  });

  it("names a lost vote, a lost snapshot, and a loss without an end", async () => {
    const vote = await drawn(LOGS["with a lost vote"]!);
    assert.deepEqual(vote.data.loss.parts, ["perhaps the latest vote"]);
    assert.match(textOf(vote.page), /Lost perhaps the latest vote in 1 damaged place/);
    const { data, page } = await drawn(LOGS["without a segment and its snapshot"]!);
    assert.equal(data.loss.parts.at(-1), "the snapshot at index 10");
    assert.match(page, /<div id="snapshot" class="compacted lost">/);
    const open = await drawn((path) => {
      makeDamageLog(path);
      DAMAGES.find(({ name }) => name === "the newest segment missing")!.damage(path);
    });
    assert.match(
      textOf(open.page),
      / Lost all entries from index \d+ on; perhaps the latest vote indexes from \d+ on, in /,
    );
  });

  it("puts a missing segment between its neighbours", async () => {
    const { page } = await drawn(LOGS["without a segment and its snapshot"]!);
    const labels = [...page.matchAll(/class="row[^"]*"><div class="mono"[^>]*>(\d+)</g)].map(([, label]) =>
      Number(label)
    );
    assert.deepEqual(labels, [1, 2, 3]);
    assert.match(page, /class="row missing"><div class="mono">000000000002</);
  });

  it("links no more places than the table has, and draws all of them", async () => {
    const { page, data } = await drawn(LOGS["with many damaged places"]!);
    assert.equal(data.loss.places, 250);
    assert.equal(page.match(/ id="damage-\d+"/g)!.length, 200);
    assert.equal(page.match(/ id="place-\d+"/g)!.length, 200);
    assert.equal(page.match(/<rect class="more"/g)!.length, 50);
    assert.match(textOf(page), /And 50 more\./);
  });
});

describe("the report's marks", () => {
  it("stand for every vote, truncation and checkpoint, with names, and can have the focus", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const log = WalLog.openSync(path, { segmentBytes: 12 * 1024 });
      log.setHardState({ term: 1, votedFor: 2n ** 64n - 1n });
      appendEach(log, entriesAt(1, 60, 1, 200));
      log.truncate(51);
      log.setHardState({ term: 2, votedFor: null });
      appendEach(log, entriesAt(51, 90, 2, 200));
      log.closeSync();
      const { page } = await drawn((copy) => cpSync(path, copy, { recursive: true }));
      assert.deepEqual(namesOf(page, "vote"), [
        "Hard state: term 1, voted for node 18446744073709551615",
        "Hard state: term 2, no vote",
      ]);
      assert.deepEqual(namesOf(page, "truncation"), ["Truncation: entries from index 51 on dropped"]);
      const data = gather(await inspect(path));
      const written = segmentsOf(path).map((name) =>
        framesOf(readFileSync(join(path, name))).filter(({ kind }) => kind === KIND_CHECKPOINT).length
      );
      assert.deepEqual(mapRows(data).map(({ checkpoints }) => checkpoints?.places.length ?? 0), written);
      assert.match(namesOf(page, "checkpoints").at(-1)!, /heckpoints? before .* ?91, 1 clean close$/);
      for (const [tag] of page.matchAll(/<b class="mark [^>]*>/g)) assert.match(tag, / role="img" tabindex="0" /);
    });
  });

  it("are merged where they are close, and then tell their number", async () => {
    const { page, data } = await drawn(LOGS["of elections"]!);
    const { folder, segments } = data.found;
    assert.ok(folder !== "" && segments.length > 2);
    const counts = (kind: "vote" | "truncation") =>
      mapRows(data).flatMap(({ marks }) => marks).filter((one) => one.kind === kind)
        .reduce((sum, { count }) => sum + count, 0);
    assert.deepEqual([counts("vote"), counts("truncation")], [800, 200]);
    assert.match(namesOf(page, "vote")[0]!, /^\d+ hard states: terms 1 to \d+$/);
    assert.match(namesOf(page, "truncation")[0]!, /^\d+ truncations: entries from index \d+ on dropped$/);
    for (const { marks, part } of mapRows(data)) {
      const places = marks.filter(({ kind }) => kind === "vote").map(({ at }) => at * part);
      assert.ok(places.every((at, i) => i === 0 || at - places[i - 1]! >= 1 / 6 - 1e-9), places.join(" "));
      assert.ok(places.at(-1)! <= 5 / 6 + 1e-9, "there is room for the number behind the last mark");
    }
  });

  it("stay apart where they need little room", () => {
    const vote = (at: number): MarkedFrame => ({ at, kind: "vote", state: { term: 1, votedFor: null } });
    assert.deepEqual(marksOf([vote(0.1), vote(0.15), vote(0.9)], 0.2, 1).map(({ at, count }) => [at, count]), [
      [0.1, 2],
      [0.9, 1],
    ]);
    assert.deepEqual(marksOf([vote(0.95)], 0.2, 1).map(({ at }) => at), [0.95]);
    const many = Array.from({ length: 5 }, (_, i) => vote(0.7 + i / 100));
    assert.deepEqual(marksOf([...many, vote(0.95)], 0.2, 1).map(({ at, count }) => [at, count]), [[0.7, 6]]);
  });

  it("stand for each change once, if recovery copied its frame into the next segment", async () => {
    const { page, data } = await drawn((path) => {
      const log = WalLog.openSync(`${path}-live`);
      appendEach(log, entriesAt(1, 5));
      log.syncSync();
      appendEach(log, entriesAt(6, 7));
      log.setHardState({ term: 2, votedFor: 9n });
      log.truncate(7);
      cpSync(`${path}-live`, path, { recursive: true, filter: (name) => !name.endsWith("LOCK") });
      log.closeSync();
      WalLog.openSync(path).closeSync();
    });
    assert.equal(data.found.segments.length, 2);
    assert.deepEqual(namesOf(page, "vote"), ["Hard state: term 2, voted for node 9"]);
    assert.deepEqual(namesOf(page, "truncation"), ["Truncation: entries from index 7 on dropped"]);
  });
});

describe("the report's terms", () => {
  it("are a band each if they are few, with names", async () => {
    const { page } = await drawn(makeLog);
    assert.deepEqual([...page.matchAll(/class="band[^>]* title="([^"]+)"/g)].map(([, title]) => title), [
      "term 1, indexes 11 to 30",
      "term 2, indexes 31 to 60",
      "term 3, indexes 61 to 90",
      "term 4, indexes 91 to 120",
    ]);
    assert.ok(!page.includes('class="chart"'));
  });

  it("are a rising line if they are many, with a summary", async () => {
    const { page, data } = await drawn(LOGS["of elections"]!);
    const text = textOf(page);
    assert.equal(data.terms.length, 800);
    assert.match(text, /800 terms\. The line rises where a term begins/);
    assert.match(text, /Half of the terms have at most 3 entries; term \d+ has the most, 4 entries\./);
    assert.match(page, /aria-label="Terms 1 to 800 by index"/);
    const path = /<path class="line" d="M0 ([\d.]+)([^"]*)H1000"/.exec(page)!;
    const heights = [path[1]!, ...path[2]!.matchAll(/V([\d.]+)/g).map(([, y]) => y!)].map(Number);
    assert.ok(heights.length > 600, `${heights.length} steps`);
    assert.ok(heights.every((y, i) => i === 0 || y <= heights[i - 1]!), "it never falls");
    assert.deepEqual([heights[0], heights.at(-1)], [94, 0]);
    assert.ok(!page.includes('class="band'));
  });
});
