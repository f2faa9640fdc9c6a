/**
 * Generates the table in `docs/CLI.md` with the result of each command for each kind of damage. It causes the damage
 * and runs the commands.
 *
 *     deno run -A scripts/cli_table.ts --write    writes the table into the document
 *
 * @module
 */

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { cliHere } from "../tests/cli.ts";
import { type DamageCase, DAMAGES, makeDamageLog, makePeer } from "../tests/cli_damages.ts";

const DOCUMENT = new URL("../docs/CLI.md", import.meta.url);
/** The text before and after the table in the document. */
const BEGIN = "<!-- scripts/cli_table.ts writes this table -->\n\n";
const END = "\n\n<!-- end of the table -->";

const HEAD = [
  "damage",
  "`verify`",
  "`repair --from`",
  "`repair --snapshot-from`",
  "`repair --cut`",
  "`salvage`",
  "next",
];

/** A document that a command prints. */
interface Document {
  readonly exit: number;
  readonly verdict?: string;
  readonly lastIndex?: number;
  readonly readable?: number;
  readonly isWrittenAnew?: boolean;
  readonly next?: { readonly text: string; readonly commands: readonly (readonly string[])[] };
  readonly error?: { readonly code: string };
}

async function run(...args: readonly string[]): Promise<Document> {
  return JSON.parse((await cliHere(...args, "--json")).stdout);
}

/**
 * Makes the table.
 *
 * @returns Markdown.
 */
export async function makeTable(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "wallog-table-"));
  try {
    const peer = join(folder, "peer");
    makePeer(peer);
    const rows: string[][] = [HEAD, HEAD.map(() => "---")];
    for (const [i, one] of DAMAGES.entries()) rows.push(await rowOf(one, join(folder, String(i)), peer));
    return rows.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function rowOf({ name, damage }: DamageCase, folder: string, peer: string): Promise<string[]> {
  const path = join(folder, "raft.wal");
  makeDamageLog(path);
  damage(path);
  const { verdict, exit, next } = await run("verify", path);
  const mended: string[] = [];
  for (const how of [["--from", peer], ["--snapshot-from", peer], ["--cut"]]) {
    const copy = join(folder, how[0]!);
    cpSync(path, copy, { recursive: true });
    mended.push(repairText(await run("repair", copy, ...how), how[0] === "--cut"));
  }
  const salvaged = await run("salvage", path, join(folder, "salvaged"));
  const beside = salvaged.readable === 0 ? "" : `, ${salvaged.readable} beside it`;
  return [
    name,
    `${exit}: ${verdict}`,
    ...mended,
    `${salvaged.exit}: up to ${salvaged.lastIndex}${beside}`,
    nextText(next!),
  ];
}

function repairText({ exit, isWrittenAnew, lastIndex, error }: Document, isCut: boolean): string {
  if (error !== undefined) return `${exit}: ${error.code}`;
  if (exit !== 0) return `${exit}: refused`;
  if (isWrittenAnew === undefined) return "0: nothing to do";
  if (isCut) return `0: up to ${lastIndex}`;
  return `0: ${isWrittenAnew ? "rewritten" : "put back"}`;
}

/** The advice in short: the command, or the beginning of the instructions. */
function nextText({ text, commands }: NonNullable<Document["next"]>): string {
  const [command] = commands;
  if (command !== undefined) {
    const words = command.filter((_, i) => i !== 1).filter((word) => word !== "PEER" && word !== "NEWDIR");
    return text.startsWith("restore") ? `restore, or \`${words.join(" ")}\`` : `\`${words.join(" ")}\``;
  }
  return text.replace(/[,;:].*$/s, "").replace(/ out of .*$/, " away").replace(/ while .*$/, "");
}

/**
 * The current table of the document.
 *
 * @returns Markdown.
 */
export function writtenTable(): string {
  const text = readFileSync(DOCUMENT, "utf8");
  return text.slice(text.indexOf(BEGIN) + BEGIN.length, text.indexOf(END));
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.argv[2] === "--write") {
  const text = readFileSync(DOCUMENT, "utf8");
  const [before, behind] = [text.slice(0, text.indexOf(BEGIN) + BEGIN.length), text.slice(text.indexOf(END))];
  writeFileSync(DOCUMENT, before + await makeTable() + behind);
}
