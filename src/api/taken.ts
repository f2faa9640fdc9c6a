/**
 * Arguments as a log takes them over from its caller: each field is read once, before anything is checked. An object
 * can have accessors that answer otherwise the next time, or that call the log; what was checked must be what is
 * written. Nothing is refused here: `validate.ts` does that, with what was taken.
 *
 * @module
 */

import type { CompactOptions, HardState, NewEntry, NewSnapshot, SnapshotMeta } from "./types.ts";

const TYPED_ARRAY = Object.getPrototypeOf(Uint8Array.prototype);
/** The name of a typed array's own type, whatever its prototype is. It reads a slot that every realm shares. */
const typeName: (this: unknown) => string | undefined = Object.getOwnPropertyDescriptor(
  TYPED_ARRAY,
  Symbol.toStringTag,
)!.get!;

/** An entry that was taken over: every field is set. */
export type TakenEntry = Required<NewEntry>;

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
 * Whether a value is a `Uint8Array`, of this realm or another: a `vm` context, or a test runner's DOM. A `Proxy` is
 * not.
 *
 * @param value Any value.
 */
export function isBytes(value: unknown): value is Uint8Array {
  return typeName.call(value) === "Uint8Array";
}

/**
 * Whether a value is a URL, of this realm or another, or of a test runner's DOM.
 *
 * @param value Any value.
 */
export function isUrl(value: unknown): value is URL {
  const { href, protocol } = (typeof value === "object" && value !== null ? value : {}) as Partial<URL>;
  return typeof href === "string" && typeof protocol === "string";
}

/**
 * Whether a value is an `AbortSignal`, of this realm or another, or of a test runner's DOM.
 *
 * @param value Any value.
 */
export function isSignal(value: unknown): value is AbortSignal {
  const { aborted, throwIfAborted } = (typeof value === "object" && value !== null ? value : {}) as Partial<
    AbortSignal
  >;
  return typeof aborted === "boolean" && typeof throwIfAborted === "function";
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
export function takeEntry(entry: NewEntry): TakenEntry {
  if (typeof entry !== "object" || entry === null) return entry as never;
  const { term, index, kind = "normal", command } = entry;
  return { term: unsigned(term), index, kind, command: takeBytes(command) };
}

/**
 * Takes a list of entries.
 *
 * @param entries What was given for one.
 * @returns A copy, as of {@link takeEntry}; what is no list is returned as it is.
 */
export function takeEntries(entries: readonly NewEntry[]): readonly TakenEntry[] {
  return Array.isArray(entries) ? Array.from<NewEntry, TakenEntry>(entries, takeEntry) : entries as never;
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
 * @returns A copy that shares the bytes of `meta`; what is no object is returned as it is.
 */
export function takeSnapshotMeta(meta: SnapshotMeta): SnapshotMeta {
  if (typeof meta !== "object" || meta === null) return meta;
  const { index, term, config, meta: bytes = new Uint8Array(0) } = meta;
  return { index, term: unsigned(term), config: Array.isArray(config) ? [...config] : config, meta: takeBytes(bytes) };
}

/**
 * Takes a snapshot.
 *
 * @param snapshot What was given for one.
 * @returns A copy that shares the bytes of the data and of `meta`; what is no object is returned as it is.
 */
export function takeSnapshot(snapshot: NewSnapshot): NewSnapshot {
  if (typeof snapshot !== "object" || snapshot === null) return snapshot;
  const { data } = snapshot;
  return { ...takeSnapshotMeta(snapshot), data: takeBytes(data) };
}

/**
 * Takes the options of a compaction.
 *
 * @param options The options, as given.
 * @returns A copy that shares the bytes of the data and of `meta`. Anything but an object is returned as it is.
 */
export function takeCompactOptions(options: CompactOptions): CompactOptions {
  if (typeof options !== "object" || options === null || isBytes(options)) return options;
  const { data, config, meta, ...others } = options;
  return {
    ...others,
    ...(data === undefined ? {} : { data: takeBytes(data) }),
    ...(config === undefined ? {} : { config: Array.isArray(config) ? [...config] : config }),
    ...(meta === undefined ? {} : { meta: takeBytes(meta) }),
  };
}

/**
 * The configuration and the meta of a snapshot that a compaction makes.
 *
 * @param options The options of the compaction, taken over.
 * @param before Gives the snapshot before, `undefined` if there is none. Called only if its configuration is kept.
 * @returns What the options give. If they give no configuration, the snapshot before gives it, and also the meta if the
 * options give none.
 */
export function keptMeta(
  options: CompactOptions,
  before: () => SnapshotMeta | undefined,
): Required<Pick<SnapshotMeta, "config" | "meta">> {
  const none = new Uint8Array(0);
  if (options.config !== undefined) return { config: options.config, meta: options.meta ?? none };
  const { config, meta } = before() ?? { config: [] };
  return { config, meta: options.meta ?? meta ?? none };
}

/**
 * Bytes in a buffer that no other thread can change.
 *
 * @param bytes The bytes.
 * @returns The same array, or a copy if its buffer is shared between threads.
 */
export function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const isShared = Object.prototype.toString.call(bytes.buffer) === "[object SharedArrayBuffer]";
  return isShared ? new Uint8Array(bytes) : bytes as Uint8Array<ArrayBuffer>;
}
