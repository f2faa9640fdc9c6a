/**
 * Writes the contents of one log into a new one: the same entries, hard state, snapshot and cluster, without the
 * history. The new log gets a UUID and an incarnation of its own.
 *
 * @module
 */

import { setImmediate } from "node:timers/promises";
import type { HardState, Index, LogEntry, SnapshotMeta, SnapshotStream, Term } from "../api/types.ts";
import type { WalLog } from "../api/wal_log.ts";

/** The size of one append, in bytes of commands. */
const BATCH_BYTES = 1024 * 1024;
/** The same limit in entries, because empty commands have no bytes. */
const BATCH_ENTRIES = 4096;

/** A snapshot to copy. */
export interface SnapshotSource {
  readonly meta: SnapshotMeta;
  /** Bytes of data. */
  readonly dataBytes: number;
  /** Reads its data. Each call starts from the beginning. */
  open(): SnapshotStream;
}

/** The contents of a new log. */
export interface Contents {
  /** The cluster that it belongs to; `undefined` if none. */
  readonly cluster: string | undefined;
  readonly snapshot: SnapshotSource | undefined;
  /** The last index, or that of the snapshot. */
  readonly lastIndex: Index;
  readonly hardState: HardState;
  /** The entries above the snapshot up to the last index. Each call starts from the beginning. */
  entries(): Iterable<LogEntry>;
}

/** The progress of a copy: first of its snapshot, then of its entries. */
export interface CopyProgress {
  /** The part that is being copied. */
  readonly part: "snapshot" | "entries";
  /** The amount copied: bytes of the snapshot's data, or entries. */
  readonly done: number;
  /** The total amount. */
  readonly total: number;
}

/** Options of writing a log anew. */
export interface WriteAnewOptions {
  /** Ends it early. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the progress. */
  readonly onProgress?: ((progress: CopyProgress) => void) | undefined;
  /** Throws if the source has changed, so that the copy would be inconsistent. */
  readonly check?: () => void;
  /** Called after each part of the snapshot and of the entries. The next part waits for it. */
  readonly afterPart?: () => Promise<void>;
}

/**
 * Writes contents into a log. They are durable when this returns.
 *
 * @param log An empty log, opened for writing.
 * @param contents Its contents.
 * @param options Signal, progress and check.
 * @returns The term of the last entry, or of the snapshot.
 */
export async function writeAnew(
  log: WalLog,
  { cluster, snapshot, lastIndex, hardState, entries }: Contents,
  { signal, onProgress, check = () => {}, afterPart = setImmediate }: WriteAnewOptions = {},
): Promise<Term> {
  if (cluster !== undefined) log.foundCluster(cluster);
  if (snapshot !== undefined) {
    await copySnapshot(log, snapshot, { signal, onProgress, afterPart });
  }
  const first = log.lastIndex + 1;
  let batch: LogEntry[] = [];
  let bytes = 0;
  const append = async () => {
    check();
    log.append(batch);
    batch = [];
    bytes = 0;
    onProgress?.({ part: "entries", done: log.lastIndex - first + 1, total: lastIndex - first + 1 });
    await log.sync();
    // A flush may return at once, and then nothing else would run.
    await afterPart();
    signal?.throwIfAborted();
  };
  for (const entry of lastIndex < first ? [] : entries()) {
    if (bytes + entry.command.length > BATCH_BYTES || batch.length === BATCH_ENTRIES) await append();
    batch.push(entry);
    bytes += entry.command.length;
  }
  await append();
  // The hard state comes last, so that damage to entries cannot make it doubtful.
  if (hardState.term !== 0 || hardState.votedFor !== null) log.setHardState(hardState);
  await log.sync();
  return log.lastTerm;
}

/** Copies a snapshot piece by piece. Streams that are connected would not return to the event loop. */
async function copySnapshot(
  log: WalLog,
  { meta, dataBytes: total, open }: SnapshotSource,
  { signal, onProgress, afterPart }: WriteAnewOptions & Required<Pick<WriteAnewOptions, "afterPart">>,
): Promise<void> {
  const target = log.receiveSnapshot(meta).getWriter();
  try {
    let done = 0;
    for await (const piece of open()) {
      await target.write(piece);
      done += piece.length;
      onProgress?.({ part: "snapshot", done, total });
      await afterPart();
      signal?.throwIfAborted();
    }
    await target.close();
  } catch (error) {
    await target.abort(error).catch(() => {});
    throw error;
  }
}

/**
 * Fails unless a new log, read back, has the intended contents.
 *
 * @param copy The log, opened for reading only.
 * @param contents The intended contents.
 * @param lastTerm The term of its last entry.
 * @throws {Error} If it differs.
 */
export function requireCopy(copy: WalLog, { cluster, snapshot, lastIndex, hardState }: Contents, lastTerm: Term): void {
  const { recovery, identity } = copy;
  const isSame = recovery.verdict === "clean" && recovery.closed && copy.lastIndex === lastIndex &&
    copy.lastTerm === lastTerm && copy.snapshotIndex === (snapshot?.meta.index ?? 0) &&
    copy.hardState.term === hardState.term && copy.hardState.votedFor === hardState.votedFor &&
    identity.cluster === cluster;
  if (!isSame) throw new Error(`The log written to ${copy.path} differs from its source: ${JSON.stringify(recovery)}`);
}

/**
 * The contents of a log, up to an index.
 *
 * @param log The log.
 * @param lastIndex The last entry wanted, or the snapshot's index.
 * @returns Its contents, which read from the log on demand.
 */
export function contentsOf(log: WalLog, lastIndex: Index = log.lastIndex): Contents {
  return {
    cluster: log.identity.cluster,
    snapshot: snapshotOf(log),
    lastIndex,
    hardState: log.hardState,
    entries: () => log.iterate(log.snapshotIndex + 1, lastIndex),
  };
}

/**
 * The snapshot of a log.
 *
 * @param log The log.
 * @returns The snapshot, which is read from the log on demand; `undefined` if there is none.
 */
export function snapshotOf(log: WalLog): SnapshotSource | undefined {
  const source = log.openSnapshotSource();
  if (source === undefined) return undefined;
  const { index, term, config, meta, dataBytes } = source;
  source.close();
  return { meta: { index, term, config, meta }, dataBytes, open: () => log.openSnapshot()! };
}
