/**
 * A snapshot that arrives in pieces, which a node holds until they are all there. A node gone bad must not be able to
 * make another hold more than `maxSnapshotBytes`, or hold anything for long.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Index, NodeId, Term } from "../api/types.ts";
import type { InstallSnapshot, SnapshotReply } from "./messages.ts";
import type { RaftState } from "./state.ts";

/** The room for the first pieces. In bytes. */
const BYTES_MIN = 4096;
/** Pieces are dropped after so many of the longest election timeouts without another one. */
const SILENT_TIMEOUTS = 10;

/** The pieces of one snapshot, in one array: a piece of a byte takes a byte. */
export class IncomingSnapshot {
  /** The term of the leader that sends it. */
  readonly term: Term;
  /** That leader. */
  readonly leader: NodeId;
  /** The snapshot's index. */
  readonly index: Index;
  /** Its cluster, if the log belongs to none yet. */
  readonly cluster: string | undefined;
  /** When the last piece arrived, in ticks of this node. */
  since: number;
  #bytes = new Uint8Array(0);
  #length = 0;

  /**
   * Begins with nothing.
   *
   * @param message The first message of the snapshot that arrives.
   * @param tick The node's time.
   * @param cluster The cluster that it comes from, if the log belongs to none yet.
   */
  constructor({ term, leader, snapshot }: InstallSnapshot, tick: number, cluster?: string) {
    this.term = term;
    this.leader = leader;
    this.index = snapshot.index;
    this.cluster = cluster;
    this.since = tick;
  }

  /** Where the next piece begins: how much has arrived, in bytes. */
  get length(): number {
    return this.#length;
  }

  /** What has arrived. It must not be added to any more. */
  get data(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Whether a message has a piece of this snapshot. */
  isOf({ term, leader, snapshot }: InstallSnapshot, cluster: string | undefined): boolean {
    return this.term === term && this.leader === leader && this.index === snapshot.index && this.cluster === cluster;
  }

  /** Adds a piece, as a copy: it may be a small part of what arrived with it. */
  append(piece: Uint8Array, tick: number): void {
    const length = this.#length + piece.length;
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#bytes.length, BYTES_MIN));
      larger.set(this.data);
      this.#bytes = larger;
    }
    this.#bytes.set(piece, this.#length);
    this.#length = length;
    this.since = tick;
  }
}

/**
 * Refuses a snapshot that is too large, and a piece that brings nothing and is not the last.
 *
 * @param s The node.
 * @param message The message.
 * @throws {WalLogError} `INVALID_ARGUMENT`.
 */
export function requireBounded(
  { config: { maxSnapshotBytes } }: RaftState,
  message: InstallSnapshot | SnapshotReply,
): void {
  const { snapshot: { index, data }, offset = 0, done = true } = message;
  const attempt = `Cannot take a piece of the snapshot at index ${index}`;
  if (data.length === 0 && !done) throw new WalLogError("INVALID_ARGUMENT", `${attempt}: it is empty`);
  if (offset + data.length <= maxSnapshotBytes) return;
  throw new WalLogError(
    "INVALID_ARGUMENT",
    `${attempt}: it goes up to byte ${
      offset + data.length
    }, at most ${maxSnapshotBytes} are allowed (maxSnapshotBytes)`,
  );
}

/** Drops the pieces of a snapshot of which no more arrive. */
export function dropSilent(s: RaftState): void {
  const silence = SILENT_TIMEOUTS * s.config.electionTimeout[1];
  if (s.incoming !== null && s.now - s.incoming.since > silence) s.incoming = null;
}
