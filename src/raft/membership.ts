/**
 * Who belongs to the cluster: the latest configuration in the log, committed or not.
 *
 * In the log and in snapshots, a configuration is one list of ids: the voting members, ascending; then, if there are
 * learners, the first member again, which no list of members could hold, and the learners, ascending.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Index, NewEntry, NodeId, RaftLog } from "../api/types.ts";

/** Bytes read from the log at once, looking for configurations. */
const SCAN_BYTES = 256 * 1024;
/** The same in entries, of which those without a command count for nothing in bytes. */
const SCAN_ENTRIES = 4096;

/** Who belongs to the cluster, from an index on. */
export interface Membership {
  /** Index of the entry that says so, or of the snapshot; 0 for what the node was told at first. */
  readonly index: Index;
  /** Who votes, ascending. */
  readonly members: readonly NodeId[];
  /** Who is only sent entries, ascending. */
  readonly learners: readonly NodeId[];
}

/** Ids in ascending order, each once. */
export function sortedIds(ids: Iterable<NodeId>): NodeId[] {
  return [...new Set(ids)].sort((a, b) => (a < b ? -1 : 1));
}

/** Whether two lists of ids are the same. */
export function sameIds(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i]);
}

/** The one list that stands for a configuration. */
export function toList({ members, learners }: Omit<Membership, "index">): NodeId[] {
  return learners.length === 0 ? [...members] : [...members, members[0]!, ...learners];
}

/** The configuration that a list stands for. */
export function fromList(index: Index, list: readonly NodeId[]): Membership {
  const border = list.indexOf(list[0]!, 1);
  const end = border < 0 ? list.length : border;
  // Applications are given these lists, and are not to change what the node goes by.
  return { index, members: Object.freeze(list.slice(0, end)), learners: Object.freeze(list.slice(end + 1)) };
}

/**
 * A configuration as an entry's command.
 *
 * @param membership The configuration.
 * @returns Its list, eight bytes an id, little-endian.
 */
export function encodeMembership(membership: Omit<Membership, "index">): Uint8Array<ArrayBuffer> {
  const list = toList(membership);
  const bytes = new Uint8Array(list.length * 8);
  const view = new DataView(bytes.buffer);
  list.forEach((id, i) => view.setBigUint64(i * 8, id, true));
  return bytes;
}

/**
 * The configuration that an entry holds.
 *
 * @param entry An entry of kind `config`.
 * @returns The configuration.
 * @throws {WalLogError} `INVALID_ARGUMENT` if the command is none.
 */
export function decodeMembership({ index, command }: Pick<NewEntry, "index" | "command">): Membership {
  if (command.byteLength % 8 !== 0) {
    throw new WalLogError(
      "INVALID_ARGUMENT",
      `Cannot read the configuration at index ${index}: expected 8 bytes an id, found ${command.byteLength} bytes`,
    );
  }
  const view = new DataView(command.buffer, command.byteOffset, command.byteLength);
  const list = Array.from({ length: command.byteLength / 8 }, (_, i) => view.getBigUint64(i * 8, true));
  return fromList(index, list);
}

/** The result of reading; nothing if what is to be read is damaged. */
function unlessDamaged<T>(read: () => T, code: "DAMAGED_ENTRY" | "CORRUPT"): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof WalLogError && error.code === code) return undefined;
    throw error;
  }
}

function snapshotConfig(log: RaftLog): readonly NodeId[] {
  return unlessDamaged(() => log.snapshot(), "CORRUPT")?.config ?? [];
}

/** The configurations that a node's log holds, oldest first. */
export class MembershipHistory {
  /** Entries that could not be read, and may have been configurations. */
  readonly unreadable: readonly Index[];
  /** Never empty: the first is what the snapshot says, or what the node was told. */
  #history: Membership[];

  /**
   * Reads a log.
   *
   * @param log The log; all of it is read once.
   * @param initial What the node was told, for a log that says nothing.
   */
  constructor(log: RaftLog, initial: readonly NodeId[]) {
    const { snapshotIndex } = log;
    const config = snapshotIndex === 0 ? [] : snapshotConfig(log);
    this.#history = [fromList(snapshotIndex, config.length > 0 ? config : initial)];
    const unreadable: Index[] = [];
    for (let next = snapshotIndex + 1; next <= log.lastIndex;) {
      const entries = unlessDamaged(
        () => log.entries(next, Math.min(next + SCAN_ENTRIES - 1, log.lastIndex), { maxBytes: SCAN_BYTES }),
        "DAMAGED_ENTRY",
      );
      if (entries !== undefined) {
        this.append(entries);
        next += entries.length;
        continue;
      }
      // One of them is damaged: one by one, up to there.
      let entry = unlessDamaged(() => log.entry(next), "DAMAGED_ENTRY");
      while (entry !== undefined) {
        this.append([entry]);
        next++;
        entry = unlessDamaged(() => log.entry(next), "DAMAGED_ENTRY");
      }
      if (next <= log.lastIndex) unreadable.push(next++);
    }
    this.unreadable = unreadable;
  }

  /** The latest configuration, which counts whether it is committed or not. */
  get latest(): Membership {
    return this.#history.at(-1)!;
  }

  /** All who are a member or a learner in one of them. */
  get everyone(): NodeId[] {
    return sortedIds(this.#history.flatMap(({ members, learners }) => [...members, ...learners]));
  }

  /** Whether a node was a member, and now is neither that nor a learner. */
  hasRemoved(id: NodeId): boolean {
    const { members, learners } = this.latest;
    return !members.includes(id) && !learners.includes(id) && this.#history.some((one) => one.members.includes(id));
  }

  /** The configuration at an index that the log has, or that its snapshot is of. */
  at(index: Index): Membership {
    return this.#history.findLast((one) => one.index <= index) ?? this.#history[0]!;
  }

  /** Takes note of what was appended. */
  append(entries: readonly NewEntry[]): void {
    for (const entry of entries) if (entry.kind === "config") this.#history.push(decodeMembership(entry));
  }

  /** Forgets what was truncated. */
  truncate(from: Index): void {
    while (this.#history.length > 1 && this.latest.index >= from) this.#history.pop();
  }

  /** Forgets what a snapshot of this node covers. */
  compact(index: Index): void {
    const kept = this.#history.findLastIndex((one) => one.index <= index);
    if (kept > 0) this.#history.splice(0, kept);
  }

  /** Takes over what another node's snapshot says, if it says anything; `keepsTail` if the log goes on behind it. */
  restore(index: Index, config: readonly NodeId[], keepsTail: boolean): void {
    const tail = keepsTail ? this.#history.filter((one) => one.index > index) : [];
    this.#history = [config.length > 0 ? fromList(index, config) : { ...this.#history[0]!, index }, ...tail];
  }
}
