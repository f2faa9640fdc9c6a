/**
 * Compares archiving and restoring a log with a plain upload and download of the same files by the same client. Then
 * compares commits beside an archiver with commits alone:
 *
 *     deno task bench:archive                               a log of 256 MiB, in a folder as the store
 *     deno task bench:archive --store s3://bucket/prefix    in S3; see docs/CLI.md for its environment variables
 *     deno task bench:archive --mib 2048 --rounds 5 --folder /data
 *     deno task bench:archive --record                      into docs/BENCHMARKS.md, beside other runtimes
 *
 * The sides take turns. A ratio is the median of the ratios of the rounds, with the lowest and the highest. The
 * archive's side includes all that it promises: checksums of all frames, and the proof that no other archiver has taken
 * over.
 *
 * @module
 */

import fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { WalLog } from "../mod.ts";
import { archive, type ObjectBody, type ObjectStore, restore } from "../src/archive/mod.ts";
import { storeOf } from "../src/cli/object_store.ts";
import { lookAtMachine } from "./machine.ts";
import { type Figure, figure, showRun } from "./part_report.ts";
import { recordRun } from "./render.ts";
import { ratios, summarize } from "./statistics.ts";
import { MIB } from "./units.ts";
import { versionText } from "./workspace.ts";

const ENTRY_BYTES = 1024;
const BATCH = 64;
/** The size of a part of a plain download, in bytes, as a restore reads them. */
const PART_BYTES = 4 * MIB;
const COMMITS = 1000;

const { values } = parseArgs({
  options: {
    mib: { type: "string", default: "256" },
    rounds: { type: "string", default: "5" },
    folder: { type: "string", default: tmpdir() },
    store: { type: "string" },
    record: { type: "boolean", default: false },
  },
});
const [mib, rounds] = [values.mib, values.rounds].map(Number) as [
  number,
  number,
];
if (![mib, rounds].every((value) => value >= 1)) {
  throw new RangeError("--mib and --rounds take numbers from 1");
}

const folder = fs.mkdtempSync(join(values.folder, "wallog-archive-"));
const machine = lookAtMachine(folder);
const storeName = values.store === undefined ? "a folder" : "S3";
const command = new Uint8Array(ENTRY_BYTES).fill(7);
let stores = 0;

/** A place in the store that no other round uses. */
function newStore(): Promise<ObjectStore> {
  const name = `bench-${process.pid}-${++stores}`;
  return storeOf(
    values.store === undefined ? pathToFileURL(join(folder, name)).href : `${values.store}/${name}`,
  );
}

async function removeObjects(store: ObjectStore): Promise<void> {
  for await (const { key } of store.list("")) await store.delete(key);
}

function append(log: WalLog, count: number): void {
  const from = log.lastIndex + 1;
  log.append(
    Array.from(
      { length: count },
      (_, i) => ({ index: from + i, term: 1, command }),
    ),
  );
}

/** A file as the contents of an object. */
function fileBody(path: string): ObjectBody & Disposable {
  const descriptor = fs.openSync(path, "r");
  return {
    size: fs.fstatSync(descriptor).size,
    read(offset, length) {
      const bytes = new Uint8Array(length);
      return bytes.subarray(
        0,
        fs.readSync(descriptor, bytes, 0, length, offset),
      );
    },
    [Symbol.dispose]: () => fs.closeSync(descriptor),
  };
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now();
  await work();
  return (performance.now() - begun) / 1000;
}

/** Uploads the files of a log one after another. */
async function upload(source: string, store: ObjectStore): Promise<void> {
  for (
    const name of fs.readdirSync(source).filter((name) => name.endsWith(".seg"))
  ) {
    using body = fileBody(join(source, name));
    await store.put(name, body);
  }
}

