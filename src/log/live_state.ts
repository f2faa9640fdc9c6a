/**
 * The state of an open log in memory. It changes after the disk, never before.
 *
 * @module
 */

import type { SpaceStats } from "../io/disk_space.ts";
import { publish } from "../api/events.ts";
import { LatencyCounter, type LatencyHistogram } from "./latency.ts";
import type { Opened } from "../recovery/open.ts";
import type { View } from "../recovery/read_on.ts";
import type { Damage } from "../api/report.ts";
import { Retentions } from "../api/retention.ts";
import type { Identity } from "../format/identity.ts";
import type { LogState } from "../format/state.ts";
import type { LogIndex } from "./log_index.ts";
import type { HardState, Index } from "../api/types.ts";
import { Truncations } from "./truncations.ts";

/** Statistics of a log since it was opened, and the space that it uses. */
export interface WalLogStats extends SpaceStats {
  /** Entries appended. */
  readonly entriesAppended: number;
  /** Bytes of log written, frames and headers. */
  readonly bytesWritten: number;
  /** Successful flushes of the log, including those that seal a segment. */
  readonly flushes: number;
  /** Flushes that took longer than `slowFlushMilliseconds`. */
  readonly slowFlushes: number;
  /** The latencies of the flushes. */
  readonly flushLatency: LatencyHistogram;
  /** When the last flush succeeded, in milliseconds since 1970; `undefined` before the first one. */
  readonly lastFlushTime: number | undefined;
  /**
   * Calls of `sync` and `syncSync`. Divided by {@link WalLogStats.flushes}, this is about the number of calls per
   * flush.
   */
  readonly syncs: number;
  /** Segments sealed. */
  readonly segmentsSealed: number;
  /** Segments deleted because a snapshot covers them. */
  readonly segmentsDeleted: number;
  /** The number of segments. */
  readonly segments: number;
  /** Snapshots installed. */
  readonly snapshots: number;
}

/** The state of an open log in memory. */
export class LiveState {
  /** The log's folder. */
  readonly path: string;
  /** The positions of the entries, their terms, and the snapshot's index. */
  readonly index: LogIndex;
  /** The last hard state that was set. Frozen. */
  hardState: HardState;
  /** Whether the latest hard state is lost, and no new one was set. */
  hardStateLost: boolean;
  /** Whether entries after the last one may be lost, and the caller has not accepted the loss yet. */
  tailLost: boolean;
  /** Whether a truncation or a snapshot is lost, and no snapshot was installed after that. */
  replacementsLost: boolean;
  /** The damage that is not repaired yet. */
  damaged: readonly Damage[];
  /** The number of repairs. A reader that found damage can tell by it that something was repaired. */
  repairs = 0;
  /** The truncations, so that readers notice when entries that they read ahead were removed. */
  readonly truncations: Truncations = new Truncations();
  /** The retentions of entries that a snapshot covers. */
  readonly retentions: Retentions = new Retentions();
  /** Statistics since the log was opened. */
  readonly counts: {
    -readonly [K in keyof Omit<WalLogStats, "segments" | "flushLatency" | "lastFlushTime" | keyof SpaceStats>]: number;
  } = {
    entriesAppended: 0,
    bytesWritten: 0,
    flushes: 0,
    slowFlushes: 0,
    syncs: 0,
    segmentsSealed: 0,
    segmentsDeleted: 0,
    snapshots: 0,
  };
  /** The latencies of flushes. */
  readonly flushLatency: LatencyCounter = new LatencyCounter();
  /** When the last flush succeeded, in milliseconds since 1970. */
  lastFlushTime: number | undefined;

  /** The log's UUID; all zeros if the log is opened for reading only and does not exist yet. */
  uuid: Uint8Array;
  /**
   * The contents of `IDENTITY`; `undefined` if the log is opened for reading only, and the file is missing or damaged.
   */
  identity: Identity | undefined;
  /**
   * The number of truncations, snapshots and hard states, if the log is opened for reading only. Otherwise, its writer
   * counts them.
   */
  changes: number;

