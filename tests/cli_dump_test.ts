/** `wal-log dump`: frames, parts and filters. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { WalLog } from "../mod.ts";
import { KIND_HARD_STATE, KIND_TRUNCATE } from "../src/format/frame.ts";
import { cliHere, damageEntry, segmentsOf } from "./cli.ts";
import { LAST_INDEX, makeDamageLog } from "./cli_damages.ts";
import { entriesAt, framesOf } from "./history.ts";
import { inTemporaryFolder } from "./temporary.ts";

function rowsOf(stdout: string): Record<string, unknown>[] {
  return stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

/** Runs a test with a log of five segments. */
function withLog(test: (path: string) => Promise<void>) {
  return () =>
    inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      makeDamageLog(path);
      await test(path);
    });
}

describe("wal-log dump --frames", () => {
  it(
    "shows every frame of every segment where it lies",
    withLog(async (path) => {
      const { code, stdout } = await cliHere("dump", path, "--frames", "--json");
      assert.equal(code, 0);
      const rows = rowsOf(stdout);
      const expected = segmentsOf(path).flatMap((name) =>
        framesOf(readFileSync(join(path, name))).map(({ offset }) => `${name} ${offset}`)
      );
      assert.deepEqual(rows.map(({ segment, offset }) => `${segment} ${offset}`), expected);
      const frames = segmentsOf(path).flatMap((name) => framesOf(readFileSync(join(path, name))));
      const shown = (kind: string) => rows.filter((row) => row.kind === kind).length;
      assert.equal(shown("hard state"), frames.filter(({ kind }) => kind === KIND_HARD_STATE).length);
      assert.equal(shown("truncate"), frames.filter(({ kind }) => kind === KIND_TRUNCATE).length);
      assert.equal(shown("closing checkpoint"), 1);
      assert.equal(rows.find(({ kind }) => kind === "hard state")!.votedFor, "7");
      assert.equal(rows.find(({ kind }) => kind === "truncate")!.fromIndex, 76);
      let lsn = 0;
      for (const row of rows) {
        assert.ok((row.lsn as number) > lsn && (row.provenLsn as number) <= (row.lsn as number));
        lsn = row.lsn as number;
        assert.equal(row.payload, "valid");
      }
      const text = await cliHere("dump", path, "--frames");
      assert.equal(text.stdout.split("\n").length, rows.length + 1);
      assert.match(text.stdout, /^ +\d+ {2}000000000003 +\d+ +40 {2}truncate +fromIndex=76 term=3 /m);
    }),
  );

  it(
    "shows where no header is valid, and which payload is damaged, and ends with 2",
    withLog(async (path) => {
      damageEntry(path, 50, "header");
      damageEntry(path, 52, "payload");
      const { code, stdout } = await cliHere("dump", path, "--frames", "--json", "--from", "45", "--to", "55");
      assert.equal(code, 2);
      const rows = rowsOf(stdout);
      assert.deepEqual(new Set(rows.map(({ segment }) => segment)), new Set([segmentsOf(path)[1]]));
      assert.deepEqual(rows.filter(({ kind }) => kind === "gap").map(({ bytes }) => bytes), [240]);
      assert.deepEqual(rows.filter(({ payload }) => payload === "damaged").map(({ firstIndex }) => firstIndex), [52]);
    }),
  );
});

describe("wal-log dump", () => {
  it(
    "gives the last entries, those of a term, and those of a kind",
    withLog(async (path) => {
      const log = WalLog.openSync(path);
      log.append([{ ...entriesAt(LAST_INDEX + 1, LAST_INDEX + 1, 4)[0]!, kind: "config" }]);
      log.closeSync();
      const indexes = async (...args: string[]) =>
        rowsOf((await cliHere("dump", path, "--json", ...args)).stdout).map(({ index }) => index);
      assert.deepEqual(await indexes("--tail", "2"), [140, 141]);
      assert.equal((await indexes("--tail", "999")).length, 131);
      assert.deepEqual(await indexes("--tail", "0"), []);
      assert.deepEqual(await indexes("--kind", "config"), [141]);
      const second = await indexes("--term", "2");
      assert.deepEqual([second[0], second.at(-1), second.length], [36, 70, 35]);
      assert.deepEqual(await indexes("--term", "2", "--from", "69", "--kind", "normal"), [69, 70]);
    }),
  );

  it(
    "reads of a range only its part, and finds what is damaged there",
    withLog(async (path) => {
      damageEntry(path, 50, "payload");
      damageEntry(path, 90, "header");
      assert.equal((await cliHere("dump", path)).code, 2);
      const elsewhere = await cliHere("dump", path, "--from", "60", "--to", "80");
      assert.deepEqual([elsewhere.code, elsewhere.stderr], [0, ""], "a full reading would have found both");
      assert.equal(elsewhere.stdout.split("\n").length, 22);
      const there = await cliHere("dump", path, "--from", "49", "--to", "51");
      assert.equal(there.code, 2);
      assert.match(there.stdout, /^ +49 .*\n +50 {2}damaged: index 50; .*\n +51 /);
      const lost = await cliHere("dump", path, "--from", "90", "--to", "90");
      assert.deepEqual([lost.code, lost.stdout.trim().slice(0, 11)], [2, "90  damaged"]);
    }),
  );

  it(
    "says that a range is empty",
    withLog(async (path) => {
      const { code, stdout, stderr } = await cliHere("dump", path, "--from", "500");
      assert.deepEqual([code, stdout], [0, ""]);
      assert.equal(stderr, "wal-log: no entries in the range: the log has indexes 11 to 140\n");
    }),
  );
});