/** Downloads all objects to files, and flushes the files. */
async function download(store: ObjectStore, target: string): Promise<void> {
  fs.mkdirSync(target);
  for await (const { key, size } of store.list("")) {
    const descriptor = fs.openSync(join(target, key), "w");
    for (let at = 0; at < size; at += PART_BYTES) {
      const found = await store.get(key, { offset: at, length: PART_BYTES });
      if (found.kind === "found") {
        fs.writeSync(descriptor, found.bytes, 0, found.bytes.length, at);
      }
    }
    fs.fsyncSync(descriptor);
    fs.closeSync(descriptor);
  }
}

/** The times of the four transfers of a round, in seconds. */
interface Times {
  readonly uploading: number;
  readonly archiving: number;
  readonly downloading: number;
  readonly restoring: number;
}

async function transfer(source: string, log: WalLog): Promise<Times> {
  const plain = await newStore();
  const store = await newStore();
  const [downloaded, restored] = [
    join(folder, "downloaded"),
    join(folder, "restored"),
  ];
  const uploading = await seconds(() => upload(source, plain));
  const archiving = await seconds(async () => {
    await using running = archive(log, store);
    await running.archived(log.durableIndex);
  });
  const downloading = await seconds(() => download(plain, downloaded));
  const restoring = await seconds(() => restore(store, restored));
  await removeObjects(plain);
  await removeObjects(store);
  for (const path of [downloaded, restored]) {
    fs.rmSync(path, { recursive: true });
  }
  return { uploading, archiving, downloading, restoring };
}

/** The median time of a commit, in microseconds. */
async function commit(log: WalLog): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < COMMITS; i++) {
    const begun = performance.now();
    append(log, 1);
    await log.sync();
    times.push((performance.now() - begun) * 1000);
  }
  return summarize(times).median;
}

/** Commits with and without an archiver, in turn. */
async function commits(): Promise<{ alone: number[]; beside: number[] }> {
  const found = { alone: [] as number[], beside: [] as number[] };
  await using log = await WalLog.open(join(folder, "commits"));
  await commit(log);
  const store = await newStore();
  for (let round = 0; round < rounds; round++) {
    found.alone.push(await commit(log));
    await using running = archive(log, store);
    await running.archived(log.durableIndex);
    found.beside.push(await commit(log));
  }
  await removeObjects(store);
  return found;
}

/** The figures of all transfers. */
function transferFigures(all: readonly Times[]): Figure[] {
  const times = (key: keyof Times) => all.map((round) => round[key]);
  const speed = (name: string, key: keyof Times) => figure(name, "mibPerSecond", times(key).map((time) => mib / time));
  return [
    speed("plain upload", "uploading"),
    speed("archiving", "archiving"),
    figure("archiving / plain upload, time", "ratio", ratios(times("archiving"), times("uploading")), "at most 1.20x"),
    speed("plain download", "downloading"),
    speed("restoring, verified", "restoring"),
    figure(
      "restoring / plain download, time",
      "ratio",
      ratios(times("restoring"), times("downloading")),
      "at most 1.20x",
    ),
  ];
}

try {
  const source = join(folder, "log");
  const writer = await WalLog.open(source);
  for (let written = 0; written < mib * MIB; written += BATCH * ENTRY_BYTES) {
    append(writer, BATCH);
    if (written % (16 * MIB) === 0) await writer.sync();
  }
  await writer.close();
  await using log = await WalLog.open(source, { readOnly: true });
  const all: Times[] = [];
  for (let round = 0; round < rounds; round++) {
    all.push(await transfer(source, log));
  }
  const { alone, beside } = await commits();
  const inSeconds = (microseconds: readonly number[]) => microseconds.map((one) => one / 1e6);
  const run = {
    ...{ runtime: versionText(), machine },
    work: `A log of ${mib} MiB, with entries of 1 KiB. The store is ${storeName}. ${rounds} rounds.`,
    figures: [
      ...transferFigures(all),
      figure("commit alone", "seconds", inSeconds(alone)),
      figure("commit beside an archiver", "seconds", inSeconds(beside)),
      figure("commit beside an archiver / alone, time", "ratio", ratios(beside, alone), "at most 1.05x"),
    ],
  };
  showRun(run);
  if (values.record) recordRun("archive", run);
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}
