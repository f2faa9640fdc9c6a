/** The size of files and functions, and the direction of imports. */

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const FOLDERS = ["src", "tests", "scripts", "bench", "examples", "wasm"];
const FILE_LINES_MAX = 350;
const FUNCTION_LINES_MAX = 60;
/** Generated files may have any length. */
const GENERATED = ["src/codec/codec_wasm.ts", "src/recovery/scan_thread_text.ts"];

/** Source files, from the root, with slashes. */
function sources(folder: string): string[] {
  if (!existsSync(join(ROOT, folder))) return [];
  return readdirSync(join(ROOT, folder)).filter((name) => name !== "node_modules").flatMap((name) => {
    const path = `${folder}/${name}`;
    if (statSync(join(ROOT, path)).isDirectory()) return sources(path);
    return path.endsWith(".ts") && !GENERATED.includes(path) ? [path] : [];
  });
}

function linesOf(path: string): string[] {
  return readFileSync(join(ROOT, path), "utf8").trimEnd().split(/\r?\n/);
}

/** A function, or a group of tests or methods, whose inner blocks are not counted. */
interface Block {
  readonly start: number;
  readonly end: number;
  readonly isGroup: boolean;
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

/** Whether a line, which ends with a brace, begins the body of a function. */
function beginsFunction(line: string): boolean {
  if (/^\s*(\*|\/\/|\}|if |for |while |switch |catch |do |try )/.test(line)) return false;
  return /=> \{$/.test(line) || /\)(: [^=]*)? \{$/.test(line);
}

/** The blocks of a file that is formatted: each ends at the first brace with its own indentation. */
function blocksOf(lines: readonly string[]): Block[] {
  return lines.flatMap((line, start): Block[] => {
    const isClass = /^(export )?(abstract )?class .*\{$/.test(line);
    if (!isClass && !beginsFunction(line)) return [];
    const indent = indentOf(line);
    const end = lines.findIndex((other, at) => at > start && indentOf(other) === indent && /^\s*\}/.test(other));
    return [{ start, end, isGroup: isClass || /\bdescribe\(/.test(line) }];
  });
}

/** Functions that are too long, with their lines and lengths, not counting groups of tests. */
function longFunctions(path: string): string[] {
  const blocks = blocksOf(linesOf(path));
  const isWithin = (inner: Block, outer: Block) => outer.start < inner.start && inner.end < outer.end;
  return blocks.filter(({ isGroup }) => !isGroup).flatMap((block) => {
    const groups = blocks.filter((one) => one.isGroup && isWithin(one, block));
    const outermost = groups.filter((one) => !groups.some((other) => isWithin(one, other)));
    const lines = outermost.reduce((sum, { start, end }) => sum - (end - start + 1), block.end - block.start + 1);
    return lines > FUNCTION_LINES_MAX ? [`${path}:${block.start + 1} has ${lines} lines`] : [];
  });
}

/** The files that a file imports values from. */
function importsOf(path: string): string[] {
  const text = readFileSync(join(ROOT, path), "utf8");
  const imports = text.matchAll(/^(?:import|export) (?!type )[^;"]*?from "(\.[^"]+)";/gm);
  return [...imports].map(([, target]) => posix.join(dirname(path), target!));
}

/** Files that import each other, each with the path that leads back to it. */
function circlesOf(files: readonly string[]): string[] {
  const imports = new Map(files.map((path) => [path, importsOf(path)]));
  const done = new Set<string>();
  const found: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    const at = trail.indexOf(path);
    if (at >= 0) found.push([...trail.slice(at), path].join(" -> "));
    if (at >= 0 || done.has(path)) return;
    for (const target of imports.get(path) ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of files) visit(path, []);
  return found;
}

describe("the source", () => {
  const files = FOLDERS.flatMap(sources);

  it(`has no file of more than ${FILE_LINES_MAX} lines`, () => {
    assert.ok(files.length > 200, `found only ${files.length} files`);
    const long = files.map((path) => ({ path, lines: linesOf(path).length })).filter(({ lines }) =>
      lines > FILE_LINES_MAX
    );
    assert.deepEqual(long, []);
  });

  it(`has no function of more than ${FUNCTION_LINES_MAX} lines`, () => {
    assert.deepEqual(files.filter((path) => !path.startsWith("tests/mutants/")).flatMap(longFunctions), []);
  });

  it("has no circular imports", () => {
    assert.deepEqual(circlesOf(files), []);
  });
});
