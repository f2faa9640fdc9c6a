/**
 * Malicious folders: links, devices, FIFOs and directories under the log's names, a lock file crafted for SQLite, and
 * forged files. A seed repeats a folder.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import {
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import process from "node:process";
import { Codec } from "../src/codec/codec.ts";
import { segmentName } from "../src/format/segment_name.ts";
import { snapshotName } from "../src/format/snapshot_name.ts";
import { Random } from "../src/testing/random.ts";
import { mutate } from "./fuzz/mutate.ts";
import { MutatedLog } from "./fuzz/mutated_log.ts";
import { FOLDER, original, ORIGINALS } from "./fuzz/originals.ts";

/** A folder with a log. Everything beside it must stay as it is. */
export interface HostileFolder {
  /** The log's folder. */
  readonly log: string;
  /** The changes that were made to it, in words. */
  readonly notes: readonly string[];
}

/** Names that the log uses, and names of files that it removes as leftovers. */
const NAMES = [
  "LOCK",
  "LOCK-journal",
  "LOCK-wal",
  "LOCK-shm",
  "IDENTITY",
  "IDENTITY.0123456789abcdef.tmp",
  segmentName(1),
  segmentName(2),
  segmentName(3),
  segmentName(2 ** 48 - 1),
  "4503599627370495.seg",
  `${segmentName(1)}.0123456789abcdef.tmp`,
  snapshotName(1, 1),
  snapshotName(10, 2),
  `${snapshotName(10, 2)}.0123456789abcdef.tmp`,
  "RESERVE",
];

/** Kinds of files to put under such a name. Each gets the path, and an outside folder that it may point to. */
export const PLANTS: Record<string, (path: string, outside: string, random: Random) => void> = {
  "a link to a file": (path, outside) => symlinkSync(join(outside, "precious"), path),
  "a link to an empty file": (path, outside) => symlinkSync(join(outside, "empty"), path),
  "a link to nothing": (path, outside) => symlinkSync(join(outside, "nothing"), path),
  "a link to a folder": (path, outside) => symlinkSync(join(outside, "folder"), path),
  "a link to a segment of another log": (path, outside) => symlinkSync(join(outside, "folder", segmentName(1)), path),
  "a link to itself": (path) => symlinkSync(basename(path), path),
  "a link to a device": (path) => symlinkSync("/dev/zero", path),
  "a hard link to a file": (path, outside) => linkSync(join(outside, "precious"), path),
  "a hard link to an empty file": (path, outside) => linkSync(join(outside, "empty"), path),
  "a FIFO": (path) => void spawnSync("mkfifo", [path]),
  "a device": (path) => void spawnSync("mknod", [path, "c", "1", "5"]),
  "a folder": (path) => mkdirSync(path),
  "an empty file": (path) => writeFileSync(path, ""),
  "zeros": (path, _, random) => writeFileSync(path, new Uint8Array(random.below(20_000))),
  "noise": (path, _, random) => {
    const noise = new Uint8Array(random.below(20_000));
    random.fill(noise);
    writeFileSync(path, noise);
  },
  "a database with a hot journal": (path, outside) => writeHotDatabase(path, join(outside, "precious")),
};

/**
 * Makes a database whose journal is hot, and names another file as the super-journal: SQLite rolls the journal back,
 * and then deletes the super-journal.
 */
function writeHotDatabase(path: string, victim: string): void {
  const page = new Uint8Array(4096);
  page.set(new TextEncoder().encode("SQLite format 3\0"));
  const view = new DataView(page.buffer);
  view.setUint16(16, 4096);
  page.set([1, 1, 0, 64, 32, 32], 18);
  view.setUint32(28, 1);
  page[100] = 13;
  writeFileSync(path, page);
  const name = new TextEncoder().encode(victim);
  const header = new Uint8Array(512);
  header.set([0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7]);
  const fields = new DataView(header.buffer);
  fields.setUint32(8, 0);
  fields.setUint32(16, 1);
  fields.setUint32(20, 512);
  fields.setUint32(24, 4096);
  const trailer = new Uint8Array(4 + name.length + 16);
  const end = new DataView(trailer.buffer);
  end.setUint32(0, 0x40000000 / 4096 + 1);
  trailer.set(name, 4);
  end.setUint32(4 + name.length, name.length);
  end.setUint32(8 + name.length, name.reduce((sum, byte) => sum + (byte << 24 >> 24), 0) >>> 0);
  trailer.set([0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7], 12 + name.length);
  writeFileSync(`${path}-journal`, new Uint8Array([...header, ...trailer]));
}

/**
 * Makes a hostile folder.
 *
 * @param root An empty folder for it, and for the files outside it that must stay as they are.
 * @param seed The seed of the folder.
 * @returns The folder.
 */
export function makeHostile(root: string, seed: number): HostileFolder {
  const random = new Random(seed);
  const log = join(root, "log");
  const outside = join(root, "outside");
  for (const folder of [log, outside, join(outside, "folder")]) mkdirSync(folder);
  writeFileSync(join(outside, "precious"), "precious ".repeat(1000));
  writeFileSync(join(outside, "empty"), "");
  const notes: string[] = [];
  const bases = ["nothing", "a log", "a forged log"] as const;
  const base = random.pick(bases);
  notes.push(base);
  for (const [path, bytes] of original(random.below(ORIGINALS))) write(join(outside, "folder"), path, bytes);
  if (base !== "nothing") {
    const mutated = new MutatedLog(original(random.below(ORIGINALS)), random, new Codec());
    if (base === "a forged log") {
      for (let changes = 1 + random.below(4); changes > 0; changes--) mutate(mutated);
      notes.push(...mutated.notes);
    }
    for (const [path, bytes] of mutated.files) write(log, path, bytes);
  }
  if (base !== "a forged log" || random.chance(0.5)) {
    for (let plants = 1 + random.below(3); plants > 0; plants--) plant(log, outside, random, notes);
  }
  return { log, notes };
}

function write(folder: string, path: string, bytes: Uint8Array): void {
  writeFileSync(join(folder, path.slice(FOLDER.length + 1)), bytes);
}

function plant(log: string, outside: string, random: Random, notes: string[]): void {
  const kinds = Object.keys(PLANTS).filter((kind) => process.platform !== "win32" || !/link|FIFO|device/.test(kind));
  const kind = random.pick(kinds);
  const name = kind === "a database with a hot journal" ? "LOCK" : random.pick(NAMES);
  const path = join(log, name);
  for (const taken of [path, `${path}-journal`]) rmSync(taken, { recursive: true, force: true });
  PLANTS[kind]!(path, outside, random);
  notes.push(`${kind} as ${name}`);
}

/**
 * Describes everything in a folder except one folder in it: names, kinds, permissions and contents.
 *
 * @param root The folder.
 * @param except The folder to leave out.
 * @returns One line for each name.
 */
export function pictureOf(root: string, except: string): string[] {
  const lines: string[] = [];
  const visit = (folder: string) => {
    for (const name of readdirSync(folder).sort()) {
      const path = join(folder, name);
      if (path === except) continue;
      const stats = lstatSync(path);
      const content = stats.isSymbolicLink() ? readlinkSync(path) : stats.isFile() ? readFileSync(path, "hex") : "";
      lines.push(`${path} ${stats.mode.toString(8)} ${content}`);
      if (stats.isDirectory()) visit(path);
    }
  };
  visit(root);
  return lines;
}
