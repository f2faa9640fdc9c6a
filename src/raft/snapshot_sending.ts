/**
 * Sends a snapshot. With flow control, the leader sends pieces up to the limits, and then a heartbeat that shows
 * whether any piece was lost. Without flow control, it sends one piece in each round trip, and sends it again with
 * every heartbeat.
 *
 * @module
 */

import type { NodeId, SnapshotSource } from "../api/types.ts";
import { dataBytesMax, hasFlowControl } from "./config.ts";
import type { OutgoingSnapshot, Progress } from "./progress.ts";
import type { RaftState } from "./state.ts";

/** The size of the pieces of a snapshot without a configured size, if it does not fit into one message. In bytes. */
const PIECE_BYTES = 1024 * 1024;
/**
 * The number of requests of a damaged node without a received piece, after which the pieces in flight count as lost.
 */
const REQUESTS_MAX = 3;

/**
 * Sends a node the snapshot, or pieces of it up to the limits on messages in flight.
 *
 * @returns Whether the snapshot could be read.
 */
export function sendSnapshot(s: RaftState, to: NodeId, progress: Progress): boolean {
  // A transfer in progress is completed first. If each later snapshot replaced it, a slow node might never get one.
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

/** Starts a transfer of the log's snapshot. The snapshot is opened once for all nodes. */
function begin(s: RaftState): OutgoingSnapshot {
  const source = openSource(s)!;
  return { source, pieceBytes: pieceBytesOf(s, source), acknowledged: 0, next: 0, checkpoint: null, requests: 0 };
}

/**
 * Opens the log's snapshot for sending. {@link closeUnused} closes it.
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

/** Closes the snapshots without a transfer. Called after each step. */
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
 * Whether a node gets no entries until it has a snapshot. A damaged node may need a snapshot after it was sent later
 * entries.
 */
export function isWaitingForSnapshot(s: RaftState, { next, outgoing }: Progress): boolean {
  return next < s.trailing.firstIndex || (hasFlowControl(s.config) && outgoing !== null);
}

/** Sends pieces until the limits are reached, all are in flight, or one cannot be read at the moment. */
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

/**
 * Sends the piece at an offset. Returns the offset of the next piece; `null` after the last, `undefined` if it cannot
 * be read.
 */
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
 * Returns the size of the piece at an offset. The first piece leaves space for the meta, whatever its size.
 *
 * @param s The node.
 * @param source The snapshot.
 * @param offset The offset.
 * @param pieceBytes The size of the other pieces.
 * @returns The size, in bytes. At the end of the data, it can exceed the remaining data.
 */
export function lengthOf({ config }: RaftState, { meta }: SnapshotSource, offset: number, pieceBytes: number): number {
  return offset > 0 ? pieceBytes : Math.min(pieceBytes, Math.max(dataBytesMax(config) - meta.length, 1));
}

/**
 * Records that a node has the data up to an offset, and sends the next pieces. The answer does not name its snapshot. A
 * delayed answer to an earlier snapshot sets a wrong offset, and the node's answer to the next piece corrects it.
 */
export function onPiece(s: RaftState, to: NodeId, progress: Progress, nextOffset: number): void {
  const { flow, outgoing } = progress;
  if (flow !== "snapshot" || outgoing === null) return;
  const { acknowledged, next, source: { dataBytes: length } } = outgoing;
  // A repeated answer to the piece before it does not cause a piece in flight to be sent again.
  if (nextOffset === acknowledged || nextOffset > length) return;
  outgoing.acknowledged = nextOffset;
  outgoing.requests = 0;
  // The node has restarted the transfer, has pieces from earlier, or could not install the snapshot.
  if (nextOffset < acknowledged || (next !== null && next < nextOffset) || nextOffset === length) {
    outgoing.next = nextOffset;
  }
  sendSnapshot(s, to, progress);
}

/**
 * Records that a heartbeat follows the pieces sent so far. A node answers in order. So before it answers this heartbeat
 * or a later one, it has answered every earlier piece that arrived.
 */
export function noteHeartbeat(s: RaftState, { outgoing }: Progress): void {
  if (outgoing === null) return;
  outgoing.checkpoint ??= { round: s.round, end: outgoing.next ?? Infinity };
}

/**
 * Processes a node's answer to a heartbeat: sends the pieces lost before it again, and a piece that could not be read.
 */
export function resendLost(s: RaftState, to: NodeId, { outgoing }: Progress, round: number): void {
  if (outgoing === null || outgoing.checkpoint === null || round < outgoing.checkpoint.round) return;
  if (outgoing.acknowledged < outgoing.checkpoint.end) outgoing.next = outgoing.acknowledged;
  outgoing.checkpoint = null;
  sendPieces(s, to, outgoing);
}

/**
 * Sends the snapshot to a damaged node that requests entries that only the snapshot includes. It answers no heartbeats.
 */
export function sendSnapshotToDamaged(s: RaftState, to: NodeId, progress: Progress): void {
  const { outgoing } = progress;
  if (outgoing !== null && ++outgoing.requests >= REQUESTS_MAX) {
    outgoing.requests = 0;
    outgoing.next = outgoing.acknowledged;
  }
  sendSnapshot(s, to, progress);
}
