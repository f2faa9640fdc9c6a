/**
 * Retention limits. Events are dropped in steps: up to a mark, a position at which the state is stored. Marks lie an
 * eighth of each limit apart.
 *
 * @module
 */

import { invalid, show } from "../api/validate.ts";
import { checkBoolean, checkOptions } from "./refusals.ts";
import type { EventRetention, Position } from "./types.ts";

/** A place in the log up to which events can be dropped. */
export interface Mark {
  /** The last entry before it. */
  readonly position: Position;
  /** Events before it, and their bytes, counted as the state does. */
  readonly count: number;
  readonly bytes: number;
  /** When it was made, in milliseconds since 1970. No event before it is younger. */
  readonly time: number;
}

/** The distances between marks. */
export interface Intervals {
  readonly entries: number;
  readonly bytes: number;
  readonly milliseconds: number;
}

/** Without a limit, marks only keep the next opening of the log short. */
const ENTRIES_MAX = 65_536;
const BYTES_MAX = 64 * 1024 * 1024;
/** Steps in which events are dropped, for each limit. */
const STEPS = 8;
/** The least size of a segment, in bytes. In smaller ones, headers would outweigh events. */
const SEGMENT_BYTES_MIN = 64 * 1024;

/**
 * Copies and checks the limits of a log.
 *
 * @param given The limits, as given; `undefined` for none.
 * @returns A copy.
 * @throws {WalLogError} `INVALID_ARGUMENT`.
 */
export function takeRetention(given: EventRetention = {}): EventRetention {
  checkOptions("Cannot open an event log: retention", given, ["maxBytes", "maxAgeMs", "maxCount", "passConsumers"]);
  const { maxBytes, maxAgeMs, maxCount, passConsumers = false } = given;
  checkBoolean("Cannot open an event log: retention.passConsumers", passConsumers);
  for (const [name, limit] of Object.entries({ maxBytes, maxAgeMs, maxCount })) {
    if (limit === undefined || (typeof limit === "number" && limit > 0)) continue;
    throw invalid(`Cannot open an event log: retention.${name} must be a number above 0, found ${show(limit)}`);
  }
  return { maxBytes, maxAgeMs, maxCount, passConsumers };
}

/**
 * The distances between the marks of a log.
 *
 * @param retention Its limits.
 * @returns The distances.
 */
export function intervalsOf(
  { maxBytes = Infinity, maxAgeMs = Infinity, maxCount = Infinity }: EventRetention,
): Intervals {
  return {
    entries: Math.min(maxCount / STEPS, ENTRIES_MAX),
    bytes: Math.min(maxBytes / STEPS, BYTES_MAX),
    milliseconds: maxAgeMs / STEPS,
  };
}

/**
 * The size of segments with which a log can free disk space in such steps.
 *
 * @param retention Its limits.
 * @returns The size in bytes; `undefined` for the default.
 */
export function segmentBytesOf({ maxBytes }: EventRetention): number | undefined {
  if (maxBytes === undefined) return undefined;
  return Math.trunc(Math.min(Math.max(maxBytes / STEPS, SEGMENT_BYTES_MIN), BYTES_MAX));
}

/**
 * Finds the events beyond a limit.
 *
 * @param log The log: its marks, and its events and bytes so far.
 * @param retention Its limits.
 * @param now The wall clock, in milliseconds since 1970.
 * @returns The last position to drop; 0 for none.
 */
export function expired(
  { marks, count, bytes }: { readonly marks: readonly Mark[]; readonly count: number; readonly bytes: number },
  { maxBytes = Infinity, maxAgeMs = Infinity, maxCount = Infinity }: EventRetention,
  now: number,
): Position {
  const old = marks.filter((mark) =>
    bytes - mark.bytes >= maxBytes || count - mark.count >= maxCount || now - mark.time > maxAgeMs
  );
  return Math.max(0, ...old.map(({ position }) => position));
}
