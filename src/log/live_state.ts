/**
 * The state of an open log in memory: what changes as it is written, after the disk and never before.
 *
 * @module
 */

import type { SpaceStats } from "../io/disk_space.ts";
import { tell } from "../api/events.ts";
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

/** What a log has done since it was opened, and the space that it takes. */
export interface WalLogStats extends SpaceStats {
  /** Entries appended. */
  readonly entriesAppended: number;
  /** Bytes of log written, frames and headers. */
  readonly bytesWritten: number;
  /** Flushes of the log that succeeded, including those that seal a segment. */
  readonly flushes: number;
  /** Flushes that took longer than `slowFlushMilliseconds`. */
  readonly slowFlushes: number;
  /** How long the flushes took. */
  readonly flushLatency: LatencyHistogram;
  /** Calls of `sync` and `syncSync`. Divided by {@link WalLogStats.flushes}: about how many calls share a flush. */
  readonly syncs: number;
  /** Segments sealed. */
  readonly segmentsSealed: number;
  /** Segments deleted because a snapshot covers them. */
  readonly segmentsDeleted: number;
  /** Segments that the log has. */
  readonly segments: number;
  /** Snapshots installed. */
  readonly snapshots: number;
}

/** What an open log holds in memory. */
export class LiveState {
  /** The log's folder. */
  readonly path: string;
  /** Where the entries lie, and their terms; the snapshot's place. */
  readonly index: LogIndex;
  /** The last hard state that was set. Frozen. */
  hardState: HardState;
  /** Whether the latest hard state is lost, and none was set since. */
  hardStateLost: boolean;
  /** Whether entries behind the last one may be lost, and nobody has accepted that yet. */
  tailLost: boolean;
  /** Whether a truncation or a snapshot is lost, and no snapshot was installed since. */
  replacementsLost: boolean;
  /** What is damaged and not yet repaired. */
  damaged: readonly Damage[];
  /** Counts what was repaired, so that whoever has found it damaged notices. */
  repairs = 0;
  /** What took entries away, so that whoever has read ahead notices. */
  readonly truncations: Truncations = new Truncations();
  /** Who still needs entries that a snapshot covers. */
  readonly retentions: Retentions = new Retentions();
  /** What the log has done since it was opened. */
  readonly counts: {
    -readonly [K in keyof Omit<WalLogStats, "segments" | "flushLatency" | keyof SpaceStats>]: number;
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
  /** How long flushes took. */
  readonly flushLatency: LatencyCounter = new LatencyCounter();

  /** The log's UUID; all zeros while the log does not exist, and is only read. */
  uuid: Uint8Array;
  /** What `IDENTITY` says; `undefined` if the log is only read, and the file is missing or damaged. */
  identity: Identity | undefined;
  /** Truncations, snapshots and hard states of a log that is only read. The writer of any other counts them. */
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

  /** Adds what is damaged and was not known to be. */
  addDamage(damage: readonly Damage[]): void {
    const found = damage.filter((one) => !this.damaged.some((known) => covers(known, one)));
    if (found.length === 0) return;
    this.damaged = [...this.damaged.filter((known) => !found.some((one) => covers(one, known))), ...found];
    tell("wallog:damage", { path: this.path, damage: found });
  }

  /**
   * Notes that the entries from an index on are gone, and the damage to them. Retentions above it move down to it.
   *
   * @param from The index.
   */
  truncated(from: Index): void {
    this.truncations.add(from);
    this.retentions.truncated(from);
    this.strike(({ firstIndex = 0, lastIndex }) => lastIndex !== undefined && firstIndex >= from);
  }

  /**
   * Takes over the hard state that was set. What may have been lost of the one before is not needed any more, and that
   * entries are gone of which nobody knows how many is accepted.
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
   * Brings a log that is only read up to date. Whoever has read ahead notices. Damage that was known stays known.
   *
   * @param view The log as it is now.
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

  /** Drops terms and damage of entries below the first index, which has risen. */
  compacted(): void {
    const { firstIndex } = this.index;
    this.index.dropTerms();
    this.damaged = this.damaged.filter(({ kind, lastIndex = Infinity }) =>
      kind === "snapshot" || lastIndex >= firstIndex
    );
  }

  /** Takes damage off the list that the log has no need of any more. */
  private strike(isNoMore: (damage: Damage) => boolean): void {
    // Where a truncation is lost, more is than entries and a hard state.
    if (this.replacementsLost || this.damaged.length === 0) return;
    this.damaged = this.damaged.filter((one) => one.kind === "snapshot" || !isNoMore(one));
  }

  /**
   * The state as it is now, for a checkpoint, or for the header of the next segment.
   *
   * @param changes Truncations, snapshots and hard states of the log so far, which the writer counts.
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

/** Whether a report names all that another one does. A read reports the part of a gap that it met. */
function covers(one: Damage, other: Damage): boolean {
  const end = ({ offset, bytes }: Damage) => offset + Math.max(bytes, 1);
  if (one.path !== other.path || other.offset < one.offset || end(other) > end(one)) return false;
  if (other.firstIndex === undefined) return true;
  const { firstIndex = Infinity, lastIndex = Infinity } = one;
  return firstIndex <= other.firstIndex && (other.lastIndex ?? Infinity) <= lastIndex;
}
