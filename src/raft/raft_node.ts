/**
 * A node of a Raft cluster.
 *
 * @module
 */

import { WalLogError, type WalLogErrorCode } from "../api/errors.ts";
import { MemoryLog } from "../api/memory_log.ts";
import type { Index, NodeId, RaftLog, SnapshotMeta, Term } from "../api/types.ts";
import { checkEvent } from "./check_event.ts";
import { checkConfig } from "./config.ts";
import { FlushQueue } from "./flush_queue.ts";
import { findDamage } from "./healing.ts";
import { ownMeta } from "./own_snapshots.ts";
import type { RaftConfig } from "./raft_config.ts";
import { announceLeader } from "./role.ts";
import { RaftState } from "./state.ts";
import { type RaftStatus, statusOf } from "./status.ts";
import { countOwn, stepEvent } from "./step.ts";
import type { Action, Role } from "./actions.ts";
import type { Proposal, RaftEvent } from "./types.ts";

/** Codes of errors that reject an event and leave the node unchanged. Any other error ends the node. */
const REFUSALS: ReadonlySet<WalLogErrorCode> = new Set([
  "NOT_LEADER",
  "OVERLOADED",
  "CONFIG_IN_PROGRESS",
  "ENTRY_TOO_LARGE",
  "INVALID_ARGUMENT",
]);

/**
 * A node of a Raft cluster: a state machine without a clock, a socket, or randomness other than its seed. The
 * application passes events to {@link RaftNode.step} or {@link RaftNode.stepAsync}, and carries out the returned
 * actions in order.
 *
 * @example A cluster of one node elects itself, and commits by itself.
 * ```ts
 * import { RaftNode } from "@wallog/wallog/raft";
 * import assert from "node:assert/strict";
 *
 * const node = new RaftNode({ id: 1n });
 * while (!node.isLeader) node.step({ type: "tick" });
 * const command = new TextEncoder().encode("x = 1");
 * assert.deepEqual(node.step({ type: "propose", command }), [{ type: "apply", index: 1, term: 1, command }]);
 * ```
 */
export class RaftNode {
  readonly #state: RaftState;
  #failure: WalLogError | undefined;
  /** Steps of `stepAsync`. */
  readonly #queue: FlushQueue;

  /**
   * Makes a node for tests. Its default log does not survive the process.
   *
   * @param config The node's configuration.
   * @param log Its log. Default: an empty `MemoryLog`.
   * @throws {WalLogError} `INVALID_ARGUMENT`; any error from reading the log.
   */
  constructor(config: RaftConfig, log: RaftLog = new MemoryLog()) {
    const s = this.#state = new RaftState(checkConfig(config), log);
    s.fail = (cause) => this.#fail(cause);
    s.healing = findDamage(s, s.membership.unreadable);
    const flushed = () => this.#collect(true, false, countOwn);
    const failed = (error: unknown) => this.#fail(error);
    this.#queue = new FlushQueue(s, { flushed, failed, failure: () => this.#failure });
  }

  /**
   * Makes a node with its log, which may be empty. The state machine begins with the log's snapshot, if there is one,
   * and the node returns the commands after it again.
   *
   * @param config The node's configuration.
   * @param log Its log. From now on, only the node may write to it. The logs of all nodes must accept entries of the
   * same size: a follower rejects a message with a larger entry, and makes no progress. A log that wraps a `WalLog`
   * must pass on `damaged`, `lost`, `repair`, and the options of `setHardState` and `applySnapshot`. Otherwise damage
   * ends the node instead of being repaired.
   * @returns The node, a follower.
   * @throws {WalLogError} `INVALID_ARGUMENT`; any error from reading the log.
   */
  static withLog(config: RaftConfig, log: RaftLog): RaftNode {
    return new RaftNode(config, log);
  }

  /** The id of this node. */
  get id(): NodeId {
    return this.#state.id;
  }

  /** The node's role. */
  get role(): Role {
    return this.#state.role;
  }

  /** Whether the node believes that it is the leader. Another node may already have been elected. */
  get isLeader(): boolean {
    return this.#state.role === "leader";
  }

  /** The latest term that the node has seen. */
  get term(): Term {
    return this.#state.term;
  }

