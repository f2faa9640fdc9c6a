/**
 * Steps whose actions wait for a flush.
 *
 * @module
 */

import type { WalLogError } from "../api/errors.ts";
import { addActions, isHeartbeat, mergeSends, takeAhead } from "./merging.ts";
import type { RaftState } from "./state.ts";
import type { Action } from "./types.ts";

/** A step that has happened, and whose actions wait for a flush. */
interface WaitingStep {
  readonly actions: Action[];
  /** The number of writes up to this step. */
  readonly written: number;
  readonly resolve: (actions: Action[]) => void;
  readonly reject: (error: unknown) => void;
}

/** What a node does about flushes. */
interface FlushListener {
  /** Takes note of a flush by a leader that sends ahead; returns what is to be done. */
  readonly flushed: () => Action[];
  /** Ends the node after a flush that failed; returns the error for all steps. */
  readonly failed: (error: unknown) => WalLogError;
  /** What has ended the node; `undefined` if nothing has. */
  readonly failure: () => WalLogError | undefined;
}

/** Flushes what steps have written, and hands out their actions in the order of the steps. */
export class FlushQueue {
  readonly #state: RaftState;
  readonly #listener: FlushListener;
  #waiting: WaitingStep[] = [];
  #isFlushing = false;
  /** Steps whose caller has not been told of their end. */
  #underWay = 0;

  /**
   * Makes an empty queue.
   *
   * @param state The node.
   * @param listener Told of flushes.
   */
  constructor(state: RaftState, listener: FlushListener) {
    this.#state = state;
    this.#listener = listener;
  }

  /** Whether there are steps whose actions were not handed out. */
  get isBusy(): boolean {
    return this.#underWay > 0;
  }

  /**
   * Hands out a step's actions after the next flush.
   *
   * @param actions The actions.
   * @returns Resolves to them, and to what the flush has brought about. Rejects if the flush fails.
   */
  add(actions: Action[]): Promise<Action[]> {
    const { promise, resolve, reject } = Promise.withResolvers<Action[]>();
    this.#waiting.push({ actions, written: this.#state.writer.written, resolve, reject });
    this.#underWay++;
    if (!this.#isFlushing) void this.#flush();
    // It does not wait for the next flush, and comes behind the entries that it speaks of.
    else if (actions.some(isHeartbeat)) this.#sendAhead(this.#waiting);
    return promise;
  }

  /**
   * Hands out actions when everything is durable that was written up to their step: not only what the step wrote
   * itself, for it may depend on what an earlier one did.
   */
  async #flush(): Promise<void> {
    this.#isFlushing = true;
    while (this.#waiting.length > 0) {
      await undefined; // Steps given one after another share a flush.
      const steps = this.#waiting;
      this.#waiting = [];
      try {
        await this.#flushAhead(steps);
        // Nothing may be applied behind a snapshot that the application could not restore.
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
        // Not now: just before whoever waits for these goes on, which whatever is queued by now does first.
        queueMicrotask(() => this.#underWay--);
        resolve(actions);
      }
    }
    this.#isFlushing = false;
  }

  /**
   * Flushes, and lets a leader send ahead of it.
   *
   * @param steps The steps that the flush is for. Those that come during it and depend on nothing newer are added.
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
    // What was committed since comes later, behind what waiting steps have handed out already.
    const hasMore = this.#waiting.some(({ actions }) => actions.some(({ type }) => type !== "send"));
    const last = hasMore ? this.#waiting.at(-1)! : steps.at(-1)!;
    addActions(last.actions, this.#listener.flushed());
  }

  /**
   * Hands out what a leader may send before its flush is done: the entries, heartbeats and snapshots of terms in which it
   * is the leader for certain, because its vote for itself is durable.
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
      // A message can get lost. The node must not fail for it, and the application must hear of it.
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}
