/**
 * A node with a damaged snapshot fetches one from any node with an undamaged one. A snapshot includes only committed
 * entries, so it need not come from a leader. If the snapshots of a majority are damaged, there is no leader.
 *
 * The node requests one piece after the other: the first piece from every peer, and the others from the peer that
 * answered. It accepts a snapshot with the index of its own or a later one. A peer with an earlier snapshot requests a
 * new one from its application, as soon as it knows that the entries of the damaged snapshot are committed.
 *
 * @module
 */

import type { NodeId } from "../api/types.ts";
import { commitTo } from "./commit.ts";
import { dataBytesMax } from "./config.ts";
import { IncomingSnapshot } from "./incoming_snapshot.ts";
import type { SnapshotReply, SnapshotRequest } from "./messages.ts";
import { lengthOf, openSource } from "./snapshot_sending.ts";
import type { Healing, RaftState } from "./state.ts";

/** The size of a piece if the configuration sets none. In bytes. */
const PIECE_BYTES = 1024 * 1024;
/**
 * After this number of maximum election timeouts without an answer, the node drops the pieces and asks all peers again.
 */
const SILENT_TIMEOUTS = 2;

/** The nodes that a damaged node asks: the members that it knows, and the leader. */
export function askedBy({ id }: RaftState, { peers, leader }: Healing): Set<NodeId> {
  return leader === null || leader === id ? peers : new Set([...peers, leader]);
}

/** Requests the lost snapshot, or its next piece. */
export function askForSnapshot(s: RaftState, healing: Healing): void {
  const { fetched } = healing;
  const silence = fetched === null ? Infinity : s.now - fetched.since;
  if (silence < s.config.heartbeatInterval) return;
  if (silence <= SILENT_TIMEOUTS * s.config.electionTimeout[1]) return request(s, healing, fetched!.leader);
  dropFetched(healing);
  for (const id of askedBy(s, healing)) request(s, healing, id);
}

function request(s: RaftState, { fetched, request }: Healing, to: NodeId): void {
  const { snapshotIndex: least } = s.log;
  const wanted = {
    least,
    leastTerm: s.log.termAt(least) ?? 0,
    index: fetched?.index ?? 0,
    offset: fetched?.length ?? 0,
  };
  s.send(to, { type: "snapshotRequest", term: s.term, from: s.id, request, ...wanted });
}

/** Answers a node with a damaged snapshot. */
export function onSnapshotRequest(s: RaftState, message: SnapshotRequest): void {
  const { from, request, least, leastTerm, index, offset } = message;
  if (s.healing !== null || s.log.snapshotIndex < least) return makeSnapshot(s, message);
  // The snapshot stays open until no node has asked for it for a while.
  if (s.served === null || s.served.source.index !== s.log.snapshotIndex) {
    const source = s.tryRead(() => openSource(s));
    if (source === undefined) return;
    s.served = { source, since: s.now };
  }
  s.served.since = s.now;
  const { source } = s.served;
  if (source.index === least && source.term !== leastTerm) return;
  const start = index === source.index && offset <= source.dataBytes ? offset : 0;
  const { snapshotChunkBytes } = s.config;
  const length = lengthOf(s, source, start, snapshotChunkBytes > 0 ? snapshotChunkBytes : PIECE_BYTES);
  const data = s.tryRead(() => source.read(start, Math.min(length, dataBytesMax(s.config))));
  if (data === undefined) return;
  const { config, meta } = source;
  const piece = { index: source.index, term: source.term, config, ...start === 0 ? { meta } : {}, data };
  const done = start + data.length === source.dataBytes;
  s.send(from, { type: "snapshotReply", term: s.term, from: s.id, request, snapshot: piece, offset: start, done });
}

/** Requests a snapshot from the application for another node, if this node has the entries. */
function makeSnapshot(s: RaftState, { from, least, leastTerm }: SnapshotRequest): void {
  if (s.healing !== null || !s.membership.everyone.includes(from)) return;
  s.damagedSnapshots.set(from, { index: least, term: leastTerm });
  commitIncluded(s);
  if (s.lastApplied < least) return;
  const term = s.log.termAt(s.lastApplied);
  if (term !== undefined) s.actions.push({ type: "snapshot", index: s.lastApplied, term });
}

/**
 * Commits the entries that the damaged snapshots of members include. Normally, a follower learns the commit index from
 * its leader. But if so many snapshots are damaged that the other members are not a majority, no leader can be elected.
 * In that case, half of the members, rounded up, must report that their damaged snapshots include an entry. Fewer
 * reports do not count.
 */
function commitIncluded(s: RaftState): void {
  if (s.leader !== null && s.leader !== s.id) return;
  const included = s.members.flatMap((id) => {
    const damaged = id === s.id ? undefined : s.damagedSnapshots.get(id);
    return damaged !== undefined && s.log.termAt(damaged.index) === damaged.term ? [damaged.index] : [];
  });
  included.sort((a, b) => b - a);
  const index = included[Math.ceil(s.members.length / 2) - 1] ?? 0;
  if (index > s.commitIndex) commitTo(s, index);
}

/** Closes the snapshot that damaged nodes fetch, when none of them has asked for it for a while. */
export function dropServed(s: RaftState): void {
  const silence = SILENT_TIMEOUTS * s.config.electionTimeout[1];
  if (s.served !== null && s.now - s.served.since > silence) s.served = null;
}

/**
 * Adds a piece, and requests the next one.
 *
 * @param s The node.
 * @param healing The damage of the log.
 * @param reply The piece.
 * @returns The complete snapshot after its last piece; otherwise `undefined`.
 */
export function takePiece(s: RaftState, healing: Healing, reply: SnapshotReply): IncomingSnapshot | undefined {
  const { from, request: number, term, snapshot, offset, done } = reply;
  if (number !== healing.request || !askedBy(s, healing).has(from)) return undefined;
  if (!healing.isSnapshotLost || snapshot.index < s.log.snapshotIndex) return undefined;
  // Another peer was the first to answer.
  if (healing.fetched !== null && healing.fetched.leader !== from) return undefined;
  if (healing.fetched?.index !== snapshot.index || !healing.fetched.isOpen) {
    dropFetched(healing);
    if (offset !== 0) return undefined;
    healing.fetched = new IncomingSnapshot(s, { term, leader: from, snapshot });
  }
  const { fetched } = healing;
  if (offset !== fetched.length) return undefined;
  fetched.append(snapshot.data, s.now);
  if (!done) return void request(s, healing, from);
  return fetched;
}

/** Drops the fetched pieces of a snapshot. */
export function dropFetched(healing: Healing): void {
  const { fetched } = healing;
  healing.fetched = null;
  fetched?.drop();
}
