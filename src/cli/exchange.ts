/**
 * Exchanges the files of a log for those of another one. A kill or a power cut at any point leaves the old log, the new
 * log, or a log that no writer opens until the exchange is completed. It never leaves an incomplete log that opens.
 *
 * ```text
 * DIR/.wal-log-repair/     the new log, complete and flushed
 *   PLAN                   written last: from here on no writer opens the log until the exchange is completed
 * DIR.damaged-1/           the old files, moved there: the evidence
 * ```
 *
 * 1. An empty file moves to the evidence, and is removed: files can move there. The new log is written to the folder in
 *    DIR. A copy of the old IDENTITY goes to the evidence.
 * 2. PLAN is written. It names the old files and describes their state.
 * 3. The old files move to the evidence. DIR/IDENTITY stays, so that DIR does not look like an empty folder.
 * 4. The new files move to DIR. Their UUID differs from that of DIR/IDENTITY, so they are not the log yet.
 * 5. The new IDENTITY replaces the old one.
 *
 * Each step can be repeated: it skips files that have already moved. If all old files are in DIR, and their state is no
 * longer the one in PLAN, the exchange is dropped: they may hold entries that the new log lacks.
 *
 * @module
 */

import { sharedCodec } from "../codec/pool.ts";
import { WalLogError } from "../api/errors.ts";
import { ID_BYTES, type Identity } from "../format/identity.ts";
import { IDENTITY_NAME, readIdentity, writeIdentity } from "../recovery/identity.ts";
import { isRepairInterrupted, PLAN_NAME, STAGING_NAME } from "../recovery/interrupted_repair.ts";
import type { FileSystem } from "../io/file_system.ts";
import { evidenceName, evidencePath, evidencePrefix, makeEvidence } from "./evidence.ts";
import { isSegmentOrSnapshot, isUnfinished } from "./log_files.ts";
import { isThere, namesIn, readFile, writeFile } from "./small_files.ts";

/** The file system, and further operations that an exchange needs. */
export interface Disk {
  /** The file system. It must guard the log's lock if another process could take it. */
  readonly fileSystem: FileSystem;
  /** Describes a log's files: a line for each, which begins with its name and changes with the file. */
  stateOf(folder: string): string;
  /** Gives a new folder the owner and the mode of another. */
  copyFolderOwner(path: string, like: string): void;
  /** Removes an empty folder if it exists. */
  removeFolder(path: string): void;
  /**
   * Fails if a path exists and is not a folder.
   *
   * @throws {WalLogError} `INVALID_ARGUMENT` if there is a link, or a file.
   */
  requireFolder(path: string): void;
}

/** An exchange in progress. */
export interface Plan {
  /** The UUID of the old log, in hexadecimal; empty if it had no valid IDENTITY. */
  readonly log: string;
  /** The folder for the old files. */
  readonly evidence: string;
  /** Their names. */
  readonly old: readonly string[];
  /** The names of the new files. */
  readonly made: readonly string[];
  /** The state of the old files ({@link Disk.stateOf}). */
  readonly state: string;
  /** Whether the new log lacks something that the node had acknowledged. */
  readonly isShortened: boolean;
}

/**
 * Reads the plan of an interrupted exchange.
 *
 * @param fileSystem The machine.
 * @param folder The log's folder.
 * @returns The plan; `undefined` if there is nothing to complete.
 * @throws {WalLogError} `INVALID_ARGUMENT` if the plan cannot be read.
 */
export function interruptedPlan(fileSystem: FileSystem, folder: string): Plan | undefined {
  const staging = `${folder}/${STAGING_NAME}`;
  // Once the new IDENTITY is in place, the exchange is done and the plan is obsolete.
  if (!isRepairInterrupted(fileSystem, folder)) return undefined;
  const text = new TextDecoder().decode(readFile(fileSystem, `${staging}/${PLAN_NAME}`));
  try {
    const { log, evidence, old, made, state, isShortened } = JSON.parse(text);
    const path = evidencePath(folder, evidence);
    const areNames = [old, made].every((names) => Array.isArray(names) && names.every(isOldName));
    if (path !== undefined && areNames) {
      return { log: String(log), evidence: path, old, made, state: String(state), isShortened: isShortened === true };
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
 * @param fill Writes the new log into an empty folder.
 * @param isShortened Whether the new log lacks something that the node had acknowledged.
 * @returns The plan that was carried out. If the exchange fails before the old files move, the log is unchanged.
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
    const made = fileSystem.list(staging).filter(isSegmentOrSnapshot).sort();
    plan = {
      log: uuidText(validIdentity(fileSystem, folder)),
      evidence,
      old,
      made,
      state: disk.stateOf(folder),
      isShortened,
    };
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
      if (areAllInPlace(fileSystem, folder, plan)) removeStaging(disk, folder);
    } catch {
      // The next repair completes or drops it.
    }
    throw error;
  }
  return plan;
}

/**
 * Whether an interrupted exchange may be completed. If not, {@link removeStaging} drops it, and nothing is lost.
 *
 * @param disk The machine.
 * @param folder The log's folder. The caller holds its lock.
 * @param plan The plan.
 * @returns `false` if the files in the folder are not the old ones as they were read.
 * @throws {WalLogError} `INVALID_ARGUMENT` if files have moved, and the rest can neither be completed nor dropped.
 */
