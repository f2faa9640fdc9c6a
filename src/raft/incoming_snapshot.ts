/**
 * Receives a snapshot in pieces. The pieces go to the log, which installs the snapshot when it is complete. A faulty
 * node must not be able to make another node store more than `maxSnapshotBytes`, or keep pieces for long.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Index, NodeId, SnapshotMeta, SnapshotTarget, Term } from "../api/types.ts";
import type { LogWriter } from "./log_writer.ts";
import { type InstallSnapshot, senderOf, type SnapshotReply } from "./messages.ts";
import { refuse } from "./refusals.ts";
import type { RaftState } from "./state.ts";

/** The pieces are dropped after this number of maximum election timeouts without another piece. */
const SILENT_TIMEOUTS = 10;

/** The sender of a snapshot, and its index and term. */
type FirstPiece = Pick<InstallSnapshot, "term" | "leader" | "snapshot">;

/** The pieces of one snapshot. */
export class IncomingSnapshot {
  /** The term of the leader that sends the snapshot. */
  readonly term: Term;
  /** The leader. */
  readonly leader: NodeId;
  /** The index, term, configuration and meta of the snapshot, from its first piece. */
  readonly meta: SnapshotMeta;
  /** The leader's cluster, if this node's log belongs to none yet. */
  readonly cluster: string | undefined;
  /** The time when the last piece arrived, in ticks of this node. */
  since: number;
  readonly #writer: LogWriter;
  readonly #target: SnapshotTarget;

  /**
   * Starts a transfer without any data.
   *
   * @param s The node.
   * @param first The message with the first piece.
   * @param cluster The leader's cluster, if this node's log belongs to none yet.
   */
  constructor(s: RaftState, { term, leader, snapshot }: FirstPiece, cluster?: string) {
    const { index, term: of, config, meta } = snapshot;
    this.term = term;
    this.leader = leader;
    this.meta = { index, term: of, config, ...meta === undefined ? {} : { meta } };
    this.cluster = cluster;
    this.since = s.now;
    this.#writer = s.writer;
    this.#target = s.log.createSnapshotTarget(this.meta);
  }

  /** The snapshot's index. */
  get index(): Index {
    return this.meta.index;
  }

  /** The number of bytes received, and so the offset of the next piece. */
  get length(): number {
    return this.#target.dataBytes;
  }

  /** Whether more pieces can be added. A full disk can end the transfer. */
  get isOpen(): boolean {
    return this.#target.isOpen;
  }

  /** Whether a message has a piece of this snapshot. */
  isOf(message: InstallSnapshot, cluster: string | undefined): boolean {
    const { index, term } = message.snapshot;
    return this.#isFromSender(message, cluster) && this.index === index && this.meta.term === term;
  }

  /** Whether a message has a delayed piece of an older snapshot of the same leader. */
  isAfter(message: InstallSnapshot, cluster: string | undefined): boolean {
    return this.#isFromSender(message, cluster) && this.index > message.snapshot.index;
  }

  #isFromSender({ term, leader }: InstallSnapshot, cluster: string | undefined): boolean {
    return this.isOpen && this.term === term && this.leader === leader && this.cluster === cluster;
  }

  /** Adds a piece. If there is no space for all of it, the log may have stored a part of it. */
  append(piece: Uint8Array, tick: number): void {
    this.since = tick;
    this.#writer.writePiece(this.#target, piece);
  }

  /** Installs the snapshot. */
  install(options: { readonly force: boolean }): void {
    this.#writer.installTarget(this.#target, options);
  }

  /** Discards the snapshot. */
  drop(): void {
    this.#target.abort();
  }
}

/** Drops the pieces of the leader's snapshot. */
export function dropIncoming(s: RaftState): void {
  const { incoming } = s;
  s.incoming = null;
  incoming?.drop();
}

/**
 * Rejects an empty piece of a snapshot that is not the last one.
 *
 * @param message The message.
 * @throws {WalLogError} `INVALID_ARGUMENT`.
 */
export function requireContent({ snapshot: { index, data }, done = true }: InstallSnapshot | SnapshotReply): void {
  if (data.length > 0 || done) return;
  throw new WalLogError("INVALID_ARGUMENT", `Cannot take a piece of the snapshot at index ${index}: it is empty`);
}

/**
 * Whether a snapshot is larger than this node's limit. The application is informed: with this limit, the node makes no
 * progress.
 *
 * @param s The node.
 * @param message The message with the snapshot, or with a piece of it.
 */
export function isTooLarge(s: RaftState, message: InstallSnapshot | SnapshotReply): boolean {
  const { snapshot: { data }, offset = 0 } = message;
  const { maxSnapshotBytes } = s.config;
  if (offset + data.length <= maxSnapshotBytes) return false;
  refuse(s, senderOf(message), `its snapshot has more than ${maxSnapshotBytes} bytes (maxSnapshotBytes)`);
  return true;
}

/** Drops the pieces of a snapshot if no more pieces arrive. */
export function dropSilent(s: RaftState): void {
  const silence = SILENT_TIMEOUTS * s.config.electionTimeout[1];
  if (s.incoming !== null && s.now - s.incoming.since > silence) dropIncoming(s);
}
