/**
 * The facts about a cluster other than the ids of the members: the cluster's id, the incarnations of the members' logs,
 * their addresses, and a replacement in progress. They are the meta of a snapshot. In an entry with a configuration,
 * they follow the ids.
 *
 * ```text
 *  0  8 bytes "WALLOGRM"
 *  8  16 bytes the cluster; zeros if there is none, and in entries
 * 24  u32 count, count x (u64 node, 16 bytes incarnation)
 *     u32 count, count x (u64 node, u32 size, address as UTF-8)
 *     u32 count, at most 1 x (u64 node, u64 the node that takes its place)
 * ```
 *
 * All integers are little-endian. A meta with another beginning belongs to the application. Later versions may add data
 * at the end.
 *
 * @module
 */

import type { NodeId } from "../api/types.ts";
import { UUID_BYTES, uuidBytes, uuidText } from "./origin.ts";

const MAGIC = new TextEncoder().encode("WALLOGRM");
const HEAD_BYTES = MAGIC.length + UUID_BYTES + 4;

/** A replacement in progress. */
export interface Replacement {
  /** The old member. */
  readonly from: NodeId;
  /** The node that replaces it. */
  readonly to: NodeId;
}

/** The facts about a cluster other than the ids of the members. */
export interface SnapshotFacts {
  /** The cluster of the snapshot; `undefined` if it has no id. */
  readonly cluster: string | undefined;
  /** The known incarnations of the logs of members and learners. */
  readonly incarnations: ReadonlyMap<NodeId, string>;
  /** The known addresses of members and learners. */
  readonly addresses?: ReadonlyMap<NodeId, string>;
  /** The replacement in progress. */
  readonly replacement?: Replacement;
}

/**
 * Encodes facts as a snapshot's meta.
 *
 * @param facts The facts.
 * @returns The meta; `undefined` if there are no facts.
 */
export function encodeMeta({ cluster, incarnations, addresses, replacement }: SnapshotFacts): Uint8Array | undefined {
  const encoder = new TextEncoder();
  const places = [...addresses ?? []].map(([id, address]) => [id, encoder.encode(address)] as const);
  if (cluster === undefined && incarnations.size === 0 && places.length === 0 && replacement === undefined) {
    return undefined;
  }
  const parts: Uint8Array[] = [MAGIC, uuidBytes(cluster), u32(incarnations.size)];
  for (const [id, incarnation] of incarnations) parts.push(u64(id), uuidBytes(incarnation));
  parts.push(u32(places.length));
  for (const [id, address] of places) parts.push(u64(id), u32(address.length), address);
  parts.push(u32(replacement === undefined ? 0 : 1));
  if (replacement !== undefined) parts.push(u64(replacement.from), u64(replacement.to));
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function u64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
}

/** Whether bytes are a node's facts, and not an application's meta. */
export function isFacts(meta: Uint8Array): boolean {
  return meta.length >= HEAD_BYTES && MAGIC.every((byte, at) => byte === meta[at]);
}

/**
 * Decodes the facts in a snapshot's meta.
 *
 * @param meta The meta, of any origin.
 * @returns The facts; none if the meta is not a node's. A truncated meta returns the facts before its end.
 */
export function decodeMeta(meta: Uint8Array = new Uint8Array()): SnapshotFacts {
  const incarnations = new Map<NodeId, string>();
  if (!isFacts(meta)) return { cluster: undefined, incarnations };
  const cluster = uuidText(meta.subarray(MAGIC.length, MAGIC.length + UUID_BYTES));
  const addresses = new Map<NodeId, string>();
  const reader = new FactsReader(meta, HEAD_BYTES - 4);
  reader.list(8 + UUID_BYTES, () => {
    const id = reader.u64();
    const incarnation = uuidText(reader.bytes(UUID_BYTES));
    if (incarnation !== undefined) incarnations.set(id, incarnation);
  });
  reader.list(12, () => {
    const id = reader.u64();
    const size = reader.u32();
    if (size <= reader.left) addresses.set(id, new TextDecoder().decode(reader.bytes(size)));
    else reader.end();
  });
  let replacement: Replacement | undefined;
  reader.list(16, () => void (replacement = { from: reader.u64(), to: reader.u64() }));
  return {
    cluster,
    incarnations,
    ...addresses.size > 0 ? { addresses } : {},
    ...replacement === undefined ? {} : { replacement },
  };
}

/** Reads consecutive lists up to the end of the meta. */
class FactsReader {
  readonly #meta: Uint8Array;
  readonly #view: DataView;
  #at: number;

  constructor(meta: Uint8Array, at: number) {
    this.#meta = meta;
    this.#view = new DataView(meta.buffer, meta.byteOffset, meta.byteLength);
    this.#at = at;
  }

  get left(): number {
    return this.#meta.length - this.#at;
  }

  /** Reads a list. `bytesEach` is the minimum size of an element. */
  list(bytesEach: number, read: () => void): void {
    if (this.left < 4) return;
    for (let count = this.u32(); count > 0 && this.left >= bytesEach; count--) read();
  }

  u32(): number {
    return this.#view.getUint32((this.#at += 4) - 4, true);
  }

  u64(): bigint {
    return this.#view.getBigUint64((this.#at += 8) - 8, true);
  }

  bytes(length: number): Uint8Array {
    return this.#meta.subarray(this.#at, this.#at += length);
  }

  end(): void {
    this.#at = this.#meta.length;
  }
}
