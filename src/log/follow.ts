/**
 * Follows a log: yields its durable entries in order, and waits at its end.
 *
 * A follower pulls. It reads ahead at most one chunk, and only when the caller asks for the next entry. Each entry is
 * durable when it is yielded. A later truncation can still remove it. Then the follower ends, because the entries after
 * the truncation belong to another history.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { Index, LogEntry, Term } from "../api/types.ts";
import type { Truncations } from "./truncations.ts";

/** The default amount to read at once, in bytes of commands. */
export const FOLLOW_BYTES = 256 * 1024;
/** The most entries to read at once: entries without a command add no bytes. */
const FOLLOW_ENTRIES_MAX = 4096;

/** Why a log yields no more entries: it was closed, or it failed. */
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
  /** The log's truncations. */
  readonly truncations: Truncations;
  /** Why no more entries become durable; `undefined` while they may. */
  readonly end: FollowEnd | undefined;
  /** The term at an index; `undefined` outside the log, and if it is lost. */
  termAt(index: Index): Term | undefined;
  /** Reads durable entries, at least one, up to a damaged one; `undefined` if the caller has to wait for a change. */
  read(from: Index, to: Index, maxBytes: number): LogEntry[] | undefined;
  /**
   * Calls back once when any of this has changed; it may also call back without a change. Returns a function that ends
   * the wait.
   */
  whenChanged(wake: () => void): () => void;
}

/** Where to begin and when to stop. */
export interface Following {
  readonly from: Index;
  /** The term of the entry before `from`; `undefined` to accept the log's term. */
  readonly previousTerm: Term | undefined;
  readonly maxBytes: number;
  readonly signal: AbortSignal | undefined;
}

/** A pending call of `next`. */
type Request = PromiseWithResolvers<IteratorResult<LogEntry, undefined>>;
type Step = { readonly kind: "give"; readonly entry: LogEntry } | { readonly kind: "wait" } | { readonly kind: "done" };

const DONE: IteratorResult<LogEntry, undefined> = { done: true, value: undefined };

/** Yields the entries of a log as they become durable. */
export class Follower implements AsyncIterableIterator<LogEntry, undefined, unknown> {
  private readonly source: FollowSource;
  private readonly signal: AbortSignal | undefined;
  private readonly maxBytes: number;
  /** The next index to yield. */
  private nextIndex: Index;
  /** The last index that the caller has seen. */
  private known: Index;
  /** Its term; `undefined` if that is unknown. */
  private term: Term | undefined;
  /** No entry up to here may be truncated: it was yielded, or it was durable when the follower started. */
  private relied: Index;
  /** Entries that were read ahead, and the position of the next one to yield. */
  private ahead: LogEntry[] = [];
  private at = 0;
  /** The number of truncations already checked. */
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

  /** The next entry, when it is durable. Overlapping calls are answered in order. */
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

  /** Ends the iteration, even while a call is waiting. */
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

  /** Answers pending calls as far as there are entries. */
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

  /**
   * Drops entries that were read ahead, because a truncation may have removed them. Fails if a truncation reached an
   * entry that was yielded.
   */
  private lookAtTruncations(): void {
    const { source: { truncations } } = this;
    const lowest = truncations.lowestSince(this.seen);
    this.seen = truncations.count;
    this.ahead = [];
    this.at = 0;
    // Entries above `relied` were never yielded or durable here. For an entry that the caller has seen elsewhere, the
    // term decides.
    if (lowest > this.relied) return;
    // If a snapshot covers all yielded entries, the caller continues from it, whether or not the entries were replaced.
    this.requireNotCompacted();
    throw this.replaced(lowest);
  }

  /**
   * Fails if the log has another entry at the last known index. It may have been replaced before the follower started,
   * or while the log was recovered again.
   */
  private requireSame(): void {
    const { known, term, source } = this;
    if (term === undefined || known < source.firstIndex - 1) return;
    if (known > source.lastIndex) throw this.replaced(source.lastIndex + 1);
    // An entry that is not durable decides nothing: after a power loss, it can exist without being proven durable yet.
    if (known > source.durableIndex) return;
    if ((source.termAt(known) ?? term) !== term) throw this.replaced(known);
  }

  private replaced(index: Index): WalLogError {
    const { source: { path }, known } = this;
    return new WalLogError(
      "NOT_CONTIGUOUS",
      `Cannot follow the log at ${path} past index ${known}: it was truncated from index ${index}; undo the effects ` +
        `of the removed entries, and follow from index ${index}`,
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
 * @param next The next index to yield.
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
