/**
 * The start of an archiver: it compares the archive with its log, and claims a generation.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { WalLogError } from "../api/errors.ts";
import { errorCode } from "../io/full.ts";
import { claimGeneration, readClaim } from "./claims.ts";
import { type History, historyOf, newestComplete, uncoveredGaps } from "./history.ts";
import { type Survey, surveyStore } from "./survey.ts";
import { type ArchivedSnapshot, baseKey, claimKey } from "./keys.ts";
import type { LogView } from "./log_view.ts";
import { bodyOf, type ObjectStore, type RequestOptions } from "./object_store.ts";
import { type Beginning, findBeginning, NOTHING_ARCHIVED, type Position } from "./takeover.ts";

/** The most attempts to compare an archive with a log that other archivers archive too. */
const COMPARISONS_MAX = 2;

/** A starting archiver. */
export interface Starter {
  readonly store: ObjectStore;
  /** The log, which exists. */
  readonly view: LogView;
  /** A random name of the archiver. */
  readonly token: string;
  readonly options: RequestOptions;
  /** The highest generation that it has claimed. It claims another one after a failure, so each has one base. */
  tried: number;
}

/** A claimed generation. */
export interface Begun {
  readonly generation: number;
  /** The position in the log at which it continues. */
  readonly position: Position;
  /** The snapshots of that history. */
  readonly snapshots: readonly ArchivedSnapshot[];
}

/**
 * Claims a generation, and writes its base.
 *
 * @param starter The archiver.
 * @returns The generation.
 * @throws {WalLogError} `DIVERGED` if the archive is not of this log; `STORE`, `CORRUPT`, `CHANGING`, `IO`.
 */
export async function beginGeneration(starter: Starter): Promise<Begun> {
  const { store, view, token, options } = starter;
  // Compare before the claim, so that the archiver of another log does not stop the right one.
  const { claimed } = await compare(starter);
  const claim = { layout: 1, token, uuid: uuidOf(view), milliseconds: view.fileSystem.now() } as const;
  const generation = starter.tried = await claimGeneration(store, Math.max(claimed, starter.tried), claim, options);
  // Another archiver may have written before the claim.
  const { history, beginning } = await compare(starter);
  const isRestart = beginning.kind === "restart";
  const position = isRestart ? NOTHING_ARCHIVED : beginning.position;
  const { segment, end } = position;
  const base = segment && { parent: history.generation, number: segment.number, salt: segment.salt, end };
  await store.put(baseKey(generation, base), bodyOf(new Uint8Array()), options);
  return { generation, position, snapshots: isRestart ? [] : history.snapshots };
}

/** An archive, compared with a log. */
interface Comparison {
  /** The highest generation that was claimed; 0 if none was. */
  readonly claimed: number;
  readonly history: History;
  readonly beginning: Beginning;
}

/**
 * Compares the archive with the log. Another archiver of the same log may be ahead. So it lists the objects first, and
 * reads the log after that: a log has at least what was archived before.
 */
async function compare(starter: Starter): Promise<Comparison> {
  const { store, view, options } = starter;
  for (let attempt = 1;; attempt++) {
    const survey = await surveyStore(store, options);
    await view.advance();
    try {
      const { history, beginning } = await compareNewest(starter, survey);
      return { claimed: survey.claimed, history, beginning };
    } catch (error) {
      // Compaction has deleted a segment that the view still has.
      const isDeleted = errorCode(error) === "ENOENT";
      if (isDeleted) view.recoverNext();
      if (!(isDeleted || isDiverged(error)) || attempt === COMPARISONS_MAX) throw error;
    }
  }
}

/**
 * Finds the newest generation that the log continues: the newest complete one, or a newer one whose archiver was
 * stopped before it had archived everything.
 */
async function compareNewest({ store, view, options }: Starter, survey: Survey) {
  const newest = newestComplete(survey.generations);
  const begun = [...survey.generations].filter(([number, { pieces }]) => number > newest && pieces.length > 0);
  const numbers = [...begun.map(([number]) => number).sort((a, b) => b - a), newest];
  for (const number of numbers) {
    await requireSameLog(store, view, number, options);
    const history = historyOf(survey, number, "included");
    if (history.lostKeys.some(({ kind }) => kind === "base") && number !== newest) continue;
    // The snapshot that explains a gap may be missing in a copy of the log.
    if (uncoveredGaps(history).some(({ floor }) => floor - 1 > view.snapshot.index)) continue;
    try {
      const beginning = await findBeginning(store, history, view, options);
      if (beginning.kind === "continue") return { history, beginning };
    } catch (error) {
      if (!isDiverged(error)) throw error;
    }
  }
  // A restored log does not have the pieces of a step that has not ended.
  const history = historyOf(survey, newest, "left out");
  return { history, beginning: await findBeginning(store, history, view, options) };
}

function isDiverged(error: unknown): boolean {
  return error instanceof WalLogError && error.code === "DIVERGED";
}

/** Fails if a generation belongs to another log. */
async function requireSameLog(
  store: ObjectStore,
  view: LogView,
  generation: number,
  options: RequestOptions,
): Promise<void> {
  if (generation === 0) return;
  const claim = await readClaim(store, generation, options);
  if (claim?.uuid === uuidOf(view)) return;
  if (claim === undefined) {
    const message = `Cannot archive the log at ${view.folder} to ${store.name}: the claim ${claimKey(generation)} is ` +
      "missing, so the archive may be of another log; restore that object, or archive to another prefix";
    throw new WalLogError("CORRUPT", message, { path: view.folder });
  }
  const message = `Cannot archive the log at ${view.folder} to ${store.name}: the archive there is of another log, ` +
    `${claim.uuid}; archive to another prefix`;
  throw new WalLogError("DIVERGED", message, { path: view.folder });
}

/** The log's UUID as text. */
function uuidOf({ uuid }: LogView): string {
  return Buffer.from(uuid!).toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
