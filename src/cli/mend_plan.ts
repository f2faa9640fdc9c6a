/**
 * Plans the repair of a damaged log: puts entries back in place, or rewrites the log from its own data and that of
 * other replicas. A dry run and a run follow the same plan.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { type Damage, describeDamage } from "../api/report.ts";
import type { HardState, Index, LogEntry } from "../api/types.ts";
import type { WalLog } from "../api/wal_log.ts";
import { TERM_UNKNOWN } from "../format/numbers.ts";
import { nodeFileSystem } from "../io/node_fs.ts";
import { SegmentRepairer } from "../maintain/segment_repairer.ts";
import type { Inspection } from "./inspect.ts";
import { entryOf, firstCommon, refusalOf } from "./matching.ts";
import { nameOf } from "./text.ts";
import { type Unreliable, unreliableIn } from "./unreliable.ts";

/** The sources of a repair. */
export interface Means {
  readonly found: Inspection;
  /** The damaged log. */
  readonly own: WalLog;
  /** The log of another replica, for entries. */
  readonly other: WalLog | undefined;
  /** The log of another replica, for its snapshot. */
  readonly snapshotFrom: WalLog | undefined;
  /** The hard state to set; `undefined` to keep the log's. */
  readonly hardState: HardState | undefined;
  /** Whether to cut entries that cannot be repaired. */
  readonly isCut: boolean;
}

/** Damaged entries of one segment, and their replacements. */
export interface Refill {
  readonly path: string;
  readonly damage: readonly Damage[];
  readonly entries: readonly LogEntry[];
}

/** Consecutive entries, and the log that they come from. */
export interface Piece {
  readonly from: "own" | "other";
  readonly first: Index;
  readonly last: Index;
}

/** The plan of a new log. */
export interface Anew {
  readonly snapshot: "own" | "other" | undefined;
  readonly pieces: readonly Piece[];
  readonly lastIndex: Index;
  readonly hardState: HardState;
  /** The first acknowledged index that is cut; `undefined` if nothing is cut. */
  readonly cutFrom: Index | undefined;
  /** Whether the remaining entries may include truncated ones. */
  readonly isUnconfirmed: boolean;
}

/** The plan. `refills` and `anew` exclude each other. */
export interface MendPlan {
  /** The damage that cannot be repaired, and why. */
  readonly refusals: readonly string[];
  readonly refills: readonly Refill[];
  readonly anew: Anew | undefined;
}

/** A range that another log fills. */
interface Filled {
  readonly place: Unreliable & { readonly last: Index };
  /** Whether the checksum of the damaged entry is the only proof that both entries are the same. */
  readonly isWeak: boolean;
}

/**
 * Plans the repair of a log.
 *
 * @param means The sources.
 * @param canRefill Whether entries may be put back in place, which leaves the rest of the log unchanged.
 * @returns The plan.
 */
