/**
 * Holds the actions of steps until a flush.
 *
 * @module
 */

import type { WalLogError } from "../api/errors.ts";
import { addActions, isHeartbeat, mergeSends, takeAhead } from "./merging.ts";
import type { RaftState } from "./state.ts";
import type { Action } from "./actions.ts";

/** A step whose actions wait for a flush. */
interface WaitingStep {
  readonly actions: Action[];
  /** The number of writes up to this step. */
  readonly written: number;
  readonly resolve: (actions: Action[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Connects the queue to its node. */
interface FlushListener {
  /** Called after each flush of a node with `sendAhead`. Returns the actions that follow from it. */
  readonly flushed: () => Action[];
  /** Ends the node after a failed flush. Returns the error with which all steps reject. */
  readonly failed: (error: unknown) => WalLogError;
  /** Returns the error that ended the node; `undefined` if the node has not ended. */
  readonly failure: () => WalLogError | undefined;
}

/** Flushes the writes of steps, and returns their actions in the order of the steps. */
export class FlushQueue {
  readonly #state: RaftState;
  readonly #listener: FlushListener;
  #waiting: WaitingStep[] = [];
  #isFlushing = false;
  /** The number of steps with unsettled promises. */
  #underWay = 0;

  /**
   * Makes an empty queue.
   *
   * @param state The node.
   * @param listener Called after flushes.
   */
  constructor(state: RaftState, listener: FlushListener) {
    this.#state = state;
    this.#listener = listener;
  }

  /** Whether there are steps whose actions were not yet returned. */
  get isBusy(): boolean {
    return this.#underWay > 0;
  }

  /**
   * Returns a step's actions after the next flush.
   *
   * @param actions The actions.
   * @returns A promise of these actions and of those that follow from the flush. Rejects if the flush fails.
   */
  add(actions: Action[]): Promise<Action[]> {
    const { promise, resolve, reject } = Promise.withResolvers<Action[]>();
    this.#waiting.push({ actions, written: this.#state.writer.written, resolve, reject });
    this.#underWay++;
    if (!this.#isFlushing) void this.#flush();
    // A heartbeat does not wait for the next flush. It is sent together with the waiting entries before it.
    else if (actions.some(isHeartbeat)) this.#sendAhead(this.#waiting);
    return promise;
  }

  /**
   * Returns the actions of a step when all writes up to that step are durable. This includes the writes of earlier
   * steps, because the step may depend on them.
   */
  async #flush(): Promise<void> {
    this.#isFlushing = true;
    while (this.#waiting.length > 0) {
      await undefined; // Steps given one after another share a flush.
      const steps = this.#waiting;
      this.#waiting = [];
      try {
        await this.#flushAhead(steps);
        // If the application could not restore a snapshot, it must not apply the entries after it.
        const failure = this.#listener.failure();
        if (failure !== undefined) throw failure;
      } catch (error) {
        const failure = this.#listener.failed(error);
        this.#underWay = 0;
        for (const { reject } of [...steps, ...this.#waiting.splice(0)]) reject(failure);
        break;
      }
      mergeSends(steps.map(({ actions }) => actions), this.#state.config);
      for (const { actions, resolve } of steps) {
        // This must happen just before the caller continues, and after all microtasks that are queued now.
        queueMicrotask(() => this.#underWay--);
        resolve(actions);
      }
    }
    this.#isFlushing = false;
  }

  /**
   * Flushes, and lets a leader send messages before the flush is complete.
   *
   * @param steps The steps of this flush. Steps that arrive during it join if they depend on no later write.
   */
  async #flushAhead(steps: WaitingStep[]): Promise<void> {
    const s = this.#state;
    s.flushingSince = s.now;
    const flush = s.writer.flushAsync();
    this.#sendAhead(steps);
    await flush;
    s.flushingSince = undefined;
    while (this.#waiting.length > 0 && this.#waiting[0]!.written <= s.writer.durable) {
      steps.push(this.#waiting.shift()!);
    }
    if (s.config.sendAhead === undefined) return;
    // The actions of this flush must come after the actions of the waiting steps.
    const hasMore = this.#waiting.some(({ actions }) => actions.some(({ type }) => type !== "send"));
    const last = hasMore ? this.#waiting.at(-1)! : steps.at(-1)!;
    addActions(last.actions, this.#listener.flushed());
  }

  /**
   * Sends the messages that a leader may send before its flush is complete: entries, heartbeats and snapshots. The
   * leader's vote for itself must already be durable. Otherwise, a crash could undo its election.
   */
  #sendAhead(steps: readonly WaitingStep[]): void {
    const { config, role, writer } = this.#state;
    const { sendAhead } = config;
    if (sendAhead === undefined || role !== "leader" || !writer.isStateDurable) return;
    const waiting = steps.map(({ actions }) => actions);
    mergeSends(waiting, config);
    try {
      for (const send of takeAhead(waiting)) sendAhead(send);
    } catch (error) {
      // Raft tolerates a lost message, so the node continues. The application gets the error as an uncaught exception.
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}