export function canComplete({ fileSystem, stateOf }: Disk, folder: string, plan: Plan): boolean {
  const { evidence, old, made } = plan;
  const moved = namesIn(fileSystem, evidence);
  const hasMoved = old.some((name) => moved.includes(name));
  if (areAllInPlace(fileSystem, folder, plan)) {
    return isThere(fileSystem, evidence) && !hasMoved && stateOf(folder) === plan.state;
  }
  requireEvidence(fileSystem, folder, plan);
  const staged = namesIn(fileSystem, `${folder}/${STAGING_NAME}`);
  // Old files are lost. The new log is all that is left of them, unless another log was put in their place.
  if (!hasMoved && made.every((name) => staged.includes(name))) return areUnchanged(stateOf(folder), plan);
  const isExpected = (name: string) =>
    (old.includes(name) && !moved.includes(name)) || (made.includes(name) && !staged.includes(name));
  const others = namesIn(fileSystem, folder).filter((name) => isSegmentOrSnapshot(name) && !isExpected(name));
  if (others.length === 0) return true;
  throw new WalLogError(
    "INVALID_ARGUMENT",
    `Cannot complete the repair of the log at ${folder}: ${others.join(", ")} came into the folder after it was ` +
      `interrupted; move them out; or put back all old files, from ${evidence} or a backup, and the repair is dropped`,
    { path: folder },
  );
}

/** Whether the files that are left are among the old ones, and have not changed. */
function areUnchanged(state: string, plan: Plan): boolean {
  const known = new Set(plan.state.split("\n"));
  // If the log had no IDENTITY, the exchange made one.
  return state.split("\n").every((line) => line === "" || line.startsWith(`${IDENTITY_NAME} `) || known.has(line));
}

/** Whether all old files are in the folder. The new ones move there only when all old ones have left it. */
function areAllInPlace(fileSystem: FileSystem, folder: string, { old, made }: Plan): boolean {
  const there = namesIn(fileSystem, folder);
  const staged = namesIn(fileSystem, `${folder}/${STAGING_NAME}`);
  return old.every((name) => there.includes(name)) && made.every((name) => staged.includes(name));
}

/** Fails if the folder of the evidence is missing, or belongs to another log. */
function requireEvidence(fileSystem: FileSystem, folder: string, { evidence, log }: Plan): void {
  const kept = uuidText(validIdentity(fileSystem, evidence));
  const isForeign = kept !== "" && kept !== log;
  if (isThere(fileSystem, evidence) && !isForeign) return;
  throw new WalLogError(
    "INVALID_ARGUMENT",
    `Cannot complete the repair of the log at ${folder}: expected its old files in ${evidence}, found ` +
      `${isForeign ? "the files of another log" : "nothing"}; put that folder back, or an empty one if it is lost`,
    { path: folder },
  );
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
  const there = new Set(namesIn(fileSystem, folder));
  const moved = new Set(namesIn(fileSystem, plan.evidence));
  // Files in the evidence have already moved. A file of the same name in the folder is a new one.
  const move = (names: readonly string[]) => {
    for (const name of names.filter((name) => there.has(name) && !moved.has(name))) {
      fileSystem.rename(`${folder}/${name}`, `${plan.evidence}/${name}`);
    }
  };
  move(plan.old.slice(0, 1));
  // The log stays unchanged until the first move is durable.
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
  // The plan is needed until the new IDENTITY is durable.
  fileSystem.syncDirectory(staging);
  removeStaging(disk, folder);
}

/**
 * Removes the remains of an exchange that never started, or that is done.
 *
 * @param disk The machine.
 * @param folder The log's folder.
 */
export function removeStaging({ fileSystem, removeFolder }: Disk, folder: string): void {
  const staging = `${folder}/${STAGING_NAME}`;
  const names = namesIn(fileSystem, staging);
  // Without its IDENTITY, an incomplete new log cannot replace the old one.
  if (names.includes(IDENTITY_NAME)) {
    fileSystem.remove(`${staging}/${IDENTITY_NAME}`);
    fileSystem.syncDirectory(staging);
  }
  // The plan is removed last, because it identifies the other files.
  const ordered = [...names.filter((name) => name !== PLAN_NAME), ...names.filter((name) => name === PLAN_NAME)];
  for (const name of ordered.filter((name) => name !== IDENTITY_NAME)) fileSystem.remove(`${staging}/${name}`);
  removeFolder(staging);
}

/** Without an IDENTITY, a folder in the middle of the exchange would look empty, and a new log could be made in it. */
function requireIdentity(fileSystem: FileSystem, folder: string, staging: string): void {
  if (validIdentity(fileSystem, folder) !== undefined) return;
  if (!namesIn(fileSystem, staging).includes(IDENTITY_NAME)) return;
  const [uuid, incarnation] = [new Uint8Array(ID_BYTES), new Uint8Array(ID_BYTES)];
  fileSystem.random(uuid);
  fileSystem.random(incarnation);
  writeIdentity(fileSystem, folder, { uuid, incarnation, cluster: new Uint8Array(ID_BYTES) }, checksum);
}

/** The identity of the log in a folder; `undefined` if it is missing or damaged. */
function validIdentity(fileSystem: FileSystem, folder: string): Identity | undefined {
  const found = readIdentity(fileSystem, folder, checksum);
  return found === "damaged" ? undefined : found;
}

function uuidText(identity: Identity | undefined): string {
  return Array.from(identity?.uuid ?? [], (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function checksum(bytes: Uint8Array, seed: bigint): bigint {
  return sharedCodec().hash(bytes, seed);
}

function writePlan(fileSystem: FileSystem, folder: string, plan: Plan): void {
  const staging = `${folder}/${STAGING_NAME}`;
  const text = JSON.stringify({ ...plan, evidence: evidenceName(folder, plan.evidence) });
  const path = `${staging}/${PLAN_NAME}`;
  writeFile(fileSystem, `${path}.tmp`, new TextEncoder().encode(text));
  // Everything that the plan refers to must be durable first.
  fileSystem.syncDirectory(plan.evidence);
  fileSystem.syncDirectory(staging);
  fileSystem.rename(`${path}.tmp`, path);
  fileSystem.syncDirectory(staging);
}
