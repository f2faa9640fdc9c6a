/**
 * The entries that stay readable behind a snapshot: a node that is only a little behind gets entries from there, instead
 * of a snapshot that is out of date when it arrives.
 *
 * @module
 */

import type { Retention } from "../api/retention.ts";
import type { Index, RaftLog } from "../api/types.ts";
import type { CheckedConfig } from "./config.ts";
import { Outstanding } from "./outstanding.ts";

/** The name of a node's retention. */
const NAME = "raft";

/** The retentions of nodes. A node that takes over an open log ends that of the node before it. */
const held = new WeakMap<RaftLog, Retention>();

/** The entries that a node keeps behind its snapshots. */
export class Trailing {
  readonly #log: RaftLog;
  readonly #entriesMax: number;
  readonly #bytesMax: number;
  /** The newest entries that were applied, one a part, as many as are kept. */
  readonly #newest = new Outstanding();
  /** The last of them. */
  #last: Index = 0;
  /** Entries below a leader's snapshot may be damaged, even if somebody retains them. */
  #wholeFrom: Index = 0;

  /**
   * Keeps no entries yet, and releases those that an earlier node kept in the same log.
   *
   * @param log The node's log.
   * @param config How much to keep.
   */
  constructor(log: RaftLog, { trailingEntries, trailingBytes }: CheckedConfig) {
    this.#log = log;
    this.#entriesMax = trailingEntries;
    this.#bytesMax = trailingBytes;
    held.get(log)?.release();
    held.delete(log);
  }

  /** The lowest index whose entry can be sent. A node that needs an earlier one needs the snapshot. */
  get firstIndex(): Index {
    return Math.max(this.#log.firstIndex, this.#wholeFrom);
  }

  /**
   * Counts an entry that was applied. Only those are counted, for they are never truncated.
   *
   * @param index Its index: the one after the last counted, unless a snapshot was installed in between.
   * @param bytes The size of its command.
   */
  applied(index: Index, bytes: number): void {
    if (this.#entriesMax === 0) return;
    this.#newest.add(index, bytes);
    this.#last = index;
    while (this.#newest.count > this.#entriesMax || this.#newest.bytes > this.#bytesMax) {
      this.#newest.freeTo(this.#first);
    }
  }

  /** The oldest entry counted; the one after the last if there is none. */
  get #first(): Index {
    return this.#last - this.#newest.count + 1;
  }

  /**
   * Takes a snapshot of the node's own, behind which entries stay.
   *
   * @param index The snapshot's index.
   * @param write Writes the snapshot. If it throws, nothing is given up.
   */
  compact(index: Index, write: () => void): void {
    const from = this.#newest.count === 0 ? index + 1 : Math.min(this.#first, index + 1);
    // The retention must begin before the log drops the entries that the snapshot covers.
    if (!held.has(this.#log) && from <= index) held.set(this.#log, this.#log.retain(NAME, from));
    write();
    held.get(this.#log)?.advance(from);
  }

  /**
   * Keeps nothing behind a leader's snapshot that was installed: mostly, it has cleared the log.
   *
   * @param index The snapshot's index.
   */
  installed(index: Index): void {
    this.#newest.clear();
    this.#wholeFrom = index + 1;
    held.get(this.#log)?.advance(index + 1);
  }
}
