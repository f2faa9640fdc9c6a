/**
 * Restores a log from its archive.
 *
 * The names of the log's files end in `.restore` until all files are complete and verified. Then the files get their
 * final names: `IDENTITY` first, the oldest segment last. Until then, the folder does not open as a log. After a crash,
 * the next restore reuses the files.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { WalLogError } from "../api/errors.ts";
import { checkNames } from "../api/option_names.ts";
import type { Progress } from "../api/options.ts";
import type { Index } from "../api/types.ts";
import { checkReadIndex, invalid, show } from "../api/validate.ts";
import { WalLog } from "../api/wal_log.ts";
import { leaseCodec, returnCodec } from "../codec/pool.ts";
import { PAYLOAD_BYTES_MAX } from "../format/frame.ts";
import { ID_BYTES } from "../format/identity.ts";
import type { SegmentHeader } from "../format/segment_header.ts";
import { segmentNumber } from "../format/segment_name.ts";
import { isSnapshotName, snapshotName } from "../format/snapshot_name.ts";
import type { FileSystem } from "../io/file_system.ts";
import { ioError } from "../io/full.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import { partialNames } from "../maintain/partial_folder.ts";
import { folderOf } from "../recovery/open.ts";
import { IDENTITY_NAME, writeIdentity } from "../recovery/identity.ts";
import { readClaim } from "./claims.ts";
import { type Cut, CutFinder, type RestoreTarget, stateOfSnapshot } from "./cut.ts";
import { gapAfter, type History, requireHistory, startsFor } from "./history.ts";
import { surveyInUse, surveyStore } from "./survey.ts";
import type { ArchivedSnapshot, Piece } from "./keys.ts";
import type { ObjectStore } from "./object_store.ts";
import { lost, notFound, requireUnaffected, requireUnpruned } from "./restore_errors.ts";
import {
  isPublishing,
  LOCK_NAME,
  makeFolder,
  publish,
  REPORT_NAME,
  requireLog,
  type RestoredFolder,
  type RestoreReport,
  SUFFIX,
  writeReport,
} from "./restored_folder.ts";
import { finishFiles, Staging } from "./staging.ts";

/** The number of attempts if objects disappear because an archiver merges them. */
const ATTEMPTS_MAX = 5;
/** The number of objects to read at the same time. A request has 4 MiB at most. */
export const CONCURRENCY_DEFAULT = 4;
const CONCURRENCY_MAX = 64;

/** Options of restoring a log. */
export interface RestoreOptions {
  /** The last entry to restore. Default: the last archived one. Not together with `toTime`. */
  readonly toIndex?: Index;
  /**
   * The time to restore to, in milliseconds since 1970, by the clock of the log's machine. The result is the state
   * before the first checkpoint with a later time. A log writes a checkpoint after about 16 KiB, and 20 ms after the
   * last flush. It fails with `NOT_FOUND` if the log had no entry and no snapshot then.
   */
  readonly toTime?: number;
  /** The generation to restore. Default: the newest. */
  readonly generation?: number;
  /** The most objects to read at the same time, 1 to 64. Each takes up to 4 MiB of memory. Default: 4. */
  readonly concurrency?: number;
  /** Called after each object, with the bytes restored and the most bytes to restore. */
  readonly onProgress?: (progress: Progress) => void;
  /** Aborts the restore: it rejects with the signal's reason. The next restore to the folder continues it. */
  readonly signal?: AbortSignal;
  /** The machine to run on. Default: the one that the process runs on. */
  readonly fileSystem?: FileSystem;
}

