/**
 * Runs each command in `docs/CLI.md`, on the logs that the document names, and compares its output with the document.
 */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import process from "node:process";
import { describe, it } from "node:test";
import { makeExamples } from "../scripts/cli_example.ts";
import { cli } from "./cli.ts";
import { inTemporaryFolder } from "./temporary.ts";

const DOCUMENT = readFileSync(new URL("../docs/CLI.md", import.meta.url), "utf8");
/** The folder of the logs in the document. */
const FOLDER = "/data";
const ECHO = "; echo $?";

/** A command, and its output according to the document. */
interface Shown {
  readonly command: string;
  readonly output: string;
}

/** The commands of the document, in order. */
function shownIn(document: string): Shown[] {
  return [...document.matchAll(/^```console\n(.*?)^```$/gms)].flatMap(([, block]) =>
    block!.split(/^\$ /m).slice(1).map((text) => {
      const [command, ...lines] = text.split("\n");
      return { command: command!, output: lines.join("\n").trim() };
    })
  );
}

/** Replaces the parts that differ in each run. */
function settled(text: string): string {
  // Paths are written with the platform's separators.
  const separated = process.platform === "win32" ? text.replaceAll("\\", "/") : text;
  // A log that took longer to write has more checkpoints.
  const sized = separated.replace(/ [\d.]+ KiB in /g, " SIZE in ");
  return sized.replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "IDENTITY").replace(/ +$/gm, "").trim();
}

describe("docs/CLI.md", () => {
  const all = shownIn(DOCUMENT);

  it("contains each command", () => {
    for (const name of ["info", "verify", "dump", "report", "repair", "salvage", "backup", "import", "export"]) {
      assert.ok(all.some(({ command }) => command.startsWith(`wal-log ${name} `)), name);
    }
  });

  it("shows the actual output of each command", async () => {
    await inTemporaryFolder(async (folder) => {
      makeExamples(folder);
      for (const { command, output } of all) {
        const [name, ...args] = command.replace(ECHO, "").split(" ");
        assert.equal(name, "wal-log", command);
        const { code, stdout, stderr } = await cli(...args.map((arg) => arg.replace(FOLDER, folder)));
        const said = stdout + stderr + (command.endsWith(ECHO) ? code : "");
        assert.equal(settled(said.replaceAll(folder, FOLDER)), settled(output), command);
      }
    });
  });
});
