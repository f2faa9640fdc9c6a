/**
 * The parts of an open log, and how they are assembled.
 *
 * @module
 */

import { DiskSpace } from "../io/disk_space.ts";
import { LiveState } from "../log/live_state.ts";
import { EntryReader } from "../log/reader.ts";
import { WrittenSource } from "../log/written_source.ts";
import type { Opened } from "../recovery/open.ts";
import { ReadSource } from "../recovery/read_source.ts";
import { SnapshotStore } from "../snapshots/snapshot_store.ts";
import { Durability } from "../write/durability.ts";
import { publish } from "./events.ts";
import type { CheckedOptions } from "./options.ts";

/** The parts of an open log. */
export interface LogParts {
  /** The result of opening the log. */
  readonly opened: Opened;
  /** The state of the log in memory. */
  readonly state: LiveState;
  /** Writes and flushes the log. */
  readonly durability: Durability;
  /** Reads entries. */
  readonly reader: EntryReader;
  /** The log's snapshots. */
  readonly snapshots: SnapshotStore;
  /** Delivers entries to followers. */
  readonly source: ReadSource | WrittenSource;
  /** The space used by the log, and the free space. */
  readonly space: DiskSpace;
  /** The largest command that the log accepts, in bytes. */
  readonly maxEntryBytes: number;
}

/**
 * Assembles an opened log, and publishes the events of opening it.
 *
 * @param opened The result of opening the log.
 * @param options The options that the log was opened with.
 * @returns The parts of the log.
 */
export function assembleLog(opened: Opened, options: CheckedOptions): LogParts {
  const { folder: path, fileSystem, codec, index, writer, report } = opened;
  const state = new LiveState(opened);
  const durability = new Durability(opened, state, options.slowFlushMilliseconds);
  const reader = new EntryReader(fileSystem, codec, index, writer);
  const snapshots = new SnapshotStore(opened, state, durability, reader.files);
  const source = writer === undefined
    ? new ReadSource(opened, options.onDamage, durability)
    : new WrittenSource(state, durability, reader);
  const space = new DiskSpace(opened, options.lowSpaceBytes);
  durability.onFlushed = () => space.look();
  reader.onDamage = (damage) => state.addDamage([damage]);
  publish("wallog:open", { path, readOnly: options.readOnly, report });
  if (report.damage.length > 0) publish("wallog:damage", { path, damage: report.damage });
  space.look();
  return { opened, state, durability, reader, snapshots, source, space, maxEntryBytes: options.maxEntryBytes };
}
