/**
 * Verifies an archive: reads every object that a restore can need, and detects missing ones from the keys of the
 * others.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Progress } from "../api/options.ts";
import type { Index } from "../api/types.ts";
import { fetchObject } from "./fetch_object.ts";
import { gapAfter, gapBefore, type History, historyOf, surveyInUse } from "./history.ts";
import type { ObjectStore } from "./object_store.ts";

/** A damaged or missing object. */
export interface ArchiveDamage {
  /** The object's key; for a missing one, the beginning of its key. */
  readonly key: string;
  /** The first and the last index that it holds or held. */
  readonly firstIndex: Index;
  readonly lastIndex: Index;
  readonly reason: "damaged" | "missing";
}

/** The result of verifying an archive. */
export interface ArchiveVerdict {
  /** `corrupt` if an object is damaged or missing that a restore of the newest state can need. */
  readonly verdict: "clean" | "corrupt";
  /** The generation; 0 if there is no archive. */
  readonly generation: number;
  /** The last archived index. */
  readonly lastIndex: Index;
  /** Objects and bytes read. */
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
  readonly checksum: bigint;
  readonly size: number;
  readonly firstIndex: Index;
  readonly lastIndex: Index;
}

/**
 * Verifies the history of a generation.
 *
 * @param store The store.
 * @param options The generation, progress and signal.
 * @returns The result.
 * @throws {WalLogError} `STORE`. Or the reason of the signal.
 */
export async function verifyArchive(store: ObjectStore, options: VerifyOptions = {}): Promise<ArchiveVerdict> {
  const { signal, onProgress } = options;
  const history = historyOf(await surveyInUse(store, { signal }), options.generation);
  const { generation, segments, snapshots } = history;
  const pieces = segments.flatMap(({ chain }) => chain);
  const needed: Needed[] = [
    ...pieces.map(({ key, checksum, from, to, floor, next }) => (
      { key, checksum, size: to - from, firstIndex: floor, lastIndex: Math.max(next - 1, floor) }
    )),
    ...snapshots.map(({ key, checksum, size, index }) => ({ key, checksum, size, firstIndex: 1, lastIndex: index })),
  ];
  const bytesTotal = needed.reduce((sum, { size }) => sum + size, 0);
  const damage: ArchiveDamage[] = [];
  let bytes = 0;
  for (const object of needed) {
    const { key, firstIndex, lastIndex } = object;
    const reason = await faultOf(store, object, signal);
    if (reason !== undefined) damage.push({ key, firstIndex, lastIndex, reason });
    onProgress?.({ bytesDone: bytes += object.size, bytesTotal });
  }
  const { lost, gaps } = missingPieces(history);
  damage.push(...lost);
  const last = pieces.at(-1);
  if (last !== undefined && last.snapshot > 0 && !snapshots.some(({ index }) => index === last.snapshot)) {
    const lastIndex = last.snapshot;
    damage.push({ key: `the snapshot at index ${lastIndex}`, firstIndex: 1, lastIndex, reason: "missing" });
  }
  const lastIndex = (last?.next ?? 1) - 1;
  const verdict = damage.length > 0 ? "corrupt" : "clean";
  return { verdict, generation, lastIndex, objects: needed.length, bytes, damage, gaps };
}

/** The fault of an object; `undefined` if it has none. */
async function faultOf(
  store: ObjectStore,
  object: Needed,
  signal: AbortSignal | undefined,
): Promise<ArchiveDamage["reason"] | undefined> {
  try {
    await fetchObject(store, object, object.size, () => {}, { signal });
    return undefined;
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
