/**
 * Exchanges the files of a log for those of another one. A kill or a power cut at any point leaves the old log, the new
 * log, or a log that no writer opens and whose exchange can be completed. It never leaves a shorter log that opens.
 *
 * ```text
 * DIR/.wal-log-repair/     the new log, complete and flushed
 *   PLAN                   written last: from here on no writer opens the log until the exchange is completed
 * DIR.damaged-1/           the old files, moved there: the evidence
 * ```
 *
 * 1. An empty file moves to the evidence, and is removed. The new log is written to the folder in DIR. A copy of the
 *    old IDENTITY goes to the evidence.
 * 2. PLAN is written. It names the old files, and says what state they are in.
 * 3. The old files move to the evidence. DIR/IDENTITY stays, so that nobody takes DIR for an empty folder.
 * 4. The new files move to DIR. They have another UUID than DIR/IDENTITY, so that they are not the log yet.
 * 5. The new IDENTITY replaces the old one.
 *
 * Each step can be repeated: what has moved already is passed over. If no file has moved, and the old files are no longer
 * in the state that PLAN gives, the exchange is dropped: the new log may lack what was acknowledged since.
 *
 * @module
 */

import { sharedCodec } from "../codec/pool.ts";
import { WalLogError } from "../api/errors.ts";
import { ID_BYTES } from "../format/identity.ts";
import { IDENTITY_NAME, readIdentity, writeIdentity } from "../recovery/identity.ts";
import { isRepairInterrupted, PLAN_NAME, STAGING_NAME } from "../recovery/interrupted_repair.ts";
import type { FileSystem } from "../io/file_system.ts";
import { evidenceName, evidencePath, evidencePrefix, makeEvidence } from "./evidence.ts";
import { isSegmentOrSnapshot, isUnfinished } from "./log_files.ts";
import { isThere, namesIn, readFile, writeFile } from "./small_files.ts";

/** The machine, with what only an exchange asks of it. */
export interface Disk {
  /** Must guard the log's lock, if somebody else could take it. */
  readonly fileSystem: FileSystem;
  /** Describes a log's files: another text once a writer has changed them. */
  stateOf(folder: string): string;
  /** Gives a new folder the owner and the mode of another. */
  copyFolderOwner(path: string, like: string): void;
  /** Removes an empty folder, if it is there. */
  removeFolder(path: string): void;
  /**
   * Fails if a path leads to anything but a folder.
   *
   * @throws {WalLogError} `INVALID_ARGUMENT` if there is a link, or a file.
   */
  requireFolder(path: string): void;
}

/** An exchange that is under way. */
export interface Plan {
  /** Where the old files go. */
  readonly evidence: string;
  /** Their names. */
  readonly old: readonly string[];
  /** Their state ({@link Disk.stateOf}). */
  readonly state: string;
  /** Whether the new log lacks something that the node had acknowledged. */
  readonly isShortened: boolean;
}

/**
 * Reads the plan of an exchange that was interrupted.
 *
 * @param fileSystem The machine.
 * @param folder The log's folder.
 * @returns The plan; `undefined` if there is nothing to complete.
 * @throws {WalLogError} `INVALID_ARGUMENT` if the plan cannot be read.
 */
export function interruptedPlan(fileSystem: FileSystem, folder: string): Plan | undefined {
  const staging = `${folder}/${STAGING_NAME}`;
  // With its IDENTITY in place the exchange is done, and what the plan says no longer holds.
  if (!isRepairInterrupted(fileSystem, folder)) return undefined;
  const text = new TextDecoder().decode(readFile(fileSystem, `${staging}/${PLAN_NAME}`));
  try {
    const { evidence, old, state, isShortened } = JSON.parse(text);
    const path = evidencePath(folder, evidence);
    if (path !== undefined && Array.isArray(old) && old.every(isOldName)) {
      return { evidence: path, old, state: String(state), isShortened: isShortened === true };
    }
  } catch {
    // Not JSON.
  }
  throw new WalLogError(
    "INVALID_ARGUMENT",
    `Cannot complete the repair of the log at ${folder}: ${STAGING_NAME}/${PLAN_NAME} is damaged; nothing was changed`,
    { path: folder },
  );
}

function isOldName(name: unknown): boolean {
  return typeof name === "string" && (isSegmentOrSnapshot(name) || isUnfinished(name));
}

/**
 * Exchanges the files of a log for those of a new one.
 *
 * @param disk The machine.
 * @param folder The log's folder. The caller holds its lock.
 * @param fill Makes the new log in an empty folder.
 * @param isShortened Whether the new log lacks something that the node had acknowledged.
 * @returns The plan that was carried out. If it fails before the old files move, the log is as it was.
 */
export async function exchange(
  disk: Disk,
  folder: string,
  fill: (staging: string) => Promise<void>,
  isShortened: boolean,
): Promise<Plan> {
  const { fileSystem } = disk;
  const staging = `${folder}/${STAGING_NAME}`;
  let plan: Plan;
  disk.requireFolder(staging);
  try {
    removeStaging(disk, folder);
    fileSystem.makeDirectory(staging, 0o700);
    const prefix = evidencePrefix(disk, folder);
    await fill(staging);
    const evidence = makeEvidence(disk, folder, prefix);
    const old = fileSystem.list(folder).filter(isOldName).sort();
    plan = { evidence, old, state: disk.stateOf(folder), isShortened };
    writePlan(fileSystem, folder, plan);
    fileSystem.syncDirectory(folder);
  } catch (error) {
    try {
      if (!namesIn(fileSystem, staging).includes(PLAN_NAME)) removeStaging(disk, folder);
    } catch {
      // The next repair removes it.
    }
    throw error;
  }
  try {
    complete(disk, folder, plan);
  } catch (error) {
    try {
      if (!hasMoved(fileSystem, plan)) removeStaging(disk, folder);
    } catch {
      // The next repair completes or drops it.
    }
    throw error;
  }
  return plan;
}

