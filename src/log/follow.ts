/**
 * Following a log: its durable entries in order, and a wait at its end.
 *
 * A follower pulls. It reads ahead one chunk at most, and only when somebody asks for the next entry. What it gives was
 * durable when it was given. A later truncation can still take it away, and then the follower ends: the entries behind it
 * continue another history.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Index, LogEntry, Term } from "../api/types.ts";
import type { Truncations } from "./truncations.ts";

/** What is read at once, unless the caller asks for another bound. In bytes of commands. */
export const FOLLOW_BYTES = 256 * 1024;
/** The same in entries, of which those without a command count for nothing in bytes. */
const FOLLOW_ENTRIES_MAX = 4096;

/** Why a log gives no more entries: it was closed, or it failed. */
export type FollowEnd = { readonly kind: "closed" } | { readonly kind: "failed"; readonly error: unknown };

/** A log that is followed. */
export interface FollowSource {
  /** The log's folder. */
  readonly path: string;
  /** The lowest index that can be read. */
  readonly firstIndex: Index;
  /** The last index that is durable. */
  readonly durableIndex: Index;
  /** The last index; `Infinity` if that is unknown. */
  readonly lastIndex: Index;
  /** What was truncated. */
  readonly truncations: Truncations;
  /** Why no more entries become durable; `undefined` while they may. */
  readonly end: FollowEnd | undefined;
  /** The term at an index; `undefined` outside the log, and if it is lost. */
  termAt(index: Index): Term | undefined;
  /** Reads entries up to a damaged one, all of them durable; at least one. `undefined` if that has to wait for a change. */
  read(from: Index, to: Index, maxBytes: number): LogEntry[] | undefined;
  /** Calls back once when any of this has changed; returns what ends the wait. It may call back without a change. */
  whenChanged(wake: () => void): () => void;
}

/** Where to begin and when to stop. */
export interface Following {
  readonly from: Index;
  /** The term of the entry before that; `undefined` for whatever the log has. */
  readonly previousTerm: Term | undefined;
  readonly maxBytes: number;
  readonly signal: AbortSignal | undefined;
}

/** A call of `next` that is not answered yet. */
type Request = PromiseWithResolvers<IteratorResult<LogEntry, undefined>>;
type Step = { readonly kind: "give"; readonly entry: LogEntry } | { readonly kind: "wait" } | { readonly kind: "done" };

const DONE: IteratorResult<LogEntry, undefined> = { done: true, value: undefined };

/** Gives the entries of a log as they become durable. */
export class Follower implements AsyncIterableIterator<LogEntry, undefined, unknown> {
  private readonly source: FollowSource;
  private readonly signal: AbortSignal | undefined;
  private readonly maxBytes: number;
  /** The index to give next. */
  private nextIndex: Index;
  /** The last index that the caller has seen. */
  private known: Index;
  /** Its term; `undefined` if that is unknown. */
  private term: Term | undefined;
  /** No entry up to here may be truncated: it was given, or it was durable when this began. */
  private relied: Index;
  /** Entries that were read and not given, and which of them comes next. */
  private ahead: LogEntry[] = [];
  private at = 0;
  /** How many truncations have been looked at. */
  private seen: number;
  private requests: Request[] = [];
  /** Ends the wait for a change; `undefined` if there is none. */
  private stopListening: (() => void) | undefined;
  private isEnded = false;

  /**
   * @param source The log.
   * @param following Where to begin and when to stop.
   */
  constructor(source: FollowSource, { from, previousTerm, maxBytes, signal }: Following) {
    this.source = source;
    this.nextIndex = from;
    this.relied = Math.min(from - 1, source.durableIndex);
    this.known = previousTerm === undefined ? this.relied : from - 1;
    this.term = previousTerm ?? source.termAt(this.known);
    this.maxBytes = maxBytes;
    this.signal = signal;
    this.seen = source.truncations.count;
    signal?.addEventListener("abort", this.wake);
  }

  /** The next entry, when it is durable. Calls that overlap are answered in order. */
  next(): Promise<IteratorResult<LogEntry, undefined>> {
    if (this.requests.length === 0) {
      let step: Step;
      try {
        step = this.step();
      } catch (error) {
        return Promise.reject(error);
      }
      if (step.kind !== "wait") return Promise.resolve(resultOf(step));
    }
    const request: Request = Promise.withResolvers();
    this.requests.push(request);
    this.listen();
    return request.promise;
  }

  /** Ends the iteration, also one that waits. */
  return(): Promise<IteratorResult<LogEntry, undefined>> {
    this.finish();
    this.wake();
    return Promise.resolve(DONE);
  }

