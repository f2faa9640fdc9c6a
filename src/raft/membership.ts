/**
 * The membership of the cluster: the latest configuration in the log, committed or not.
 *
 * In the log and in snapshots, a configuration is one list of ids: the voting members, ascending; then, if there are
 * learners, the first member again, and the learners, ascending. A list of members never repeats an id, so the
 * repetition is unambiguous. If there are more facts, an entry has the first member once more, and then the bytes that
 * a snapshot has as its meta.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Index, NewEntry, NodeId, RaftLog, SnapshotMeta } from "../api/types.ts";
import { decodeMeta, encodeMeta, isFacts, type Replacement, type SnapshotFacts } from "./snapshot_meta.ts";

/** The maximum size of one read of the log in the search for configurations. In bytes. */
const SCAN_BYTES = 256 * 1024;
/** The maximum number of entries of one read. Entries without a command have no bytes to limit them. */
const SCAN_ENTRIES = 4096;

/** A configuration of the cluster. It applies from its index on. */
export interface Membership {
  /** The index of the entry or snapshot with this configuration; 0 for the initial one. */
  readonly index: Index;
  /** The voting members, ascending. */
  readonly members: readonly NodeId[];
  /** The learners, ascending. They get entries, and have no vote. */
  readonly learners: readonly NodeId[];
  /** The known incarnations of their logs. */
  readonly incarnations?: ReadonlyMap<NodeId, string>;
  /** Their known addresses, in the application's format. */
  readonly addresses?: ReadonlyMap<NodeId, string>;
  /** The member that is being replaced. */
  readonly replacement?: Replacement;
}

/** Returns ids in ascending order, without duplicates. */
export function sortedIds(ids: Iterable<NodeId>): NodeId[] {
  return [...new Set(ids)].sort((a, b) => (a < b ? -1 : 1));
}

/** Whether two lists of ids are equal. */
export function sameIds(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i]);
}

/** Encodes a configuration as one list of ids. */
export function toList({ members, learners }: Omit<Membership, "index">): NodeId[] {
  return learners.length === 0 ? [...members] : [...members, members[0]!, ...learners];
}

/** Decodes a configuration from one list of ids. */
export function fromList(index: Index, list: readonly NodeId[]): Membership {
  const border = list.indexOf(list[0]!, 1);
  const end = border < 0 ? list.length : border;
  // The application gets these lists, and must not change them.
  return { index, members: Object.freeze(list.slice(0, end)), learners: Object.freeze(list.slice(end + 1)) };
}

/**
 * Encodes a configuration as an entry's command.
 *
 * @param membership The configuration.
 * @returns Its list, eight bytes for each id, little-endian.
 */
export function encodeMembership(membership: Omit<Membership, "index">): Uint8Array<ArrayBuffer> {
  const { members, learners } = membership;
  const list = toList(membership);
  const facts = encodeMeta(factsOf(undefined, membership));
  if (facts !== undefined) list.push(...learners.length === 0 ? [members[0]!, members[0]!] : [members[0]!]);
  const bytes = new Uint8Array(list.length * 8 + (facts?.length ?? 0));
  const view = new DataView(bytes.buffer);
  list.forEach((id, i) => view.setBigUint64(i * 8, id, true));
  bytes.set(facts ?? [], list.length * 8);
  return bytes;
}

/**
 * Returns a configuration's facts other than the ids.
 *
 * @param cluster The cluster.
 * @param membership The configuration.
 * @returns The facts.
 */
export function factsOf(cluster: string | undefined, membership: Omit<Membership, "index">): SnapshotFacts {
  const { incarnations = new Map<NodeId, string>(), addresses, replacement } = membership;
  return {
    ...{ cluster, incarnations },
    ...addresses === undefined ? {} : { addresses },
    ...replacement === undefined ? {} : { replacement },
  };
}

/** Decodes a configuration's facts. */
function ownFacts(meta: Uint8Array | undefined): Omit<SnapshotFacts, "cluster"> {
  const { cluster: _, ...facts } = decodeMeta(meta);
  return facts;
}

/**
 * Decodes the configuration of an entry.
 *
 * @param entry An entry of kind `config`.
 * @returns The configuration.
 * @throws {WalLogError} `INVALID_ARGUMENT` if the command is not a configuration.
 */