  constructor({ folder, index, state, report, uuid, identity }: Opened) {
    this.path = folder;
    this.uuid = uuid;
    this.identity = identity;
    this.changes = state.changes;
    this.index = index;
    index.retained = this.retentions;
    this.hardState = Object.freeze(state.hardState);
    this.hardStateLost = state.hardStateLost;
    this.tailLost = state.tailLost;
    this.replacementsLost = state.replacementsLost;
    this.damaged = report.damage;
  }

  /** Index of the last entry, or of the snapshot if no entry follows it; 0 if there is neither. */
  get lastIndex(): Index {
    return this.index.nextIndex - 1;
  }

  /** Adds damage that was not known. */
  addDamage(damage: readonly Damage[]): void {
    const found = damage.filter((one) => !this.damaged.some((known) => covers(known, one)));
    if (found.length === 0) return;
    this.damaged = [...this.damaged.filter((known) => !found.some((one) => covers(one, known))), ...found];
    publish("wallog:damage", { path: this.path, damage: found });
  }

  /**
   * Records that the entries from an index on were removed. Forgets damage to them. Retentions above the index move
   * down to it.
   *
   * @param from The index.
   */
  truncated(from: Index): void {
    this.truncations.add(from);
    this.retentions.truncated(from);
    this.strike(({ firstIndex = 0, lastIndex }) => lastIndex !== undefined && firstIndex >= from);
  }

  /**
   * Takes over the hard state that was set. A lost hard state no longer matters then, and the loss of an unknown number
   * of entries counts as accepted.
   *
   * @param hardState The hard state.
   */
  setHardState(hardState: HardState): void {
    this.hardState = Object.freeze(hardState);
    this.hardStateLost = false;
    this.tailLost = false;
    this.strike(({ firstIndex, lastIndex }) => firstIndex === undefined || lastIndex === undefined);
  }

  /**
   * Updates a log that is opened for reading only. Readers that have read ahead notice it. Known damage stays known.
   *
   * @param view The current log.
   */
  refreshed({ index, state, uuid, identity, damage }: View): void {
    const { hardState, hardStateLost, tailLost, replacementsLost, changes } = state;
    this.index.become(index);
    this.uuid = uuid ?? this.uuid;
    this.identity = identity ?? this.identity;
    this.changes = changes;
    this.hardState = Object.freeze(hardState);
    this.hardStateLost = hardStateLost;
    this.tailLost = tailLost;
    this.replacementsLost = replacementsLost;
    this.truncations.add(Infinity);
    this.compacted();
    this.addDamage(damage);
  }

  /** Drops the terms and the damage of entries below the first index, after the index has risen. */
  compacted(): void {
    const { firstIndex } = this.index;
    this.index.dropTerms();
    this.damaged = this.damaged.filter(({ kind, lastIndex = Infinity }) =>
      kind === "snapshot" || lastIndex >= firstIndex
    );
  }

  /** Removes damage to data that the log no longer needs. */
  private strike(isNoMore: (damage: Damage) => boolean): void {
    // If a truncation is lost, the damage may cover more than entries and a hard state.
    if (this.replacementsLost || this.damaged.length === 0) return;
    this.damaged = this.damaged.filter((one) => one.kind === "snapshot" || !isNoMore(one));
  }

  /**
   * The current state, for a checkpoint or the header of the next segment.
   *
   * @param changes The number of truncations, snapshots and hard states so far, which the writer counts.
   */
  record(changes: number): LogState {
    const { nextIndex, lastTerm, snapshotIndex, snapshotTerm } = this.index;
    const { hardState, hardStateLost, tailLost, replacementsLost } = this;
    return {
      nextIndex,
      lastTerm,
      snapshotIndex,
      snapshotTerm,
      hardState,
      hardStateLost,
      tailLost,
      replacementsLost,
      changes,
    };
  }
}

/** Whether one damage report covers another one. A read reports only the part of a gap that it met. */
function covers(one: Damage, other: Damage): boolean {
  const end = ({ offset, bytes }: Damage) => offset + Math.max(bytes, 1);
  if (one.path !== other.path || other.offset < one.offset || end(other) > end(one)) return false;
  if (other.firstIndex === undefined) return true;
  const { firstIndex = Infinity, lastIndex = Infinity } = one;
  return firstIndex <= other.firstIndex && (other.lastIndex ?? Infinity) <= lastIndex;
}
