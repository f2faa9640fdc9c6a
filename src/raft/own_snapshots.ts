/**
 * Snapshots that the application makes of its state.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { isBytes } from "../api/taken.ts";
import type { Index, SnapshotMeta, SnapshotTarget } from "../api/types.ts";
import { factsOf, toList } from "./membership.ts";
import { encodeMeta } from "./snapshot_meta.ts";
import type { RaftState } from "./state.ts";
import type { SnapshotEvent } from "./types.ts";

/**
 * The metadata of a snapshot of this node.
 *
 * @param s The node.
 * @param index The last index that the snapshot includes.
 * @returns Its index, term, configuration and meta; `undefined` if the index is not applied yet, or not above that of
 * the log's snapshot.
 */
export function ownMeta(s: RaftState, index: Index): SnapshotMeta | undefined {
  if (index <= s.log.snapshotIndex || index > s.lastApplied) return undefined;
  const membership = s.membership.at(index);
  const meta = encodeMeta(factsOf(s.origin?.cluster, membership));
  const place = { index, term: s.log.termAt(index)!, config: toList(membership) };
  return meta === undefined ? place : { ...place, meta };
}

/**
 * Takes a snapshot of the application. It is ignored if its index is not applied yet, or not above that of the log's
 * snapshot.
 */
export function onSnapshot(s: RaftState, { index, data }: SnapshotEvent): void {
  requireSize(s, index, isBytes(data) ? data.length : data.dataBytes);
  const meta = ownMeta(s, index);
  if (meta === undefined) return dropTarget({ data });
  s.trailing.compact(index, () => {
    if (isBytes(data)) s.writer.applySnapshot({ ...meta, data });
    else s.writer.installTarget(requireOwn(data, index));
  });
  s.writer.flush();
  s.membership.compact(index);
}

/** Ignores a snapshot. What was written of it is given up. */
export function dropTarget({ data }: Pick<SnapshotEvent, "data">): void {
  if (!isBytes(data)) data.abort();
}

function requireSize({ config: { maxSnapshotBytes } }: RaftState, index: Index, bytes: number): void {
  if (bytes <= maxSnapshotBytes) return;
  throw new WalLogError(
    "INVALID_ARGUMENT",
    `Cannot take the snapshot at index ${index}: it has ${bytes} bytes, at most ${maxSnapshotBytes} are allowed ` +
      `(maxSnapshotBytes)`,
  );
}

/** A snapshot of another index would replace entries that its data does not include. */
function requireOwn(target: SnapshotTarget, index: Index): SnapshotTarget {
  if (target.index === index) return target;
  throw new WalLogError(
    "INVALID_ARGUMENT",
    `Cannot take the snapshot at index ${index}: its data was written for index ${target.index}`,
  );
}
