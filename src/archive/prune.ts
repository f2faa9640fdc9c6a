/**
 * Deletes old objects of an archive.
 *
 * First it writes a floor: an empty object whose key says which objects are absent from then on. Then it deletes them.
 * So a reader never takes a pruned object for a lost one, and the next call finishes an interrupted one.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { checkNames } from "../api/option_names.ts";
import type { Progress } from "../api/options.ts";
import type { Index } from "../api/types.ts";
import { invalid, show } from "../api/validate.ts";
import { isClaimed } from "./claims.ts";
import { fetchSnapshot } from "./fetch_object.ts";
import { highestFloor, isBelow, isSameFloor } from "./floor.ts";
import { requireHistory, uncoveredGaps } from "./history.ts";
import { type Floor, floorKey, type GenerationKey, GENERATIONS, readKey } from "./keys.ts";
import { bodyOf, type ObjectStore, type RequestOptions } from "./object_store.ts";
import { floorFor, type Retained } from "./retention.ts";
import { type Survey, surveyInUse, withFloor } from "./survey.ts";

/** Options of pruning an archive. At least one of the first two must be given. */
export interface PruneOptions {
  /** Keeps all states since the newest of this many generations began. At least 1. */
  readonly keepGenerations?: number;
  /**
   * Keeps all states as of this time and later, in milliseconds since 1970, by the clock of the log's machine. If both
   * are given, a state is kept if one of them keeps it.
   */
  readonly keepSince?: number;
  /** Deletes nothing, and reports what it would delete. Default: false. */
  readonly dryRun?: boolean;
  /** Called after each deleted object, with the bytes deleted and all bytes to delete. */
  readonly onProgress?: (progress: Progress) => void;
  /** Ends it early: it rejects with the signal's reason. The next call deletes the rest. */
  readonly signal?: AbortSignal;
}

/** The result of pruning an archive. */
export interface PruneReport {
  /** The oldest generation that still has objects; 0 if the archive was never pruned. */
  readonly oldestGeneration: number;
  /** From this index on, the archive can be restored to any index; 0 if no snapshot was ever pruned. */
  readonly oldestIndex: Index;
  /** No state as of an earlier time can be restored. In milliseconds since 1970; 0 if all can. */
  readonly oldestTime: number;
  /** The number of deleted objects. */
  readonly objects: number;
  /** Their bytes. */
  readonly bytes: number;
}

/**
 * Deletes the objects of an archive that no wanted state needs: old segments, snapshots and generations. The newest
 * state and everything after its snapshot is always kept. The log can be archived and restored meanwhile.
 *
 * The state as of a time is that before the first checkpoint with a later time. Clocks can go back. So an object is
 * deleted only if all times in it, and in all objects before it, are at or before `keepSince`.
 *
 * A log without snapshots needs all its objects, and a snapshot needs the segment that its entries begin in.
 *
 * @param store The store with the archive.
 * @param options The states to keep, progress and signal.
 * @returns The deleted objects.
 * @throws {WalLogError} `INVALID_ARGUMENT` for an invalid option; `NOT_FOUND` if there is no archive; `CORRUPT` if the
 * objects that would be kept are not complete, or their oldest snapshot is damaged: then nothing is deleted; `CHANGING`
 * if an archiver is starting; `STORE`. If the signal aborts, its reason.
 *
 * @example
 * ```ts
 * import { WalLog } from "@wallog/wallog";
 * import { archive, MemoryStore, prune } from "@wallog/wallog/archive";
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
 * const month = 30 * 24 * 60 * 60 * 1000;
 * const { objects } = await prune(store, { keepGenerations: 2, keepSince: Date.now() - month });
 * assert.equal(objects, 0); // There is one generation, and it is new.
 * rmSync(folder, { recursive: true });
 * ```
 *
 * @experimental
 */
export async function prune(store: ObjectStore, options: PruneOptions): Promise<PruneReport> {
  const retained = retainedBy(options);
  const { dryRun = false, signal } = options;
  signal?.throwIfAborted();
  const survey = await surveyInUse(store, { signal });
  const { generation } = requireHistory(survey, undefined, store.name);
  await requireSettled(store, survey, generation, { signal });
  const objects = await listObjects(store, { signal });
  const wanted = floorFor(survey, retained);
  // A floor that no object is below would change nothing.
  const isHigher = objects.some(({ read }) => isBelow(read, wanted) && !isBelow(read, survey.floor));
  const floor = isHigher ? wanted : survey.floor;
  if (isHigher) await requireIntact(store, withFloor(survey, floor), { signal });
  if (isHigher && !dryRun) await store.put(floorKey(floor), bodyOf(new Uint8Array()), { signal });
  const old = oldestFirst([...objects.filter(({ read }) => isBelow(read, floor)), ...replacedFloors(objects)]);
  if (!dryRun) await deleteAll(store, old, options);
  return {
    oldestGeneration: floor.generation,
    oldestIndex: floor.snapshot,
    oldestTime: floor.time,
    objects: old.length,
    bytes: bytesOf(old),
  };
}

