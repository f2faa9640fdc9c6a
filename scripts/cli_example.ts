/**
 * Makes the logs that `docs/CLI.md` uses in its examples:
 *
 *     deno run --allow-read --allow-write --allow-env scripts/cli_example.ts /data
 *
 * `raft.wal`: snapshot at index 60, entries 61 to 300, terms 1 to 4. `damaged.wal` and `damaged2.wal`: the same, with
 * three entries damaged. `replica.wal`: the same entries, of another node. `entries.jsonl`: a dump of them.
 *
 * @module
 */

import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type LogEntry, WalLog } from "../mod.ts";
import { entryJson } from "../src/cli/entry_format.ts";
import { jsonText } from "../src/cli/text.ts";
import { SEGMENT_HEADER_BYTES } from "../src/format/header_block.ts";

/** The entry at an index. */
function entryAt(index: number): LogEntry {
  const term = 1 + Math.floor(index / 80);
  const command = new TextEncoder().encode(`set key-${index} = "${"value ".repeat(1 + index * 7 % 23)}"`);
  return { term, index, kind: index % 100 === 0 ? "config" : "normal", command };
}

function writeLog(path: string, segmentBytes: number, votedFor: bigint): void {
  const log = WalLog.openSync(path, { segmentBytes });
  for (let index = 1; index <= 300; index++) log.append([entryAt(index)]);
  log.applySnapshot({ index: 60, term: 1, config: [1n, 2n, 3n], data: new Uint8Array(20_000) });
  log.setHardState({ term: 4, votedFor });
  log.closeSync();
}

/**
 * Makes the logs.
 *
 * @param folder An empty folder.
 */
export function makeExamples(folder: string): void {
  writeLog(join(folder, "raft.wal"), 12 * 1024, 2n);
  writeLog(join(folder, "replica.wal"), 1024 * 1024, 3n);
  const lines = Array.from({ length: 240 }, (_, i) => jsonText(entryJson(entryAt(61 + i))) + "\n");
  writeFileSync(join(folder, "entries.jsonl"), lines.join(""));
  cpSync(join(folder, "raft.wal"), join(folder, "damaged.wal"), { recursive: true });
  const file = join(folder, "damaged.wal", "000000000003.seg");
  const bytes = readFileSync(file);
  // Damage one byte in the command of one entry, and two other entries completely.
  bytes[SEGMENT_HEADER_BYTES + 904]! ^= 1;
  const text = new TextDecoder("latin1").decode(bytes);
  bytes.fill(0xee, text.indexOf("set key-200 ") - 40, text.indexOf("set key-202 ") - 40);
  writeFileSync(file, bytes);
  cpSync(join(folder, "damaged.wal"), join(folder, "damaged2.wal"), { recursive: true });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) makeExamples(process.argv[2] ?? ".");
