/**
 * The safety properties of the Raft paper (figure 3), and their consequences for clients, checked after every step.
 *
 * @module
 */

import { type WalLog, WalLogError } from "../mod.ts";
import { knownTerm } from "../src/raft/follower.ts";
import type { RaftNode } from "../src/raft/mod.ts";
import { readable } from "../src/raft/healing.ts";
import type {
  CompactOptions,
  EntriesOptions,
  HardState,
  Index,
  LogEntry,
  NodeId,
  RaftLog,
  Snapshot,
  SnapshotMeta,
  SnapshotSource,
  SnapshotTarget,
  Term,
} from "../src/api/types.ts";

/** A violated property. */
export class Violation extends Error {}

function require(holds: boolean, property: string, found: () => string): void {
  if (!holds) throw new Violation(`${property}: ${found()}`);
}

function digest(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** Entries, and the term before them. */
interface Appended {
  readonly lastTerm: Term;
  readonly entries: readonly LogEntry[];
}

/**
 * A log that reports appended entries to {@link Safety} after they are flushed. No other node knows of entries that a
 * crash removes before their flush, so their index and term may be used again.
 */
export class WatchedLog implements RaftLog {
  /** Whether the next read fails. */
  failsRead: () => boolean = () => false;
  readonly #log: WalLog;
  readonly #safety: Safety;
  #unflushed: Appended[] = [];

  constructor(log: WalLog, safety: Safety) {
    this.#log = log;
    this.#safety = safety;
    // Unflushed writes may have reached the disk.
    for (let index = log.snapshotIndex + 1; index <= log.lastIndex; index++) this.#saw(index);
  }

  #beforeRead(): void {
    if (this.failsRead()) throw new WalLogError("IO", "Cannot read: simulated, too many open files");
  }

  /** Records an entry of the log. */
  #saw(index: Index): void {
    const lastTerm = knownTerm(this.#log, index - 1);
    const entry = readable(this.#log, index);
    if (lastTerm !== undefined && entry !== undefined) this.#safety.appended(lastTerm, [entry]);
  }

  #flushed(appended: readonly Appended[]): void {
    for (const { lastTerm, entries } of appended) this.#safety.appended(lastTerm, entries);
  }

  get lastIndex(): Index {
    return this.#log.lastIndex;
  }
  get lastTerm(): Term {
    return this.#log.lastTerm;
  }
  get snapshotIndex(): Index {
    return this.#log.snapshotIndex;
  }
  get firstIndex(): Index {
    return this.#log.firstIndex;
  }
  get retentions(): WalLog["retentions"] {
    return this.#log.retentions;
  }
  retain(name: string, from: Index): ReturnType<WalLog["retain"]> {
    return this.#log.retain(name, from);
  }
  get hardState(): HardState {
    return this.#log.hardState;
  }
  get maxEntryBytes(): number {
    return this.#log.maxEntryBytes;
  }
  termAt(index: Index): Term | undefined {
    return this.#log.termAt(index);
  }
  entry(index: Index): LogEntry | undefined {
    this.#beforeRead();
    return this.#log.entry(index);
  }
  entries(from: Index, to: Index, options?: EntriesOptions): LogEntry[] {
    this.#beforeRead();
    return this.#log.entries(from, to, options);
  }
  bytesAfter(index: Index): number {
    return this.#log.bytesAfter(index);
  }
  snapshot(): Snapshot | undefined {
    this.#beforeRead();
    return this.#log.snapshot();
  }
  openSnapshotSource(): SnapshotSource | undefined {
    this.#beforeRead();
    return this.#log.openSnapshotSource();
  }
  createSnapshotTarget(meta: SnapshotMeta): SnapshotTarget {
    return this.#log.createSnapshotTarget(meta);
  }
  append(entries: readonly LogEntry[]): void {
    const { lastTerm } = this.#log;
    this.#log.append(entries);
    if (entries.length > 0) this.#unflushed.push({ lastTerm, entries });
  }
  truncate(from: Index): void {
    this.#log.truncate(from);
  }
  setHardState(state: HardState, options?: { readonly force?: boolean }): void {
    this.#log.setHardState(state, options);
  }
  get damaged(): WalLog["damaged"] {
    return this.#log.damaged;
  }
  get identity(): WalLog["identity"] {
    return this.#log.identity;
  }
  foundCluster(id: string): void {
    this.#log.foundCluster(id);
  }
  get lost(): WalLog["lost"] {
    return this.#log.lost;
  }
  repair(entries: readonly LogEntry[]): void {
    this.#log.repair(entries);
    for (const { index } of entries) this.#saw(index);
  }
  applySnapshot(snapshot: Snapshot, options?: { readonly force?: boolean }): void {
    this.#log.applySnapshot(snapshot, options);
  }
  compact(through: Index, options?: CompactOptions): void {
    this.#log.compact(through, options);
  }
  async sync(): Promise<Index> {
    const appended = this.#unflushed.splice(0);
    const index = await this.#log.sync();
    this.#flushed(appended);
    return index;
  }
  syncSync(): Index {
    const index = this.#log.syncSync();
    this.#flushed(this.#unflushed.splice(0));
    return index;
  }
}

