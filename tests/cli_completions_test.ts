/** The scripts of `wal-log completions`, run in the shells that are installed. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { Command } from "../src/cli/command.ts";
import { COMMANDS } from "../src/cli/commands.ts";
import { cliHere } from "./cli.ts";
import { isWindows, skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";

function missing(shell: string): string | false {
  if (isWindows) return skipReason("the paths of Windows are not those of a Unix shell");
  const { error, status } = spawnSync(shell, ["-c", "exit 0"]);
  return skipReason(error !== undefined || status !== 0 ? `${shell} is not installed` : false);
}

/** The first words of the names. */
const NAMES = [...new Set(COMMANDS.map(({ name }) => name.split(" ")[0]!))];

/** The options of a command as they are typed. */
function flagsOf(name: string): string[] {
  const options = Object.assign(
    {},
    ...COMMANDS.filter((one) => one.name.split(" ")[0] === name).map((one) => one.options),
  ) as Command["options"];
  const shorts = Object.values(options).flatMap(({ short }) => short === undefined ? [] : [`-${short}`]);
  return [...Object.keys(options).map((option) => `--${option}`), ...shorts, "--json", "--help", "-h"].sort();
}

/** Makes the script of a shell, and runs a test that may complete words with it. */
async function withScript(shell: string, test: (script: string, folder: string) => void): Promise<void> {
  await inTemporaryFolder(async (folder) => {
    const script = join(folder, "script");
    const { code, stdout } = await cliHere("completions", shell);
    assert.equal(code, 0);
    writeFileSync(script, stdout);
    test(script, folder);
  });
}

describe("wal-log completions bash", { skip: missing("bash") }, () => {
  /** What completes the last of some words. */
  function complete(script: string, folder: string, ...words: string[]): string[] {
    const program = 'source "$1"; COMP_WORDS=(wal-log "${@:2}"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _wal_log; ' +
      'printf "%s\\n" "${COMPREPLY[@]}"';
    const { stdout, stderr, status } = spawnSync("bash", ["--norc", "-c", program, "bash", script, ...words], {
      cwd: folder,
      encoding: "utf8",
    });
    assert.deepEqual([status, stderr], [0, ""]);
    return stdout.split("\n").filter((word) => word !== "").sort();
  }

  it("completes commands, and the options of each", async () => {
    await withScript("bash", (script, folder) => {
      const of = (...words: string[]) => complete(script, folder, ...words);
      assert.deepEqual(of(""), ["--help", "--version", "help", ...NAMES].sort());
      assert.deepEqual(of("re"), ["recover-cluster", "repair", "report", "restore"]);
      assert.deepEqual(of("help", "du"), ["dump"]);
      for (const name of NAMES) assert.deepEqual(of(name, "-"), flagsOf(name), name);
    });
  });

  it("completes values, with or without an equals sign", async () => {
    await withScript("bash", (script, folder) => {
      const of = (...words: string[]) => complete(script, folder, ...words);
      assert.deepEqual(of("dump", "log", "--format", ""), ["json", "raw", "text"]);
      assert.deepEqual(of("dump", "-f", "r"), ["raw"]);
      assert.deepEqual(of("dump", "--format", "="), ["json", "raw", "text"]);
      assert.deepEqual(of("dump", "--format", "=", "j"), ["json"]);
      assert.deepEqual(of("import", "--format", ""), ["json", "wal-db"]);
      assert.deepEqual(of("dump", "--to", ""), [], "an index");
      assert.deepEqual(of("completions", ""), ["bash", "fish", "zsh"]);
      assert.deepEqual(of("bench", "x"), []);
    });
  });

  it("completes folders and files, also with spaces in their names", async () => {
    await withScript("bash", (script, folder) => {
      const of = (...words: string[]) => complete(script, folder, ...words);
      mkdirSync(join(folder, "a log"));
      mkdirSync(join(folder, "another"));
      writeFileSync(join(folder, "a file"), "");
      for (const words of [["verify"], ["repair", "--from"], ["repair", "x", "--snapshot-from"], ["backup", "x"]]) {
        assert.deepEqual(of(...words, "a"), ["a log", "another"], words.join(" "));
      }
      for (const words of [["import"], ["report", "x", "-o"], ["export", "x"]]) {
        assert.deepEqual(of(...words, "a"), ["a file", "a log", "another"], words.join(" "));
      }
    });
  });
});

describe("wal-log completions fish", { skip: missing("fish") }, () => {
  it("completes commands, options, values and paths", async () => {
    await withScript("fish", (script, folder) => {
      const complete = (line: string): string[] => {
        const { stdout, stderr } = spawnSync("fish", [
          "--no-config",
          "-c",
          "source $argv[1]; complete -C $argv[2]",
          script,
          line,
        ], {
          cwd: folder,
          encoding: "utf8",
        });
        assert.equal(stderr, "");
        return stdout.split("\n").filter((row) => row !== "").map((row) => row.split("\t")[0]!).sort();
      };
      assert.deepEqual(complete("wal-log "), [...NAMES].sort());
      for (const name of NAMES) {
        const found = complete(`wal-log ${name} --`);
        assert.deepEqual(found, flagsOf(name).filter((flag) => flag.startsWith("--")), name);
      }
      assert.deepEqual(complete("wal-log dump --format "), ["json", "raw", "text"]);
      mkdirSync(join(folder, "a log"));
      writeFileSync(join(folder, "a file"), "");
      assert.deepEqual(complete("wal-log verify a"), ["a log/"]);
      assert.deepEqual(complete("wal-log repair x --from a"), ["a log/"]);
      assert.deepEqual(complete("wal-log import a"), ["a file", "a log/"]);
    });
  });
});

describe("wal-log completions zsh", () => {
  it("is a script that zsh can read", { skip: missing("zsh") }, async () => {
    await withScript("zsh", (script) => {
      const { status, stderr } = spawnSync("zsh", ["-n", script], { encoding: "utf8" });
      assert.deepEqual([status, stderr], [0, ""]);
    });
  });

  it("has every option of every command", async () => {
    const { stdout } = await cliHere("completions", "zsh");
    for (const name of NAMES) {
      const part = stdout.slice(stdout.indexOf(`\n        ${name})\n`)).split(";;")[0]!;
      const flags = [...part.matchAll(/^ +'(--?[\w-]+)=?\[/gm)].map(([, flag]) => flag!);
      assert.deepEqual(flags.sort(), flagsOf(name), name);
    }
  });
});

describe("wal-log completions", () => {
  it("takes the name of a shell that it knows", async () => {
    const { code, stdout, stderr } = await cliHere("completions", "tcsh");
    assert.deepEqual([code, stdout], [64, ""]);
    assert.match(stderr, /SHELL is one of bash, zsh, fish, found "tcsh"/);
  });
});
