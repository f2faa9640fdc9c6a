/**
 * A node with a damaged snapshot fetches one from any node with an undamaged one. A snapshot includes only committed
 * entries, so it need not come from a leader. If the snapshots of a majority are damaged, there is no leader.
 *
 * The node asks for one piece after the other: for the first piece it asks every peer, and then the one that answered. It
 * takes a snapshot with the index of its own or a later one. A peer with an earlier snapshot asks its application for a
 * new one, once it knows that the entries of the damaged snapshot are committed.
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

/** The size of a piece, unless the configuration has another. In bytes. */
const PIECE_BYTES = 1024 * 1024;
/**
 * After this many of the longest election timeouts without an answer, the node drops the pieces and asks all peers
 * again.
 */
const SILENT_TIMEOUTS = 2;

/** The nodes that a damaged node asks: the members that it knows, and the leader. */
export function askedBy({ id }: RaftState, { peers, leader }: Healing): Set<NodeId> {
  return leader === null || leader === id ? peers : new Set([...peers, leader]);
}

/** Asks for the snapshot that is lost, or for its next piece. */
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

/** Asks the application for a snapshot that another node needs, if this node has the entries. */
function makeSnapshot(s: RaftState, { from, least, leastTerm }: SnapshotRequest): void {
  if (s.healing !== null || !s.membership.everyone.includes(from)) return;
  s.damagedSnapshots.set(from, { index: least, term: leastTerm });
  commitIncluded(s);
  if (s.lastApplied < least) return;
  const term = s.log.termAt(s.lastApplied);
  if (term !== undefined) s.actions.push({ type: "snapshot", index: s.lastApplied, term });
}

/**
 * Commits the entries that the damaged snapshots of members include. Normally a follower learns the commit index from its
 * leader, and waits for it. But if so many snapshots are damaged that the other members are no majority, no leader can be
 * elected. In that case, half of the members, rounded up, must report that their damaged snapshots include an entry. Fewer
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

/** Releases the snapshot that damaged nodes fetch, after none of them has asked for a while. */
export function dropServed(s: RaftState): void {
  const silence = SILENT_TIMEOUTS * s.config.electionTimeout[1];
  if (s.served !== null && s.now - s.served.since > silence) s.served = null;
}

/**
 * Takes a piece, and asks for the next.
 *
 * @param s The node.
 * @param healing What it lacks.
 * @param reply The piece.
 * @returns The snapshot, if the piece was the last of it.
 */
export function takePiece(s: RaftState, healing: Healing, reply: SnapshotReply): IncomingSnapshot | undefined {
  const { from, request: number, term, snapshot, offset, done } = reply;
  if (number !== healing.request || !askedBy(s, healing).has(from)) return undefined;
  if (!healing.isSnapshotLost || snapshot.index < s.log.snapshotIndex) return undefined;
  // Others have answered as well.
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
