/**
 * Verifies an archive: reads every object that a restore can need, and detects missing ones from the keys of the
 * others.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Progress } from "../api/options.ts";
import type { Index } from "../api/types.ts";
import { readClaim } from "./claims.ts";
import { fetchObject, fetchSnapshot } from "./fetch_object.ts";
import { gapAfter, gapBefore, type History, historyOf } from "./history.ts";
import { claimKey, FLOORS, generationPrefix } from "./keys.ts";
import { type Survey, surveyInUse } from "./survey.ts";
import type { ObjectStore, RequestOptions } from "./object_store.ts";

/** A damaged or missing object. */
export interface ArchiveDamage {
  /** The object's key; for a missing one, the beginning of its key. */
  readonly key: string;
  /** The first and the last index that it holds or held; 0 if it has no entries. */
  readonly firstIndex: Index;
  readonly lastIndex: Index;
  readonly reason: "damaged" | "missing";
}

/** The result of verifying an archive. */
export interface ArchiveVerdict {
  /**
   * `corrupt` if an object is damaged or missing that a restore of the newest state can need, or if any object of the
   * history has the wrong size.
   */
  readonly verdict: "clean" | "corrupt";
  /** The generation; 0 if there is no archive. */
  readonly generation: number;
  /** The last archived index. */
  readonly lastIndex: Index;
  /** Pieces and snapshots read, and their bytes. */
  readonly objects: number;
  readonly bytes: number;
  readonly damage: readonly ArchiveDamage[];
  /** Entries that were compacted before they were archived. A later snapshot covers them. */
  readonly gaps: readonly { readonly firstIndex: Index; readonly lastIndex: Index }[];
}

/** Options of verifying an archive. */
export interface VerifyOptions {
  /** The generation. Default: the newest. */
  readonly generation?: number | undefined;
  /** Called after each object. */
  readonly onProgress?: (progress: Progress) => void;
  /** Ends it early. */
  readonly signal?: AbortSignal;
}

/** An object to read. */
interface Needed {
  readonly key: string;
  readonly size: number;
  readonly firstIndex: Index;
  readonly lastIndex: Index;
  /** Reads it. Fails with `CORRUPT` if it is damaged. */
  readonly read: (options: RequestOptions) => Promise<void>;
}

/** The number of attempts if objects disappear because an archiver merges them. */
const ATTEMPTS_MAX = 20;
/** The number of attempts to read a damaged claim: the reply may have been damaged. */
const CLAIM_ATTEMPTS_MAX = 3;

/** The result of reading an object. */
type Finding = ArchiveDamage["reason"] | "intact";

/**
 * Verifies the history of a generation. An archiver may be at work meanwhile.
 *
 * @param store The store.
 * @param options The generation, progress and signal.
 * @returns The result.
 * @throws {WalLogError} `STORE`; `CHANGING` if objects keep disappearing. Or the reason of the signal.
 */
export async function verifyArchive(store: ObjectStore, options: VerifyOptions = {}): Promise<ArchiveVerdict> {
  const { signal, generation } = options;
  const findings = new Map<string, Finding>();
  for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
    const survey = await surveyInUse(store, { signal });
    const history = historyOf(survey, generation);
    const needed = neededFor(store, history);
    if (!await readAll(needed, findings, options)) continue;
    const claims = await damagedClaims(store, survey, history, { signal });
    return verdictOf(history, needed, findings, [...claims, ...wrongSizes(survey, history)]);
  }
  throw new WalLogError("CHANGING", `Cannot verify the archive in ${store.name}: its objects disappear; try again`);
}

/** The objects of a history. */
function neededFor(store: ObjectStore, { segments, snapshots }: History): Needed[] {
  const pieces = segments.flatMap(({ chain }) => chain);
  return [
    ...pieces.map((piece): Needed => {
      const { key, from, to, floor, next } = piece;
      const read = (options: RequestOptions) => fetchObject(store, piece, to - from, () => {}, options);
      return { key, size: to - from, firstIndex: floor, lastIndex: Math.max(next - 1, floor), read };
    }),
    ...snapshots.map((snapshot): Needed => {
      const { key, size, index } = snapshot;
      const read = (options: RequestOptions) => fetchSnapshot(store, snapshot, () => {}, options);
      return { key, size, firstIndex: 1, lastIndex: index, read };
    }),
  ];
}

/** The keys of objects whose size shows that they are damaged, also of those that are only needed for their key. */
function wrongSizes(survey: Survey, { generations }: History): string[] {
  const prefixes = [...generations.map(generationPrefix), FLOORS];
  return [...survey.wrongSizes].filter((key) => prefixes.some((prefix) => key.startsWith(prefix)));
}

/** The keys of damaged claims: of those of the history, and of the newest one. */
async function damagedClaims(
  store: ObjectStore,
  { claimed }: Survey,
  { generations }: History,
  options: RequestOptions,
): Promise<string[]> {
  const damaged: string[] = [];
  for (const generation of new Set([...generations, claimed])) {
    if (!await isClaimIntact(store, generation, options)) damaged.push(claimKey(generation));
  }
  return damaged;
}

