/** A log and the command line in a runtime with few permissions. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { locateRuntime } from "../scripts/runtimes.ts";
import { WalLog } from "../mod.ts";
import { entriesAt } from "./history.ts";
import { inTemporaryFolder } from "./temporary.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const MODULE = new URL("../mod.ts", import.meta.url).href;
const TERMINAL = new URL("../src/cli/terminal.ts", import.meta.url).href;

/** The standard output and standard error of a program. */
function printed([binary, ...args]: readonly [string, ...string[]]): string {
  const { stdout, stderr } = spawnSync(binary, args, { encoding: "utf8", env: { ...process.env, NO_COLOR: "" } });
  return stdout + stderr;
}

/** A program that opens a log and prints its last index, or why it does not open. */
function programIn(folder: string, options: string): string {
  const path = join(folder, "program.mjs");
  const open = `WalLog.openSync(${JSON.stringify(join(folder, "log"))}, ${options})`;
  const print = `try { console.log(${open}.lastIndex) } catch (error) { console.log(error.code, error.message) }`;
  writeFileSync(path, `import { WalLog } from ${JSON.stringify(MODULE)};\n${print}\n`);
  return path;
}

describe("Node's permission model", () => {
  const [node, ...prefix] = locateRuntime("node").run;
  const run = (folder: string, options: string): string => {
    const allowed = [`--allow-fs-read=${ROOT}`, `--allow-fs-read=${folder}`, `--allow-fs-write=${folder}`];
    return printed([node, ...prefix, "--permission", ...allowed, programIn(folder, options)]);
  };

  it("allows a log to be read", async () => {
    await inTemporaryFolder((folder) => {
      const log = WalLog.openSync(join(folder, "log"));
      log.append(entriesAt(1, 5));
      log.closeSync();
      assert.equal(run(folder, "{ readOnly: true }"), "5\n");
    });
  });

  it("forbids fsync, so a log is refused before anything is written", async () => {
    await inTemporaryFolder((folder) => {
      assert.match(
        run(folder, "{}"),
        /^IO Cannot open the log at .*: Node's permission model .* forbids fsync, .*readOnly/,
      );
      assert.deepEqual(readdirSync(folder), ["program.mjs"]);
    });
  });
});

describe("Deno without --allow-env", () => {
  it("prints in colour on a terminal, without permission to read the environment", () => {
    const terminal = 'Object.defineProperty(process.stdout, "isTTY", { value: true });';
    const program = `import process from "node:process"; ${terminal}` +
      `const { bold } = await import(${JSON.stringify(TERMINAL)}); console.log(bold("a"));`;
    const path = `data:text/javascript,${encodeURIComponent(program)}`;
    const { binary } = locateRuntime("deno");
    assert.equal(printed([binary, "run", "--no-prompt", "--quiet", `--allow-import`, path]), "\x1b[1ma\x1b[0m\n");
  });
});