/**
 * Restores a log from its archive into a folder: the newest usable snapshot and the entries after it. Every frame is
 * verified. The result is a closed log that opens `clean`, with the UUID and the cluster of the archived log and a new
 * incarnation.
 *
 * A Raft node that starts from an archive has lost all later votes and acknowledgements. Let it join its cluster as a
 * new member.
 *
 * @param store The store with the archive.
 * @param folder The folder. It must be empty, not exist, or have an interrupted restore of the same archive.
 * @param options The wanted state, progress and signal.
 * @returns The contents of the log.
 * @throws {WalLogError} `NOT_FOUND` if there is no archive, or if it does not have the wanted state; `CORRUPT` if a
 * needed object is missing or damaged; `INVALID_ARGUMENT` if the folder is not empty, or for an invalid option;
 * `LOCKED`, `STORE`, `NO_SPACE`, `IO`. If the signal aborts, its reason.
 *
 * @example
 * ```ts
 * import { WalLog } from "@wallog/wallog";
 * import { archive, MemoryStore, restore } from "@wallog/wallog/archive";
 * import { mkdtempSync, rmSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import assert from "node:assert/strict";
 *
 * const folder = mkdtempSync(join(tmpdir(), "wallog-"));
 * const store = new MemoryStore();
 * {
 *   await using log = await WalLog.open(join(folder, "raft.wal"));
 *   await using archiving = archive(log, store);
 *   log.append([{ term: 1, index: 1, command: new TextEncoder().encode("x = 1") }]);
 *   await log.sync();
 *   await archiving.archived(1);
 * }
 * const { lastIndex } = await restore(store, join(folder, "restored.wal"));
 * assert.equal(lastIndex, 1);
 * {
 *   await using log = await WalLog.open(join(folder, "restored.wal"));
 *   assert.equal(log.recovery.verdict, "clean");
 *   assert.equal(new TextDecoder().decode(log.entry(1)?.command), "x = 1");
 * }
 * rmSync(folder, { recursive: true });
 * ```
 *
 * @experimental
 */
export async function restore(
  store: ObjectStore,
  folder: string | URL,
  options: RestoreOptions = {},
): Promise<RestoreReport> {
  const target = targetOf(options);
  const { fileSystem = nodeFileSystem, signal } = options;
  signal?.throwIfAborted();
  const path = folderOf(folder);
  makeFolder(fileSystem, path);
  // A folder that is refused gets no lock file.
  isPublishing(fileSystem, path);
  const lock = fileSystem.lock(`${path}/${LOCK_NAME}`);
  if (typeof lock !== "object") {
    throw new WalLogError("LOCKED", `Cannot restore to ${path}: a writer has a log open there`, { path });
  }
  try {
    const partial = partialNames(fileSystem, path, lock, SUFFIX);
    const work: Work = { store, fileSystem, partial, folder: path, target, options };
    if (isPublishing(fileSystem, path)) await requireSameLog(work);
    else await prepare(work);
    return publish(work);
  } catch (error) {
    throw signal?.aborted === true && error === signal.reason ? error : ioError("Cannot restore a log", path, error);
  } finally {
    lock.release();
  }
}

/** The parameters of a restore. */
export interface Work extends RestoredFolder {
  readonly store: ObjectStore;
  readonly options: RestoreOptions;
}

function targetOf(options: RestoreOptions): RestoreTarget {
  const attempt = "Cannot restore a log";
  checkNames(attempt, options, [
    "toIndex",
    "toTime",
    "generation",
    "concurrency",
    "onProgress",
    "signal",
    "fileSystem",
  ]);
  const { toIndex, toTime } = options;
  checkConcurrency(attempt, options.concurrency);
  if (toIndex !== undefined && toTime !== undefined) throw invalid(`${attempt}: give toIndex or toTime, not both`);
  if (toIndex !== undefined) {
    checkReadIndex(toIndex);
    return { kind: "index", index: toIndex };
  }
  if (toTime === undefined) return { kind: "end" };
  if (Number.isFinite(toTime)) return { kind: "time", milliseconds: toTime };
  throw invalid(`${attempt}: toTime must be milliseconds since 1970, found ${show(toTime)}`);
}

