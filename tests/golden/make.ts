/**
 * Writes a golden log: `v<format version>/raft.wal`, the files as a process that was killed leaves them, and
 * `v<format version>/expected.json`, what opening it must give.
 *
 *     deno run -A tests/golden/make.ts
 *
 * A golden log is written once, by the first release of its format version, and never again: what it proves is that logs
 * written then can be read now. It is committed, stays for ever, and this program refuses to touch it. Until the first
 * release the format may change; then the folder is deleted by hand, and this program run again.
 *
 * @module
 */

import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { WalLog } from "../../mod.ts";
import { FORMAT_VERSION } from "../../src/format/segment_header.ts";
import { writeEverything } from "../everything.ts";
import { entriesAt, entryAt, framesOf } from "../history.ts";
import { contentsOf } from "../memory_disk.ts";
import { stateJson } from "../state_json.ts";
import { WatchedFileSystem } from "../watched_file_system.ts";

const target = fileURLToPath(new URL(`./v${FORMAT_VERSION}/`, import.meta.url));
if (existsSync(target)) throw new Error(`${target} exists. A golden log is never written again: see this file's head.`);

const temporary = mkdtempSync(join(tmpdir(), "wallog-golden-"));
const original = join(temporary, "original");
const fileSystem = new WatchedFileSystem();
let log = WalLog.openSync(original, { fileSystem, segmentBytes: 4096 });
writeEverything(log);
log.foundCluster("00112233-4455-6677-8899-aabbccddeeff");
log.closeSync();

// Reopened where it was closed, then left without closing, with entries that no flush covers and one that is torn.
log = WalLog.openSync(original, { fileSystem, segmentBytes: 4096 });
const { lastTerm } = log;
log.append(entriesAt(log.lastIndex + 1, log.lastIndex + 3, lastTerm, 50));
log.syncSync();
log.append(entriesAt(log.lastIndex + 1, log.lastIndex + 2, lastTerm, 60));
const crashed = join(temporary, "crashed");
write(crashed, contentsOf(original));
log.closeSync();

// Recovered, so that it has a segment that begins with copies; a checkpoint; and once more left without closing.
log = WalLog.openSync(crashed, { fileSystem, segmentBytes: 4096 });
log.append([entryAt(log.lastIndex + 1, lastTerm, 70, "config")]);
log.setHardState({ term: Number.MAX_SAFE_INTEGER, votedFor: 2n ** 64n - 2n });
log.syncSync();
fileSystem.rest();
log.append(entriesAt(log.lastIndex + 1, log.lastIndex + 2, lastTerm, 80));
const state = stateJson(log);
const { lastIndex, durableIndex, identity } = log;
log.append([entryAt(lastIndex + 1, lastTerm, 90)]);
const files = contentsOf(crashed);
log.closeSync();
const newest = [...files.keys()].filter((name) => name.endsWith(".seg")).at(-1)!;
files.get(newest)![framesOf(files.get(newest)!).at(-1)!.offset + 45]! ^= 1;

write(join(target, "raft.wal"), files);
const segments = [...files.keys()].filter((name) => name.endsWith(".seg")).length;
const recovery = { verdict: "torn", closed: false, segments, lastIndex, provenIndex: durableIndex };
const expected = { recovery, identity, state: JSON.parse(state) };
writeFileSync(join(target, "expected.json"), `${JSON.stringify(expected, null, 2)}\n`);
rmSync(temporary, { recursive: true });
const bytes = [...files.values()].reduce((sum, file) => sum + file.length, 0);
console.log(`${target}: ${files.size} files, ${bytes} bytes, up to index ${lastIndex}`);

function write(folder: string, files: ReadonlyMap<string, Uint8Array>): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
}
