/**
 * Programs for tests with Ceph's RGW, which kill them. The environment names the gateway:
 *
 *     rgw_child.ts write <folder> [<store>]     appends entries; with a store, archives them and makes snapshots
 *     rgw_child.ts archive <folder> <store>     archives the log beside its writer
 *     rgw_child.ts claim <store> <text> <keys>  tries to create objects, and prints the numbers of those that it made
 *
 * They print `synced INDEX` and `archived INDEX`.
 *
 * @module
 */

import process from "node:process";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { WalLog } from "../mod.ts";
import { type Archive, archive } from "../src/archive/mod.ts";
import { S3Store } from "../src/archive/s3.ts";
import { commandAt } from "./busy_writer.ts";

/** Entries above the snapshot before the log is compacted. */
const ENTRIES_MAX = 600;

/**
 * The data of a snapshot. Some are uploaded in parts.
 *
 * @param index Its index.
 * @returns Up to 9 MiB.
 */
export function snapshotAt(index: number): Uint8Array {
  const size = index % 3 === 0 ? 9 * 1024 * 1024 + index : index % 1000;
  return new Uint8Array(size).fill(index);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Prints how far a log is archived, and fails if archiving ends. */
async function report(archiving: Archive): Promise<void> {
  archiving.closed.catch((error) => {
    say(`failed ${error.message}`);
    process.exit(1);
  });
  for (let last = 0;; await pause(10)) {
    if (archiving.archivedIndex !== last) say(`archived ${last = archiving.archivedIndex}`);
  }
}

async function write(folder: string, store: string | undefined): Promise<void> {
  const log = await WalLog.open(folder, { segmentBytes: 32_768, lockTimeout: 10_000 });
  if (store !== undefined) void report(archive(log, new S3Store(store), { intervalMilliseconds: 50 }));
  const term = Math.max(log.lastTerm, log.hardState.term) + 1;
  log.setHardState({ term, votedFor: 1n });
  for (;;) {
    const first = log.lastIndex + 1;
    for (let index = first; index < first + 4; index++) {
      log.append([{ term, index, kind: "normal", command: commandAt(index, term) }]);
    }
    say(`synced ${await log.sync()}`);
    if (store !== undefined && log.lastIndex - log.snapshotIndex > ENTRIES_MAX) {
      const index = log.lastIndex - 100;
      log.compact(index, { data: snapshotAt(index) });
    }
    await pause(5);
  }
}

async function archiveBeside(folder: string, store: string): Promise<void> {
  const log = await WalLog.open(folder, { readOnly: true, create: false, verify: "tail" });
  await report(archive(log, new S3Store(store), { intervalMilliseconds: 50 }));
}

async function claim(place: string, text: string, keys: number): Promise<void> {
  const store = new S3Store(place);
  const made: number[] = [];
  for (let i = 0; i < keys; i++) {
    const result = await store.putIfAbsent(`claims/${i}`, new TextEncoder().encode(text));
    if (result.kind === "created") made.push(i);
  }
  say(made.join(","));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [mode, first, second, third] = process.argv.slice(2);
  if (mode === "write") await write(first!, second);
  else if (mode === "archive") await archiveBeside(first!, second!);
  else await claim(first!, second!, Number(third));
}
