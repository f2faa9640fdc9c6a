/**
 * Runs each command in `docs/guides/backup-and-restore.md` in a shell, and compares its output with the document. The
 * other machine of the document is this one.
 */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { makeExamples } from "../scripts/cli_example.ts";
import { locateRuntime } from "../scripts/runtimes.ts";
import { CLI } from "./cli.ts";
import { isWindows, skipReason } from "./skip.ts";
import { inTemporaryFolder } from "./temporary.ts";

const DOCUMENT = readFileSync(new URL("../docs/guides/backup-and-restore.md", import.meta.url), "utf8");
const { deno, bun } = process.versions as Record<string, string | undefined>;
const RUN = locateRuntime(deno !== undefined ? "deno" : bun !== undefined ? "bun" : "node").run;
const noShell = skipReason(
  (isWindows || ["tar", "gzip"].some((name) => spawnSync(name, ["--version"]).status !== 0)) &&
    "there is no shell with tar and gzip",
);

/** Writes a program of the shell. */
function script(path: string, text: string): void {
  writeFileSync(path, `#!/bin/sh\n${text}\n`);
  chmodSync(path, 0o755);
}

/** The lines of an output, without the parts that differ in each run. The order of two streams is not certain. */
function settled(text: string): string[] {
  return text.replace(/[\d.]+ KiB/g, "SIZE").replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "ID").split("\n")
    .map((line) => line.trimEnd()).filter((line) => line !== "").sort();
}

describe("docs/guides/backup-and-restore.md", () => {
  it("shows the actual output of each command", { skip: noShell }, async () => {
    await inTemporaryFolder((folder) => {
      for (const name of ["bin", "data", "backups"]) mkdirSync(join(folder, name));
      makeExamples(join(folder, "data"));
      script(join(folder, "bin", "wal-log"), `exec ${[...RUN, CLI].map((word) => `'${word}'`).join(" ")} "$@"`);
      script(join(folder, "bin", "ssh"), 'shift; exec sh -c "$*"');
      const env = { ...process.env, PATH: `${join(folder, "bin")}:${process.env.PATH}` };
      const blocks = [...DOCUMENT.matchAll(/^```console\n(.*?)^```$/gms)].map(([, block]) => block!);
      const shown = blocks.flatMap((block) => block.split(/^\$ /m).slice(1));
      assert.ok(shown.length > 8);
      for (const text of shown) {
        const [command, ...lines] = text.split("\n");
        const local = command!.replaceAll(/\/(data|backups)\b/g, `${folder}/$1`);
        const { stdout, stderr, status } = spawnSync("sh", ["-c", local], { env, encoding: "utf8" });
        assert.equal(status, 0, `${command}: ${stderr}`);
        assert.deepEqual(settled((stderr + stdout).replaceAll(folder, "")), settled(lines.join("\n")), command);
      }
    });
  });
});
