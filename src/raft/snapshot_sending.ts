/**
 * Sending a snapshot. With flow control, pieces follow each other up to the bounds, and a heartbeat behind them shows
 * whether any was lost. Without, a piece goes out each round trip, and again with every heartbeat.
 *
 * @module
 */

import type { NodeId, Snapshot } from "../api/types.ts";
import { type CheckedConfig, dataBytesMax, hasFlowControl } from "./config.ts";
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
  // What has begun is brought to an end: were each later snapshot sent instead, a slow node might never get one.
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
  sendPiece(s, to, outgoing, outgoing.acknowledged);
  return true;
}

/** Takes the log's snapshot, which is held once for all who are being sent it. */
function begin(s: RaftState): OutgoingSnapshot {
  let held: Snapshot | undefined;
  for (const { outgoing } of s.progress.values()) {
    if (outgoing?.snapshot.index === s.log.snapshotIndex) held = outgoing.snapshot;
  }
  const snapshot = held ?? s.log.snapshot()!;
  const pieceBytes = pieceBytesOf(s, snapshot);
  return { snapshot, pieceBytes, acknowledged: 0, next: 0, checkpoint: null, requests: 0 };
}

function pieceBytesOf({ config }: RaftState, snapshot: Snapshot): number {
  const { data: { length } } = snapshot;
  if (config.snapshotChunkBytes > 0 || fitsMeta(config, snapshot, length)) return config.snapshotChunkBytes;
  return Math.min(PIECE_BYTES, dataBytesMax(config));
}

/** Whether a message with so much of a snapshot's data has room for its meta. Alone, meta goes whatever its size. */
function fitsMeta(config: CheckedConfig, { meta }: Snapshot, bytes: number): boolean {
  return bytes === 0 || bytes + (meta?.length ?? 0) <= dataBytesMax(config);
}

/**
 * Whether a node gets no entries before it has a snapshot. A damaged node may be sent a snapshot although it was sent
 * later entries before.
 */
export function isWaitingForSnapshot(s: RaftState, { next, outgoing }: Progress): boolean {
  return next < s.trailing.firstIndex || (hasFlowControl(s.config) && outgoing !== null);
}

/** Sends pieces until the bounds are reached, or all are on their way. */
function sendPieces(s: RaftState, to: NodeId, outgoing: OutgoingSnapshot): void {
  const { maxInflightMessages, maxInflightBytes } = s.config;
  const most = Math.min(maxInflightBytes, maxInflightMessages * outgoing.pieceBytes);
  while (outgoing.next !== null) {
    const bytes = outgoing.next - outgoing.acknowledged;
    if (bytes > 0 && bytes >= most) return;
    outgoing.next = sendPiece(s, to, outgoing, outgoing.next);
  }
}

/** Sends the piece at an offset. Returns where the next begins; `null` if there is none. */
function sendPiece(
  s: RaftState,
  to: NodeId,
  { snapshot, pieceBytes }: OutgoingSnapshot,
  offset: number,
): number | null {
  const message = { type: "installSnapshot", term: s.term, leader: s.id } as const;
  if (pieceBytes === 0) {
    s.send(to, { ...message, snapshot });
    return null;
  }
  const data = snapshot.data.subarray(offset, offset + pieceBytes);
  const end = offset + data.length;
  const done = end === snapshot.data.length && fitsMeta(s.config, snapshot, data.length);
  s.send(to, { ...message, snapshot: { ...snapshot, data }, offset, done });
  return done ? null : end;
}

/** A node has the data up to an offset. */
export function onPiece(s: RaftState, to: NodeId, progress: Progress, nextOffset: number): void {
  const { flow, outgoing } = progress;
  if (flow !== "snapshot" || outgoing === null) return;
  const { acknowledged, next, snapshot: { data: { length } } } = outgoing;
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

/** A node has answered a heartbeat. Sends the pieces again that were lost before it. */
export function resendLost(s: RaftState, to: NodeId, { outgoing }: Progress, round: number): void {
  if (outgoing === null || outgoing.checkpoint === null || round < outgoing.checkpoint.round) return;
  const isLost = outgoing.acknowledged < outgoing.checkpoint.end;
  outgoing.checkpoint = null;
  if (!isLost) return;
  outgoing.next = outgoing.acknowledged;
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