  /** Ends the iteration, and rejects. */
  throw(error: unknown): Promise<IteratorResult<LogEntry, undefined>> {
    this.finish();
    this.wake();
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private listen(): void {
    if (this.stopListening !== undefined || this.isEnded) return;
    this.stopListening = this.source.whenChanged(() => {
      this.stopListening = undefined;
      this.wake();
    });
  }

  /** Answers those who wait, as far as there are entries. */
  private readonly wake = (): void => {
    while (this.requests.length > 0) {
      try {
        const step = this.step();
        if (step.kind === "wait") return this.listen();
        this.requests.shift()!.resolve(resultOf(step));
      } catch (error) {
        this.requests.shift()!.reject(error);
      }
    }
  };

  private step(): Step {
    if (this.isEnded) return { kind: "done" };
    try {
      const step = this.advance();
      if (step.kind === "done") this.finish();
      return step;
    } catch (error) {
      this.finish();
      throw error;
    }
  }

  private advance(): Step {
    const { source, signal } = this;
    signal?.throwIfAborted();
    if (source.end?.kind === "closed") return { kind: "done" };
    if (source.truncations.count !== this.seen) this.lookAtTruncations();
    if (this.at === this.ahead.length) {
      this.requireNotCompacted();
      this.requireSame();
      const last = Math.min(source.durableIndex, this.nextIndex + FOLLOW_ENTRIES_MAX - 1);
      if (last < this.nextIndex) {
        if (source.end !== undefined) throw source.end.error;
        return { kind: "wait" };
      }
      const ahead = source.read(this.nextIndex, last, this.maxBytes);
      if (ahead === undefined) return { kind: "wait" };
      this.ahead = ahead;
      this.at = 0;
    }
    const entry = this.ahead[this.at++]!;
    this.nextIndex = entry.index + 1;
    this.relied = this.known = entry.index;
    this.term = entry.term;
    return { kind: "give", entry };
  }

  /** Drops what was read ahead of a truncation, and ends if one has reached what was given. */
  private lookAtTruncations(): void {
    const { source: { truncations } } = this;
    const lowest = truncations.lowestSince(this.seen);
    this.seen = truncations.count;
    this.ahead = [];
    this.at = 0;
    // The term decides about an entry that the caller has seen elsewhere, and that was not durable here.
    if (lowest > this.relied) return;
    // A snapshot that covers all that was given is where to go on, whatever became of the entries.
    this.requireNotCompacted();
    throw this.replaced(lowest);
  }

  /** Ends if another entry stands where the last one was given: before this began, or the log was recovered anew. */
  private requireSame(): void {
    const { known, term, source } = this;
    if (term === undefined || known < source.firstIndex - 1) return;
    if (known > source.lastIndex) throw this.replaced(source.lastIndex + 1);
    // What is not durable yet is no verdict: after a power loss, the entry can be there and not be proven again.
    if (known > source.durableIndex) return;
    if ((source.termAt(known) ?? term) !== term) throw this.replaced(known);
  }

  private replaced(index: Index): WalLogError {
    const { source: { path }, known } = this;
    return new WalLogError(
      "NOT_CONTIGUOUS",
      `Cannot follow the log at ${path} behind index ${known}: it was truncated from index ${index} on; undo what was ` +
        `done with these entries, and follow from index ${index}`,
      { path, index },
    );
  }

  private requireNotCompacted(): void {
    const { source: { firstIndex, path }, nextIndex } = this;
    if (nextIndex < firstIndex) throw compactedBeforeGiven(path, nextIndex, firstIndex);
  }

  private finish(): void {
    this.isEnded = true;
    this.ahead = [];
    this.stopListening?.();
    this.stopListening = undefined;
    this.signal?.removeEventListener("abort", this.wake);
  }
}

function resultOf(step: Exclude<Step, { kind: "wait" }>): IteratorResult<LogEntry, undefined> {
  return step.kind === "give" ? { done: false, value: step.entry } : DONE;
}

/**
 * The error of a follower whose next entry was compacted away.
 *
 * @param path The log's folder.
 * @param next The index to be given next.
 * @param firstIndex The lowest index that can be read.
 * @returns The error to throw.
 */
export function compactedBeforeGiven(path: string, next: Index, firstIndex: Index): WalLogError {
  return new WalLogError(
    "COMPACTED",
    `Cannot follow the log at ${path} from index ${next}: a snapshot replaced the entries up to index ` +
      `${firstIndex - 1}; read the snapshot, and follow from index ${firstIndex}`,
    { path, index: firstIndex },
  );
}
