/**
 * The files of a log as values: copied from a simulated disk, damaged, and put on another one.
 *
 * @module
 */

import type { Random } from "../../src/testing/mod.ts";
import { SimulatedDisk } from "../../src/testing/mod.ts";

/** The folder of every log of the judge. */
export const FOLDER = "/raft.wal";

/** Contents by path. A content is never changed in place: damage replaces it. */
export type Files = Map<string, Uint8Array>;

/** The contents of damaged bytes. */
export type Blot = "zeros" | "noise";

/**
 * The files of a disk, as programs see them.
 *
 * @param disk The disk.
 */
export function filesOf(disk: SimulatedDisk): Files {
  return new Map(disk.files().map((path) => [path, disk.content(path)]));
}

/**
 * A new disk that holds these files, all of them durable.
 *
 * @param files The files.
 * @param seed The seed of the disk.
 */
export function diskOf(files: Files, seed: number): SimulatedDisk {
  const disk = new SimulatedDisk({ seed });
  for (const [path, content] of files) {
    const file = disk.fileSystem.open(path, "create");
    if (content.length > 0) file.write(content, 0);
    file.sync();
    file.close();
  }
  disk.fileSystem.syncDirectory(FOLDER);
  return disk;
}

/** Flips one bit. */
export function flipBit(files: Files, path: string, at: number, bit: number): void {
  const content = files.get(path)!.slice();
  content[at] = content[at]! ^ 1 << bit;
  files.set(path, content);
}

/** Overwrites a range. The file keeps its length. */
export function blot(files: Files, path: string, from: number, to: number, how: Blot, random: Random): void {
  const content = files.get(path)!.slice();
  const range = content.subarray(from, to);
  if (how === "zeros") range.fill(0);
  else random.fill(range);
  files.set(path, content);
}

/** Cuts a file. */
export function cutFile(files: Files, path: string, size: number): void {
  files.set(path, files.get(path)!.slice(0, size));
}

/** The length of a file without the zeros at its end. */
export function usedBytes(content: Uint8Array): number {
  return content.findLastIndex((byte) => byte !== 0) + 1;
}

/**
 * Whether damage changed a range of a file.
 *
 * @param before The files before the damage, including this file.
 * @param after The files after it.
 */
export function isChanged(before: Files, after: Files, path: string, from: number, to: number): boolean {
  const old = before.get(path)!;
  const now = after.get(path);
  if (now === old) return false;
  if (now === undefined || now.length < to) return true;
  for (let at = from; at < to; at++) if (now[at] !== old[at]) return true;
  return false;
}