/** The combined knowledge of all nodes. */
export class Safety {
  /** The leaders, by term. */
  readonly #leaders = new Map<Term, NodeId>();
  /** Every entry that ever existed, by index and term: the term before it, and its contents. */
  readonly #entries = new Map<string, string>();
  /** The terms of the committed entries, by index. */
  readonly #committed: Term[] = [0];
  /** The state of the application after each applied index. */
  readonly #applied = new Map<Index, string>();
  /** The votes, by term and voter. */
  readonly #votes = new Map<string, NodeId>();
  /** The ends of the logs of the current leaders. */
  readonly #ends = new Map<RaftNode, { readonly term: Term; readonly lastIndex: Index; readonly lastTerm: Term }>();

  /** The greatest committed index. */
  get committedIndex(): Index {
    return this.#committed.length - 1;
  }

  /** Log Matching: entries with the same index and term are equal on all nodes, and so are the entries before them. */
  appended(lastTerm: Term, entries: readonly LogEntry[]): void {
    let previous = lastTerm;
    for (const { index, term, kind, command } of entries) {
      const key = `${index}@${term}`;
      const found = `${kind} ${digest(command)} after term ${previous}`;
      const known = this.#entries.get(key);
      require(known === undefined || known === found, "Log Matching", () => `${key} is ${found}, and ${known}`);
      this.#entries.set(key, found);
      previous = term;
    }
  }

  /** Election Safety: a term has at most one leader. Called when the actions of a leader leave its node. */
  led(id: NodeId, term: Term): void {
    const known = this.#leaders.get(term);
    require(known === undefined || known === id, "Election Safety", () => `${id} and ${known} lead in term ${term}`);
    this.#leaders.set(term, id);
  }

  /** Called after each step of a node. */
  stepped(node: RaftNode): void {
    if (!node.isLeader) {
      this.#ends.delete(node);
      return;
    }
    const { id, term, log } = node;
    const end = this.#ends.get(node);
    if (end === undefined || end.term !== term) this.#requireComplete(node);
    else {
      const kept = log.lastIndex >= end.lastIndex &&
        (end.lastIndex < log.snapshotIndex || log.termAt(end.lastIndex) === end.lastTerm);
      require(kept, "Leader Append-Only", () => `${id} in term ${term} had ${end.lastIndex}, has ${log.lastIndex}`);
    }
    this.#ends.set(node, { term, lastIndex: log.lastIndex, lastTerm: log.lastTerm });
  }

  /** Leader Completeness: an elected leader has all committed entries. */
  #requireComplete({ id, term, log }: RaftNode): void {
    for (let index = this.committedIndex; index > log.snapshotIndex; index--) {
      const found = log.termAt(index);
      require(
        found === this.#committed[index],
        "Leader Completeness",
        () => `${id} leads in term ${term} with term ${found} at ${index}, committed was ${this.#committed[index]}`,
      );
    }
  }

  /** Called when a node's log is known to be committed up to an index. */
  committed({ id, log }: RaftNode, upTo: Index): void {
    for (let index = Math.max(log.snapshotIndex, 1); index <= upTo; index++) {
      const term = log.termAt(index);
      const known = this.#committed[index];
      require(
        term !== undefined && (known === undefined || known === term),
        "State Machine Safety",
        () => `${id} has term ${term} committed at ${index}, another has ${known}`,
      );
      if (index > this.committedIndex) this.#committed[index] = term!;
    }
  }

  /** State Machine Safety: all nodes apply the same state at an index. */
  applied(id: NodeId, index: Index, state: string): void {
    const known = this.#applied.get(index);
    require(
      known === undefined || known === state,
      "State Machine Safety",
      () => `${id} is in state ${state} after index ${index}, another in ${known}`,
    );
    this.#applied.set(index, state);
  }

  /** Records a vote that has left a node. */
  voted(voter: NodeId, term: Term, candidate: NodeId): void {
    const key = `${voter} in term ${term}`;
    const known = this.#votes.get(key);
    require(
      known === undefined || known === candidate,
      "One vote a term",
      () => `${key} votes for ${candidate}, voted for ${known}`,
    );
    this.#votes.set(key, candidate);
  }

  /** Checks the answer to a read. */
  read(index: Index, acknowledged: Index): void {
    require(
      index >= acknowledged,
      "Linearizable reads",
      () => `a read sees ${index}, when it was asked for ${acknowledged} had been acknowledged`,
    );
  }

  /** Checks a property at the end of a history. */
  require(holds: boolean, property: string, found: () => string): void {
    require(holds, property, found);
  }
}
