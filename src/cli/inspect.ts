/**
 * Inspects a log: opens it read-only, damaged or not, also beside a running writer.
 *
 * @module
 */

import { lstatSync } from "node:fs";
import { resolve } from "node:path";
import { setImmediate } from "node:timers/promises";
import { WalLogError } from "../api/errors.ts";
import { folderOf, type Opened, openLog } from "../recovery/open.ts";
import { checkOptions, type Progress } from "../api/options.ts";
import type { Damage, RecoveryReport } from "../api/report.ts";
import type { Segment } from "../log/segment.ts";
import { SnapshotReader } from "../snapshots/snapshot_file.ts";
import type { FileSystem } from "../io/file_system.ts";
import { errorCode } from "../io/full.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import type { Index, NodeId, Term } from "../api/types.ts";
import { WalLog } from "../api/wal_log.ts";
import type { Context } from "./command.ts";
import { isInUse } from "./in_use.ts";
import { stateOfFiles } from "./log_files.ts";
import { progressLine } from "./progress.ts";
import { counted, damageText } from "./text.ts";

/** The most attempts to read a log that changes meanwhile. */
const ATTEMPTS_MAX = 5;

/** A segment of a log. */
export interface SegmentView {
  readonly segment: Segment;
  /** The size of its file in bytes, including preallocation. */
  readonly fileBytes: number;
  /** The number of its entries above the snapshot. */
  readonly entries: number;
  /** The first and the last of these entries. If there are none, the first is the last plus 1. */
  readonly firstIndex: Index;
  readonly lastIndex: Index;
  /** The first index of each term among these entries. */
  readonly terms: readonly (readonly [Index, Term])[];
}

/** The snapshot of a log. */
export interface SnapshotView {
  readonly index: Index;
  readonly term: Term;
  /** `undefined` if the file is damaged, and so are the members. */
  readonly dataBytes: number | undefined;
  readonly members: readonly NodeId[] | undefined;
}

/** The state of a log. */
export interface Inspection {
  /** The path of its folder. */
  readonly folder: string;
  /** The result of opening it: its index, its state, the report. */
  readonly opened: Opened;
  readonly segments: readonly SegmentView[];
  readonly snapshot: SnapshotView | undefined;
  /** The first index that the log has above its snapshot. */
  readonly firstIndex: Index;
  readonly lastIndex: Index;
  /** Whether a running writer was detected. */
  readonly isInUse: boolean;
}

/**
 * Inspects a log, with a progress bar on a terminal.
 *
 * @param path The log's folder.
 * @returns Its state.
 * @throws {WalLogError} `IO` if it cannot be read; `UNSUPPORTED_VERSION`; `INVALID_ARGUMENT` if there is no log.
 */
export async function inspect(path: string): Promise<Inspection> {
  const folder = folderOf(resolve(path));
  for (let attempt = 1;; attempt++) {
    const before = stateOfFiles(folder);
    const opened = await openForReading(folder);
    try {
      const inUse = await isInUse(folder, opened.report, before);
      // A write in progress looks torn.
      if (inUse && opened.report.verdict === "torn" && attempt < ATTEMPTS_MAX) continue;
      return describe(folder, opened, inUse);
    } catch (error) {
      // Compaction may delete a file between two reads.
      if (errorCode(error) !== "ENOENT" || attempt === ATTEMPTS_MAX) throw error;
    }
  }
}

async function openForReading(folder: string): Promise<Opened> {
  const opening = openLog(folder, checkOptions({ readOnly: true, onDamage: "keep" }), false);
  const opened = await withProgress("reading", opening);
  requireLog(folder, opened.report);
  return opened;
}

/**
 * Opens a log read-only, also beside a running writer, with a progress bar on a terminal.
 *
 * @param path The log's folder.
 * @param onDamage Whether a damaged log opens.
 * @param signal Ends it early.
 * @param verify `full` reads the whole log, `tail` the newest segment and the indexes of the others.
 * @param fileSystem Opens the files.
 * @returns The log.
 * @throws {WalLogError} As opening a log; `INVALID_ARGUMENT` also if there is none.
 */
export async function openToRead(
  path: string,
  onDamage: "fail" | "keep",
  signal?: AbortSignal,
  verify: "full" | "tail" = "full",
  fileSystem: FileSystem = nodeFileSystem,
): Promise<WalLog> {
  const line = progressLine("reading");
  const options = { readOnly: true, onDamage: "keep", signal, verify, fileSystem, onProgress: line.show } as const;
  const log = await WalLog.open(path, options).finally(() => line.clear());
  requireLog(log.path, log.recovery);
  const { damaged } = log;
  if (onDamage === "keep" || damaged.length === 0) return log;
  await log.close();
  const [first] = damaged;
  throw new WalLogError(
    "CORRUPT",
    `The log at ${log.path} is damaged in ${counted(damaged.length, "place", "places")}: ${damageText(first!)}` +
      `${damaged.length > 1 ? ", ..." : ""}; verify names all of it, repair may help`,
    { path: first!.path, offset: first!.offset, damage: damaged },
  );
}

