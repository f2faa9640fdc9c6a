/**
 * The result of a recovery.
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

/** Options of a recovery. */
export interface RecoveryOptions {
  /** Whether to scan sealed segments, or to use their segment indexes. */
  readonly verify: "full" | "tail";
  /** Whether a reader wants to continue from the recovered log. */
  readonly isFollowed: boolean;
  /** Threads that may help. The caller must be able to wait for them. */
  readonly threads: Threads | undefined;
}

/** The progress of a recovery. */
export interface RecoveryStep {
  readonly bytesDone: number;
  readonly bytesTotal: number;
  /** The pause before the next step, if recovery cannot continue yet. In milliseconds. */
  readonly waitMs?: number;
}

/** A log up to its proven LSN, without the later frames: where a reader continues. */
export interface ProvenContents {
  readonly index: LogIndex;
  readonly state: LogState;
}

/** A recovered log. */
export interface Recovered {
  readonly index: LogIndex;
  /** The log's state, and which parts of it are lost. */
  readonly state: LogState;
  /** The newest segment; `undefined` if there is no log yet. */
  readonly head: Segment | undefined;
  /** Whether the newest segment ends with the checkpoint of a clean close, so that writing can continue after it. */
  readonly closed: boolean;
  /** The segment before the newest one, even if the snapshot covers it; `undefined` if there is none. */
  readonly previous: Segment | undefined;
  /** The number of the segment that the newest one names as the next one; `undefined` if it names none. */
  readonly missingNumber: number | undefined;
  /** Whether the previous segment, if present, names the newest one in both copies of its pointer. */
  readonly isHeadNamed: boolean;
  /** The durable slot of the newest segment with the highest LSN; `undefined` if it has none. */
  readonly slot: PlacedSlot | undefined;
  /** The log's UUID; `undefined` if there is no log yet. */
  readonly uuid: Uint8Array | undefined;
  /** The contents of `IDENTITY`; `undefined` if it is missing or damaged. */
  readonly identity: Identity | undefined;
  /** LSN up to which the disk proves that a flush returned. */
  readonly provenLsn: number;
  /** The log up to the proven LSN, if requested; `undefined` also if damage reaches that LSN. */
  readonly provenContents: ProvenContents | undefined;
  /** The log's state at the proven LSN, and the checksum of the last frame before it. */
  readonly provenState: LogState;
  readonly provenChecksum: number;
  /** The lowest index that the newest segment had truncated at the proven LSN; `Infinity` if none. */
  readonly provenTruncated: number;
  /** The lowest index that it has truncated since. */
  readonly unprovenTruncated: number;
  readonly provenIndex: number;
  readonly cut: Cut | undefined;
  readonly damage: readonly Damage[];
  /** Damage to data that the log no longer needs. */
  readonly harmless: readonly Damage[];
  readonly bytesRead: number;
  /** The number of threads used. */
  readonly threads: 1 | 2;
  /** Files that the log does not need, in the order of their removal. */
  readonly leftovers: readonly string[];
  /** Uncommitted segments. */
  readonly superseded: readonly string[];
  /** The highest number of a segment of this log. */
  readonly numberUsed: number;
}
