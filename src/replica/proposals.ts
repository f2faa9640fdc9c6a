/**
 * Pending commands, from the call to the answer of the state machine.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Index, Term } from "../api/types.ts";
import type { Action, Proposal, ProposalFailedAction, ProposedAction, RaftNode } from "../raft/mod.ts";
import type { Result } from "./applier.ts";
import { isRefusal, refusal, ReplicaError } from "./errors.ts";
import { ended, Request } from "./request.ts";

const ATTEMPT = "propose a command";
/** The most results of applied commands that are kept until the leader reports the places of forwarded ones. */
const RESULTS_MAX = 10_000;

/** A command that waits for its answer. */
interface Waiting<R> extends Request<R> {
  readonly entry: Uint8Array<ArrayBuffer>;
  /** Whether it can be proposed again although it may have been applied. */
  readonly isIdentified: boolean;
  /** Its place in the log; `undefined` if it has none. */
  place: { readonly index: Index; readonly term: Term } | undefined;
  /** Whether an earlier attempt may have been applied. */
  isUnknown: boolean;
}

/** The part of the replica that proposals use. */
export interface ProposalHost {
  readonly node: () => RaftNode;
  /** Carries out a step's actions. */
  readonly carryOut: (actions: Promise<Action[]>) => void;
  /** Forwards a command to the leader, under a number. Rejects if the node refuses. */
  readonly forward: (command: Uint8Array, id: number) => Promise<void>;
  /** The last index that the state machine has applied. */
  readonly appliedIndex: () => Index;
}

/** Counts of proposals by their result. */
export interface ProposalCounts {
  applied: number;
  notApplied: number;
  unknown: number;
}

/** Commands that wait. */
export class Proposals<R> {
  readonly counts: ProposalCounts = { applied: 0, notApplied: 0, unknown: 0 };
  readonly #host: ProposalHost;
  /**
   * Commands in the log, by index. Several leaders can have appended entries at the same index. It is unknown which of
   * them is committed until one is applied.
   */
  readonly #placed: Map<Index, readonly Waiting<R>[]> = new Map();
  /** Commands that wait for a leader. */
  readonly #unsent: Set<Waiting<R>> = new Set();
  /** Forwarded commands whose place in the log the leader has not reported yet. */
  readonly #forwarded: Map<number, Waiting<R>> = new Map();
  #lastForwarded = 0;
  /**
   * Results that may belong to forwarded commands, by index. A command can be applied before the leader's reply
   * arrives.
   */
  readonly #results: Map<Index, { readonly term: Term; readonly result: Result<R> }> = new Map();

  /** @param host The replica. */
  constructor(host: ProposalHost) {
    this.#host = host;
  }

  /** The number of commands that wait. */
  get size(): number {
    return this.#placedOnes().length + this.#unsent.size + this.#forwarded.size;
  }

  /**
   * Proposes a command.
   *
   * @param entry The encoded command.
   * @param options Whether it has an id, and the longest wait.
   * @returns The state machine's answer.
   */
  add(
    entry: Uint8Array<ArrayBuffer>,
    { isIdentified, timeout, signal }: {
      readonly isIdentified: boolean;
      readonly timeout: number;
      readonly signal: AbortSignal | undefined;
    },
  ): Promise<R> {
    const request = new Request<R>(timeout, signal);
    const waiting: Waiting<R> = Object.assign(request, { entry, isIdentified, place: undefined, isUnknown: false });
    if (!waiting.isSettled) this.#submit(waiting);
    return waiting.promise;
  }