  /** The leader of that term; `null` if the node knows none. */
  get leader(): NodeId | null {
    return this.#state.leader;
  }

  /** The last index that the node knows to be committed. */
  get commitIndex(): Index {
    return this.#state.commitIndex;
  }

  /** The last index that was handed to the application. */
  get lastApplied(): Index {
    return this.#state.lastApplied;
  }

  /** The voting members, ascending, from the latest configuration in the log, committed or not. */
  get members(): readonly NodeId[] {
    return this.#state.members;
  }

  /** The learners, ascending. They get entries, and have no vote. */
  get learners(): readonly NodeId[] {
    return this.#state.membership.latest.learners;
  }

  /** The addresses of members and learners in the latest configuration. */
  get addresses(): ReadonlyMap<NodeId, string> {
    return new Map(this.#state.membership.latest.addresses);
  }

  /**
   * Whether the log is damaged, so that the node must repair it from other nodes. Until then, the node neither votes
   * nor acknowledges anything. It asks only members and the leader. If all members that it knows are gone, pass the
   * present members as `RaftConfig.peers`.
   *
   * - **Damaged entries** are repaired from peers that have them. Entries that cannot be repaired, or that the other
   *   nodes have compacted, wait for a leader's snapshot, and therefore for an undamaged majority.
   * - **A damaged snapshot** is replaced by the snapshot of any node with an undamaged one.
   * - **A lost vote** needs answers from all peers that the node knows, including those that were removed later. None
   *   of them may have lost its own vote.
   * - **A log with an unknown end** cannot be repaired. Remove the node, and add one with a new id and an empty log.
   *
   * The last resort is `WalLog.setHardState` with `force`, for an operator who knows the lost term and vote.
   */
  get isDamaged(): boolean {
    return this.#state.healing !== null;
  }

  /**
   * Describes the node for people and monitoring. A leader also describes its peers.
   *
   * @returns The present values.
   *
   * @example
   * ```ts
   * import { RaftNode } from "@wallog/wallog/raft";
   * import assert from "node:assert/strict";
   *
   * const node = new RaftNode({ id: 1n });
   * while (!node.isLeader) node.step({ type: "tick" });
   * const { role, leader, commitIndex, peers } = node.status();
   * assert.deepEqual({ role, leader, commitIndex, peers }, { role: "leader", leader: 1n, commitIndex: 0, peers: [] });
   * ```
   */
  status(): RaftStatus {
    return statusOf(this.#state);
  }

  /** The node's log. */
  get log(): RaftLog {
    return this.#state.log;
  }

  /**
   * Returns the metadata of a snapshot, for a state that is too large for memory: see `SnapshotEvent.data`.
   *
   * @param index The last index that the snapshot includes.
   * @returns Its index, term, configuration and meta in the node's format; `undefined` if the node has not applied the
   * index, or its log has this snapshot or a later one.
   *
   * @example
   * ```ts
   * import { MemoryLog } from "@wallog/wallog";
   * import { RaftNode } from "@wallog/wallog/raft";
   * import assert from "node:assert/strict";
   *
   * const log = new MemoryLog();
   * const node = RaftNode.withLog({ id: 1n }, log);
   * while (!node.isLeader) node.step({ type: "tick" });
   * node.step({ type: "propose", command: new TextEncoder().encode("x = 1") });
   *
   * const index = node.lastApplied;
   * const target = log.createSnapshotTarget(node.snapshotMeta(index)!);
   * for (const piece of ["x ", "= ", "1"]) target.write(new TextEncoder().encode(piece));
   * node.step({ type: "snapshot", index, data: target });
   * assert.equal(log.snapshotIndex, index);
   * ```
   */
  snapshotMeta(index: Index): SnapshotMeta | undefined {
    return ownMeta(this.#state, index);
  }

  /**
   * Processes an event, and blocks until the writes that the actions depend on are durable.
   *
   * @param event The event.
   * @returns The actions to carry out, in order.
   * @throws {WalLogError} `NOT_LEADER`, `OVERLOADED`, `CONFIG_IN_PROGRESS`, `ENTRY_TOO_LARGE`, `INVALID_ARGUMENT`: the
   * node rejected the event or message, and nothing has changed. `NO_SPACE`: the log has no space, and the request has
   * changed nothing; try again. `BUSY` while a step of {@link RaftNode.stepAsync} is in progress. `POISONED` if the log
   * failed, now or earlier, with that failure as its cause. `DIVERGED` if a leader contradicts a committed entry. After
   * these two, the node rejects every event. A failure that leaves the log unchanged does not end the node: see
   * `LogFailedAction`.
   */
  step(event: RaftEvent): Action[] {
    if (this.#queue.isBusy) {
      throw new WalLogError("BUSY", "Cannot step: steps of stepAsync are under way, and this step would overtake them");
    }
    return this.#run(event, false);
  }

  /**
   * Processes an event at once, and resolves with its actions when the writes that they depend on are durable. Steps
   * taken during a flush share the next flush. Their promises resolve in the order of the steps, and the node merges
   * messages to the same node if possible. The getters show the state after the last step. A crash can undo steps whose
   * promise has not resolved.
   *
   * @param event The event.
   * @returns The actions to carry out, in order. Rejects with the errors of {@link RaftNode.step}.
   */
  stepAsync(event: RaftEvent): Promise<Action[]> {
    try {
      return this.#queue.add(this.#run(event, true));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Proposes a command, as {@link RaftNode.step} does, and returns its index and term in the log.
   *
   * @param command The command, opaque to the node.
   * @returns Its index and term, and the actions to carry out. The command will be applied if and only if an `apply`
   * action has this index and this term. An action with this index and another term shows that the command was lost.
   * @throws {WalLogError} As {@link RaftNode.step}.
   */
  propose(command: Uint8Array): Proposal<Action[]> {
    const actions = this.step({ type: "propose", command });
    return { ...this.#state.proposed, actions };
  }

  /**
   * Proposes a command, as {@link RaftNode.stepAsync} does, and returns its index and term in the log at once.
   *
   * @param command The command, opaque to the node.
   * @returns Its index and term, and the actions to carry out when it is durable on this node: see
   * {@link RaftNode.propose}.
   * @throws {WalLogError} As {@link RaftNode.step}, if the node rejects it. A flush that fails rejects the promise of
   * the actions.
   */
  proposeAsync(command: Uint8Array): Proposal<Promise<Action[]>> {
    const actions = this.#queue.add(this.#run({ type: "propose", command }, true));
    return { ...this.#state.proposed, actions };
  }

  #run(event: RaftEvent, isDeferred: boolean): Action[] {
    if (this.#failure !== undefined) throw this.#failure;
    // A request writes first, so a failed request has changed nothing. A message or a tick may have had effects before
    // it failed.
    const isRequest = event?.type !== "message" && event?.type !== "tick";
    return this.#collect(isDeferred, isRequest, (s) => {
      checkEvent(event);
      stepEvent(s, event);
    });
  }

  /** Runs a part of a step, and returns its actions. */
  #collect(isDeferred: boolean, isRequest: boolean, run: (s: RaftState) => void): Action[] {
    const s = this.#state;
    s.actions = [];
    s.writer.isDeferred = isDeferred;
    try {
      run(s);
    } catch (error) {
      if (error instanceof WalLogError && REFUSALS.has(error.code)) throw error;
      if (!this.#survives(error)) throw this.#fail(error);
      if (isRequest) throw error;
      s.actions.push({ type: "logFailed", error });
    }
    announceLeader(s);
    return s.actions;
  }

  /** Whether the log is unchanged after a failure: it had no space for a write, or a read failed. */
  #survives(error: unknown): error is WalLogError {
    if (!(error instanceof WalLogError) || this.#state.writer.hasFailed) return false;
    return error.code === "NO_SPACE" || error.code === "IO";
  }

  /** Ends the node, unless it has already ended: its state in memory may no longer match its log. */
  #fail(cause: unknown): WalLogError {
    if (cause instanceof WalLogError && cause.code === "DIVERGED") this.#failure ??= cause;
    this.#failure ??= new WalLogError(
      "POISONED",
      `Cannot step: the log of node ${this.id} failed: ${cause instanceof Error ? cause.message : String(cause)}; ` +
        `make a new node over the log opened again`,
      { cause },
    );
    return this.#failure;
  }
}