function retainedBy(options: PruneOptions): Retained {
  const attempt = "Cannot prune the archive";
  checkNames(attempt, options, ["keepGenerations", "keepSince", "dryRun", "onProgress", "signal"]);
  const { keepGenerations, keepSince, dryRun } = options;
  if (keepGenerations === undefined && keepSince === undefined) {
    throw invalid(`${attempt}: give keepGenerations or keepSince`);
  }
  if (keepGenerations !== undefined && !(Number.isSafeInteger(keepGenerations) && keepGenerations >= 1)) {
    throw invalid(`${attempt}: keepGenerations must be a number of 1 or more, found ${show(keepGenerations)}`);
  }
  if (keepSince !== undefined && !Number.isFinite(keepSince)) {
    throw invalid(`${attempt}: keepSince must be milliseconds since 1970, found ${show(keepSince)}`);
  }
  if (dryRun !== undefined && typeof dryRun !== "boolean") {
    throw invalid(`${attempt}: dryRun must be true or false, found ${show(dryRun)}`);
  }
  return { generations: keepGenerations, since: keepSince };
}

/**
 * Fails if an archiver has claimed a generation after the newest complete one. It may continue an earlier position, and
 * need any object. One that claims a generation later lists the complete one, because the claim was absent after that
 * was listed.
 */
async function requireSettled(
  store: ObjectStore,
  { claimed }: Survey,
  newest: number,
  options: RequestOptions,
): Promise<void> {
  if (claimed <= newest && !await isClaimed(store, newest + 1, options)) return;
  const message =
    `Cannot prune the archive in ${store.name}: generation ${Math.max(claimed, newest + 1)} was claimed, ` +
    "and its archiver has not finished a step; try again when it has";
  throw new WalLogError("CHANGING", message);
}

/** Fails unless the newest history is complete, its pieces have the right sizes, and its oldest snapshot is undamaged. */
async function requireIntact(store: ObjectStore, survey: Survey, options: RequestOptions): Promise<void> {
  const history = requireHistory(survey, undefined, store.name);
  const { lostKeys: [key], lostSnapshots: [lost], snapshots } = history;
  const gap = uncoveredGaps(history)[0] ?? history.lostTail;
  if (key !== undefined) throw incomplete(store, `the object ${key.key} is missing`);
  if (lost !== undefined) throw incomplete(store, `the snapshot at index ${lost} is missing`);
  if (gap !== undefined) throw incomplete(store, `the entries ${gap.firstIndex} to ${gap.lastIndex} are missing`);
  const piece = history.segments.flatMap(({ chain }) => chain).find(({ key }) => survey.wrongSizes.has(key));
  if (piece !== undefined) throw incomplete(store, `the object ${piece.key} is damaged`);
  const oldest = snapshots.reduce((lowest, { index }) => Math.min(lowest, index), Infinity);
  for (const snapshot of snapshots.filter(({ index }) => index === oldest)) {
    await fetchSnapshot(store, snapshot, () => {}, options).catch((error) => {
      const isDamaged = error instanceof WalLogError && error.code === "CORRUPT";
      throw isDamaged ? incomplete(store, `the object ${snapshot.key} is damaged`) : error;
    });
  }
}

function incomplete({ name }: ObjectStore, why: string): WalLogError {
  const message = `Cannot prune the archive in ${name}: ${why}, so older objects may be needed; nothing was deleted`;
  return new WalLogError("CORRUPT", message);
}

/** An object in the store. */
interface Listed {
  readonly key: string;
  readonly size: number;
  readonly read: GenerationKey;
}

/** Lists all objects of generations, also those below the floor. */
async function listObjects(store: ObjectStore, options: RequestOptions): Promise<Listed[]> {
  const objects: Listed[] = [];
  for await (const { key, size } of store.list(GENERATIONS, options)) {
    objects.push({ key, size, read: readKey(key, size) });
  }
  return objects;
}

/** The floors that another one in the list replaces. The highest ones stay, because a list may lack a newer one. */
function replacedFloors(objects: readonly Listed[]): Listed[] {
  const floors: { readonly object: Listed; readonly floor: Floor }[] = [];
  for (const object of objects) if (object.read.kind === "floor") floors.push({ object, floor: object.read.floor });
  const isReplaced = (floor: Floor) =>
    floors.some((other) =>
      !isSameFloor(other.floor, floor) && isSameFloor(highestFloor(other.floor, floor), other.floor)
    );
  return floors.filter(({ floor }) => isReplaced(floor)).map(({ object }) => object);
}

/** The kinds of objects, in the order in which they are deleted. */
const ORDER: readonly GenerationKey["kind"][] = ["piece", "snapshot", "identity", "base", "floor"];

/**
 * Orders objects so that the rest is a whole archive after each deletion, also for a reader without the floor: pieces
 * first, the oldest ones before the others.
 */
function oldestFirst(objects: readonly Listed[]): Listed[] {
  const numberOf = ({ read }: Listed) =>
    read.kind === "piece" ? read.piece.segment.number : read.kind === "snapshot" ? read.snapshot.index : 0;
  return [...objects].sort((a, b) =>
    ORDER.indexOf(a.read.kind) - ORDER.indexOf(b.read.kind) || numberOf(a) - numberOf(b) || (a.key < b.key ? -1 : 1)
  );
}

async function deleteAll(store: ObjectStore, objects: readonly Listed[], { signal, onProgress }: PruneOptions) {
  const bytesTotal = bytesOf(objects);
  let bytesDone = 0;
  for (const { key, size } of objects) {
    signal?.throwIfAborted();
    await store.delete(key, { signal });
    onProgress?.({ bytesDone: bytesDone += size, bytesTotal });
  }
}

function bytesOf(objects: readonly Listed[]): number {
  return objects.reduce((sum, { size }) => sum + size, 0);
}
