/**
 * The command line: its output, its exit codes, and the files that it must not change. Each run is a separate process.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { WalLog } from "../mod.ts";
import { cli, makeLog } from "./cli.ts";
import { open, withLog } from "./cli_log.ts";
import { entriesAt } from "./history.ts";
import { assertSameContents, contentsOf } from "./memory_disk.ts";
import { isWindows, skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";

const COMMANDS = [
  "info",
  "verify",
  "dump",
  "report",
  "repair",
  "salvage",
  "backup",
  "import",
  "export",
  "bench",
  "restore",
];
const noControls = skipReason(isWindows && "Windows has no file names with control characters");
const noDeno = skipReason(process.versions.deno === undefined && "only Deno denies permissions");

/** Characters that control a terminal, or hide or reorder text: some of each class, and one above U+FFFF. */
const OBEYED = "\x1b[31m\n\x7f\x9b31m\u00ad\u202e\u2066\u2028\u2029\ufeff\u{e0041}";
const OBEYED_SHOWN = "\\u001b[31m\\u000a\\u007f\\u009b31m\\u00ad\\u202e\\u2066\\u2028\\u2029\\ufeff\\udb40\\udc41";
/** Such a character, other than the end of a line. */
const INVISIBLE = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

describe("wal-log", () => {
  it("reports invalid arguments in one line, and ends with 64", async () => {
    const wrong = [
      [],
      ["nonsense"],
      ["verify"],
      ["verify", "a", "b"],
      ["verify", "--bogus", "a"],
      ["info", ""],
      ["dump", "a", "--from", "first"],
      ["dump", "a", "--from", "9", "--to", "8"],
      ["dump", "a", "--format", "xml"],
      ["dump", "a", "--tail", "3", "--to", "8"],
      ["dump", "a", "--kind", "odd"],
      ["repair", "a"],
      ["repair", "a", "--resume", "--cut"],
      ["export", "a", "b", "--unconfirmed"],
      ["bench", "--size", "much"],
      ["bench", "--runs", "0"],
    ];
    await Promise.all(wrong.map(async (args) => {
      const { code, stdout, stderr } = await cli(...args);
      assert.equal(code, 64, args.join(" "));
      assert.equal(stdout, "", args.join(" "));
      assert.match(stderr, /^wal-log: [^\n]+--help\)\n$/, args.join(" "));
    }));
  });

  it("prints its version", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../deno.json", import.meta.url), "utf8"));
    const { code, stdout } = await cli("--version");
    assert.deepEqual([code, stdout], [0, `wal-log ${version}\n`]);
  });

  it("helps", async () => {
    const { code, stdout } = await cli("--help");
    assert.equal(code, 0);
    for (const name of COMMANDS) assert.match(stdout, new RegExp(`^  ${name} `, "m"));
    await Promise.all(COMMANDS.map(async (name) => {
      const { code, stdout, stderr } = await cli(name, "--help");
      assert.equal(code, 0, name);
      assert.match(stdout, new RegExp(`^Usage: wal-log ${name}`), name);
      assert.equal(stderr, "", name);
    }));
  });

  it("ends with 3 if there is no log, and names the folder", async () => {
    await inTemporaryFolder(async (folder) => {
      const file = join(folder, "file");
      writeFileSync(file, "");
      for (const path of [join(folder, "nowhere"), folder, file]) {
        for (const command of [["verify", path], ["info", path], ["backup", path, join(folder, "to")]]) {
          const { code, stdout, stderr } = await cli(...command);
          assert.equal(code, 3, stderr);
          assert.equal(stdout, "");
          assert.ok(stderr.startsWith("wal-log: ") && stderr.includes(path), stderr);
        }
      }
      assert.deepEqual(readdirSync(folder), ["file"]);
    });
  });

  it("ends with 3 and names the permission if Deno denies one", { skip: noDeno }, async () => {
    await inTemporaryFolder((folder) => {
      const path = join(folder, "raft.wal");
      makeLog(path);
      const cli = fileURLToPath(new URL("../src/cli/mod.ts", import.meta.url));
      const args = ["run", "--no-prompt", "--allow-read", cli, "report", path, "-o", join(folder, "report.html")];
      const { status, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", env: { NO_COLOR: "1" } });
      assert.equal(status, 3, stderr);
      assert.match(stderr, /^wal-log: Requires write access to [^\n]*--allow-write[^\n]*\n$/);
    });
  });

  it("escapes control and format characters of paths in text, HTML and errors", { skip: noControls }, async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, `a ${OBEYED}<b>&`);
      makeLog(path);
      for (const [command, shown] of [["info", "<b>&"], ["report", "&#60;b&#62;&#38;"]] as const) {
        const { code, stdout } = await cli(command, path);
        assert.equal(code, 0);
        assert.ok(stdout.includes(OBEYED_SHOWN + shown), stdout.slice(0, 300));
        assert.doesNotMatch(stdout, INVISIBLE);
      }
      const { code, stderr } = await cli("verify", join(path, "x"));
      assert.equal(code, 3);
      assert.ok(stderr.includes(OBEYED_SHOWN), stderr);
      assert.doesNotMatch(stderr.replace(/\n$/, ""), /\n/, "one line");
      assert.doesNotMatch(stderr, INVISIBLE);
    });
  });

  it("escapes control and format characters in JSON without changing its value", { skip: noControls }, async () => {
    await inTemporaryFolder(async (folder) => {
      const path = join(folder, `a ${OBEYED}\\u0041\u00e9\u{1f600}`);
      makeLog(path);
      for (const command of ["info", "verify"]) {
        const { stdout } = await cli(command, path, "--json");
        assert.equal(JSON.parse(stdout).path, path, command);
        assert.doesNotMatch(stdout, INVISIBLE);
        assert.ok(stdout.includes("\u00e9\u{1f600}"), "and nothing else");
      }
    });
  });
});