/**
 * Reads all of an undamaged log. Begins again if its writer compacts it meanwhile.
 *
 * @param path The log's folder.
 * @param context Receives messages, the signal that ends it early, and the file system.
 * @param use Does the reading, from the beginning each time.
 * @returns What `use` returns.
 * @throws {WalLogError} As {@link openToRead}.
 */
export async function readWhole<Result>(
  path: string,
  { note, signal, fileSystem }: Pick<Context, "note" | "signal"> & { readonly fileSystem?: FileSystem },
  use: (log: WalLog) => Promise<Result>,
): Promise<Result> {
  for (let attempt = 1;; attempt++) {
    const log = await openToRead(path, "fail", signal, "full", fileSystem);
    try {
      return await use(log);
    } catch (error) {
      if (attempt === ATTEMPTS_MAX || !isCompaction(error)) throw error;
      note("the log was compacted meanwhile; beginning again");
    } finally {
      await log.close();
    }
  }
}

/**
 * Whether a failure means that the writer has deleted a file that was there when the log was opened.
 *
 * @param error The error.
 */
export function isCompaction(error: unknown): boolean {
  if (!(error instanceof WalLogError)) return errorCode(error) === "ENOENT";
  return error.code === "COMPACTED";
}

/** Fails if a folder has no log: it is empty, or has only other files. */
function requireLog(folder: string, { segments, damage }: RecoveryReport): void {
  if (segments > 0 || damage.length > 0) return;
  throw new WalLogError("INVALID_ARGUMENT", `There is no log in ${folder}`, { path: folder });
}

/**
 * Runs work to its end, with a progress bar on a terminal.
 *
 * @param label The name of the work.
 * @param work Yields its progress.
 * @returns The result of the work.
 */
export async function withProgress<Result>(
  label: string,
  work: Generator<Progress, Result> | AsyncGenerator<Progress, Result>,
): Promise<Result> {
  const line = progressLine(label);
  try {
    for (let i = 0;; i++) {
      const step = await work.next();
      if (step.done) return step.value;
      line.show(step.value);
      if (i % 16 === 0) await setImmediate();
    }
  } finally {
    line.clear();
  }
}

function describe(folder: string, opened: Opened, isInUse: boolean): Inspection {
  const { index, codec, uuid } = opened;
  const paths = new Set(index.segments.map(({ path }) => path));
  const elsewhere = opened.report.damage.filter(({ path, kind }) => !paths.has(path) && kind !== "snapshot");
  const segments = index.segments.map((segment): SegmentView => {
    const { firstIndex, lastIndex } = ownRange(segment, index.snapshotIndex + 1, elsewhere);
    return {
      segment,
      // A writer may have deleted it meanwhile.
      fileBytes: lstatSync(segment.path, { throwIfNoEntry: false })?.size ?? segment.endOffset,
      entries: lastIndex - firstIndex + 1,
      firstIndex,
      lastIndex,
      terms: index.runs.between(firstIndex, lastIndex),
    };
  });
  const isSnapshotDamaged = opened.report.damage.some(({ kind }) => kind === "snapshot");
  let snapshot: SnapshotView | undefined;
  if (index.snapshotIndex > 0) {
    snapshot = { index: index.snapshotIndex, term: index.snapshotTerm, dataBytes: undefined, members: undefined };
    try {
      const reader = new SnapshotReader(nodeFileSystem, folder, codec, uuid, snapshot.index, snapshot.term);
      reader.close();
      // One damaged piece does not affect the others.
      if (!isSnapshotDamaged) snapshot = { ...snapshot, dataBytes: reader.dataBytes, members: reader.meta.config };
    } catch (error) {
      if (!(error instanceof WalLogError && error.code === "CORRUPT")) throw error;
      // Found when the log was opened; if not, a writer has compacted the log since.
      if (!isSnapshotDamaged) throw systemError("ENOENT", error);
    }
  }
  const [firstIndex, lastIndex] = [index.snapshotIndex + 1, index.nextIndex - 1];
  return { folder, opened, segments, snapshot, firstIndex, lastIndex, isInUse };
}

/** The indexes of a segment's own entries. Recovery adds those of a lost file to a segment beside it. */
function ownRange(
  segment: Segment,
  from: Index,
  elsewhere: readonly Damage[],
): Pick<SegmentView, "firstIndex" | "lastIndex"> {
  let firstIndex = Math.max(segment.firstIndex, from);
  let end = Math.max(segment.end, firstIndex);
  for (const { firstIndex: first, lastIndex: last } of elsewhere) {
    if (first === undefined || last === undefined || last < firstIndex || first >= end) continue;
    if (first <= firstIndex) firstIndex = Math.min(last + 1, end);
    else if (last >= end - 1) end = first;
  }
  return { firstIndex, lastIndex: end - 1 };
}

function systemError(code: string, cause: Error): Error {
  return Object.assign(new Error(cause.message, { cause }), { code });
}