/** The number of objects to read at the same time, as an option gives it. */
export function checkConcurrency(attempt: string, concurrency: number = CONCURRENCY_DEFAULT): number {
  if (Number.isInteger(concurrency) && concurrency >= 1 && concurrency <= CONCURRENCY_MAX) return concurrency;
  throw invalid(`${attempt}: concurrency must be 1 to ${CONCURRENCY_MAX}, found ${show(concurrency)}`);
}

/** Fails if the complete files in the folder are not of the archive's log. */
async function requireSameLog(work: Work): Promise<void> {
  const { store, options: { signal } } = work;
  // All claims are of the same log, and the last one is never deleted.
  const { claimed } = await surveyStore(store, { signal });
  const claim = await readClaim(store, claimed, { signal });
  requireLog(work, claim?.uuid.replaceAll("-", ""));
}

/** Makes all files, under their temporary names. */
async function prepare(work: Work): Promise<void> {
  const { store, options: { generation, signal }, partial, folder } = work;
  for (let attempt = 1;; attempt++) {
    const history = requireHistory(await surveyInUse(store, { signal }), generation, store.name);
    try {
      const restored = await restoreFiles(work, history);
      return await complete(work, history, restored);
    } catch (error) {
      const isGone = error instanceof WalLogError && error.code === "NOT_FOUND" &&
        error.path?.startsWith("generations/");
      if (!isGone || attempt === ATTEMPTS_MAX) throw error;
    } finally {
      signal?.throwIfAborted();
      for (const name of partial.list(folder)) if (name.endsWith(".tmp")) partial.remove(`${folder}/${name}`);
    }
  }
}

/** The segments of a restored log. */
export interface Restored {
  readonly headers: readonly SegmentHeader[];
  readonly cut: Cut;
  readonly bytes: number;
}

/** Restores segments and the snapshot, under temporary names. Tries the newest snapshot first. */
export async function restoreFiles(work: Work, history: History): Promise<Restored> {
  const { target } = work;
  requireUnpruned(work, history);
  const isWanted = ({ index }: ArchivedSnapshot) => target.kind !== "index" || index <= target.index;
  const indexes = [...history.snapshots.filter(isWanted).map(({ index }) => index), 0];
  // A log as of a time does not begin after it.
  const isLater = ({ time }: Piece) => target.kind === "time" && time > target.milliseconds;
  const later = history.segments.findIndex(({ chain }) => chain.some(isLater));
  // The latest possible start needs the fewest objects. An earlier start would have the same cut.
  const until = later < 0 ? history : { ...history, segments: history.segments.slice(0, later + 1) };
  const starts = [...new Set(indexes.flatMap((index) => startsFor(until, index)))].sort((a, b) => b - a);
  let missing = 0;
  for (const start of starts) {
    const { restored, lostSnapshot, gap } = await restoreFrom(work, history, start);
    if (lostSnapshot > 0 && gap === undefined && target.kind !== "index") throw lost(work, history, lostSnapshot);
    if (restored !== undefined && gap !== undefined) requireUnaffected(work, gap);
    if (restored !== undefined) return restored;
    missing ||= lostSnapshot;
  }
  throw missing > 0 ? lost(work, history, missing) : notFound(work, history);
}

