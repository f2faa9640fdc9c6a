/**
 * The accounts on a log: an event is appended, applied, made durable, and only then answered for.
 *
 * @module
 */

import { type RecoveryReport, WalLog, WalLogError, type WalLogOptions, type WalLogStats } from "../../mod.ts";
import { type AccountEvent, Accounts, type Decision, type Receipt } from "./accounts.ts";

/** A server alone has no elections, so that all its entries are of one term. */
const TERM = 1;
/** A restart reads a snapshot and then at most about so many events. Each snapshot costs writing the whole state. */
const EVENTS_PER_SNAPSHOT = 100_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** What became of a request. */
export type Outcome =
  | { readonly verdict: "recorded" | "repeated"; readonly receipt: Receipt }
  | Exclude<Decision, { readonly verdict: "new" | "repeated" }>;

/** How the service is run. */
export interface ServiceOptions {
  /** After how many events a snapshot replaces them. Default: 100,000. */
  readonly eventsPerSnapshot?: number;
  /** Of the log. */
  readonly log?: WalLogOptions;
}

/** Figures for `/stats`. */
export interface ServiceStats extends WalLogStats {
  readonly lastIndex: number;
  readonly durableIndex: number;
  readonly snapshotIndex: number;
}

/** Accounts that survive whatever happens to the process and the machine. */
export class Service {
  readonly #log: WalLog;
  readonly #accounts: Accounts;
  readonly #eventsPerSnapshot: number;
  readonly #failure = Promise.withResolvers<WalLogError>();
  #snapshot: Promise<void> | undefined;

  private constructor(log: WalLog, eventsPerSnapshot: number) {
    this.#log = log;
    this.#eventsPerSnapshot = eventsPerSnapshot;
    this.#accounts = new Accounts(log.snapshot()?.data);
    // One entry at a time: the log may be larger than memory, and the state alone is kept.
    for (const { index, command } of log.iterate()) {
      this.#accounts.apply(JSON.parse(decoder.decode(command)), index);
    }
  }

  /**
   * Opens the log and brings the accounts back to where they were.
   *
   * @param folder The log's folder.
   * @param options How.
   */
  static async open(folder: string, options: ServiceOptions = {}): Promise<Service> {
    const { eventsPerSnapshot = EVENTS_PER_SNAPSHOT, log } = options;
    return new Service(await WalLog.open(folder, log), eventsPerSnapshot);
  }

  /** What opening the log found. */
  get recovery(): RecoveryReport {
    return this.#log.recovery;
  }

  /**
   * Resolves when the log has failed. It takes nothing more then, and what it holds can only be found out by opening it
   * anew: the process is to end, and its supervisor to start another.
   */
  get failed(): Promise<WalLogError> {
    return this.#failure.promise;
  }

  /**
   * Records an event, unless it may not happen or has happened already.
   *
   * @returns What became of it: durable, or decided by what is durable.
   */
  record(event: AccountEvent): Promise<Outcome> {
    // From the decision to the state there is no await, so that no other request comes in between.
    return this.#durably((): Outcome => {
      const decision = this.#accounts.decide(event);
      if (decision.verdict !== "new") return decision;
      const index = this.#log.lastIndex + 1;
      this.#log.append([{ term: TERM, index, kind: "normal", command: encoder.encode(JSON.stringify(event)) }]);
      // The log first: had it refused, the event would not have happened, and the state must not say that it had.
      const receipt = this.#accounts.apply(event, index);
      this.#snapshotIfDue();
      return { verdict: "recorded", receipt };
    });
  }

  /** The balance of an account; `undefined` if nothing ever happened to it. */
  balance(account: string): Promise<number | undefined> {
    return this.#durably(() => this.#accounts.balance(account));
  }

  /** What the log has done since the start. */
  stats(): ServiceStats {
    const { lastIndex, durableIndex, snapshotIndex } = this.#log;
    return { ...this.#log.stats(), lastIndex, durableIndex, snapshotIndex };
  }

  /** Waits for a snapshot under way and closes the log. */
  async close(): Promise<void> {
    await this.#snapshot;
    await this.#log.close();
  }

  /**
   * Answers when everything that the answer may rest on is durable: a new event, the first attempt that a retry repeats,
   * the balance that was read. All of them may have been appended a moment ago by somebody who waits himself, and a
   * power cut would make the answer a lie. Where nothing is waiting to be flushed, this returns at once.
   *
   * `sync` and not `syncSync`: while the disk works, other requests are taken in, appended, and share the next flush.
   * `syncSync` would stall them all, and flush for each of them alone.
   */
  async #durably<T>(act: () => T): Promise<T> {
    try {
      const answer = act();
      await this.#log.sync();
      return answer;
    } catch (error) {
      this.#noteFailure(error);
      throw error;
    }
  }

  #noteFailure(error: unknown): void {
    if (error instanceof WalLogError && error.isFatal) this.#failure.resolve(error);
  }

  #snapshotIfDue(): void {
    if (this.#snapshot !== undefined) return;
    if (this.#log.lastIndex - this.#log.snapshotIndex < this.#eventsPerSnapshot) return;
    this.#snapshot = this.#takeSnapshot().finally(() => this.#snapshot = undefined);
  }

  /** Replaces the events up to now by the state that they led to; the log deletes the segments that it covers. */
  async #takeSnapshot(): Promise<void> {
    try {
      // The state is put into bytes at once, since it must be that of this very index. Writing it can take its time.
      const state = this.#accounts.toBytes();
      const { lastIndex: index, lastTerm: term } = this.#log;
      const writer = this.#log.createSnapshot({ index, term, config: [] }).getWriter();
      await writer.write(state);
      await writer.close();
    } catch (error) {
      // The events are all in the log, so that a snapshot can wait; unless the log is done for.
      this.#noteFailure(error);
    }
  }
}
