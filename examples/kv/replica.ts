/**
 * A replica: a Raft node over a durable log, a transport, a clock, and the state machine that they serve. This is all
 * that a replicated service needs beside what it does itself.
 *
 * @module
 */

import { WalLog, WalLogError } from "../../mod.ts";
import type { WalLogStats } from "../../mod.ts";
import { type Action, type RaftConfig, type RaftEvent, RaftNode, type RaftTransport } from "../../src/raft/mod.ts";
import { encodeWrite, Store, type Write } from "./store.ts";

/** What a replica is made of. */
export interface ReplicaOptions {
  /** This replica. */
  readonly id: bigint;
  /** The others. */
  readonly peers: readonly bigint[];
  /** The log's folder. */
  readonly folder: string;
  /** Carries its messages; the replica starts and closes it. */
  readonly transport: RaftTransport;
  /** How long a tick is, in milliseconds: an election begins after 10 to 20 of them without a leader. */
  readonly tickMs: number;
  /** A snapshot replaces the log after so many entries. */
  readonly snapshotThreshold: number;
  /** Told when the replica can do nothing more, because its disk failed: start a new one. */
  readonly onFailure: (error: unknown) => void;
}

/** How it goes. */
export interface Status {
  readonly id: string;
  readonly role: string;
  /** `null` if none is known. */
  readonly leader: string | null;
  readonly term: number;
  /** Up to here the state machine has got. */
  readonly applied: number;
  readonly snapshotIndex: number;
  /** Whether the log lacks something that must come from the others first. */
  readonly isDamaged: boolean;
  readonly log: WalLogStats;
}

/** What a replica has, in short. */
export interface Contents {
  /** Up to here the state machine has got. */
  readonly applied: number;
  /** Tells whether two replicas that have got equally far have the same. */
  readonly digest: string;
}

/** It is not known whether the write will happen: the replica has lost sight of it. */
export class OutcomeUnknown extends Error {}

/** Whatever waits longer than this is given up. In milliseconds. */
const WAIT_MS = 5000;

/** A request that waits for the node. */
interface Waiting<T> {
  readonly since: number;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

/** A replica. */
export class Replica {
  readonly #node: RaftNode;
  readonly #log: WalLog;
  readonly #store = new Store();
  readonly #options: ReplicaOptions;
  /** Writes by the index of their entries, with its term. */
  readonly #writes = new Map<number, Waiting<string | null> & { readonly term: number }>();
  readonly #reads = new Map<number, Waiting<void>>();
  #lastRead = 0;
  /** The term of the last write applied. */
  #appliedTerm = 0;
  #clock: ReturnType<typeof setInterval> | undefined;
  #isClosed = false;

  private constructor(options: ReplicaOptions, log: WalLog) {
    const { id, peers, snapshotThreshold } = options;
    const config: RaftConfig = {
      ...{ id, peers, snapshotThreshold },
      // Without these, a leader that is cut off would not notice, and a new one could not answer reads.
      ...{ checkQuorum: true, noOp: true, strictMembership: true },
      ...{ maxBatch: 256, maxBatchBytes: 1024 * 1024, snapshotChunkBytes: 256 * 1024 },
      // A replica that was away for a while gets the entries that it missed, and no snapshot.
      ...{ trailingEntries: 10_000, trailingBytes: 64 * 1024 * 1024 },
      // The flushes of all replicas run at the same time.
      sendAhead: ({ to, message }) => options.transport.send(to, message),
      // A leader that has taken more, and cannot commit it, refuses commands.
      maxUncommittedBytes: 64 * 1024 * 1024,
      // Ticks of replicas are as long as each other: replicas that drew the same timeouts would get in each other's way.
      seed: BigInt.asUintN(64, BigInt(Date.now()) << 16n ^ id),
    };
    this.#options = options;
    this.#log = log;
    const snapshot = log.damaged.some(({ kind }) => kind === "snapshot") ? undefined : log.snapshot();
    if (snapshot !== undefined) this.#store.restore(snapshot.data);
    this.#node = RaftNode.withLog(config, log);
  }

  /**
   * Opens the log, takes up where it ends, and takes part.
   *
   * @returns The replica, a follower at first.
   */
  static async start(options: ReplicaOptions): Promise<Replica> {
    // What is damaged can be fetched from the other replicas; so damage is no reason not to start.
    const log = await WalLog.open(options.folder, { onDamage: "keep" });
    const replica = new Replica(options, log);
    await options.transport.start(
      (message, origin) => replica.#step({ type: "message", message, origin }),
      () => log.identity,
    );
    replica.#clock = setInterval(() => replica.#tick(), options.tickMs);
    return replica;
  }

  /** Which other replica leads, as far as this one knows; `null` if it does not, or leads itself. */
  get leader(): bigint | null {
    const { leader, id } = this.#node;
    return leader === id ? null : leader;
  }