describe("wal-log, next to a running writer", () => {
  it(
    "reads, takes no lock, and changes nothing",
    withLog(async (path, folder) => {
      const log = WalLog.openSync(path);
      log.append(entriesAt(121, 130, 5));
      await log.sync();
      log.append(entriesAt(131, 140, 5));
      // Wait for the checkpoint that an idle log writes.
      await setTimeout(100);
      const before = contentsOf(path);
      for (const command of [["info"], ["verify"], ["dump"], ["report", "-o", join(folder, "report.html")]]) {
        const [name, ...rest] = command;
        const { code, stderr } = await cli(name!, path, ...rest);
        assert.deepEqual([code, stderr], [0, ""], name);
      }
      assert.match((await cli("dump", path)).stdout, /^ +140 /m);
      assert.equal((await cli("export", path, join(folder, "x.wal"))).code, 0);
      const copy = join(folder, "copy");
      const { code, stdout, stderr } = await cli("backup", path, copy);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /copied up to index 140, term 4, no vote: /);
      assertSameContents(contentsOf(path), before);
      for (const command of [["repair", path, "--cut"], ["import", join(folder, "x.wal"), path]]) {
        assert.notEqual((await cli(...command)).code, 64);
      }
      assertSameContents(contentsOf(path), before);
      log.append(entriesAt(141, 141, 5));
      log.closeSync();
      const copied = open(copy);
      assert.equal(copied.lastIndex, 140);
      assert.equal(copied.recovery.verdict, "clean");
      copied.closeSync();
    }),
  );
});

describe("wal-log bench", () => {
  it("prints measurements, and leaves no files", async () => {
    await inTemporaryFolder(async (folder) => {
      const args = ["--size", "2M", "--entry", "1K", "--runs", "3", "--folder", folder];
      const { code, stdout, stderr } = await cli("bench", ...args, "--json");
      assert.equal(code, 0, stderr);
      const { entries, entryBytes, bytes, seconds, medianSeconds } = JSON.parse(stdout);
      assert.equal(entryBytes, 1024);
      assert.ok(bytes > 2 ** 21 && entries * 1024 < bytes, stdout);
      assert.equal(seconds.length, 3);
      assert.equal(medianSeconds, seconds.toSorted((a: number, b: number) => a - b)[1]);
      assert.match((await cli("bench", ...args)).stdout, /recovered +\d+\.\d\d GB\/s, \d+\.\d million entries\/s/);
      assert.deepEqual(readdirSync(folder), []);
    });
  });
});
