/**
 * Sending a snapshot. With flow control, pieces follow each other up to the bounds, and a heartbeat behind them shows
 * whether any was lost. Without, a piece goes out each round trip, and again with every heartbeat.
 *
 * @module
 */

import type { NodeId, SnapshotSource } from "../api/types.ts";
import { dataBytesMax, hasFlowControl } from "./config.ts";
import type { OutgoingSnapshot, Progress } from "./progress.ts";
import type { RaftState } from "./state.ts";

/** Pieces of a snapshot that is to be sent whole and is too large for a message. In bytes. */
const PIECE_BYTES = 1024 * 1024;
/** Requests of a damaged node without a sign that pieces arrive, after which they count as lost. */
const REQUESTS_MAX = 3;

/**
 * Sends a node the snapshot, or as many pieces as may be on their way to it.
 *
 * @returns Whether it could be read.
 */
export function sendSnapshot(s: RaftState, to: NodeId, progress: Progress): boolean {
  // Complete a snapshot that has begun. If each later snapshot replaced it, a slow node might never get one.
  const outgoing = progress.outgoing ?? s.tryRead(() => begin(s));
  if (outgoing === undefined) return false;
  progress.flow = "snapshot";
  progress.isPaused = true;
  progress.inflights.clear();
  if (hasFlowControl(s.config)) {
    progress.outgoing = outgoing;
    sendPieces(s, to, outgoing);
    return true;
  }
  if (outgoing.pieceBytes > 0) progress.outgoing = outgoing;
  return sendPiece(s, to, outgoing, outgoing.acknowledged) !== undefined;
}

/** Begins to send the log's snapshot. It is opened once for all nodes. */
function begin(s: RaftState): OutgoingSnapshot {
  const source = openSource(s)!;
  return { source, pieceBytes: pieceBytesOf(s, source), acknowledged: 0, next: 0, checkpoint: null, requests: 0 };
}

/**
 * Opens the log's snapshot to send it. {@link closeUnused} closes it.
 *
 * @param s The node.
 * @returns The snapshot; `undefined` if the log has none.
 */
export function openSource(s: RaftState): SnapshotSource | undefined {
  const open = [...s.sources].find(({ index }) => index === s.log.snapshotIndex);
  const source = open ?? s.log.openSnapshotSource();
  if (source !== undefined) s.sources.add(source);
  return source;
}

/** Closes the snapshots that are sent to nobody any more. Called after each step. */
export function closeUnused(s: RaftState): void {
  if (s.sources.size === 0) return;
  const used = new Set([...s.progress.values()].map(({ outgoing }) => outgoing?.source));
  for (const source of s.sources) {
    if (used.has(source) || s.served?.source === source) continue;
    s.sources.delete(source);
    source.close();
  }
}

function pieceBytesOf({ config }: RaftState, { dataBytes, meta }: SnapshotSource): number {
  const fits = dataBytes === 0 || dataBytes + meta.length <= dataBytesMax(config);
  if (config.snapshotChunkBytes > 0 || fits) return config.snapshotChunkBytes;
  return Math.min(PIECE_BYTES, dataBytesMax(config));
}

/**
 * Whether a node gets no entries before it has a snapshot. A damaged node may be sent a snapshot although it was sent
 * later entries before.
 */
export function isWaitingForSnapshot(s: RaftState, { next, outgoing }: Progress): boolean {
  return next < s.trailing.firstIndex || (hasFlowControl(s.config) && outgoing !== null);
}

/** Sends pieces until the bounds are reached, all are on their way, or one cannot be read at the moment. */
function sendPieces(s: RaftState, to: NodeId, outgoing: OutgoingSnapshot): void {
  const { maxInflightMessages, maxInflightBytes } = s.config;
  const most = Math.min(maxInflightBytes, maxInflightMessages * outgoing.pieceBytes);
  while (outgoing.next !== null) {
    const bytes = outgoing.next - outgoing.acknowledged;
    if (bytes > 0 && bytes >= most) return;
    const next = sendPiece(s, to, outgoing, outgoing.next);
    if (next === undefined) return;
    outgoing.next = next;
  }
}