async function isClaimIntact(store: ObjectStore, generation: number, options: RequestOptions): Promise<boolean> {
  for (let attempt = 1; attempt <= CLAIM_ATTEMPTS_MAX; attempt++) {
    try {
      await readClaim(store, generation, options);
      return true;
    } catch (error) {
      if (!(error instanceof WalLogError && error.code === "CORRUPT")) throw error;
    }
  }
  return false;
}

/**
 * Reads the objects that were not read before.
 *
 * @returns Whether all were there. One that was listed and is gone may have been merged. Then the next list shows
 * whether anything is missing.
 */
async function readAll(
  needed: readonly Needed[],
  findings: Map<string, Finding>,
  { signal, onProgress }: VerifyOptions,
): Promise<boolean> {
  const bytesTotal = needed.reduce((sum, { size }) => sum + size, 0);
  let bytesDone = 0;
  let isComplete = true;
  for (const object of needed) {
    const finding = findings.get(object.key) ?? await faultOf(object, signal);
    if (finding === "missing") isComplete = false;
    else findings.set(object.key, finding);
    onProgress?.({ bytesDone: bytesDone += object.size, bytesTotal });
  }
  return isComplete;
}

/** The result for a history whose objects were read. `others`: the keys of damaged objects that have no entries. */
function verdictOf(
  history: History,
  needed: readonly Needed[],
  findings: ReadonlyMap<string, Finding>,
  others: readonly string[],
): ArchiveVerdict {
  const { generation, segments, lostSnapshots } = history;
  const { lost, gaps } = missingPieces(history);
  const damage: ArchiveDamage[] = [];
  for (const { key, firstIndex, lastIndex } of needed) {
    if (findings.get(key) === "damaged") damage.push({ key, firstIndex, lastIndex, reason: "damaged" });
  }
  const named = new Set(damage.map(({ key }) => key));
  for (const key of others) if (!named.has(key)) damage.push({ key, firstIndex: 0, lastIndex: 0, reason: "damaged" });
  for (const one of lost) damage.push(one);
  for (const lastIndex of lostSnapshots) {
    damage.push({ key: `the snapshot at index ${lastIndex}`, firstIndex: 1, lastIndex, reason: "missing" });
  }
  for (const key of lostKeys(history)) damage.push({ key, firstIndex: 0, lastIndex: 0, reason: "missing" });
  const bytes = needed.reduce((sum, { size }) => sum + size, 0);
  const lastIndex = (segments.at(-1)?.chain.at(-1)?.next ?? 1) - 1;
  const verdict = damage.length > 0 ? "corrupt" : "clean";
  return { verdict, generation, lastIndex, objects: needed.length, bytes, damage, gaps };
}

/** The keys of missing objects without entries. Each archiver writes an `IDENTITY` before the first piece. */
function lostKeys({ generation, segments, identities, lostKeys }: History): string[] {
  const keys = lostKeys.map(({ key }) => key);
  if (segments.length > 0 && identities.length === 0) keys.push(`${generationPrefix(generation)}identity/`);
  return keys;
}

/** Reads an object. */
async function faultOf({ read }: Needed, signal: AbortSignal | undefined): Promise<Finding> {
  try {
    await read({ signal });
    return "intact";
  } catch (error) {
    if (!(error instanceof WalLogError)) throw error;
    if (error.code === "CORRUPT") return "damaged";
    if (error.code === "NOT_FOUND") return "missing";
    throw error;
  }
}

/** The missing pieces, and the entries of gaps that a snapshot covers. */
function missingPieces(history: History): { readonly lost: ArchiveDamage[]; readonly gaps: ArchiveVerdict["gaps"] } {
  const { segments } = history;
  const lost: ArchiveDamage[] = [];
  const before = gapBefore(history);
  if (before !== undefined) {
    const { number, firstIndex, lastIndex } = before;
    const key = segmentPrefix(segments[0]!.chain[0]!.key, number);
    lost.push({ key, firstIndex, lastIndex, reason: "missing" });
  }
  const gaps: { firstIndex: Index; lastIndex: Index }[] = [];
  for (const [i, { chain }] of segments.entries()) {
    const gap = gapAfter(history, i);
    if (gap === undefined) continue;
    const { number, firstIndex, lastIndex, isCovered } = gap;
    const key = segmentPrefix(chain[0]!.key, number);
    if (isCovered) gaps.push({ firstIndex, lastIndex });
    else lost.push({ key, firstIndex, lastIndex, reason: "missing" });
  }
  return { lost, gaps };
}

/** The beginning of the keys of a segment's pieces. */
function segmentPrefix(key: string, number: number): string {
  return key.slice(0, key.indexOf("/segments/")) + `/segments/${String(number).padStart(12, "0")}-`;
}
