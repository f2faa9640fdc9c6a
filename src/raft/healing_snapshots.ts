/**
 * Installs a snapshot on a node with a damaged log, and ends the repair.
 *
 * @module
 */

import type { SnapshotMeta } from "../api/types.ts";
import { install, knownTerm, onInstallSnapshot } from "./follower.ts";
import type { InstallSnapshot, SnapshotReply } from "./messages.ts";
import { announceMembers, enterTerm, restartElectionTimer } from "./role.ts";
import { dropFetched, takePiece } from "./snapshot_fetching.ts";
import { type Healing, type RaftState, readMembership } from "./state.ts";

/** Processes a leader's snapshot. It replaces damaged entries. */
export function onSnapshot(s: RaftState, healing: Healing, message: InstallSnapshot): void {
  if (!canInstall(s, healing, message.snapshot)) return;
  if (message.term > s.term) enterTerm(s, message.term);
  const before = s.log.snapshotIndex;
  onInstallSnapshot(s, message);
  if (s.log.snapshotIndex > before) afterSnapshot(s, healing);
}

/** Processes a piece of a snapshot from any node. */
export function onSnapshotReply(s: RaftState, healing: Healing, reply: SnapshotReply): void {
  const fetched = takePiece(s, healing, reply);
  if (fetched === undefined) return;
  if (!canInstall(s, healing, fetched.meta)) return dropFetched(healing);
  install(s, fetched.meta, (options) => fetched.install(options));
  afterSnapshot(s, healing);
}

/** Whether installing a snapshot keeps every entry that may be needed. */
function canInstall(s: RaftState, healing: Healing, { index, term }: SnapshotMeta): boolean {
  if (healing.isHardStateLost || healing.isTailLost) return false;
  const known = knownTerm(s.log, index);
  if (index === s.log.snapshotIndex) return known === term;
  // If the log does not know the term at the snapshot's index, it drops all later entries.
  return index >= Math.min(s.log.lastIndex, healing.droppableFrom - 1) || known !== undefined;
}

/** Updates the record of the damage after a snapshot was installed. */
function afterSnapshot(s: RaftState, healing: Healing): void {
  healing.isSnapshotLost = false;
  dropFetched(healing);
  healing.droppableFrom = Math.max(healing.droppableFrom, s.log.snapshotIndex + 1);
  for (const missing of healing.missing) {
    if (missing <= s.log.snapshotIndex || missing > s.log.lastIndex) healing.missing.delete(missing);
  }
  for (const at of healing.good.keys()) if (!healing.missing.has(at)) healing.good.delete(at);
  finish(s, healing);
}

/** Whether nothing is damaged or lost any more. */
export function isHealed({ missing, isTailLost, isSnapshotLost, isHardStateLost }: Healing): boolean {
  return missing.size === 0 && !isTailLost && !isSnapshotLost && !isHardStateLost;
}

/** Ends the repair, so that the node takes part again. */
export function finish(s: RaftState, healing: Healing): void {
  if (!isHealed(healing)) return;
  const before = s.membership.latest;
  s.membership = readMembership(s.log, s.config);
  s.healing = null;
  announceMembers(s, before);
  restartElectionTimer(s);
}
