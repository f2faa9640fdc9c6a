/**
 * A replica of a service.
 *
 * @module
 */

import type { Metric } from "../api/metrics.ts";
import { isBytes } from "../api/taken.ts";
import type { NodeId } from "../api/types.ts";
import { WalLog } from "../api/wal_log.ts";
import type { RaftEvent } from "../raft/mod.ts";
import { isCommitted, isReplaced } from "./change_conditions.ts";
import { type CommandId, encodeCommand } from "./command.ts";
import { Engine } from "./engine.ts";
import { attempt, cancelled, isRefusal, notLeader, type Outcome, refusal, ReplicaError } from "./errors.ts";
import type { ReplicaEvent } from "./events.ts";
import { foundCluster } from "./founding.ts";
import { successorOf } from "./node_config.ts";
import {
  type AddressLike,
  addressText,
  type CheckedReplicaOptions,
  checkReplicaOptions,
  type ReplicaOptions,
  type ReplicaTransport,
  toAddress,
} from "./options.ts";
import { ended, type WaitOptions } from "./request.ts";
import { replicaMetrics, type ReplicaStatus } from "./status.ts";
import { tcpTransport } from "./tcp.ts";

/** Options of proposing a command. */
export interface ProposeOptions extends WaitOptions {
  /** Ensures that the command is applied once, however often it is proposed. */
  readonly id?: CommandId;
}

/**
 * A replica of a service: a state machine that is the same on every replica, a Raft node with its log, transport and
 * clock, and their connections.
 *
 * @example A counter in a cluster of one.
 * ```ts
 * import { Replica } from "@wallog/wallog/replica";
 * import { mkdtempSync, rmSync } from "node:fs";
 * import { tmpdir } from "node:os";
 * import { join } from "node:path";
 * import assert from "node:assert/strict";
 *
 * let count = 0;
 * const stateMachine = {
 *   apply: (entries: readonly unknown[]) => entries.map(() => ++count),
 *   snapshot: (to: WritableStream<Uint8Array>) => new Blob([String(count)]).stream().pipeTo(to),
 *   async restore(from: ReadableStream<Uint8Array>) {
 *     count = Number(await new Response(from).text());
 *   },
 * };
 *
 * const folder = mkdtempSync(join(tmpdir(), "wallog-"));
 * const options = { folder: join(folder, "log"), id: 1n, address: "127.0.0.1:0", tickMilliseconds: 5, stateMachine };
 * const replica = await Replica.start(options);
 * assert.equal(await replica.propose(new Uint8Array()), 1);
 * await replica.read(); // From here on, `count` includes every command that was acknowledged before.
 * assert.equal(count, 1);
 * await replica.close();
 * rmSync(folder, { recursive: true });
 * ```
 *
 * @experimental
 */
export class Replica<R> {
  readonly #engine: Engine<R>;
  readonly #options: CheckedReplicaOptions<R>;
  readonly #log: WalLog;

  private constructor(engine: Engine<R>, options: CheckedReplicaOptions<R>, log: WalLog) {
    this.#engine = engine;
    this.#options = options;
    this.#log = log;
  }

  /**
   * Opens the log, restores the state machine from the log's snapshot, and starts the node. Commands after the snapshot are
   * applied as soon as a leader has committed them.
   *
   * @param options The replica's options.
   * @returns The replica, a follower.
   * @throws {WalLogError} `INVALID_ARGUMENT`; `LOCKED`, `CORRUPT` and others of `WalLog.open`; `IO` if it cannot listen;
   * `STATE_MACHINE` if `restore` fails.
   */
  static async start<R>(options: ReplicaOptions<R>): Promise<Replica<R>> {
    const checked = checkReplicaOptions(options);
    // Damaged parts can be fetched from the other replicas, so damage does not prevent the start.
    const log = await WalLog.open(checked.folder, { ...checked.log, onDamage: "keep" });
    let transport: ReplicaTransport | undefined;
    try {
      foundCluster(log, checked);
      let emit: (event: ReplicaEvent) => void = () => {};
      transport = checked.transport ?? tcpTransport(checked, (event) => emit(event));
      const engine = new Engine(checked, log, transport);
      emit = (event) => engine.emit(event);
      await engine.start();
      return new Replica(engine, checked, log);
    } catch (error) {
      await transport?.close();
      await log.close();
      throw error;
    }
  }

  /** This replica. */
  get id(): NodeId {
    return this.#options.id;
  }

  /** Whether this replica leads, as far as it knows. */
  get isLeader(): boolean {
    return this.#engine.isRunning && this.#engine.node.isLeader;
  }

  /** The replica that leads, as far as this one knows. */
  get leader(): NodeId | null {
    return this.#engine.node.leader;
  }

