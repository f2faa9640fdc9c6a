/**
 * Arguments as a log takes them over from its caller: each field is read once, before anything is checked. An object
 * can have accessors that answer otherwise the next time, or that call the log; what was checked must be what is
 * written. Nothing is refused here: `validate.ts` does that, with what was taken.
 *
 * @module
 */

import type { CompactOptions, HardState, LogEntry, Snapshot, SnapshotMeta } from "./types.ts";

const TYPED_ARRAY = Object.getPrototypeOf(Uint8Array.prototype);

/**
 * A number as it comes back from the disk, where no zero has a sign.
 *
 * @param value Any value.
 * @returns 0 for -0, anything else as it is.
 */
export function unsigned<T>(value: T): T | 0 {
  return value === 0 ? 0 : value;
}

/**
 * Whether a value is an array of bytes, and not a `Proxy` that stands before one.
 *
 * @param value Any value.
 */
export function isBytes(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && value instanceof Uint8Array;
}

/**
 * Whether bytes are gone because their buffer was transferred away, or shrunk. Such an array has length 0, so it would
 * be stored as an empty command and nobody would notice that the command was lost.
 *
 * @param bytes The bytes.
 */
export function isDetached(bytes: Uint8Array): boolean {
  if (inherent(bytes, "length") > 0) return false;
  try {
    new Uint8Array(0).set(bytes);
    return false;
  } catch {
    return true;
  }
}

/** What an array of bytes is, whatever properties of its own it has. */
function inherent(bytes: Uint8Array, name: "length" | "byteOffset"): number {
  return Reflect.get(TYPED_ARRAY, name, bytes);
}

/**
 * Takes bytes.
 *
 * @param bytes What was given for them.
 * @returns The same bytes in an array without properties of its own, which could say that it has more of them, or fewer.
 * What is no array of bytes, or has lost them, is returned as it is.
 */
export function takeBytes(bytes: Uint8Array): Uint8Array {
  if (!isBytes(bytes) || isDetached(bytes)) return bytes;
  const buffer: ArrayBufferLike = Reflect.get(TYPED_ARRAY, "buffer", bytes);
  return new Uint8Array(buffer, inherent(bytes, "byteOffset"), inherent(bytes, "length"));
}

/**
 * Takes an entry.
 *
 * @param entry What was given for one.
 * @returns A copy that shares the bytes of the command; what is no object is returned as it is.
 */
export function takeEntry(entry: LogEntry): LogEntry {
  if (typeof entry !== "object" || entry === null) return entry;
  const { term, index, kind, command } = entry;
  return { term: unsigned(term), index, kind, command: takeBytes(command) };
}

/**
 * Takes a list of entries.
 *
 * @param entries What was given for one.
 * @returns A copy, as of {@link takeEntry}; what is no list is returned as it is.
 */
export function takeEntries(entries: readonly LogEntry[]): readonly LogEntry[] {
  return Array.isArray(entries) ? Array.from<LogEntry, LogEntry>(entries, takeEntry) : entries;
}

/**
 * Takes a hard state.
 *
 * @param state What was given for one.
 * @returns A copy; what is no object is returned as it is.
 */
export function takeHardState(state: HardState): HardState {
  if (typeof state !== "object" || state === null) return state;
  const { term, votedFor } = state;
  return { term: unsigned(term), votedFor };
}

/**
 * Takes what a snapshot is of.
 *
 * @param meta What was given for it.
 * @returns A copy; what is no object is returned as it is.
 */
export function takeSnapshotMeta(meta: SnapshotMeta): SnapshotMeta {
  if (typeof meta !== "object" || meta === null) return meta;
  const { index, term, config } = meta;
  return { index, term: unsigned(term), config: Array.isArray(config) ? [...config] : config };
}

/**
 * Takes a snapshot.
 *
 * @param snapshot What was given for one.
 * @returns A copy that shares the bytes of the data; what is no object is returned as it is.
 */
export function takeSnapshot(snapshot: Snapshot): Snapshot {
  if (typeof snapshot !== "object" || snapshot === null) return snapshot;
  const { data } = snapshot;
  return { ...takeSnapshotMeta(snapshot), data: takeBytes(data) };
}

/**
 * Takes the options of a compaction.
 *
 * @param options What was given for them.
 * @returns A copy that shares the bytes of the data; what is no object is returned as it is.
 */
export function takeCompactOptions(options: CompactOptions): CompactOptions {
  if (typeof options !== "object" || options === null || isBytes(options)) return options;
  const { data, config } = options;
  return {
    ...(data === undefined ? {} : { data: takeBytes(data) }),
    ...(config === undefined ? {} : { config: Array.isArray(config) ? [...config] : config }),
  };
}
