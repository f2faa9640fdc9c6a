/** The code in `README.md` and `docs/guides/` does what the text says, in each runtime. */

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { locateRuntime } from "../scripts/runtimes.ts";
import { inTemporaryFolder } from "./temporary.ts";

const ROOT = new URL("../", import.meta.url);
const GUIDES = fileURLToPath(new URL("docs/guides/", ROOT));
/** Installed for the benchmark, and for nothing else. */
const LEVEL_NAME = "classic-level";
const LEVEL = new URL(`bench/node_modules/${LEVEL_NAME}/index.js`, ROOT);
const { deno, bun } = process.versions as Record<string, string | undefined>;
const [binary, ...prefix] = locateRuntime(deno !== undefined ? "deno" : bun !== undefined ? "bun" : "node").run;

const DOCUMENTS = [
  fileURLToPath(new URL("README.md", ROOT)),
  ...readdirSync(GUIDES).filter((name) => name.endsWith(".md")).map((name) => join(GUIDES, name)),
];

/** The blocks of a document in one language, as a program. */
function programOf(document: string, ...languages: readonly string[]): string {
  const blocks = [...document.matchAll(/^```(.*)\n([^]*?)^```$/gm)];
  return blocks.filter(([, language]) => languages.includes(language!)).map(([, , code]) => code).join("\n");
}

/** Puts the package's files, and what the benchmark has installed, in the place of their names. */
function resolved(program: string): string {
  const { name, exports } = JSON.parse(readFileSync(new URL("deno.json", ROOT), "utf8"));
  const required = `const { ClassicLevel } = createRequire("${LEVEL}")("${LEVEL_NAME}")`;
  return program
    .replace(
      `import { ClassicLevel } from "${LEVEL_NAME}"`,
      `import { createRequire } from "node:module";\n${required}`,
    )
    .replace(/from "([^"]+)"/g, (all, specifier: string) => {
      const path = specifier.startsWith(name) ? exports[`.${specifier.slice(name.length)}`] : undefined;
      return path === undefined ? all : `from "${new URL(path, ROOT)}"`;
    });
}

/** Runs a program in this runtime; in Deno its types are checked as well. */
function run(program: string, folder: string, checked: boolean): void {
  const path = join(folder, "program.mts");
  writeFileSync(path, resolved(program));
  const check = deno !== undefined && checked ? ["--check", "--config", fileURLToPath(new URL("deno.json", ROOT))] : [];
  const native = deno !== undefined && !checked ? ["--allow-ffi"] : [];
  const { status, stdout, stderr } = spawnSync(binary, [...prefix, ...check, ...native, path], { encoding: "utf8" });
  assert.equal(status, 0, stdout + stderr);
}

describe("the code in", () => {
  for (const path of DOCUMENTS) {
    const document = readFileSync(path, "utf8");
    const name = path.slice(fileURLToPath(ROOT).length);

    it(`${name} runs`, () =>
      inTemporaryFolder((folder) => {
        const program = programOf(document, "ts");
        assert.notEqual(program, "");
        run(program, folder, true);
      }));

    const level = programOf(document, "ts level");
    if (level === "") continue;
    const skip = existsSync(LEVEL) ? false : "classic-level is not installed: npm ci --ignore-scripts --prefix bench";
    it(
      `${name} runs with LevelDB`,
      { skip },
      () => inTemporaryFolder((folder) => run(programOf(document, "ts", "ts level"), folder, false)),
    );
  }

  it("the storage guide takes the 50 lines that it promises", () => {
    const [storage] = readFileSync(join(GUIDES, "raft-storage.md"), "utf8").split("```ts\n").slice(1);
    const lines = storage!.split("```")[0]!.split("\n").filter((line) => line.trim() !== "");
    assert.ok(lines.length <= 50, `${lines.length} lines, empty ones not counted`);
  });
});