  /**
   * Replicates a command, and applies it.
   *
   * @param command The command. It is copied.
   * @param options Its id, and a signal.
   * @returns The state machine's answer.
   * @throws {ReplicaError} Its `outcome` says whether the command may have been applied. `NOT_LEADER` names the leader.
   * `OVERLOADED`, `NO_SPACE`: try again later. `TIMEOUT`: no leader was found, or the command was not committed, in time.
   * `ENTRY_TOO_LARGE`, `INVALID_ARGUMENT`. With an id: `STALE_SEQUENCE` after a command of the client with a higher
   * sequence, `ANSWER_LOST` if the command was applied and its answer is no longer kept. `CLOSED`: the replica was closed,
   * or has ended.
   */
  async propose(command: Uint8Array, { id, signal }: ProposeOptions = {}): Promise<R> {
    this.#requireRunning("propose a command");
    if (!isBytes(command)) {
      throw new ReplicaError("INVALID_ARGUMENT", "not-applied", "Cannot propose a command: expected a Uint8Array");
    }
    const entry = attempt(() => encodeCommand(command, id));
    const isIdentified = id !== undefined;
    return await this.#engine.proposals.add(entry, {
      isIdentified,
      signal,
      timeout: this.#options.timeoutMilliseconds,
    });
  }

  /**
   * Waits until the state machine includes every command that any replica acknowledged before this call. A replica that
   * does not lead asks the leader for the index, and resolves when it has applied it. Read the state at once when it
   * resolves, before the next `await`: no command is applied in between.
   *
   * @param options A signal that ends the wait.
   * @returns Resolves when a read is linearizable.
   * @throws {ReplicaError} `TIMEOUT` if no leader has answered in time; `CLOSED`.
   */
  async read({ signal }: WaitOptions = {}): Promise<void> {
    this.#requireRunning("read");
    await this.#engine.reads.add(this.#options.timeoutMilliseconds, signal);
  }

  /**
   * Adds a replica that was started with `joining`. It gets the log as a learner, and a vote when it has caught up with
   * the leader. The cluster's configuration stores its address. If it is a member already, only its address changes.
   * Only the leader accepts this call.
   *
   * @param id The replica, which the cluster has never had before.
   * @param address Where it listens.
   * @param options A signal that ends the wait.
   * @returns Resolves when its vote is committed. This takes as long as the replica needs to catch up.
   * @throws {ReplicaError} `NOT_LEADER`, also if the leadership ends meanwhile: call it again on the new leader.
   * `INVALID_ARGUMENT`, `NO_SPACE`, `CLOSED`.
   */
  async addMember(id: NodeId, address: AddressLike, options: WaitOptions = {}): Promise<void> {
    const isMember = this.#engine.node.members.includes(id);
    if (!isMember) await this.addLearner(id, address, options);
    const place = attempt(() => addressText(toAddress(address)));
    const refused = isMember ? "not-applied" : "unknown"; // A new replica is a learner now.
    // A replica that was removed meanwhile must not get a vote without the log.
    const isKnown = () => [...this.#engine.node.members, ...this.#engine.node.learners].includes(id);
    await this.#change("add a member", { type: "addServer", id, address: place }, options, { refused, isKnown });
  }

  /**
   * Adds a replica without a vote, which was started with `joining`. It applies every command and answers reads, and
   * does not count for majorities. Only the leader accepts this call.
   *
   * @param id The replica, which the cluster has never had before.
   * @param address Where it listens.
   * @param options A signal that ends the wait.
   * @returns When the change is committed.
   * @throws {ReplicaError} As {@link Replica.addMember}.
   */
  async addLearner(id: NodeId, address: AddressLike, options: WaitOptions = {}): Promise<void> {
    const place = attempt(() => addressText(toAddress(address)));
    await this.#change("add a learner", { type: "addLearner", id, address: place }, options);
  }

  /**
   * Replaces a member by a replica that was started with `joining`. The new replica gets the log and then a vote; then
   * the member is removed. If the leadership ends meanwhile, the next leader continues the replacement. Only the leader
   * accepts this call.
   *
   * @param id The member. Stop it afterwards, and never start it again.
   * @param by The replica that takes its place, which the cluster has never had before.
   * @param address Where that replica listens.
   * @param options A signal that ends the wait.
   * @returns Resolves when the removal is committed.
   * @throws {ReplicaError} As {@link Replica.addMember}.
   */
  async replaceMember(id: NodeId, by: NodeId, address: AddressLike, options: WaitOptions = {}): Promise<void> {
    const name = "replace a member";
    const place = attempt(() => addressText(toAddress(address)));
    await this.#change(name, { type: "replaceServer", id, by, address: place }, options);
    await this.#whileLeader(name, isReplaced(this.#engine.node, name, id, by), options);
  }

  /**
   * Removes a member or a learner. A leader that removes itself stops leading. Only the leader accepts this call.
   *
   * @param id The replica. Stop it afterwards, and never start it again.
   * @param options A signal that ends the wait.
   * @returns When the change is committed.
   * @throws {ReplicaError} As {@link Replica.addMember}.
   */
  async removeMember(id: NodeId, options: WaitOptions = {}): Promise<void> {
    await this.#change("remove a member", { type: "removeServer", id }, options);
  }

  /**
   * Transfers the leadership to another member. If the target fails, the members may elect a third one.
   *
   * @param target The member. Default: the one with the most of the log.
   * @param options A signal that ends the wait.
   * @returns Resolves when another replica leads.
   * @throws {ReplicaError} `NOT_LEADER`. `TIMEOUT` if the target has not taken over within 10 ticks, so that this
   * replica remains the leader, or if this replica no longer leads and learns of no other leader. `INVALID_ARGUMENT` if
   * there is no other member. `CLOSED`.
   */
  async transferLeadership(target?: NodeId, { signal }: WaitOptions = {}): Promise<void> {
    const name = "transfer the leadership";
    signal?.throwIfAborted();
    this.#requireRunning(name);
    const { node, transport } = this.#engine;
    // The node refuses this if it does not lead or has no other member.
    const successor = target ?? successorOf(node, transport) ?? node.id;
    await this.#engine.request({ type: "transferLeadership", target: successor }).catch((error) => {
      throw this.#failed(name, error, "not-applied");
    });
    const deadline = performance.now() + this.#options.timeoutMilliseconds;
    await this.#engine.conditions.wait(name, () => {
      if (node.leader !== null && node.leader !== node.id) return true;
      const isOver = node.isLeader ? node.status().transferTarget === null : performance.now() > deadline;
      if (!isOver) return false;
      const outcome = node.isLeader ? "not-applied" : "unknown";
      throw new ReplicaError("TIMEOUT", outcome, `Cannot ${name}: replica ${successor} did not take over in time`);
    }, signal);
  }

  /**
   * Describes the replica for people and monitoring. A leader also describes the other replicas.
   *
   * @returns The values of this moment.
   */
  status(): ReplicaStatus {
    return this.#engine.status();
  }

  /**
   * The metrics of the replica and of its log, for `prometheusText`.
   *
   * @param name The value of the label `log` of all samples.
   * @returns The metrics.
   */
  metrics(name: string): Metric[] {
    return [...this.#log.metrics(name), ...replicaMetrics(name, this.status(), this.#engine.counts)];
  }

  /**
   * Closes the replica. A leader transfers its leadership first. Waiting calls get some time to complete; the others
   * reject with `CLOSED`, and their `outcome` says whether they may have been applied. Everything committed stays in
   * the log.
   *
   * @returns Resolves when no call of the state machine is under way and everything is closed. A call that never ends
   * prevents that, so `snapshot` must heed its signal. After `fatal`, this resolves too.
   * @throws {WalLogError} `POISONED` or `IO` if the log fails while it is closed, and no `fatal` event has said so.
   */
  async close(): Promise<void> {
    await this.#engine.close();
  }

  /** Closes the replica at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Changes the membership, and waits until the change is committed. A change that cannot begin yet is tried again. */
  async #change(
    name: string,
    event: RaftEvent,
    options: WaitOptions,
    { refused = "not-applied", isKnown = () => true }: { refused?: Outcome; isKnown?: () => boolean } = {},
  ): Promise<void> {
    const { node } = this.#engine;
    for (;;) {
      options.signal?.throwIfAborted();
      this.#requireRunning(name, refused);
      if (!isKnown()) throw cancelled(name);
      const step = this.#engine.request(event);
      // The step is taken already. When it is durable, the log may have an entry of another leader there.
      const { lastIndex, lastTerm } = node.log;
      const failure = await step.then(() => undefined, (error) => this.#failed(name, error, refused));
      if (failure === undefined) {
        return await this.#whileLeader(name, isCommitted(node, name, lastIndex, lastTerm), options);
      }
      if (failure.code !== "CONFIG_IN_PROGRESS") throw failure;
      const next = performance.now() + this.#options.tickMilliseconds;
      await this.#whileLeader(name, () => performance.now() >= next, options);
    }
  }

  /** Waits for a condition as long as this replica leads. */
  async #whileLeader(name: string, isDone: () => boolean, { signal }: WaitOptions): Promise<void> {
    const { node, conditions } = this.#engine;
    await conditions.wait(name, () => {
      if (isDone()) return true;
      if (node.isLeader) return false;
      throw notLeader(name, node.leader);
    }, signal);
  }

  /** The error of a call whose step was rejected. */
  #failed(name: string, error: unknown, refused: Outcome): ReplicaError {
    if (isRefusal(error)) return refusal(error, refused);
    // The replica was closed, or failed, during the step. The entry may be in the log.
    return ended(name, "unknown", this.#engine.failure);
  }

  #requireRunning(name: string, outcome: Outcome = "not-applied"): void {
    if (!this.#engine.isRunning) throw ended(name, outcome, this.#engine.failure);
  }
}
