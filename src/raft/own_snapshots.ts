/**
 * Snapshots that the application takes of its state.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { isBytes } from "../api/taken.ts";
import type { Index, SnapshotMeta } from "../api/types.ts";
import { factsOf, toList } from "./membership.ts";
import { encodeMeta } from "./snapshot_meta.ts";
import type { RaftState } from "./state.ts";
import type { SnapshotEvent } from "./types.ts";

/**
 * Returns the metadata of a snapshot of this node.
 *
 * @param s The node.
 * @param index The last index that the snapshot includes.
 * @returns Its index, term, configuration and meta; `undefined` if the index is not applied yet, or not above the index
 * of the log's snapshot.
 */
export function ownMeta(s: RaftState, index: Index): SnapshotMeta | undefined {
  if (index <= s.log.snapshotIndex || index > s.lastApplied) return undefined;
  const membership = s.membership.at(index);
  const meta = encodeMeta(factsOf(s.origin?.cluster, membership));
  const place = { index, term: s.log.termAt(index)!, config: toList(membership) };
  return meta === undefined ? place : { ...place, meta };
}

/**
 * Installs a snapshot of the application. It is ignored if its index is not applied yet, or not above the index of the
 * log's snapshot.
 */
export function onSnapshot(s: RaftState, { index, data }: SnapshotEvent): void {
  requireFit(s, index, data);
  const meta = ownMeta(s, index);
  if (meta === undefined) return dropTarget({ data });
  s.trailing.compact(index, () => {
    if (isBytes(data)) s.writer.applySnapshot({ ...meta, data });
    else s.writer.installTarget(data);
  });
  s.writer.flush();
  s.membership.compact(index);
}

/** Ignores a snapshot, and discards its written data. */
export function dropTarget({ data }: Pick<SnapshotEvent, "data">): void {
  if (!isBytes(data)) data.abort();
}

/** Rejects data that is too large, or that was written for another index. */
function requireFit({ config: { maxSnapshotBytes } }: RaftState, index: Index, data: SnapshotEvent["data"]): void {
  const bytes = isBytes(data) ? data.length : data.dataBytes;
  const attempt = `Cannot take the snapshot at index ${index}`;
  if (bytes > maxSnapshotBytes) {
    const found = `it has ${bytes} bytes, at most ${maxSnapshotBytes} are allowed (maxSnapshotBytes)`;
    throw new WalLogError("INVALID_ARGUMENT", `${attempt}: ${found}`);
  }
  if (isBytes(data) || data.index === index) return;
  throw new WalLogError("INVALID_ARGUMENT", `${attempt}: its data was written for index ${data.index}`);
}
