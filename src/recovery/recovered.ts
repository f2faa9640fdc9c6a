/**
 * What a recovery comes to.
 *
 * @module
 */

import type { Cut, Damage } from "../api/report.ts";
import type { Threads } from "../io/file_system.ts";
import type { PlacedSlot } from "../format/durable_slot.ts";
import type { Identity } from "../format/identity.ts";
import type { LogState } from "../format/state.ts";
import type { LogIndex } from "../log/log_index.ts";
import type { Segment } from "../log/segment.ts";

/** How to recover. */
export interface RecoveryOptions {
  /** Whether sealed segments are scanned, or taken from their segment indexes. */
  readonly verify: "full" | "tail";
  /** Whether a reader wants to go on from what is recovered. */
  readonly isFollowed: boolean;
  /** Threads that may help; the caller must then be able to wait for them. */
  readonly threads: Threads | undefined;
}

/** How far a recovery has come. */
export interface RecoveryStep {
  readonly bytesDone: number;
  readonly bytesTotal: number;
  /** How long to wait before the next step, if recovery cannot go on yet. In milliseconds. */
  readonly waitMs?: number;
}

/** A log up to its proven LSN, apart from what was recovered behind it: where a reader goes on. */
export interface Settled {
  readonly index: LogIndex;
  readonly state: LogState;
}

/** What was recovered. */
export interface Recovered {
  readonly index: LogIndex;
  /** The log's state, and what of it is lost. */
  readonly state: LogState;
  /** The newest segment; `undefined` if there is no log yet. */
  readonly head: Segment | undefined;
  /** Whether the newest segment ends with the checkpoint that closing leaves, so that writing can go on behind it. */
  readonly closed: boolean;
  /** The segment before the newest one, also if the snapshot covers it; `undefined` if there is none. */
  readonly previous: Segment | undefined;
  /** The number of a segment that the newest one names, and that is missing; `undefined` if it names none. */
  readonly missingNumber: number | undefined;
  /** Whether the segment before the newest names it in both copies of its pointer, if that segment is there. */
  readonly isHeadNamed: boolean;
  /** The durable slot of the newest segment with the highest LSN; `undefined` if it has none. */
  readonly slot: PlacedSlot | undefined;
  /** The log's UUID; `undefined` if there is no log yet. */
  readonly uuid: Uint8Array | undefined;
  /** What `IDENTITY` says; `undefined` if it is missing or damaged. */
  readonly identity: Identity | undefined;
  /** LSN up to which the disk proves that a flush returned. */
  readonly provenLsn: number;
  /** The log up to the proven LSN, if that was asked for; `undefined` too if damage reaches up to there. */
  readonly settled: Settled | undefined;
  /** The log's state at the proven LSN, and the sum of the last frame before it. */
  readonly provenState: LogState;
  readonly provenChecksum: number;
  /** The lowest index that the newest segment had truncated at the proven LSN; `Infinity` if none. */
  readonly provenTruncated: number;
  /** The lowest index that it has truncated since. */
  readonly unprovenTruncated: number;
  readonly provenIndex: number;
  readonly cut: Cut | undefined;
  readonly damage: readonly Damage[];
  /** Damage to what the log no longer needs. */
  readonly harmless: readonly Damage[];
  readonly bytesRead: number;
  /** Threads that took part. */
  readonly threads: 1 | 2;
  /** Files that the log does not need, in the order of their removal. */
  readonly leftovers: readonly string[];
  /** Uncommitted segments. */
  readonly superseded: readonly string[];
  /** The highest number of a segment of this log. */
  readonly numberUsed: number;
}
