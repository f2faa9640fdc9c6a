/**
 * What a node keeps in a snapshot beside the ids of the members: the cluster, and the incarnations of the members' logs.
 *
 * ```text
 *  0  8 bytes "WALLOGRM"
 *  8  16 bytes the cluster; zeros if there is none
 * 24  u32 count, count x (u64 node, 16 bytes incarnation)
 * ```
 *
 * All integers are little-endian. A meta that begins otherwise is the application's. What follows is for later versions.
 *
 * @module
 */

import type { NodeId } from "../api/types.ts";
import { UUID_BYTES, uuidBytes, uuidText } from "./origin.ts";

const MAGIC = new TextEncoder().encode("WALLOGRM");
const HEAD_BYTES = MAGIC.length + UUID_BYTES + 4;
const MEMBER_BYTES = 8 + UUID_BYTES;

/** What a node keeps in a snapshot. */
export interface SnapshotFacts {
  /** The cluster that the snapshot is of; `undefined` if it has no id. */
  readonly cluster: string | undefined;
  /** The incarnations of the logs of members and learners, as far as they are known. */
  readonly incarnations: ReadonlyMap<NodeId, string>;
}

/**
 * Facts as a snapshot's meta.
 *
 * @param facts The facts.
 * @returns The meta; `undefined` if there is nothing to say.
 */
export function encodeMeta({ cluster, incarnations }: SnapshotFacts): Uint8Array | undefined {
  if (cluster === undefined && incarnations.size === 0) return undefined;
  const bytes = new Uint8Array(HEAD_BYTES + incarnations.size * MEMBER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  bytes.set(uuidBytes(cluster), MAGIC.length);
  view.setUint32(HEAD_BYTES - 4, incarnations.size, true);
  let at = HEAD_BYTES;
  for (const [id, incarnation] of incarnations) {
    view.setBigUint64(at, id, true);
    bytes.set(uuidBytes(incarnation), at + 8);
    at += MEMBER_BYTES;
  }
  return bytes;
}

/**
 * The facts in a snapshot's meta.
 *
 * @param meta The meta, of any origin.
 * @returns The facts; none if the meta is not a node's.
 */
export function decodeMeta(meta: Uint8Array = new Uint8Array()): SnapshotFacts {
  const incarnations = new Map<NodeId, string>();
  const isOurs = meta.length >= HEAD_BYTES && MAGIC.every((byte, at) => byte === meta[at]);
  if (!isOurs) return { cluster: undefined, incarnations };
  const view = new DataView(meta.buffer, meta.byteOffset, meta.byteLength);
  const end = Math.min(meta.length, HEAD_BYTES + view.getUint32(HEAD_BYTES - 4, true) * MEMBER_BYTES);
  for (let at = HEAD_BYTES; at + MEMBER_BYTES <= end; at += MEMBER_BYTES) {
    const incarnation = uuidText(meta.subarray(at + 8, at + MEMBER_BYTES));
    if (incarnation !== undefined) incarnations.set(view.getBigUint64(at, true), incarnation);
  }
  return { cluster: uuidText(meta.subarray(MAGIC.length, MAGIC.length + UUID_BYTES)), incarnations };
}
