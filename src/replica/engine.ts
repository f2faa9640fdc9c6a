/**
 * Runs a node: its log, its transport, its clock, and its actions in their order.
 *
 * @module
 */

import { setImmediate as nextTurn } from "node:timers/promises";
import { WalLogError } from "../api/errors.ts";
import type { Index, NodeId } from "../api/types.ts";
import type { WalLog } from "../api/wal_log.ts";
import { free } from "../io/free.ts";
import { isPiece } from "../raft/messages.ts";
import { type Action, type RaftEvent, RaftNode, type SendAction, TcpTransport } from "../raft/mod.ts";
import { Applier } from "./applier.ts";
import { Conditions } from "./conditions.ts";
import { isRefusal, restoreFailure } from "./errors.ts";
import { publishEvent, type ReplicaEvent } from "./events.ts";
import { nodeConfig, successorOf } from "./node_config.ts";
import { type CheckedReplicaOptions, parseAddress, type ReplicaTransport } from "./options.ts";
import { Proposals } from "./proposals.ts";
import { Reads } from "./reads.ts";
import { Snapshots } from "./snapshots.ts";
import type { ReplicaCounts, ReplicaStatus } from "./status.ts";

/** The longest time that `close` waits for calls, and for another leader. In ticks. */
const CLOSE_TICKS = 40;

/** A running node. */
export class Engine<R> {
  readonly node: RaftNode;
  readonly proposals: Proposals<R>;
  readonly reads: Reads;
  readonly conditions: Conditions = new Conditions();
  readonly transport: ReplicaTransport;
  readonly #options: CheckedReplicaOptions<R>;
  readonly #log: WalLog;
  readonly #snapshots: Snapshots;
  readonly #applier: Applier<R>;
  readonly #counts = { leaderChanges: 0, snapshotsMade: 0, snapshotsFailed: 0, snapshotsRestored: 0 };
  #state: ReplicaStatus["state"] = "running";
  #failure: WalLogError | undefined;
  #clock: ReturnType<typeof setInterval> | undefined;
  #ended: Promise<void> | undefined;
  #hasMore = false;
  /** The highest commit index that this replica has sent as the leader. */
  #announced: Index = 0;
  #isAnnouncing = false;

