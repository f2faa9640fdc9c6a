/**
 * The folder in which an exchange (`exchange.ts`) keeps the old files.
 *
 * @module
 */

import type { FileSystem } from "../io/file_system.ts";
import { errorCode } from "../io/full.ts";
import { temporaryName } from "../io/temporary.ts";
import { IDENTITY_NAME } from "../recovery/identity.ts";
import { STAGING_NAME } from "../recovery/interrupted_repair.ts";
import type { Disk } from "./exchange.ts";
import { namesIn, readFile, writeFile } from "./small_files.ts";

/** An empty file that shows whether files can move to the evidence. */
const PROBE_NAME = "PROBE";
/** The log's folder is a volume of its own, or the folder above is not writable. Deno also has an error without a code. */
const REFUSALS = ["EXDEV", "EACCES", "EPERM", "EROFS"];

/**
 * The name that a plan gives the evidence. It holds no path, so that the log's folder can be moved or renamed.
 *
 * @param folder The log's folder.
 * @param path The evidence.
 * @returns `beside-1`, `within-1` and the like.
 */
export function evidenceName(folder: string, path: string): string {
  const isWithin = path.startsWith(`${folder}/`);
  return `${isWithin ? "within" : "beside"}-${path.slice(path.lastIndexOf("-") + 1)}`;
}

/**
 * The opposite of {@link evidenceName}.
 *
 * @param folder The log's folder.
 * @param name The name.
 * @returns The path of the evidence; `undefined` if the name is none.
 */
export function evidencePath(folder: string, name: unknown): string | undefined {
  const [, where, number] = /^(beside|within)-(\d+)$/.exec(String(name)) ?? [];
  if (where === undefined) return undefined;
  return `${folder}${where === "within" ? "/" : "."}damaged-${number}`;
}

/**
 * Finds out where files can move.
 *
 * @param disk The machine.
 * @param folder The log's folder, with the folder of the new log in it.
 * @returns The path of the evidence, without the number at its end.
 */
export function evidencePrefix(disk: Disk, folder: string): string {
  const [beside, within] = [`${folder}.damaged-`, `${folder}/damaged-`];
  writeFile(disk.fileSystem, `${folder}/${STAGING_NAME}/${PROBE_NAME}`, new Uint8Array(0));
  try {
    probe(disk, folder, beside);
    return beside;
  } catch (error) {
    if (!REFUSALS.includes(errorCode(error) ?? "") && (error as Error).name !== "NotCapable") throw error;
    probe(disk, folder, within);
    return within;
  }
}

/** Moves an empty file to the evidence, and removes it. Fails if files cannot move there. */
function probe({ fileSystem, copyFolderOwner, removeFolder }: Disk, folder: string, prefix: string): void {
  const evidence = vacant(fileSystem, prefix);
  fileSystem.makeDirectory(evidence, 0o700);
  try {
    copyFolderOwner(evidence, folder);
    const path = `${folder}/${STAGING_NAME}/${PROBE_NAME}`;
    fileSystem.rename(path, `${evidence}/${PROBE_NAME}`);
    fileSystem.remove(`${evidence}/${PROBE_NAME}`);
  } finally {
    if (namesIn(fileSystem, evidence).length === 0) removeFolder(evidence);
  }
}

/**
 * Makes the folder of the evidence, with a copy of the old IDENTITY in it.
 *
 * @param disk The machine.
 * @param folder The log's folder, with the folder of the new log in it.
 * @param prefix What {@link evidencePrefix} has found.
 * @returns Its path.
 */
export function makeEvidence(
  { fileSystem, copyFolderOwner, removeFolder }: Disk,
  folder: string,
  prefix: string,
): string {
  const evidence = vacant(fileSystem, prefix);
  fileSystem.makeDirectory(evidence, 0o700);
  try {
    copyFolderOwner(evidence, folder);
    if (!namesIn(fileSystem, folder).includes(IDENTITY_NAME)) return evidence;
    const copy = `${folder}/${STAGING_NAME}/${temporaryName(fileSystem, IDENTITY_NAME)}`;
    writeFile(fileSystem, copy, readFile(fileSystem, `${folder}/${IDENTITY_NAME}`));
    fileSystem.rename(copy, `${evidence}/${IDENTITY_NAME}`);
    return evidence;
  } catch (error) {
    if (namesIn(fileSystem, evidence).length === 0) removeFolder(evidence);
    throw error;
  }
}

/** A name for the evidence that is free, or was to become the evidence of an exchange that was never begun. */
function vacant(fileSystem: FileSystem, prefix: string): string {
  for (let number = 1;; number++) {
    const path = `${prefix}${number}`;
    try {
      if (namesIn(fileSystem, path).every((name) => name === IDENTITY_NAME || name === PROBE_NAME)) return path;
    } catch (error) {
      // Something that is no folder.
      if (errorCode(error) !== "ENOTDIR") throw error;
    }
  }
}