export function planMending(means: Means, canRefill = true): MendPlan {
  const { found, own, snapshotFrom, isCut } = means;
  const { damage } = found.opened.report;
  const refusals: string[] = [];
  const all = unreliableIn(found);
  const unfit = snapshotFrom && whyUnfit(means, snapshotFrom, all);
  // If the snapshot cannot be used, the rest does not matter.
  if (unfit !== undefined) return { refusals: [unfit], refills: [], anew: undefined };
  const base = snapshotFrom?.snapshotIndex ?? own.snapshotIndex;
  const lostSnapshot = damage.find(({ kind }) => kind === "snapshot");
  if (lostSnapshot !== undefined && snapshotFrom === undefined) {
    refusals.push(refusalText(lostSnapshot, "give --snapshot-from, or let the leader send a snapshot"));
  }
  const unreliable = all.filter(({ last = Infinity }) => last > base)
    .map((one) => ({ ...one, first: Math.max(one.first, base + 1) }));
  const filled: Filled[] = [];
  const unresolved: Unreliable[] = [];
  for (const place of unreliable) {
    const reason = fill(means, place, unreliable, base, filled);
    if (reason === undefined) continue;
    unresolved.push(place);
    if (!isCut) refusals.push(refusalText(place.damage, reason));
  }
  if (found.opened.state.hardStateLost && means.hardState === undefined) {
    refusals.push("the latest hard state: no other replica knows this node's vote");
  }
  if (snapshotFrom !== undefined && tailOf(means, base) === undefined) {
    refusals.push(
      `nothing shows whether the entries above index ${base} continue from the snapshot; give --from for that entry`,
    );
  }
  const isWhole = snapshotFrom === undefined && means.hardState === undefined;
  const isInPlace = canRefill && isWhole && !(isCut && unresolved.length > 0);
  const refills = isInPlace ? refillsOf(means, filled) : [];
  const left = filled.filter(({ place }) => !refills.some((one) => one.damage.includes(place.damage)));
  if (isInPlace && left.length === 0 && (refusals.length > 0 || refills.length > 0)) {
    return { refusals, refills, anew: undefined };
  }
  if (refusals.length === 0) return { refusals, refills: [], anew: planAnew(means, base, filled, unresolved) };
  for (const { place } of left) {
    refusals.push(refusalText(place.damage, "without it, the log cannot be rewritten"));
  }
  return { refusals, refills, anew: undefined };
}

/** The reason that another log's snapshot cannot be used. */
function whyUnfit({ found, own }: Means, other: WalLog, all: readonly Unreliable[]): string | undefined {
  const { path, snapshotIndex, damaged } = other;
  if (snapshotIndex === 0) return `the snapshot: ${path} has none`;
  if (damaged.some(({ kind }) => kind === "snapshot")) return `the snapshot: that of ${path} is damaged too`;
  if (snapshotIndex < own.snapshotIndex) {
    return `the snapshot: that of ${path} ends at index ${snapshotIndex}, below index ${own.snapshotIndex}`;
  }
  const known = found.opened.index.snapshotTerm;
  const { term } = other.snapshotMeta()!;
  const common = firstCommon(own, other, snapshotIndex, all);
  if (common?.isSame === false) {
    return `the snapshot: the logs have different entries of one term at index ${common.index}: ${path} belongs to ` +
      "another cluster";
  }
  if (snapshotIndex > own.snapshotIndex || known === TERM_UNKNOWN || term === known) return undefined;
  return `the snapshot: that of ${path} ends with an entry of term ${term}, and this log's with one of term ${known}, ` +
    "which is another history";
}

function refusalText(damage: Damage, reason: string): string {
  return `${describeDamage({ ...damage, path: nameOf(damage.path) })}: ${reason}`;
}

/** Finds the entries that fill a range, or returns the reason that none do. */
function fill(
  means: Means,
  place: Unreliable,
  all: readonly Unreliable[],
  base: Index,
  filled: Filled[],
): string | undefined {
  const { own, other } = means;
  const { last } = place;
  if (last === undefined) return "the number of lost entries is unknown";
  if (other === undefined) return "it needs the log of another replica (--from)";
  const known = { ...place, last };
  const refusal = refusalOf(own, other, known, all, base);
  const isWeak = refusal?.isWeak === true;
  if (refusal !== undefined && !(isWeak && provesItself(means, known))) return refusal.reason;
  filled.push({ place: known, isWeak });
  return undefined;
}

/** Whether the checksums of the damaged entries survive, and the entries of the other log match them. */
function provesItself({ found, own, other }: Means, { damage, first, last }: Filled["place"]): boolean {
  if (damage.kind !== "entries") return false;
  const entries = missingEntries(own, other!, first, last);
  return entries !== undefined && tryRefill(found, damage.path, [damage], entries);
}

/** The other log's entries in a range that the damaged log cannot read. */
function missingEntries(own: WalLog, other: WalLog, first: Index, last: Index): LogEntry[] | undefined {
  const entries: LogEntry[] = [];
  for (let index = first; index <= last; index++) {
    if (entryOf(own, index) !== undefined) continue;
    const entry = entryOf(other, index);
    if (entry === undefined) return undefined;
    entries.push(entry);
  }
  return entries;
}