  /**
   * @param options The replica's options.
   * @param log Its log.
   * @param transport Its transport.
   */
  constructor(options: CheckedReplicaOptions<R>, log: WalLog, transport: ReplicaTransport) {
    this.#options = options;
    this.#log = log;
    this.transport = transport;
    this.node = RaftNode.withLog(nodeConfig(options, (send) => this.#send(send)), log);
    this.proposals = new Proposals({
      node: () => this.node,
      carryOut: (actions) => void this.#carryOut(actions).catch((error) => this.#fail(error)),
      forward: (command, id) => this.request({ type: "propose", command, id }),
      appliedIndex: () => this.#applier.appliedIndex,
    });
    this.reads = new Reads({ ask: (id) => this.request({ type: "readIndex", id }) });
    this.#snapshots = new Snapshots(options.stateMachine, {
      meta: (index) => this.node.snapshotMeta(index),
      create: (meta) => log.createSnapshotTarget(meta),
      install: (data) => this.request({ type: "snapshot", index: data.index, data }),
      emit: (event) => this.emit(event),
    }, options);
    this.#applier = new Applier(options.stateMachine, this.#snapshots, {
      commandAt: (index) => log.firstIndex > index ? undefined : log.entry(index)?.command,
      applied: (index, term, result) => this.proposals.applied(index, term, result),
      restored: (index) => this.#restored(index),
      drained: () => void this.#applyMore(),
      failed: (error) => this.#fail(error),
    });
  }

  /** Restores the log's snapshot, and starts the node. */
  async start(): Promise<void> {
    // A damaged snapshot is fetched from another replica.
    const isLost = this.#log.damaged.some(({ kind }) => kind === "snapshot");
    const source = isLost ? undefined : this.#log.openSnapshotSource();
    if (source !== undefined) {
      const { index } = source;
      await this.#applier.begin(source).catch((error) => {
        throw restoreFailure(index, error);
      });
    }
    await this.transport.start(
      (message, origin) => this.#tell({ type: "message", message, origin }),
      () => this.#log.identity,
    );
    for (const [id, address] of this.#options.peers) if (id !== this.node.id) this.transport.setPeer?.(id, address);
    this.#learnAddresses();
    this.#clock = setInterval(() => this.#tick(), this.#options.tickMilliseconds);
  }

  /** Whether the replica accepts calls. */
  get isRunning(): boolean {
    return this.#state === "running";
  }

  /** The failure that ended the replica. */
  get failure(): WalLogError | undefined {
    return this.#failure;
  }

  /** The counts since the start. */
  get counts(): ReplicaCounts {
    return { ...this.#counts, proposals: this.proposals.counts, reads: this.reads.answered };
  }

  /** Describes the replica. */
  status(): ReplicaStatus {
    return {
      ...this.node.status(),
      ...{ state: this.#state, failure: this.#failure, members: this.node.members, learners: this.node.learners },
      addresses: this.node.addresses,
      ...{ appliedIndex: this.#applier.appliedIndex, waitingCommands: this.#applier.waiting },
      ...{ waitingProposals: this.proposals.size, waitingReads: this.reads.size },
      isSnapshotting: this.#snapshots.isRunning,
      log: this.#log.stats(),
    };
  }

  /** Emits an event to the application, and counts it. */
  emit(event: ReplicaEvent): void {
    if (event.type === "leaderChanged") this.#counts.leaderChanges++;
    else if (event.type === "snapshotMade") this.#counts.snapshotsMade++;
    else if (event.type === "snapshotFailed") this.#counts.snapshotsFailed++;
    else if (event.type === "snapshotRestored") this.#counts.snapshotsRestored++;
    publishEvent({ path: this.#options.folder, id: this.#options.id, event });
    try {
      this.#options.onEvent(event);
    } catch (error) {
      // The replica continues. The application gets the error as an uncaught exception.
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  /**
   * Takes a step, and carries out its actions.
   *
   * @param event The event.
   * @returns When they are carried out. Rejects if the node refuses the event, or has ended.
   */
  async request(event: RaftEvent): Promise<void> {
    try {
      await this.#carryOut(this.node.stepAsync(event));
    } catch (error) {
      if (!isRefusal(error)) this.#fail(error);
      throw error;
    }
  }

  /** Takes a step without a caller. A refused message has changed nothing. */
  async #tell(event: RaftEvent): Promise<void> {
    if (this.#state === "closed" || this.#state === "failed") return;
    try {
      await this.#carryOut(this.node.stepAsync(event));
    } catch (error) {
      if (!isRefusal(error)) this.#fail(error);
    }
  }

  #tick(): void {
    void this.#tell({ type: "tick" });
    this.#snapshots.tick();
    this.proposals.check();
    this.reads.check();
    this.conditions.check();
  }

  /** Carries out the actions of a step. Steps finish in order, and the loop over the actions does not yield. */
  async #carryOut(step: Promise<Action[]>): Promise<void> {
    for (const action of await step) this.#act(action);
    this.conditions.check();
    void this.#announceCommit();
  }

  #send({ to, message }: SendAction): void {
    if (message.type === "appendEntries") this.#announced = Math.max(this.#announced, message.leaderCommit);
    this.transport.send(to, message);
    // This transport has encoded it. Others may hold it.
    if (this.transport instanceof TcpTransport && isPiece(message)) free(message.snapshot.data);
  }

  /**
   * Sends a new commit index to the other replicas, unless messages with entries already have. Otherwise their callers
   * would wait for the next heartbeat.
   */
  async #announceCommit(): Promise<void> {
    const { node } = this;
    const isDue = () => node.isLeader && node.commitIndex > this.#announced && this.#state !== "failed";
    if (this.#isAnnouncing || !isDue()) return;
    this.#isAnnouncing = true;
    await nextTurn();
    this.#isAnnouncing = false;
    if (!isDue()) return;
    // Once for each commit index, also if nobody is there to hear of it.
    this.#announced = node.commitIndex;
    await this.#tell({ type: "heartbeat" });
  }

  #act(action: Action): void {
    switch (action.type) {
      case "send":
        return this.#send(action);
      case "apply":
        return this.#applier.apply(action.index, action.term, action.command);
      case "restoreSnapshot":
        return this.#applier.restore(action.index, action.source);
      case "proposed":
        return this.proposals.proposed(action);
      case "proposalFailed":
        return this.proposals.failed(action);
      case "readReady":
        return this.#applier.call(() => this.reads.ready(action.id));
      case "readFailed":
        return this.reads.failed(action.id);
      case "moreToApply":
        this.#hasMore = true;
        if (this.#applier.waiting === 0) void this.#applyMore();
        return;
      case "membershipChanged":
        this.#learnAddresses();
        return this.emit({ type: "membersChanged", members: action.members, learners: action.learners ?? [] });
      case "leaderChanged":
        this.emit(action);
        // Calls that wait for a leader can continue.
        this.proposals.check();
        return this.reads.check();
      case "snapshot":
        // Another replica has a damaged snapshot, and needs a newer one than the log has. It asks repeatedly.
        return this.#applier.call(() => this.#snapshots.begin());
      case "transferFailed":
        // The call sees it in the node's status.
        return;
      case "logFailed":
      case "memberLost":
      case "refused":
        return this.emit(action);
      default:
        return unknownAction(action);
    }
  }

  /** Gives the transport the addresses that the log has. */
  #learnAddresses(): void {
    for (const [id, address] of this.node.addresses) {
      const place = parseAddress(address);
      if (place !== undefined && id !== this.node.id) this.transport.setPeer?.(id, place);
    }
  }

  /** Asks for more commands once the state machine has applied those before. */
  async #applyMore(): Promise<void> {
    if (!this.#hasMore) return;
    this.#hasMore = false;
    await nextTurn();
    await this.#tell({ type: "applyMore" });
  }

  #restored(index: number): void {
    this.proposals.restored(index);
    this.emit({ type: "snapshotRestored", index });
  }

  /** Ends the replica after a failure. */
  #fail(error: unknown): void {
    if (this.#state === "closed" || this.#state === "failed") return;
    this.#failure = error instanceof WalLogError
      ? error
      : new WalLogError("POISONED", `Cannot go on: ${String(error)}; start the replica again`, { cause: error });
    this.#state = "failed";
    this.#ended = this.#end(this.#failure).catch(() => {});
    this.emit({ type: "fatal", error: this.#failure });
  }

  /**
   * Closes the replica. A leader transfers its leadership first. Waiting calls get up to 40 ticks.
   *
   * @returns Resolves when everything is closed, also after a failure. Rejects if the log fails while it is closed.
   */
  async close(): Promise<void> {
    if (this.#state === "running") {
      this.#state = "closing";
      this.#ended = this.#leave();
    }
    await this.#ended;
    // It may have failed meanwhile.
    await this.#ended;
  }

  async #leave(): Promise<void> {
    const { node } = this;
    const tried = new Set<NodeId>();
    const isWaiting = () => this.proposals.size + this.reads.size > 0 || tried.size > 0 && node.leader === null;
    for (let tick = 0; tick < CLOSE_TICKS && this.#state === "closing"; tick++) {
      if (node.isLeader) {
        const isTransferring = node.status().transferTarget !== null;
        if (!isTransferring && !await this.#handOver(tried) && !isWaiting()) break;
      } else if (!isWaiting()) break;
      await new Promise((resolve) => setTimeout(resolve, this.#options.tickMilliseconds));
    }
    if (this.#state !== "closing") return;
    this.#state = "closed";
    await this.#end(undefined);
  }

  /** Begins to transfer the leadership to the best member that was not tried yet. Returns whether there is one. */
  async #handOver(tried: Set<NodeId>): Promise<boolean> {
    const target = successorOf(this.node, this.transport, tried);
    if (target === undefined) return false;
    tried.add(target);
    await this.request({ type: "transferLeadership", target }).catch(() => {});
    return true;
  }

  /** Ends everything. Entries written to the log stay in it. */
  async #end(cause: WalLogError | undefined): Promise<void> {
    clearInterval(this.#clock);
    for (const calls of [this.proposals, this.reads, this.conditions]) calls.end(cause);
    const ends = await Promise.allSettled([this.transport.close(), this.#snapshots.stop(), this.#applier.stop()]);
    await this.#log.close();
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }
}

/** Does not compile if the engine ignores a type of action. */
function unknownAction(action: never): never {
  throw new TypeError(`Cannot carry out the action ${JSON.stringify(action)}`);
}