/**
 * Whether an interrupted exchange may be completed. If not, nothing has moved, and {@link removeStaging} drops it.
 *
 * @param disk The machine.
 * @param folder The log's folder. The caller holds its lock.
 * @param plan The plan.
 * @returns `false` if the old files have changed since they were read.
 */
export function canComplete({ fileSystem, stateOf }: Disk, folder: string, plan: Plan): boolean {
  return plan.old.length === 0 || hasMoved(fileSystem, plan) || stateOf(folder) === plan.state;
}

/** Whether one of the old files is in the evidence. */
function hasMoved(fileSystem: FileSystem, { evidence, old }: Plan): boolean {
  const moved = new Set(namesIn(fileSystem, evidence));
  return old.some((name) => moved.has(name));
}

/**
 * Completes an exchange that {@link canComplete} allows.
 *
 * @param disk The machine.
 * @param folder The log's folder. The caller holds its lock.
 * @param plan The plan.
 */
export function complete(disk: Disk, folder: string, plan: Plan): void {
  const { fileSystem } = disk;
  const staging = `${folder}/${STAGING_NAME}`;
  disk.requireFolder(staging);
  if (!isThere(fileSystem, plan.evidence)) {
    throw new WalLogError(
      "INVALID_ARGUMENT",
      `Cannot complete the repair of the log at ${folder}: the old files that it moved to ${plan.evidence} are not there; ` +
        "put that folder back",
      { path: folder },
    );
  }
  const there = new Set(namesIn(fileSystem, folder));
  const moved = new Set(namesIn(fileSystem, plan.evidence));
  // What is in the evidence has moved. A file of that name in the folder is a new one.
  const move = (names: readonly string[]) => {
    for (const name of names.filter((name) => there.has(name) && !moved.has(name))) {
      fileSystem.rename(`${folder}/${name}`, `${plan.evidence}/${name}`);
    }
  };
  move(plan.old.slice(0, 1));
  // Until the first one has moved, durably, the log stays as it was.
  fileSystem.syncDirectory(plan.evidence);
  requireIdentity(fileSystem, folder, staging);
  move(plan.old.slice(1));
  fileSystem.syncDirectory(plan.evidence);
  fileSystem.syncDirectory(folder);
  for (const name of namesIn(fileSystem, staging).filter(isSegmentOrSnapshot).sort()) {
    fileSystem.rename(`${staging}/${name}`, `${folder}/${name}`);
  }
  fileSystem.syncDirectory(folder);
  fileSystem.rename(`${staging}/${IDENTITY_NAME}`, `${folder}/${IDENTITY_NAME}`);
  fileSystem.syncDirectory(folder);
  // Only now: until the new IDENTITY is durable, the plan is needed.
  fileSystem.syncDirectory(staging);
  removeStaging(disk, folder);
}

/**
 * Removes what an exchange has left that was never begun, or is done.
 *
 * @param disk The machine.
 * @param folder The log's folder.
 */
export function removeStaging({ fileSystem, removeFolder }: Disk, folder: string): void {
  const staging = `${folder}/${STAGING_NAME}`;
  const names = namesIn(fileSystem, staging);
  // Without its IDENTITY, a new log that is no longer whole is not put in the place of the old one.
  if (names.includes(IDENTITY_NAME)) {
    fileSystem.remove(`${staging}/${IDENTITY_NAME}`);
    fileSystem.syncDirectory(staging);
  }
  // The plan goes last. Without it, nobody can tell whose files the rest are.
  const ordered = [...names.filter((name) => name !== PLAN_NAME), ...names.filter((name) => name === PLAN_NAME)];
  for (const name of ordered.filter((name) => name !== IDENTITY_NAME)) fileSystem.remove(`${staging}/${name}`);
  removeFolder(staging);
}

/** Without an IDENTITY, a folder whose files are on the move would pass for an empty one, in which a new log may begin. */
function requireIdentity(fileSystem: FileSystem, folder: string, staging: string): void {
  const codec = sharedCodec();
  const sum = (bytes: Uint8Array, seed: bigint) => codec.hash(bytes, seed);
  const found = readIdentity(fileSystem, folder, sum);
  if (found !== undefined && found !== "damaged") return;
  if (!namesIn(fileSystem, staging).includes(IDENTITY_NAME)) return;
  const [uuid, incarnation] = [new Uint8Array(ID_BYTES), new Uint8Array(ID_BYTES)];
  fileSystem.random(uuid);
  fileSystem.random(incarnation);
  writeIdentity(fileSystem, folder, { uuid, incarnation, cluster: new Uint8Array(ID_BYTES) }, sum);
}

function writePlan(fileSystem: FileSystem, folder: string, plan: Plan): void {
  const staging = `${folder}/${STAGING_NAME}`;
  const text = JSON.stringify({ ...plan, evidence: evidenceName(folder, plan.evidence) });
  const path = `${staging}/${PLAN_NAME}`;
  writeFile(fileSystem, `${path}.tmp`, new TextEncoder().encode(text));
  // What it tells of must be durable before it.
  fileSystem.syncDirectory(plan.evidence);
  fileSystem.syncDirectory(staging);
  fileSystem.rename(`${path}.tmp`, path);
  fileSystem.syncDirectory(staging);
}
