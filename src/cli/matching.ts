/**
 * Decides whether the log of another replica has the lost entries of a damaged one. By Raft's log matching, if both
 * logs have an entry, all entries before it are the same too.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Index, LogEntry } from "../api/types.ts";
import type { WalLog } from "../api/wal_log.ts";
import { oneLine } from "./text.ts";
import type { Unreliable } from "./unreliable.ts";

/**
 * The reason that another log cannot replace lost entries. `weak`: the only reason is that no later entry proves that
 * both logs agree.
 */
export interface Refusal {
  readonly reason: string;
  readonly isWeak: boolean;
}

/**
 * Decides whether another log has the entries that a log has lost.
 *
 * @param own The damaged log.
 * @param other The other log.
 * @param place The lost range; both ends are known.
 * @param all All unreliable ranges of the damaged log.
 * @param base Index of the snapshot; entries up to it are not needed.
 * @returns The reason that it does not; `undefined` if it does.
 */
export function refusalOf(
  own: WalLog,
  other: WalLog,
  { first, last }: Unreliable & { readonly last: Index },
  all: readonly Unreliable[],
  base: Index,
): Refusal | undefined {
  const path = oneLine(other.path);
  const refuse = (reason: string, isWeak = false): Refusal => ({ reason, isWeak });
  if (first < other.firstIndex) {
    return refuse(`${path} has index ${first} only in its snapshot; give --snapshot-from ${path} too`);
  }
  if (last > other.lastIndex) return refuse(`${path} ends at index ${other.lastIndex}`);
  const hole = damagedWithin(other, first, last);
  if (hole !== undefined) return refuse(`index ${hole} is damaged in ${path} too`);
  const differ = (at: Index) =>
    refuse(`the logs differ at index ${at}: ${path} belongs to another cluster, or has truncated entries`);
  const isReliable = (index: Index) =>
    index > base && index <= own.lastIndex && !all.some((one) => one.first <= index && index <= (one.last ?? Infinity));
  if (isReliable(first - 1) && agree(own, other, first - 1) === false) return differ(first - 1);
  let behind = last + 1;
  while (behind <= own.lastIndex && !isReliable(behind)) behind++;
  const isSame = isReliable(behind) ? agree(own, other, behind) : undefined;
  if (isSame === false) return differ(behind);
  return isSame ? undefined : refuse("no intact entry after it proves that both logs agree", true);
}

/** An index at which two logs have entries of the same term. */
export interface Common {
  readonly index: Index;
  /** Whether they are the same. If not, the logs belong to two clusters: a term has one leader, which writes one entry. */
  readonly isSame: boolean;
}

/**
 * Finds the first index at which two logs have reliable entries of the same term. If they are the same entry, the logs
 * are the same up to it.
 *
 * @param own The damaged log.
 * @param other The other log.
 * @param base The index above which to look.
 * @param all All unreliable ranges of the damaged log.
 * @returns The index; `undefined` if there is none.
 */
export function firstCommon(
  own: WalLog,
  other: WalLog,
  base: Index,
  all: readonly Unreliable[],
): Common | undefined {
  for (let index = Math.max(base + 1, own.firstIndex); index <= Math.min(own.lastIndex, other.lastIndex); index++) {
    if (all.some((one) => one.first <= index && index <= (one.last ?? Infinity))) continue;
    const [a, b] = [entryOf(own, index), entryOf(other, index)];
    if (a !== undefined && a.term === b?.term) return { index, isSame: agree(own, other, index) === true };
  }
  return undefined;
}

/** The first unreadable index of a range. */
function damagedWithin(log: WalLog, first: Index, last: Index): Index | undefined {
  const { ranges, tail } = log.lost;
  const range = ranges.find((range) => range[0] <= last && range[1] >= first);
  if (range !== undefined) return Math.max(range[0], first);
  return tail && last > log.lastIndex ? last : undefined;
}

/** Whether two logs have the same entry at an index; `undefined` if one of them has no readable entry there. */
function agree(own: WalLog, other: WalLog, index: Index): boolean | undefined {
  const a = entryOf(own, index);
  const b = entryOf(other, index);
  if (a === undefined || b === undefined) return undefined;
  return a.term === b.term && a.kind === b.kind && a.command.length === b.command.length &&
    a.command.every((byte, i) => byte === b.command[i]);
}

/**
 * The entry at an index.
 *
 * @param log The log.
 * @param index The index.
 * @returns The entry; `undefined` if there is no readable one.
 */
export function entryOf(log: WalLog, index: Index): LogEntry | undefined {
  try {
    return log.entry(index);
  } catch (error) {
    if (error instanceof WalLogError && error.code === "DAMAGED_ENTRY") return undefined;
    throw error;
  }
}