  /** How it goes. */
  get status(): Status {
    const { id, role, leader, term, lastApplied, isDamaged } = this.#node;
    return {
      ...{ id: String(id), role, leader: leader === null ? null : String(leader), term, isDamaged },
      ...{ applied: lastApplied, snapshotIndex: this.#log.snapshotIndex },
      log: this.#log.stats(),
    };
  }

  /** What it has, in short: takes the longer the more that is. */
  get contents(): Contents {
    return { applied: this.#node.lastApplied, digest: this.#store.digest() };
  }

  /**
   * Replicates a write, and carries it out.
   *
   * @returns The text that the key had before.
   * @throws {WalLogError} `NOT_LEADER`: nothing has happened, and nothing will.
   * @throws {OutcomeUnknown} It may happen, or may have happened.
   */
  async write(write: Write): Promise<string | null> {
    const { index, term, actions } = this.#node.proposeAsync(encodeWrite(write));
    const carriedOut = this.#carryOut(actions);
    const applied = new Promise<string | null>((resolve, reject) => {
      this.#writes.get(index)?.reject(new OutcomeUnknown(`another entry has taken its place at index ${index}`));
      this.#writes.set(index, { term, since: performance.now(), resolve, reject });
    });
    carriedOut.catch((error) => this.#writes.get(index)?.reject(new OutcomeUnknown(String(error))));
    return await applied;
  }

  /**
   * Reads a key, linearizably: the answer has everything in it that was acknowledged before the call.
   *
   * @throws {WalLogError} `NOT_LEADER`.
   */
  async read(key: string): Promise<string | null> {
    const id = ++this.#lastRead;
    const ready = new Promise<void>((resolve, reject) => {
      this.#reads.set(id, { since: performance.now(), resolve, reject });
    });
    this.#carryOut(this.#node.stepAsync({ type: "readIndex", id })).catch((error) =>
      this.#reads.get(id)?.reject(error)
    );
    try {
      await ready;
    } finally {
      this.#reads.delete(id);
    }
    return this.#store.get(key);
  }

  /** Ends taking part. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#clock);
    for (const { reject } of this.#writes.values()) reject(new OutcomeUnknown("the replica is closed"));
    for (const { reject } of this.#reads.values()) reject(this.#notLeader());
    await this.#options.transport.close();
    await this.#log.close();
  }

  #tick(): void {
    void this.#step({ type: "tick" });
    const oldest = performance.now() - WAIT_MS;
    for (const [index, { since, reject }] of this.#writes) {
      // In the order of their indexes, which is that of time.
      if (since > oldest) break;
      this.#writes.delete(index);
      reject(new OutcomeUnknown(`it was not committed within ${WAIT_MS} ms`));
    }
    for (const { since, reject } of this.#reads.values()) {
      if (since > oldest) break;
      reject(this.#notLeader());
    }
  }

  /** Lets something happen for which nobody waits. */
  async #step(event: RaftEvent): Promise<void> {
    if (this.#isClosed) return;
    try {
      await this.#carryOut(this.#node.stepAsync(event));
    } catch (error) {
      // A message that makes no sense, or whose entries are too large for the log, is refused, and changes nothing. So is a
      // snapshot for which there is no room: the next one may find some.
      const refusals = ["INVALID_ARGUMENT", "ENTRY_TOO_LARGE", "NO_SPACE"];
      if (error instanceof WalLogError && refusals.includes(error.code)) return;
      if (!this.#isClosed) this.#options.onFailure(error);
    }
  }

  /** Carries out what a step wants done, when it may be: steps come here in their order, and so do their actions. */
  async #carryOut(step: Promise<Action[]>): Promise<void> {
    for (const action of await step) {
      switch (action.type) {
        case "send":
          this.#options.transport.send(action.to, action.message);
          break;
        case "apply":
          this.#apply(action.index, action.term, action.command);
          break;
        case "moreToApply":
          void this.#step({ type: "applyMore" });
          break;
        case "snapshot":
          void this.#step({ type: "snapshot", index: action.index, data: this.#store.snapshot() });
          break;
        case "restoreSnapshot":
          this.#store.restore(action.data);
          this.#loseSightOfWrites(action.index);
          break;
        case "readReady":
          // Everything up to the index was applied by actions before this one.
          this.#reads.get(action.id)?.resolve();
          break;
        case "refused":
          console.error(`Replica ${this.#node.id} refuses replica ${action.from}: ${action.reason}`);
          break;
        case "memberLost":
          console.error(`Replica ${this.#node.id}: replica ${action.id} has lost its log; remove it, and add it anew`);
          break;
        case "readFailed":
          this.#reads.get(action.id)?.reject(this.#notLeader());
      }
    }
  }

  #apply(index: number, term: number, command: Uint8Array): void {
    const found = this.#store.apply(command);
    const waiting = this.#writes.get(index);
    if (waiting?.term === term) {
      this.#writes.delete(index);
      waiting.resolve(found);
    }
    if (term === this.#appliedTerm) return;
    this.#appliedTerm = term;
    // Terms never decrease along a log: what is of an earlier one and was not applied by now never will be.
    for (const [at, { term: written, reject }] of this.#writes) {
      if (written >= term) continue;
      this.#writes.delete(at);
      reject(new OutcomeUnknown(`another leader's entry has taken its place, at index ${at}`));
    }
  }

  /** A snapshot does not say what became of single writes. */
  #loseSightOfWrites(upTo: number): void {
    for (const [index, { reject }] of this.#writes) {
      if (index > upTo) continue;
      this.#writes.delete(index);
      reject(new OutcomeUnknown("a snapshot of another leader includes its index"));
    }
  }

  #notLeader(): WalLogError {
    return new WalLogError("NOT_LEADER", "Cannot read: this replica does not lead any more", { leader: this.leader });
  }
}
