/**
 * Writes golden logs and the expected results of opening them into the folder of the format version. `expected.json`
 * has the results. `raft.wal` has the files that a killed process leaves. `damaged.wal` is a small log with damage.
 * `repaired.wal` is the same log after a repair.
 *
 *     deno run -A tests/golden/make.ts
 *
 * A golden log is written only once, by the first release of its format version. It proves that logs from that time can
 * still be read. It is committed and stays for ever, and this program refuses to change it. Before the first release,
 * the format may change. Then the folder is deleted by hand, and this program runs again.
 *
 * @module
 */

import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { WalLog } from "../../mod.ts";
import { KIND_ENTRIES } from "../../src/format/frame.ts";
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

// Reopen it after the close, and leave it unclosed, with unflushed entries and a torn one.
log = WalLog.openSync(original, { fileSystem, segmentBytes: 4096 });
const { lastTerm } = log;
log.append(entriesAt(log.lastIndex + 1, log.lastIndex + 3, lastTerm, 50));
log.syncSync();
log.append(entriesAt(log.lastIndex + 1, log.lastIndex + 2, lastTerm, 60));
const crashed = join(temporary, "crashed");
write(crashed, contentsOf(original));
log.closeSync();

// Recover it, so that it has a segment with copies and a checkpoint, and leave it unclosed again.
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
const damaged = makeDamaged();
const expected = { recovery, identity, state: JSON.parse(state), damaged };
writeFileSync(join(target, "expected.json"), `${JSON.stringify(expected, null, 2)}\n`);
rmSync(temporary, { recursive: true });
const bytes = [...files.values()].reduce((sum, file) => sum + file.length, 0);
console.log(`${target}: ${files.size} files, ${bytes} bytes, up to index ${lastIndex}`);

/** Two small logs: one with damaged frames that entries share, and the same log after a repair. */
function makeDamaged(): { readonly damage: unknown; readonly whole: unknown } {
  const folder = join(temporary, "damaged");
  let log = WalLog.openSync(folder, { fileSystem });
  log.setHardState({ term: 2, votedFor: 3n });
  log.append(entriesAt(1, 6, 1, 20));
  log.append([entryAt(7, 1, 300, "config")]);
  log.append(entriesAt(8, 10, 2, 0));
  log.truncate(6);
  log.append(entriesAt(6, 12, 2, 33));
  log.append(entriesAt(13, 14, 2, 5));
  const whole = JSON.parse(stateJson(log));
  const copies = log.entries(1, 12);
  log.closeSync();
  const files = contentsOf(folder);
  const segment = files.get("000000000001.seg")!;
  const [shared, , , emptied] = framesOf(segment).filter(({ kind }) => kind === KIND_ENTRIES);
  segment[shared!.offset + 70]! ^= 1;
  segment.fill(0, emptied!.offset, emptied!.offset + 8);
  write(join(target, "damaged.wal"), files);
  write(join(temporary, "repaired"), files);
  log = WalLog.openSync(join(temporary, "repaired"), { fileSystem, onDamage: "keep" });
  const damage = log.damaged.map(({ kind, firstIndex, lastIndex }) => [kind, firstIndex, lastIndex]);
  log.repair(copies);
  log.closeSync();
  write(join(target, "repaired.wal"), contentsOf(join(temporary, "repaired")));
  return { damage, whole };
}

function write(folder: string, files: ReadonlyMap<string, Uint8Array>): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, bytes] of files) writeFileSync(join(folder, name), bytes);
}
