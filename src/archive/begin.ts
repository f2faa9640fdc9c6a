/**
 * The start of an archiver: it compares the archive with its log, and claims a generation.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { WalLogError } from "../api/errors.ts";
import { claimGeneration, readClaim } from "./claims.ts";
import { type History, historyOf, surveyStore } from "./history.ts";
import type { ArchivedSnapshot, Base } from "./keys.ts";
import type { LogView } from "./log_view.ts";
import type { ObjectStore, RequestOptions } from "./object_store.ts";
import { type Beginning, findBeginning, NOTHING_ARCHIVED, type Position } from "./takeover.ts";

/** The number of times to compare an archive with a log that other archivers archive too. */
const COMPARISONS_MAX = 2;

/** An archiver that starts. */
export interface Starter {
  readonly store: ObjectStore;
  /** The log. There is one. */
  readonly view: LogView;
  /** A random name of the archiver. */
  readonly token: string;
  readonly options: RequestOptions;
}

/** A claimed generation. */
export interface Begun {
  readonly generation: number;
  /** The position in the log at which it continues. */
  readonly position: Position;
  /** The history that it continues; `undefined` if it has a history of its own. */
  readonly base: Base | undefined;
  /** The snapshots of that history. */
  readonly snapshots: readonly ArchivedSnapshot[];
}

/**
 * Claims a generation.
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
  const generation = await claimGeneration(store, claimed, claim, options);
  // Another archiver may have written before the claim.
  const { history, beginning } = await compare(starter);
  if (beginning.kind === "restart") return { generation, position: NOTHING_ARCHIVED, base: undefined, snapshots: [] };
  const { position, position: { number, salt, end } } = beginning;
  const base = { parent: history.generation, number, salt, end };
  return { generation, position, base, snapshots: history.snapshots };
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
async function compare({ store, view, options }: Starter): Promise<Comparison> {
  for (let attempt = 1;; attempt++) {
    const survey = await surveyStore(store, options);
    await view.advance();
    const history = historyOf(survey);
    try {
      await requireSameLog(store, view, history.generation, options);
      const beginning = await findBeginning(store, history, view, options);
      return { claimed: survey.claimed, history, beginning };
    } catch (error) {
      const isDiverged = error instanceof WalLogError && error.code === "DIVERGED";
      if (!isDiverged || attempt === COMPARISONS_MAX) throw error;
    }
  }
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
  const message = `Cannot archive the log at ${view.folder} to ${store.name}: the archive there is of another log, ` +
    `${claim?.uuid}; archive to another prefix`;
  throw new WalLogError("DIVERGED", message, { path: view.folder });
}

/** The log's UUID as text. */
function uuidOf({ uuid }: LogView): string {
  return Buffer.from(uuid!).toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}
