/**
 * What an open log is put together from.
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
import { tell } from "./events.ts";
import type { CheckedOptions } from "./options.ts";

/** The parts of an open log. */
export interface LogParts {
  /** What opening the log has found. */
  readonly opened: Opened;
  /** What the log holds in memory. */
  readonly state: LiveState;
  /** What writes and flushes the log. */
  readonly durability: Durability;
  /** What reads entries. */
  readonly reader: EntryReader;
  /** The log's snapshots. */
  readonly snapshots: SnapshotStore;
  /** What followers are given. */
  readonly source: ReadSource | WrittenSource;
  /** The space that the log takes, and that is left to it. */
  readonly space: DiskSpace;
  /** The largest command that the log takes, in bytes. */
  readonly maxEntryBytes: number;
}

/**
 * Puts a log together that has been opened, and publishes the events of opening it.
 *
 * @param opened What opening the log has found.
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
  tell("wallog:open", { path, readOnly: options.readOnly, report });
  if (report.damage.length > 0) tell("wallog:damage", { path, damage: report.damage });
  space.look();
  return { opened, state, durability, reader, snapshots, source, space, maxEntryBytes: options.maxEntryBytes };
}
