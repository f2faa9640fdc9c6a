/**
 * Who belongs to the cluster: the latest configuration in the log, committed or not.
 *
 * In the log and in snapshots, a configuration is one list of ids: the voting members, ascending; then, if there are
 * learners, the first member again, which no list of members could hold, and the learners, ascending. An entry goes on, if
 * the incarnations of logs are known, with the first member once more, and for each node three numbers: its id, and the
 * incarnation's bytes in two halves. A snapshot has them in its meta.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Index, NewEntry, NodeId, RaftLog, SnapshotMeta } from "../api/types.ts";
import { UUID_BYTES, uuidBytes, uuidText } from "./origin.ts";
import { decodeMeta } from "./snapshot_meta.ts";

/** An id, and the incarnation of a log. */
const INCARNATION_BYTES = 8 + UUID_BYTES;

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
  /** The incarnations of their logs, as far as they are known. */
  readonly incarnations?: ReadonlyMap<NodeId, string>;
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
 * @returns Its list, eight bytes a number, little-endian.
 */
export function encodeMembership(membership: Omit<Membership, "index">): Uint8Array<ArrayBuffer> {
  const { members, learners, incarnations = new Map<NodeId, string>() } = membership;
  const list = toList(membership);
  if (incarnations.size > 0) list.push(...learners.length === 0 ? [members[0]!, members[0]!] : [members[0]!]);
  const bytes = new Uint8Array((list.length + 3 * incarnations.size) * 8);
  const view = new DataView(bytes.buffer);
  list.forEach((id, i) => view.setBigUint64(i * 8, id, true));
  let at = list.length * 8;
  for (const [id, incarnation] of incarnations) {
    view.setBigUint64(at, id, true);
    bytes.set(uuidBytes(incarnation), at + 8);
    at += INCARNATION_BYTES;
  }
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
  const { byteLength } = command;
  if (byteLength % 8 !== 0) throw notReadable(index, `expected 8 bytes a number, found ${byteLength} bytes`);
  const view = new DataView(command.buffer, command.byteOffset, byteLength);
  const list = Array.from({ length: byteLength / 8 }, (_, i) => view.getBigUint64(i * 8, true));
  const learnersFrom = list.indexOf(list[0]!, 1) + 1;
  const end = learnersFrom === 0 ? -1 : list.indexOf(list[0]!, learnersFrom);
  if (end < 0) return fromList(index, list);
  if ((list.length - end - 1) % 3 !== 0) throw notReadable(index, `${list.length} numbers cannot hold incarnations`);
  const incarnations = new Map<NodeId, string>();
  for (let at = (end + 1) * 8; at < byteLength; at += INCARNATION_BYTES) {
    const incarnation = uuidText(command.subarray(at + 8, at + INCARNATION_BYTES));
    if (incarnation !== undefined) incarnations.set(view.getBigUint64(at, true), incarnation);
  }
  return { ...fromList(index, list.slice(0, end)), incarnations };
}

function notReadable(index: Index, reason: string): WalLogError {
  return new WalLogError("INVALID_ARGUMENT", `Cannot read the configuration at index ${index}: ${reason}`);
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

/** What the snapshot says; what the node was told if it says nothing, or is damaged. */
function snapshotMembership(log: RaftLog, initial: readonly NodeId[]): Membership {
  const { snapshotIndex } = log;
  const snapshot = snapshotIndex === 0 ? undefined : unlessDamaged(() => log.openSnapshotSource(), "CORRUPT");
  snapshot?.close();
  if (snapshot === undefined || snapshot.config.length === 0) return fromList(snapshotIndex, initial);
  return { ...fromList(snapshotIndex, snapshot.config), incarnations: decodeMeta(snapshot.meta).incarnations };
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
    this.#history = [snapshotMembership(log, initial)];
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
  restore({ index, config, meta }: SnapshotMeta, keepsTail: boolean): void {
    const tail = keepsTail ? this.#history.filter((one) => one.index > index) : [];
    const said = { ...fromList(index, config), incarnations: decodeMeta(meta).incarnations };
    this.#history = [config.length > 0 ? said : { ...this.#history[0]!, index }, ...tail];
  }
}
