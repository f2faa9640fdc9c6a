/**
 * Logs and their pages, for the tests of the report.
 *
 * @module
 */

import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { WalLog } from "../mod.ts";
import { adviseOn } from "../src/cli/advice.ts";
import { findingOf } from "../src/cli/finding.ts";
import { inspect } from "../src/cli/inspect.ts";
import { gather, type ReportData } from "../src/cli/report_data.ts";
import { renderPage } from "../src/cli/report_page.ts";
import { damageEntry, makeForgetful, makeLog } from "./cli.ts";
import { appendEach, entriesAt } from "./history.ts";
import { bytesOf } from "./model.ts";
import { inTemporaryFolder } from "./temporary.ts";

const NOW = new Date("2026-01-02T03:04:05Z");

/** Logs to draw. */
export const LOGS: Readonly<Record<string, (path: string) => void>> = {
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
  "of elections": (path) => {
    const log = WalLog.openSync(path, { segmentBytes: 32 * 1024 });
    for (let term = 1; term <= 800; term++) {
      log.setHardState({ term, votedFor: term % 3 === 0 ? null : 2n ** 64n - 1n });
      if (term % 4 === 0) log.truncate(log.lastIndex);
      const first = log.lastIndex + 1;
      log.append(entriesAt(first, first + term % 4 + 1, term, 20 + (term * 37) % 300));
    }
    log.closeSync();
  },
  "with many damaged places": (path) => {
    const log = WalLog.openSync(path);
    appendEach(log, entriesAt(1, 500, 1, 40));
    log.closeSync();
    for (let index = 2; index <= 500; index += 2) damageEntry(path, index, "payload");
  },
  "with a lost vote": makeForgetful,
  torn: (path) => makeTorn(path),
  "damaged and torn"(path) {
    makeTorn(path);
    damageEntry(path, 7, "payload");
  },
};

/** Makes a log with a torn end. */
function makeTorn(path: string): void {
  const log = WalLog.openSync(`${path}-live`);
  appendEach(log, entriesAt(1, 40, 1, 300));
  log.syncSync();
  log.append(entriesAt(41, 60, 1, 300));
  cpSync(`${path}-live`, path, { recursive: true, filter: (name) => !name.endsWith("LOCK") });
  log.closeSync();
  const file = join(path, "000000000001.seg");
  const bytes = readFileSync(file);
  bytes[bytes.findLastIndex((byte) => byte !== 0) - 500]! ^= 1;
  writeFileSync(file, bytes);
}

/**
 * A log and its page.
 *
 * @param make Makes the log.
 * @returns HTML, and what it shows.
 */
export async function drawn(make: (path: string) => void): Promise<{ page: string; data: ReportData }> {
  return await inTemporaryFolder(async (folder) => {
    const path = join(folder, "raft.wal");
    make(path);
    const data = gather(await inspect(path));
    return { page: renderPage(data, adviseOn(await findingOf(data.found)), NOW), data };
  });
}