export function decodeMembership({ index, command }: Pick<NewEntry, "index" | "command">): Membership {
  const { byteLength } = command;
  const view = new DataView(command.buffer, command.byteOffset, byteLength);
  const list: NodeId[] = [];
  // The first id occurs up to three times: as itself, before the learners, and before the facts.
  for (let repeats = 0; list.length < Math.floor(byteLength / 8);) {
    list.push(view.getBigUint64(list.length * 8, true));
    if (list.at(-1) === list[0] && ++repeats === 3) break;
  }
  const rest = command.subarray(list.length * 8);
  if (list.filter((id) => id === list[0]).length < 3) {
    if (rest.length > 0) throw notReadable(index, `expected a multiple of 8 bytes, found ${byteLength} bytes`);
    return fromList(index, list);
  }
  if (!isFacts(rest)) throw notReadable(index, `the ${rest.length} bytes after the ids have an unknown format`);
  return { ...fromList(index, list.slice(0, -1)), ...ownFacts(rest) };
}

function notReadable(index: Index, reason: string): WalLogError {
  return new WalLogError("INVALID_ARGUMENT", `Cannot read the configuration at index ${index}: ${reason}`);
}

/** The result of reading; `undefined` if the log is damaged there. */
function unlessDamaged<T>(read: () => T, code: "DAMAGED_ENTRY" | "CORRUPT"): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof WalLogError && error.code === code) return undefined;
    throw error;
  }
}

/** Returns the snapshot's configuration; the initial one if the snapshot has none, or is damaged. */
function snapshotMembership(log: RaftLog, initial: Omit<Membership, "index">): Membership {
  const { snapshotIndex } = log;
  const snapshot = snapshotIndex === 0 ? undefined : unlessDamaged(() => log.openSnapshotSource(), "CORRUPT");
  snapshot?.close();
  if (snapshot === undefined || snapshot.config.length === 0) {
    return { ...initial, ...fromList(snapshotIndex, toList(initial)) };
  }
  return { ...fromList(snapshotIndex, snapshot.config), ...ownFacts(snapshot.meta) };
}

/** The configurations in a node's log, oldest first. */
export class MembershipHistory {
  /** Unreadable entries, which may have been configurations. */
  readonly unreadable: readonly Index[];
  /** Never empty: the first is from the snapshot, or the initial one. */
  #history: Membership[];

  /**
   * Reads the configurations from a log.
   *
   * @param log The log. The constructor reads all of it once.
   * @param members The initial members, for a log without a configuration.
   * @param addresses Their known addresses.
   */
  constructor(log: RaftLog, members: readonly NodeId[], addresses?: ReadonlyMap<NodeId, string>) {
    const { snapshotIndex } = log;
    const known = [...addresses ?? []].filter(([id]) => members.includes(id));
    const facts = known.length === 0 ? {} : { addresses: new Map(known) };
    this.#history = [snapshotMembership(log, { members, learners: [], ...facts })];
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
      // One of these entries is damaged: read one by one up to it.
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

  /** The latest configuration. It is in effect even if it is not committed. */
  get latest(): Membership {
    return this.#history.at(-1)!;
  }

  /** All nodes that are a member or a learner in one of the configurations. */
  get everyone(): NodeId[] {
    return sortedIds(this.#history.flatMap(({ members, learners }) => [...members, ...learners]));
  }

  /** Whether a node was a member, and is now neither a member nor a learner. */
  hasRemoved(id: NodeId): boolean {
    const { members, learners } = this.latest;
    return !members.includes(id) && !learners.includes(id) && this.#history.some((one) => one.members.includes(id));
  }

  /** The configuration at an index of the log or of its snapshot. */
  at(index: Index): Membership {
    return this.#history.findLast((one) => one.index <= index) ?? this.#history[0]!;
  }

  /** Adds the configurations among appended entries. */
  append(entries: readonly NewEntry[]): void {
    for (const entry of entries) if (entry.kind === "config") this.#history.push(decodeMembership(entry));
  }

  /** Removes truncated configurations. */
  truncate(from: Index): void {
    while (this.#history.length > 1 && this.latest.index >= from) this.#history.pop();
  }

  /** Removes configurations that a snapshot of this node covers. */
  compact(index: Index): void {
    const kept = this.#history.findLastIndex((one) => one.index <= index);
    if (kept > 0) this.#history.splice(0, kept);
  }

  /**
   * Restores the configuration of another node's snapshot, if it has one. `keepsTail`: the log has entries after it.
   */
  restore({ index, config, meta }: SnapshotMeta, keepsTail: boolean): void {
    const tail = keepsTail ? this.#history.filter((one) => one.index > index) : [];
    const said = { ...fromList(index, config), ...ownFacts(meta) };
    this.#history = [config.length > 0 ? said : { ...this.#history[0]!, index }, ...tail];
  }
}