/** Restores segments from one on, up to the cut or a gap. */
async function restoreFrom(work: Work, history: History, start: number) {
  const { store, partial, folder, target, options: { signal, onProgress, concurrency = CONCURRENCY_DEFAULT } } = work;
  const { snapshots } = history;
  const found = history.segments.findIndex((_, i) => i >= start && gapAfter(history, i) !== undefined);
  const segments = history.segments.slice(start, found < 0 ? undefined : found + 1);
  const find = (index: Index, term: number) => snapshots.find((one) => one.index === index && one.term === term);
  const finder = new CutFinder(target, (index, term) => stateOfSnapshot(history, index, term));
  const bytesTotal = segments.flatMap(({ chain }) => chain).reduce((sum, { from, to }) => sum + to - from, 0);
  let bytesDone = 0;
  const staging = new Staging(store, partial, folder, { signal, concurrency }, (bytes) => {
    bytesDone += bytes;
    onProgress?.({ bytesDone, bytesTotal: Math.max(bytesTotal, bytesDone) });
  });
  const { headers, goOn } = await staging.restoreSegments(segments, finder);
  const gap = found < 0 || !goOn ? undefined : gapAfter(history, found);
  const { cut, lostSnapshot } = finder;
  // A state before the wanted one is not restored in its place.
  if (cut === undefined || (lostSnapshot > 0 && target.kind !== "index")) {
    return { restored: undefined, lostSnapshot, gap };
  }
  const { index, term } = cut.snapshot;
  if (index > 0) await staging.restoreSnapshot(find(index, term)!);
  const kept = headers.filter(({ number }) => number <= cut.number);
  removeOthers(work, kept, snapshotName(index, term));
  const snapshotBytes = index > 0 ? find(index, term)!.size : 0;
  // LSNs continue from segment to segment, so this is the size of all files.
  const bytes = kept.at(-1)!.baseLsn - kept[0]!.baseLsn + cut.offset + snapshotBytes;
  return { restored: { headers: kept, cut, bytes }, lostSnapshot, gap };
}

/** Removes unfinished files of an earlier attempt that are not needed. */
function removeOthers({ partial, folder }: Work, headers: readonly SegmentHeader[], snapshot: string): void {
  const numbers = new Set(headers.map(({ number }) => number));
  for (const name of partial.list(folder)) {
    const number = segmentNumber(name);
    const isNeeded = number === undefined ? name === snapshot || !isSnapshotName(name) : numbers.has(number);
    if (!isNeeded || name === IDENTITY_NAME || name === REPORT_NAME) partial.remove(`${folder}/${name}`);
  }
}

/** Opens the log for writing, which verifies it, and closes it. */
async function complete(work: Work, history: History, { headers, cut, bytes }: Restored): Promise<void> {
  const { partial, folder, target, options: { signal } } = work;
  finishFiles(partial, folder, headers, cut.offset);
  const codec = leaseCodec();
  try {
    const incarnation = new Uint8Array(ID_BYTES);
    partial.random(incarnation);
    const identity = { uuid: headers[0]!.uuid, incarnation, cluster: clusterOf(history) };
    writeIdentity(partial, folder, identity, (bytes, seed) => codec.hash(bytes, seed));
  } finally {
    returnCodec(codec);
  }
  const log = await WalLog.open(folder, {
    fileSystem: partial,
    create: false,
    maxEntryBytes: PAYLOAD_BYTES_MAX,
    ...signal && { signal },
  });
  let report: RestoreReport;
  try {
    requireState(log, cut);
    if (target.kind === "index") log.truncate(target.index + 1);
    const { lastIndex, snapshotIndex, hardState } = log;
    report = { generation: history.generation, lastIndex, snapshotIndex, hardState, bytes };
  } finally {
    await log.close();
  }
  writeReport(work, report, Buffer.from(headers[0]!.uuid).toString("hex"));
}

function requireState({ lastIndex, snapshotIndex, recovery, path }: WalLog, { next, snapshot }: Cut): void {
  if (recovery.verdict === "clean" && lastIndex === next - 1 && snapshotIndex === snapshot.index) return;
  const message = `Cannot restore a log to ${path}: the archive is inconsistent: expected entries ` +
    `${snapshot.index + 1} to ${next - 1}, found ${snapshotIndex + 1} to ${lastIndex} (${recovery.verdict})`;
  throw new WalLogError("CORRUPT", message, { path, damage: recovery.damage });
}

/** The cluster of the log; zeros if there is none. A log belongs to at most one cluster. */
export function clusterOf({ identities }: History): Uint8Array {
  const founded = identities.find(({ cluster }) => /[^0]/.test(cluster));
  return founded === undefined ? new Uint8Array(ID_BYTES) : new Uint8Array(Buffer.from(founded.cluster, "hex"));
}
