/**
 * Copies arguments from the caller. Each field is read once, before anything is checked. An object can have accessors
 * that return another value the next time, or that call the log. The checked values must be the written ones. Nothing
 * is refused here: `validate.ts` checks the copies.
 *
 * @module
 */

import type { CompactOptions, HardState, NewEntry, NewSnapshot, SnapshotMeta } from "./types.ts";

const TYPED_ARRAY = Object.getPrototypeOf(Uint8Array.prototype);
/** The name of a typed array's own type, independent of its prototype. It reads a slot that all realms share. */
const typeName: (this: unknown) => string | undefined = Object.getOwnPropertyDescriptor(
  TYPED_ARRAY,
  Symbol.toStringTag,
)!.get!;

/** A copied entry. Every field is set. */
export type TakenEntry = Required<NewEntry>;

/**
 * Normalizes a number as the disk stores it: -0 becomes 0.
 *
 * @param value Any value.
 * @returns 0 for -0, any other value unchanged.
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
 * Whether bytes are gone because their buffer was transferred or shrunk. Such an array has length 0, so it would be
 * stored as an empty command, and the loss would go unnoticed.
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

/** An inherent property of a byte array, independent of its own properties. */
function inherent(bytes: Uint8Array, name: "length" | "byteOffset"): number {
  return Reflect.get(TYPED_ARRAY, name, bytes);
}

/**
 * Takes bytes.
 *
 * @param bytes The caller's argument.
 * @returns The same bytes in an array without own properties, which could report a wrong length. An argument that is
 * not a byte array, or is detached, is returned unchanged.
 */
export function takeBytes(bytes: Uint8Array): Uint8Array {
  if (!isBytes(bytes) || isDetached(bytes)) return bytes;
  const buffer: ArrayBufferLike = Reflect.get(TYPED_ARRAY, "buffer", bytes);
  return new Uint8Array(buffer, inherent(bytes, "byteOffset"), inherent(bytes, "length"));
}

/**
 * Takes an entry.
 *
 * @param entry The caller's argument.
 * @returns A copy that shares the bytes of the command. An argument that is not an object is returned unchanged.
 */
export function takeEntry(entry: NewEntry): TakenEntry {
  if (typeof entry !== "object" || entry === null) return entry as never;
  const { term, index, kind = "normal", command } = entry;
  return { term: unsigned(term), index, kind, command: takeBytes(command) };
}

/**
 * Takes a list of entries.
 *
 * @param entries The caller's argument.
 * @returns A copy, with entries as from {@link takeEntry}. An argument that is not a list is returned unchanged.
 */
export function takeEntries(entries: readonly NewEntry[]): readonly TakenEntry[] {
  return Array.isArray(entries) ? Array.from<NewEntry, TakenEntry>(entries, takeEntry) : entries as never;
}

/**
 * Takes a hard state.
 *
 * @param state The caller's argument.
 * @returns A copy. An argument that is not an object is returned unchanged.
 */
export function takeHardState(state: HardState): HardState {
  if (typeof state !== "object" || state === null) return state;
  const { term, votedFor } = state;
  return { term: unsigned(term), votedFor };
}

/**
 * Takes the description of a snapshot.
 *
 * @param meta The caller's argument.
 * @returns A copy that shares the bytes of `meta`. An argument that is not an object is returned unchanged.
 */
export function takeSnapshotMeta(meta: SnapshotMeta): SnapshotMeta {
  if (typeof meta !== "object" || meta === null) return meta;
  const { index, term, config, meta: bytes = new Uint8Array(0) } = meta;
  return { index, term: unsigned(term), config: Array.isArray(config) ? [...config] : config, meta: takeBytes(bytes) };
}

/**
 * Takes a snapshot.
 *
 * @param snapshot The caller's argument.
 * @returns A copy that shares the bytes of the data and of `meta`. An argument that is not an object is returned
 * unchanged.
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
 * @returns A copy that shares the bytes of the data and of `meta`. An argument that is not an object is returned
 * unchanged.
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
 * @param options The copied options of the compaction.
 * @param before Returns the previous snapshot, `undefined` if there is none. Called only if its configuration is kept.
 * @returns The configuration and the meta from the options. Without a configuration in the options, both default to
 * those of the previous snapshot.
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
