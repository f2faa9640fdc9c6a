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

/** Codes of errors that refuse an event and leave the node as it was; any other ends the node. */
const REFUSALS: ReadonlySet<WalLogErrorCode> = new Set([
  "NOT_LEADER",
  "OVERLOADED",
  "CONFIG_IN_PROGRESS",
  "ENTRY_TOO_LARGE",
  "INVALID_ARGUMENT",
]);

/**
 * A node of a Raft cluster: a state machine with no clock, no socket, and no randomness but its seed. The application
 * passes events to {@link RaftNode.step} or {@link RaftNode.stepAsync}, and carries out the returned actions in their
 * order.
 *
 * @example A cluster of one: it elects itself, and commits by itself.
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
   * Makes a node whose state ends with the process: for tests.
   *
   * @param config Its configuration.
   * @param log Its log. Default: an empty `MemoryLog`.
   * @throws {WalLogError} `INVALID_ARGUMENT`, or an error of reading the log.
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
   * Makes a node over its log, or over an empty one. The state machine begins with the log's snapshot, if there is one,
   * and the commands after it are applied again.
   *
   * @param config Its configuration.
   * @param log Its log, which nothing else may write from now on. The logs of all nodes must accept entries of the same
   * size: a follower refuses a message with a larger entry, and cannot continue. A wrapper of a `WalLog` must pass on
   * `damaged`, `lost`, `repair`, and the options of `setHardState` and `applySnapshot`. Otherwise damage ends the node,
   * and it cannot repair its log.
   * @returns The node, a follower.
   * @throws {WalLogError} `INVALID_ARGUMENT`, or an error of reading the log.
   */
  static withLog(config: RaftConfig, log: RaftLog): RaftNode {
    return new RaftNode(config, log);
  }

  /** This node. */
  get id(): NodeId {
    return this.#state.id;
  }

  /** The role of the node. */
  get role(): Role {
    return this.#state.role;
  }

  /** Whether the node leads, as far as it knows. Another node may already lead. */
  get isLeader(): boolean {
    return this.#state.role === "leader";
  }

  /** The latest term that the node has seen. */
  get term(): Term {
    return this.#state.term;
  }

  /** The leader of that term, as far as the node knows. */
  get leader(): NodeId | null {
    return this.#state.leader;
  }

  /** The last index that the node knows to be committed. */
  get commitIndex(): Index {
    return this.#state.commitIndex;
  }

  /** The last index that was passed to the application. */
  get lastApplied(): Index {
    return this.#state.lastApplied;
  }

  /** The voting members in the latest configuration of the log, committed or not. Ascending. */
  get members(): readonly NodeId[] {
    return this.#state.members;
  }

  /** The learners, which get entries and have no vote. Ascending. */
  get learners(): readonly NodeId[] {
    return this.#state.membership.latest.learners;
  }

  /** The addresses of members and learners, as far as the latest configuration has them. */
  get addresses(): ReadonlyMap<NodeId, string> {
    return new Map(this.#state.membership.latest.addresses);
  }

  /**
   * Whether the log is damaged, so that the node must repair it from other nodes. Until then, it neither votes nor
   * acknowledges anything. It asks only members and the leader. If all members that it knows are gone, pass the present
   * ones as `RaftConfig.peers`.
   *
   * - **Damaged entries** are repaired once peers that have them can be reached. Entries that cannot be repaired, or that
   *   the others have compacted, wait for a leader's snapshot, and therefore for an undamaged majority.
   * - **A damaged snapshot** is replaced by that of any node with an undamaged one.
   * - **A lost vote** needs answers from all peers that the node knows, also from those that were removed since. None of
   *   them may have lost its own vote.
   * - **A log with an unknown end** cannot be repaired. Remove the node, and let one with a new id and an empty log join.
   *
   * The last resort is `WalLog.setHardState` with `force`, for an operator who knows the lost term and vote.
   */
  get isDamaged(): boolean {
    return this.#state.healing !== null;
  }

  /**
   * Describes the node for people and monitoring. A leader also describes its peers.
   *
   * @returns The values of this moment.
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
   * The description of a snapshot of the application's state at an index. A snapshot that is too large for memory needs
   * it: see `SnapshotEvent.data`.
   *
   * @param index The last index that the snapshot includes.
   * @returns The snapshot's index, term, configuration and meta; `undefined` if the node has not applied
   * the index, or its log has this snapshot or a later one.
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
   * Processes an event, and blocks until the log is durable as far as the actions need it.
   *
   * @param event The event.
   * @returns The actions to carry out, in order.
   * @throws {WalLogError} `NOT_LEADER`, `OVERLOADED`, `CONFIG_IN_PROGRESS`, `ENTRY_TOO_LARGE`, `INVALID_ARGUMENT`: the
   * event or message is refused, and has changed nothing. `NO_SPACE`: the log has no room, and the request has
   * changed nothing; try again. `BUSY` while a step of {@link RaftNode.stepAsync} is under way.
   * `POISONED` if the log failed, now or earlier, with that failure as its cause. `DIVERGED` if a leader contradicts a
   * committed entry. After these two, the node rejects every event. A failure that leaves the log unchanged does not end
   * the node: see `LogFailedAction`.
   */
  step(event: RaftEvent): Action[] {
    if (this.#queue.isBusy) {
      throw new WalLogError("BUSY", "Cannot step: steps of stepAsync are under way, which this one would overtake");
    }
    return this.#run(event, false);
  }

  /**
   * Processes an event at once, and resolves with its actions when the log is durable as far as they need it. Steps taken
   * during a flush share the next flush. Their actions come in the order of the steps, and messages to the same node are
   * merged if possible. The getters show the state after the last step taken. A crash can undo steps whose promise has
   * not resolved.
   *
   * @param event The event.
   * @returns The actions to carry out, in order. Rejects as {@link RaftNode.step} throws.
   */
  stepAsync(event: RaftEvent): Promise<Action[]> {
    try {
      return this.#queue.add(this.#run(event, true));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Proposes a command, as {@link RaftNode.step} does, and returns its place in the log.
   *
   * @param command The command, opaque to the node.
   * @returns Its index and term, and the actions to carry out. The command will be applied if and only if an `apply`
   * action comes with this index and this term; one with this index and another term means that it will not.
   * @throws {WalLogError} As {@link RaftNode.step}.
   */
  propose(command: Uint8Array): Proposal<Action[]> {
    const actions = this.step({ type: "propose", command });
    return { ...this.#state.proposed, actions };
  }

  /**
   * Proposes a command, as {@link RaftNode.stepAsync} does, and returns its place in the log at once.
   *
   * @param command The command, opaque to the node.
   * @returns Its index and term, and the actions to carry out when it is durable here: see {@link RaftNode.propose}.
   * @throws {WalLogError} As {@link RaftNode.step}, if it is refused. A flush that fails rejects the actions.
   */
  proposeAsync(command: Uint8Array): Proposal<Promise<Action[]>> {
    const actions = this.#queue.add(this.#run({ type: "propose", command }, true));
    return { ...this.#state.proposed, actions };
  }

  #run(event: RaftEvent, isDeferred: boolean): Action[] {
    if (this.#failure !== undefined) throw this.#failure;
    // A request writes first, so that it has changed nothing. A message or a tick may have had effects before it failed.
    const isRequest = event?.type !== "message" && event?.type !== "tick";
    return this.#collect(isDeferred, isRequest, (s) => {
      checkEvent(event);
      stepEvent(s, event);
    });
  }

  /** Runs a part of the node, and returns its actions. */
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

  /** Whether the log is unchanged after a failure: it had no room for a write, or a read failed. */
  #survives(error: unknown): error is WalLogError {
    if (!(error instanceof WalLogError) || this.#state.writer.hasFailed) return false;
    return error.code === "NO_SPACE" || error.code === "IO";
  }

  /** Ends the node, unless it has ended: its state in memory may no longer match its log. */
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
