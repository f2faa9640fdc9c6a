/**
 * Passes an installed snapshot to the application. The node opens the log's snapshot, and the application reads it. So
 * the node does not hold it in memory.
 *
 * @module
 */

import { MemorySnapshotSource } from "../api/memory_snapshot.ts";
import type { SnapshotMeta, SnapshotSource } from "../api/types.ts";
import type { RaftState } from "./state.ts";
import type { RestoreSnapshotAction } from "./actions.ts";

/**
 * Tells the application to restore an installed snapshot.
 *
 * @param s The node.
 * @param meta The snapshot's index, term and configuration.
 * @param data Its data, if the node has it in memory. Otherwise the application reads it from the log.
 */
export function restore(s: RaftState, { index, term, config }: SnapshotMeta, data?: Uint8Array<ArrayBuffer>): void {
  s.isUnrestored = data === undefined;
  if (data === undefined) return offerRestore(s);
  const action = { type: "restoreSnapshot", index, term, data } as const;
  s.actions.push(withSource(action, () => new MemorySnapshotSource({ index, term, config, data })));
}

/**
 * Opens the latest installed snapshot for the application. If that fails, a later step tries again. Until then, no
 * entries are applied, because the state machine still has an older state.
 *
 * @param s The node.
 */
export function offerRestore(s: RaftState): void {
  if (!s.isUnrestored) return;
  const source = s.tryRead(() => s.log.openSnapshotSource());
  if (source === undefined) return;
  s.isUnrestored = false;
  const { index, term } = source;
  let held: Uint8Array<ArrayBuffer> | undefined;
  const action = {
    type: "restoreSnapshot",
    index,
    term,
    get data() {
      return held ??= readAll(s, source);
    },
  } as const;
  s.actions.push(withSource(action, () => source));
}

/**
 * Reads the data. If that fails, the state machine must not continue: later commands need the state of the snapshot.
 */
function readAll(s: RaftState, source: SnapshotSource): Uint8Array<ArrayBuffer> {
  try {
    const data = source.read(0, source.dataBytes);
    source.close();
    return data;
  } catch (error) {
    throw s.fail(error);
  }
}

/** Adds the source as a property that copies and comparisons of the action ignore. */
function withSource(action: Omit<RestoreSnapshotAction, "source">, get: () => SnapshotSource): RestoreSnapshotAction {
  return Object.defineProperty(action, "source", { get, enumerable: false }) as RestoreSnapshotAction;
}
