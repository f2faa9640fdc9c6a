/**
 * The state of an event log when it is opened: the last one that was stored, and the entries behind that.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Index, LogEntry } from "../api/types.ts";
import type { WalLog } from "../api/wal_log.ts";
import { openEnvelope } from "./envelope.ts";
import { EventState } from "./event_state.ts";
import { TERM } from "./event_writer.ts";
import { foreignEntry, foreignLog } from "./refusals.ts";
import { intervalsOf } from "./retention.ts";
import type { EventRetention } from "./types.ts";

const NOTHING = new Uint8Array(0);
/** Entries that are looked through at once for a stored state, from the log's end on. */
const CHUNK_ENTRIES = 1024;

/**
 * Requires that a log has nothing that only a Raft log has.
 *
 * @param wal The log.
 * @throws {WalLogError} `ENCODING` if it has a hard state, a cluster or a term of its own.
 */
export function requireNoRaft({ path, hardState: { term, votedFor }, identity, lastTerm }: WalLog): void {
  if (term > 0 || votedFor !== null) throw foreignLog(path, `a hard state of term ${term}`);
  if (identity.cluster !== undefined) throw foreignLog(path, `the cluster ${identity.cluster}`);
  if (lastTerm > TERM) throw foreignLog(path, `entries of term ${lastTerm}`);
}

/**
 * Loads the state of an event log.
 *
 * @param wal The log underneath.
 * @param retention Limits beyond which events are dropped. Marks behind the stored state are made again.
 * @returns The state behind its last entry. Damaged entries count as events.
 * @throws {WalLogError} `ENCODING` if no event log has written the log; `CORRUPT` if its snapshot is damaged; `IO`.
 */
export function loadState(wal: WalLog, retention: EventRetention): EventState {
  const intervals = intervalsOf(retention);
  const { snapshotIndex, lastIndex } = wal;
  const stored = lastStored(wal);
  const state = stored?.state ?? snapshotState(wal);
  // What is damaged can have been an event.
  const passed = (index: Index) => void (state.last = index);
  for (const { index, term, kind, command } of readable(wal, (stored?.index ?? snapshotIndex) + 1, lastIndex, passed)) {
    const envelope = openEnvelope(command);
    if (term !== TERM || kind === "config" || envelope.kind === "foreign") throw foreignEntry(index, wal.path);
    if (envelope.kind === "event" && state.isMarkDue(intervals, envelope.time)) state.mark(index - 1, envelope.time);
    state.apply(index, envelope, command.length);
  }
  for (const [name, position] of state.consumers) {
    // A consumer that a compaction has passed goes on behind it.
    state.consumers.set(name, Math.max(position, snapshotIndex));
  }
  state.marks = state.marks.filter(({ position }) => position > snapshotIndex);
  return state;
}

/** The last state that is stored in an entry. */
function lastStored(wal: WalLog): { readonly index: Index; readonly state: EventState } | undefined {
  for (let end = wal.lastIndex; end > wal.snapshotIndex; end -= CHUNK_ENTRIES) {
    let found: { readonly index: Index; readonly state: EventState } | undefined;
    for (const { index, command } of readable(wal, Math.max(wal.snapshotIndex, end - CHUNK_ENTRIES) + 1, end)) {
      const envelope = openEnvelope(command);
      if (envelope.kind === "state") found = { index, state: parsed(wal, index, envelope.payload) };
    }
    if (found !== undefined) return found;
  }
}

/** The state that the snapshot holds. One without data and meta holds none. */
function snapshotState(wal: WalLog): EventState {
  const { index, config, data, meta } = wal.snapshot() ?? { index: 0, config: [], data: NOTHING };
  if (config.length > 0) throw foreignLog(wal.path, "a snapshot with a configuration");
  const stored = data.length > 0 ? data : meta ?? NOTHING;
  return stored.length === 0 ? new EventState({ last: index }) : parsed(wal, index, stored);
}

function parsed(wal: WalLog, index: Index, bytes: Uint8Array): EventState {
  try {
    return EventState.parse(bytes);
  } catch {
    throw foreignEntry(index, wal.path);
  }
}

/** The entries of a range that can be read. Calls a function with the last index of each part that cannot. */
function* readable(
  wal: WalLog,
  from: Index,
  to: Index,
  passed: (index: Index) => void = () => {},
): Generator<LogEntry, undefined> {
  for (let next = from; next <= to;) {
    try {
      for (const entry of wal.iterate(next, to)) {
        next = entry.index + 1;
        yield entry;
      }
      return;
    } catch (error) {
      if (!(error instanceof WalLogError && error.code === "DAMAGED_ENTRY")) throw error;
      const around = wal.damaged.filter(({ firstIndex = Infinity }) => firstIndex <= next);
      next = Math.min(Math.max(next, ...around.map(({ lastIndex = next }) => lastIndex)), to) + 1;
      passed(next - 1);
    }
  }
}
