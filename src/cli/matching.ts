/**
 * Whether another replica's log shows what a damaged one held: by Raft's log matching, what precedes an entry that both
 * have is the same in both.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Index, LogEntry } from "../api/types.ts";
import type { WalLog } from "../api/wal_log.ts";
import { oneLine } from "./text.ts";
import type { Unreliable } from "./unreliable.ts";

/** Why another log cannot give what is missing; `weak`: only that no entry behind it shows that both held the same. */
export interface Refusal {
  readonly reason: string;
  readonly isWeak: boolean;
}

/**
 * Decides whether another log's entries are those that a log has lost.
 *
 * @param own The damaged log.
 * @param other The other log.
 * @param place What is lost: both ends are known.
 * @param all All that cannot be relied on in the damaged log.
 * @param base Index of the snapshot below which nothing is needed.
 * @returns Why not; `undefined` if they are.
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
    return refuse(`${path} has index ${first} in its snapshot only; give --snapshot-from ${path} too`);
  }
  if (last > other.lastIndex) return refuse(`${path} ends at index ${other.lastIndex}`);
  const hole = damagedWithin(other, first, last);
  if (hole !== undefined) return refuse(`index ${hole} is damaged in ${path} too`);
  const differ = (at: Index) =>
    refuse(`the two logs differ at index ${at}: ${path} is another cluster's, or has entries that were discarded`);
  const isReliable = (index: Index) =>
    index > base && index <= own.lastIndex && !all.some((one) => one.first <= index && index <= (one.last ?? Infinity));
  if (isReliable(first - 1) && agree(own, other, first - 1) === false) return differ(first - 1);
  let behind = last + 1;
  while (behind <= own.lastIndex && !isReliable(behind)) behind++;
  const isSame = isReliable(behind) ? agree(own, other, behind) : undefined;
  if (isSame === false) return differ(behind);
  return isSame ? undefined : refuse("no whole entry behind it shows that both logs hold the same", true);
}

/** The first index of a range that a log cannot read. */
function damagedWithin(log: WalLog, first: Index, last: Index): Index | undefined {
  const { ranges, tail } = log.lost;
  const range = ranges.find((range) => range[0] <= last && range[1] >= first);
  if (range !== undefined) return Math.max(range[0], first);
  return tail && last > log.lastIndex ? last : undefined;
}

/** Whether two logs have the same entry at an index; `undefined` if one of them has none that can be read. */
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
 * @returns The entry; `undefined` if there is none that can be read.
 */
export function entryOf(log: WalLog, index: Index): LogEntry | undefined {
  try {
    return log.entry(index);
  } catch (error) {
    if (error instanceof WalLogError && error.code === "DAMAGED_ENTRY") return undefined;
    throw error;
  }
}