/** The ranges that can be repaired in place, by segment. */
function refillsOf(means: Means, filled: readonly Filled[]): Refill[] {
  const { found, own, other } = means;
  const paths = new Set(found.opened.index.segments.map(({ path }) => path));
  const bySegment = new Map<string, { readonly damage: Damage[]; readonly entries: Map<Index, LogEntry> }>();
  for (const { place } of filled) {
    const { damage, kind, first, last } = place;
    const isFrames = damage.kind === "entries" || damage.kind === "frames";
    if (kind !== "lost" || !isFrames || !paths.has(damage.path)) continue;
    const refill = bySegment.get(damage.path) ?? { damage: [] as Damage[], entries: new Map<Index, LogEntry>() };
    bySegment.set(damage.path, refill);
    refill.damage.push(damage);
    for (const entry of missingEntries(own, other!, first, last) ?? []) refill.entries.set(entry.index, entry);
  }
  return [...bySegment].map(([path, { damage, entries }]) => ({ path, damage, entries: [...entries.values()] }))
    .filter(({ path, damage, entries }) => tryRefill(found, path, damage, entries));
}

/** Whether entries fit in place of damaged ones. */
function tryRefill(
  { folder, opened }: Inspection,
  path: string,
  damage: readonly Damage[],
  entries: readonly LogEntry[],
): boolean {
  const segment = opened.index.segments.find((segment) => segment.path === path);
  if (segment === undefined) return false;
  const repairer = new SegmentRepairer(nodeFileSystem, folder, opened.codec, opened.index);
  try {
    return repairer.plan(segment, damage, new Map(entries.map((entry) => [entry.index, entry]))) !== undefined;
  } catch (error) {
    if (error instanceof WalLogError && error.code === "INVALID_ARGUMENT") return false;
    throw error;
  }
}

/** Whether the log's entries above the snapshot continue from it; `undefined` if nothing shows that. */
function tailOf({ found, other, snapshotFrom }: Means, base: Index): boolean | undefined {
  if (snapshotFrom === undefined) return true;
  const { term } = snapshotFrom.snapshotMeta()!;
  const kept = found.opened.index.keepsTail(base, term);
  // If another log fills a lost entry there, it was proven to be the same entry.
  return kept ?? (other !== undefined && entryOf(other, base)?.term === term ? true : undefined);
}

/** The contents of the new log: its own entries, and those of the other log for lost or unconfirmed ones. */
function planAnew(
  means: Means,
  base: Index,
  filled: readonly Filled[],
  unresolved: readonly Unreliable[],
): Anew {
  const { own, snapshotFrom, hardState } = means;
  const ends = unresolved.map(({ kind, first, last }) => kind === "unconfirmed" ? last! + 1 : first);
  const isForeign = tailOf(means, base) === false;
  const end = isForeign ? base + 1 : Math.min(own.lastIndex + 1, ...ends);
  const pieces: Piece[] = [];
  let next = base + 1;
  for (const { place: { first, last } } of filled) {
    if (first > next && next < end) pieces.push({ from: "own", first: next, last: Math.min(first, end) - 1 });
    const from = Math.max(first, next);
    if (from < end && last >= from) pieces.push({ from: "other", first: from, last: Math.min(last, end - 1) });
    next = Math.max(next, last + 1);
  }
  if (next < end) pieces.push({ from: "own", first: next, last: end - 1 });
  return {
    snapshot: snapshotFrom !== undefined ? "other" : base > 0 ? "own" : undefined,
    pieces,
    lastIndex: Math.max(end - 1, base),
    hardState: hardState ?? own.hardState,
    cutFrom: unresolved.length > 0 || (isForeign && own.lastIndex > base) ? Math.max(end, base + 1) : undefined,
    isUnconfirmed: unresolved.some(({ kind }) => kind === "unconfirmed"),
  };
}
