/** A follower in a runtime that may only read the log's folder. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { WalLog } from "../mod.ts";
import { locateRuntime } from "../scripts/runtimes.ts";
import { entriesAt } from "./history.ts";
import { inTemporaryFolder } from "./temporary.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const MODULE = new URL("../mod.ts", import.meta.url).href;

/** Prints the indexes of three entries. */
const PROGRAM = (path: string): string => `
import { WalLog } from ${JSON.stringify(MODULE)};
const log = await WalLog.open(${JSON.stringify(path)}, { readOnly: true });
for await (const { index } of log.follow({ from: 1 })) {
  console.log(index);
  if (index === 3) break;
}
await log.close();
`;

const deno = locateRuntime("deno").binary;
const [node, ...prefix] = locateRuntime("node").run;
const RUNS: readonly (readonly [name: string, (path: string, program: string) => [string, string[]]])[] = [
  ["Deno", (path, program) => [deno, ["run", "--quiet", "--no-prompt", `--allow-read=${path}`, program]]],
  ["Node", (path, program) => [node, [
    ...prefix,
    "--permission",
    `--allow-fs-read=${ROOT}`,
    `--allow-fs-read=${program}`,
    `--allow-fs-read=${path}`,
    program,
  ]]],
];

describe("a follower that may only read the log's folder", () => {
  for (const [name, command] of RUNS) {
    it(`is woken by its writer, in ${name}`, () =>
      inTemporaryFolder(async (folder) => {
        const path = join(folder, "raft.wal");
        const program = join(folder, "program.mjs");
        writeFileSync(program, PROGRAM(path));
        const writer = WalLog.openSync(path);
        writer.append(entriesAt(1, 1));
        await writer.sync();
        writer.setHardState({ term: 1, votedFor: null });
        const child = spawn(...command(path, program), { stdio: ["ignore", "pipe", "inherit"] });
        const ended = once(child, "close");
        const lines: string[] = [];
        for await (const line of createInterface({ input: child.stdout! })) {
          lines.push(line);
          if (writer.lastIndex === 3) continue;
          writer.append(entriesAt(writer.lastIndex + 1, writer.lastIndex + 1));
          await writer.sync();
        }
        assert.deepEqual(lines, ["1", "2", "3"]);
        assert.equal((await ended)[0], 0);
        await writer.close();
      }));
  }
});