  /** Proposes a command on this node, forwards it to the leader, or lets it wait for one. */
  #submit(waiting: Waiting<R>): void {
    this.#unsent.delete(waiting);
    const node = this.#host.node();
    if (!node.isLeader && node.leader !== null) return this.#forward(waiting);
    let proposal: Proposal<Promise<Action[]>>;
    try {
      proposal = node.proposeAsync(waiting.entry);
    } catch (error) {
      return this.#refused(waiting, error);
    }
    const { index, term, actions } = proposal;
    this.#place(waiting, index, term);
    this.#host.carryOut(actions);
  }

  #forward(waiting: Waiting<R>): void {
    const id = ++this.#lastForwarded;
    this.#forwarded.set(id, waiting);
    this.#host.forward(waiting.entry, id).catch((error) => {
      if (this.#forwarded.delete(id)) this.#refused(waiting, error);
    });
  }

  /** Processes a rejected command. It waits if there is no leader, or during a transfer of leadership. */
  #refused(waiting: Waiting<R>, error: unknown): void {
    if (error instanceof WalLogError && error.code === "NOT_LEADER") return void this.#unsent.add(waiting);
    this.#reject(waiting, refusal(error, outcomeOf(waiting)));
    // After an error that is not a refusal, the replica cannot continue.
    if (!isRefusal(error)) this.#host.carryOut(Promise.reject(error));
  }

  #place(waiting: Waiting<R>, index: Index, term: Term): void {
    waiting.place = { index, term };
    this.#placed.set(index, [...this.#placed.get(index) ?? [], waiting]);
  }

  /** Removes a command from its place. */
  #unplace(waiting: Waiting<R>): void {
    const { index } = waiting.place!;
    const others = this.#placed.get(index)!.filter((one) => one !== waiting);
    if (others.length === 0) this.#placed.delete(index);
    else this.#placed.set(index, others);
  }

  #placedOnes(): Waiting<R>[] {
    return [...this.#placed.values()].flat();
  }

  /** Takes the place of a forwarded command from the leader. */
  proposed({ id, index, term }: ProposedAction): void {
    const waiting = this.#takeForwarded(id);
    if (waiting === undefined) return;
    const known = this.#results.get(index);
    this.#place(waiting, index, term);
    if (known !== undefined) return this.applied(index, known.term, known.result);
    if (index > this.#host.appliedIndex()) return;
    // It was applied, or a snapshot includes it, but its result is not kept.
    this.#unplace(waiting);
    this.#again(waiting, true);
  }

  /** Processes a forwarded command that the leader has refused, or whose outcome is unknown. */
  failed({ id, outcome, code }: ProposalFailedAction): void {
    const waiting = this.#takeForwarded(id);
    if (waiting === undefined) return;
    if (outcome === "unknown" || code === null || code === "NOT_LEADER") {
      return this.#again(waiting, outcome === "unknown");
    }
    this.#reject(
      waiting,
      new ReplicaError(code, outcomeOf(waiting), `Cannot ${ATTEMPT}: the leader refuses it: ${code}`),
    );
  }

  #takeForwarded(id: number): Waiting<R> | undefined {
    const waiting = this.#forwarded.get(id);
    this.#forwarded.delete(id);
    return waiting;
  }

  /** A command was applied. */
  applied(index: Index, term: Term, result: Result<R>): void {
    const placed = this.#placed.get(index) ?? [];
    this.#placed.delete(index);
    const waiting = placed.find(({ place }) => place!.term === term);
    // A committed entry is final, so other entries at its index will not be applied.
    for (const other of placed) if (other !== waiting) this.#again(other, false);
    if (waiting === undefined) return this.#keep(index, term, result);
    if (result.type === "answer") {
      if (!waiting.isSettled) this.counts.applied++;
      return waiting.resolve(result.answer);
    }
    this.#reject(waiting, result.type === "lost" ? answerLost() : stale(result.last));
  }

  #keep(index: Index, term: Term, result: Result<R>): void {
    if (this.#forwarded.size === 0) return this.#results.clear();
    this.#results.set(index, { term, result });
    if (this.#results.size > RESULTS_MAX) this.#results.delete(this.#results.keys().next().value!);
  }

  /** A leader's snapshot has replaced entries. It does not have the answers to their commands. */
  restored(upTo: Index): void {
    for (const [index, placed] of this.#placed) {
      if (index > upTo) continue;
      this.#placed.delete(index);
      for (const waiting of placed) this.#again(waiting, true);
    }
  }

  /** Proposes a command again, if it cannot happen twice. */
  #again(waiting: Waiting<R>, isUnknown: boolean): void {
    waiting.place = undefined;
    waiting.isUnknown ||= isUnknown;
    if (waiting.isSettled) return;
    if (!waiting.isUnknown || waiting.isIdentified) this.#unsent.add(waiting);
    else this.#reject(waiting, new ReplicaError("TIMEOUT", "unknown", lostSight()));
  }

  /** Finds commands that will not be applied or have waited too long, and proposes waiting commands again. */
  check(): void {
    const node = this.#host.node();
    const now = performance.now();
    const committedTerm = this.#placed.size === 0 ? 0 : node.log.termAt(node.commitIndex) ?? 0;
    for (const waiting of this.#placedOnes()) {
      if (isReplaced(node, committedTerm, waiting.place!)) {
        this.#unplace(waiting);
        this.#again(waiting, false);
      } else if (waiting.isSettled || waiting.deadline <= now) {
        this.#unplace(waiting);
        waiting.isUnknown = true;
        this.#giveUp(waiting);
      }
    }
    for (const [id, waiting] of this.#forwarded) {
      if (!waiting.isSettled && waiting.deadline > now) continue;
      this.#forwarded.delete(id);
      waiting.isUnknown = true;
      this.#giveUp(waiting);
    }
    for (const waiting of [...this.#unsent]) {
      if (!waiting.isSettled && waiting.deadline > now) this.#submit(waiting);
      else {
        this.#unsent.delete(waiting);
        this.#giveUp(waiting);
      }
    }
  }

  #giveUp(waiting: Waiting<R>): void {
    const reason = waiting.isUnknown ? "it was not committed in time" : "no leader was found in time";
    this.#reject(waiting, new ReplicaError("TIMEOUT", outcomeOf(waiting), `Cannot ${ATTEMPT}: ${reason}`));
  }

  /** Rejects all waiting commands, because the replica ends. */
  end(cause: unknown): void {
    const sent = [...this.#placedOnes(), ...this.#forwarded.values()];
    for (const waiting of sent) waiting.isUnknown = true;
    for (const waiting of [...sent, ...this.#unsent]) {
      this.#reject(waiting, ended(ATTEMPT, outcomeOf(waiting), cause));
    }
    this.#placed.clear();
    this.#forwarded.clear();
    this.#unsent.clear();
  }

  #reject(waiting: Waiting<R>, error: ReplicaError): void {
    if (waiting.isSettled) return;
    if (error.outcome === "not-applied") this.counts.notApplied++;
    else this.counts.unknown++;
    waiting.reject(error);
  }
}

/**
 * Whether an entry will not be applied, because another one is committed at its index, or an entry of a later term
 * before it. Terms never decrease along a log.
 */
function isReplaced(node: RaftNode, committedTerm: Term, { index, term }: { index: Index; term: Term }): boolean {
  if (index > node.commitIndex) return committedTerm > term;
  const found = node.log.termAt(index);
  return found !== undefined && found !== term;
}

function outcomeOf({ isUnknown }: { readonly isUnknown: boolean }): "not-applied" | "unknown" {
  return isUnknown ? "unknown" : "not-applied";
}

function lostSight(): string {
  return `Cannot ${ATTEMPT}: the leader has changed, and it is not known whether the command was applied`;
}

function answerLost(): ReplicaError {
  return new ReplicaError(
    "ANSWER_LOST",
    "applied",
    `Cannot ${ATTEMPT} again: it was applied earlier, and its answer is no longer kept`,
  );
}

function stale(last: number): ReplicaError {
  return new ReplicaError(
    "STALE_SEQUENCE",
    "unknown",
    `Cannot ${ATTEMPT}: the client's command with sequence ${last} was applied already; use a higher sequence for a new command`,
  );
}