/** Sends the piece at an offset. Returns where the next begins; `null` if there is none, `undefined` if it cannot be read. */
function sendPiece(
  s: RaftState,
  to: NodeId,
  { source, pieceBytes }: OutgoingSnapshot,
  offset: number,
): number | null | undefined {
  const { index, term, config, meta, dataBytes } = source;
  const message = { type: "installSnapshot", term: s.term, leader: s.id } as const;
  const data = s.tryRead(() =>
    source.read(offset, pieceBytes === 0 ? dataBytes : lengthOf(s, source, offset, pieceBytes))
  );
  if (data === undefined) return undefined;
  const snapshot = { index, term, config, ...offset === 0 ? { meta } : {}, data };
  if (pieceBytes === 0) {
    s.send(to, { ...message, snapshot });
    return null;
  }
  const end = offset + data.length;
  const done = end === dataBytes;
  s.send(to, { ...message, snapshot, offset, done });
  return done ? null : end;
}

/**
 * The length of a piece that begins at an offset. The first has room for the meta, which goes whatever its size.
 *
 * @param s The node.
 * @param source The snapshot.
 * @param offset The offset.
 * @param pieceBytes The length of the others.
 * @returns The length, in bytes; more than there is at the end of the data.
 */
export function lengthOf({ config }: RaftState, { meta }: SnapshotSource, offset: number, pieceBytes: number): number {
  return offset > 0 ? pieceBytes : Math.min(pieceBytes, Math.max(dataBytesMax(config) - meta.length, 1));
}

/**
 * A node has the data up to an offset. The answer does not say of which snapshot. If it is a late one to an earlier
 * snapshot, pieces are sent from the wrong offset, and the node's answer to the first of them corrects that.
 */
export function onPiece(s: RaftState, to: NodeId, progress: Progress, nextOffset: number): void {
  const { flow, outgoing } = progress;
  if (flow !== "snapshot" || outgoing === null) return;
  const { acknowledged, next, source: { dataBytes: length } } = outgoing;
  // A piece that is on its way is not sent again for another answer to the one before it.
  if (nextOffset === acknowledged || nextOffset > length) return;
  outgoing.acknowledged = nextOffset;
  outgoing.requests = 0;
  // The node has begun anew, has pieces from before, or could not install the snapshot.
  if (nextOffset < acknowledged || (next !== null && next < nextOffset) || nextOffset === length) {
    outgoing.next = nextOffset;
  }
  sendSnapshot(s, to, progress);
}

/**
 * Notes that a heartbeat follows the pieces sent so far. A node answers in order: once it has answered this heartbeat or a
 * later one, it has answered every piece before it that arrived.
 */
export function noteHeartbeat(s: RaftState, { outgoing }: Progress): void {
  if (outgoing === null) return;
  outgoing.checkpoint ??= { round: s.round, end: outgoing.next ?? Infinity };
}

/** A node has answered a heartbeat. Sends the pieces again that were lost before it, and one that could not be read. */
export function resendLost(s: RaftState, to: NodeId, { outgoing }: Progress, round: number): void {
  if (outgoing === null || outgoing.checkpoint === null || round < outgoing.checkpoint.round) return;
  if (outgoing.acknowledged < outgoing.checkpoint.end) outgoing.next = outgoing.acknowledged;
  outgoing.checkpoint = null;
  sendPieces(s, to, outgoing);
}

/** A damaged node asks for entries that only the snapshot includes. It answers no heartbeats. */
export function sendSnapshotToDamaged(s: RaftState, to: NodeId, progress: Progress): void {
  const { outgoing } = progress;
  if (outgoing !== null && ++outgoing.requests >= REQUESTS_MAX) {
    outgoing.requests = 0;
    outgoing.next = outgoing.acknowledged;
  }
  sendSnapshot(s, to, progress);
}
