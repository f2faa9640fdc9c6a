/**
 * Pending linearizable reads.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { refusal, ReplicaError } from "./errors.ts";
import { ended, Request } from "./request.ts";

const ATTEMPT = "read";

/** The part of the replica that reads use. */
export interface ReadHost {
  /**
   * Asks the node, which asks the leader. Rejects with `NOT_LEADER` if it knows no leader, or is a leader that
   * transfers its leadership.
   */
  readonly ask: (id: number) => Promise<void>;
}

/** Pending reads. A read changes nothing, so it is repeated until there is an answer. */
export class Reads {
  /** Reads that were answered. */
  answered = 0;
  readonly #host: ReadHost;
  readonly #asked: Map<number, Request<void>> = new Map();
  readonly #unsent: Set<Request<void>> = new Set();
  #lastId = 0;

  /** @param host The replica. */
  constructor(host: ReadHost) {
    this.#host = host;
  }

  /** The number of reads that wait. */
  get size(): number {
    return this.#asked.size + this.#unsent.size;
  }

  /**
   * Waits until the state includes everything that was acknowledged before this call.
   *
   * @param timeout The longest wait, in milliseconds.
   * @param signal Ends the wait.
   * @returns Resolves when the state includes it.
   */
  add(timeout: number, signal: AbortSignal | undefined): Promise<void> {
    const request = new Request<void>(timeout, signal);
    if (!request.isSettled) this.#submit(request);
    return request.promise;
  }

  #submit(request: Request<void>): void {
    this.#unsent.delete(request);
    const id = ++this.#lastId;
    this.#asked.set(id, request);
    this.#host.ask(id).catch((error) => {
      if (!this.#asked.delete(id)) return;
      const isRefused = error instanceof WalLogError && error.code === "NOT_LEADER";
      if (isRefused) this.#unsent.add(request);
      else request.reject(error instanceof WalLogError ? refusal(error, "not-applied") : error);
    });
  }

  /** The state includes everything that a read must see. */
  ready(id: number): void {
    const request = this.#asked.get(id);
    if (request === undefined) return;
    this.#asked.delete(id);
    this.answered++;
    request.resolve();
  }

  /** The leader cannot answer. */
  failed(id: number): void {
    const request = this.#asked.get(id);
    if (request === undefined) return;
    this.#asked.delete(id);
    this.#unsent.add(request);
  }

  /** Fails reads that have waited too long, and sends those again that had no leader. */
  check(): void {
    const now = performance.now();
    for (const [id, request] of this.#asked) {
      if (!request.isSettled && request.deadline > now) continue;
      this.#asked.delete(id);
      this.#giveUp(request);
    }
    for (const request of [...this.#unsent]) {
      if (!request.isSettled && request.deadline > now) {
        this.#submit(request);
        continue;
      }
      this.#unsent.delete(request);
      this.#giveUp(request);
    }
  }

  #giveUp(request: Request<void>): void {
    request.reject(new ReplicaError("TIMEOUT", "not-applied", `Cannot ${ATTEMPT}: no leader has answered in time`));
  }

  /** Rejects all pending reads, because the replica ends. */
  end(cause: unknown): void {
    for (const request of [...this.#asked.values(), ...this.#unsent]) {
      request.reject(ended(ATTEMPT, "not-applied", cause));
    }
    this.#asked.clear();
    this.#unsent.clear();
  }
}
