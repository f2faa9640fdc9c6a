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
import { isWindows, skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";

const noShell = skipReason(isWindows && "the test runs programs of a Unix shell");

function rowsOf(stdout: string): Record<string, unknown>[] {
  return stdout.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
}

function encode(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Makes a log with these commands. */
function writeCommands(path: string, commands: readonly Uint8Array[]): void {
  const log = WalLog.openSync(path, { segmentBytes: 8 * 1024 * 1024 });
  log.append(commands.map((command, i) => ({ index: i + 1, term: 1, kind: "normal", command })));
  log.closeSync();
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
    "shows every frame of every segment with its offset",
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

  it("shows the whole number of a node that was voted for", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const log = WalLog.openSync(path);
      log.setHardState({ term: 1, votedFor: 2n ** 64n - 3n });
      log.closeSync();
      const { stdout } = await cliHere("dump", path, "--frames", "--json");
      assert.equal(rowsOf(stdout).find(({ kind }) => kind === "hard state")!.votedFor, String(2n ** 64n - 3n));
      assert.match((await cliHere("dump", path, "--frames")).stdout, / votedFor=18446744073709551613 /);
    });
  });

  it(
    "shows ranges without a valid header and damaged payloads, and ends with 2",
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

  it(
    "prints the last frames, of as many segments as have them",
    withLog(async (path) => {
      const all = rowsOf((await cliHere("dump", path, "--frames", "--json")).stdout);
      for (const count of [0, 1, 5, 60, all.length, all.length + 9]) {
        const { code, stdout } = await cliHere("dump", path, "--frames", "--json", "--tail", String(count));
        assert.equal(code, 0);
        assert.deepEqual(rowsOf(stdout), count === 0 ? [] : all.slice(-count), `${count}`);
      }
      // Damage in a segment that is not shown does not matter.
      damageEntry(path, 20, "payload");
      assert.equal((await cliHere("dump", path, "--frames", "--tail", "5")).code, 0);
      assert.equal((await cliHere("dump", path, "--frames", "--tail", "999")).code, 2);
    }),
  );
});

describe("wal-log dump", () => {
  it(
    "prints the last entries, those of a term, and those of a kind",
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
    "reads only the requested range, and finds the damage in it",
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

  it("shows whole commands as text, and those that are none in hexadecimal or base64", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      const long = `\ufeffset "name" = ${"ä".repeat(300)}\n\u0007`;
      writeCommands(path, [encode(long), new Uint8Array([0xff, 1])]);
      const text = await cliHere("dump", path, "--utf8");
      const [first, second] = text.stdout.split("\n");
      assert.equal(JSON.parse(first!.slice(first!.indexOf('"'))), long);
      assert.ok(!first!.includes("\u0007"), "control characters are escaped");
      assert.ok(second!.endsWith("  0xff01"), second);
      const rows = rowsOf((await cliHere("dump", path, "--json", "--utf8")).stdout);
      assert.deepEqual(rows.map(({ text, command }) => text ?? command), [long, "/wE="]);
    });
  });

  it("shows commands that are JSON as JSON", async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      writeCommands(path, [encode('{"set": {"x": [1, null]}}'), encode("null"), encode("{"), encode("")]);
      const rows = rowsOf((await cliHere("dump", path, "--json", "--json-commands")).stdout);
      assert.deepEqual(rows.map((row) => "value" in row ? { value: row.value } : { command: row.command }), [
        { value: { set: { x: [1, null] } } },
        { value: null },
        { command: "ew==" },
        { command: "" },
      ]);
      const both = rowsOf((await cliHere("dump", path, "--json", "--json-commands", "--utf8")).stdout);
      assert.deepEqual(both.map(({ value, text }) => text ?? value), [{ set: { x: [1, null] } }, null, "{", ""]);
      for (
        const args of [["--json-commands"], ["--utf8", "-f", "raw"], ["--utf8", "--frames"], [
          "--decode",
          "x",
          "--frames",
        ]]
      ) {
        assert.equal((await cliHere("dump", path, ...args)).code, 64, args.join(" "));
      }
    });
  });

  it("shows what another program makes of each command", { skip: noShell }, async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, "raft.wal");
      writeCommands(path, [encode("abc"), encode('{"x":1}'), encode("a'b")]);
      const upper = "tr a-z A-Z";
      const text = await cliHere("dump", path, "--decode", upper);
      assert.match(text.stdout, /^ +1 +1 {2}normal +3 {2}"ABC"\n.*"\{\\"X\\":1\}"\n.*"A'B"\n$/);
      const rows = rowsOf((await cliHere("dump", path, "--json", "--json-commands", "--decode", upper)).stdout);
      assert.deepEqual(rows.map(({ value, text }) => value ?? text), ["ABC", { X: 1 }, "A'B"]);
      assert.equal(
        (await cliHere("dump", path, "--from", "1", "--to", "2", "-f", "raw", "--decode", upper)).stdout,
        'ABC{"X":1}',
      );
      const failed = await cliHere("dump", path, "--decode", "cat; echo no good >&2; exit 3");
      assert.deepEqual([failed.code, failed.stdout], [3, ""]);
      assert.equal(
        failed.stderr,
        "wal-log: Cannot decode the command at index 1: cat; echo no good >&2; exit 3 ended with exit code 3: no good\n",
      );
      // It need not read what it is given, and gets all of it if it does.
      assert.match((await cliHere("dump", path, "--to", "1", "--decode", "true")).stdout, / {2}""\n$/);
      const large = join(folder, "large");
      writeCommands(large, [new Uint8Array(3_000_000).fill(97)]);
      assert.match((await cliHere("dump", large, "--decode", "wc -c")).stdout, / {2}" *3000000"\n$/);
      assert.equal((await cliHere("dump", large, "--decode", "true")).code, 0);
    });
  });

  it(
    "says that a range is empty",
    withLog(async (path) => {
      const { code, stdout, stderr } = await cliHere("dump", path, "--from", "500");
      assert.deepEqual([code, stdout], [0, ""]);
      assert.equal(stderr, "wal-log: no entries in the range: the log has indexes 11 to 140\n");
    }),
  );
});
