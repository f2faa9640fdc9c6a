/**
 * The entries that stay readable after a snapshot. A node that lacks only a few entries gets these instead of a
 * snapshot, which would be outdated when it arrives.
 *
 * @module
 */

import type { Retention } from "../api/retention.ts";
import type { Index, RaftLog } from "../api/types.ts";
import type { CheckedConfig } from "./config.ts";
import { Outstanding } from "./outstanding.ts";

/** The name of a node's retention. */
const NAME = "raft";

/** The retentions of nodes. A new node on an open log ends the retention of the previous node. */
const held = new WeakMap<RaftLog, Retention>();

/** The entries that a node keeps after its snapshots. */
export class Trailing {
  readonly #log: RaftLog;
  readonly #entriesMax: number;
  readonly #bytesMax: number;
  /** The newest applied entries, one in each part, up to the limits. */
  readonly #newest = new Outstanding();
  /** The index of the last one. */
  #last: Index = 0;
  /** Entries below a leader's snapshot may be damaged, even if a retention keeps them. */
  #wholeFrom: Index = 0;

  /**
   * Makes an empty record, and releases the entries that an earlier node kept in the same log.
   *
   * @param log The node's log.
   * @param config The limits on the kept entries.
   */
  constructor(log: RaftLog, { trailingEntries, trailingBytes }: CheckedConfig) {
    this.#log = log;
    this.#entriesMax = trailingEntries;
    this.#bytesMax = trailingBytes;
    held.get(log)?.release();
    held.delete(log);
  }

  /** The lowest index whose entry can be sent. A node that needs an earlier entry needs the snapshot. */
  get firstIndex(): Index {
    return Math.max(this.#log.firstIndex, this.#wholeFrom);
  }

  /**
   * Counts an applied entry. Only applied entries are counted, because they are never truncated.
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

  /** The index of the oldest counted entry; the one after the last if there is none. */
  get #first(): Index {
    return this.#last - this.#newest.count + 1;
  }

  /**
   * Writes a snapshot of this node. The counted entries stay in the log after it.
   *
   * @param index The snapshot's index.
   * @param write Writes the snapshot. If it throws, all entries are kept.
   */
  compact(index: Index, write: () => void): void {
    const from = this.#newest.count === 0 ? index + 1 : Math.min(this.#first, index + 1);
    // The retention must begin before the log removes the entries that the snapshot includes.
    if (!held.has(this.#log) && from <= index) held.set(this.#log, this.#log.retain(NAME, from));
    write();
    held.get(this.#log)?.advance(from);
  }

  /**
   * Keeps no entries after the installation of a leader's snapshot: usually, the snapshot has replaced the whole log.
   *
   * @param index The snapshot's index.
   */
  installed(index: Index): void {
    this.#newest.clear();
    this.#wholeFrom = index + 1;
    held.get(this.#log)?.advance(index + 1);
  }
}
