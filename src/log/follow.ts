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
  read(from: Index, to: Index, maxBytes: number): readonly LogEntry[] | undefined;
  /** Calls back once when any of this has changed; it may also call back without a change. */
  whenChanged(wake: () => void): void;
  /** Ends such a wait. */
  forget(wake: () => void): void;
}

/** The beginning and the limits of a follower. */
export interface Following {
  readonly from: Index;
  /** The term of the entry before `from`; `undefined` to accept the log's term. */
  readonly previousTerm: Term | undefined;
  readonly maxBytes: number;
  readonly signal: AbortSignal | undefined;
}

/** The result of one attempt of `next`: a result for the caller, or that it has to wait. */
type Step<T> = IteratorResult<T, undefined> | "wait";

const DONE: IteratorResult<never, undefined> = { done: true, value: undefined };

/** Yields the entries of a log as they become durable, in portions that a subclass chooses. */
export abstract class Follower<T> implements AsyncIterableIterator<T, undefined, unknown> {
  /** Entries that were read ahead, and the position of the next one to yield. Other followers can have the same. */
  protected ahead: readonly LogEntry[] = [];
  protected at = 0;
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
  /** The number of truncations already checked. */
  private seen: number;
  /** Pending calls of `next`. */
  private requests: PromiseWithResolvers<IteratorResult<T, undefined>>[] = [];
  /** Whether it waits for a change. */
  private isListening = false;
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

  /** Takes at least one of the entries that were read ahead, and moves {@link Follower.at} after them. */
  protected abstract take(): T;

  /** The next portion, when it is durable. Overlapping calls are answered in order. */
  next(): Promise<IteratorResult<T, undefined>> {
    if (this.requests.length === 0) {
      try {
        const step = this.step();
        if (step !== "wait") return Promise.resolve(step);
      } catch (error) {
        return Promise.reject(error);
      }
    }
    const request = Promise.withResolvers<IteratorResult<T, undefined>>();
    this.requests.push(request);
    this.listen();
    return request.promise;
  }

  /** Ends the iteration, even while a call is waiting. */
  return(): Promise<IteratorResult<T, undefined>> {
    this.finish();
    this.wake();
    return Promise.resolve(DONE);
  }

  /** Ends the iteration, and rejects. */
  throw(error: unknown): Promise<IteratorResult<T, undefined>> {
    this.finish();
    this.wake();
    return Promise.reject(error);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  private listen(): void {
    if (this.isListening || this.isEnded) return;
    this.isListening = true;
    this.source.whenChanged(this.changed);
  }

  private readonly changed = (): void => {
    this.isListening = false;
    this.wake();
  };

  /** Answers pending calls as far as there are entries. */
  private readonly wake = (): void => {
    while (this.requests.length > 0) {
      try {
        const step = this.step();
        if (step === "wait") return this.listen();
        this.requests.shift()!.resolve(step);
      } catch (error) {
        this.requests.shift()!.reject(error);
      }
    }
  };

  private step(): Step<T> {
    if (this.isEnded) return DONE;
    try {
      const step = this.advance();
      if (step === DONE) this.finish();
      return step;
    } catch (error) {
      this.finish();
      throw error;
    }
  }

  private advance(): Step<T> {
    const { source, signal } = this;
    signal?.throwIfAborted();
    if (source.end?.kind === "closed") return DONE;
    if (source.truncations.count !== this.seen) this.lookAtTruncations();
    if (this.at === this.ahead.length && !this.readAhead()) return "wait";
    const value = this.take();
    const { index, term } = this.ahead[this.at - 1]!;
    this.nextIndex = index + 1;
    this.relied = this.known = index;
    this.term = term;
    return { done: false, value };
  }

  /** Reads the next entries; `false` if the caller has to wait. */
  private readAhead(): boolean {
    const { source, nextIndex } = this;
    this.requireNotCompacted();
    this.requireSame();
    const last = Math.min(source.durableIndex, nextIndex + FOLLOW_ENTRIES_MAX - 1);
    if (last < nextIndex) {
      if (source.end?.kind === "failed") throw source.end.error;
      return false;
    }
    const ahead = source.read(nextIndex, last, this.maxBytes);
    if (ahead === undefined) return false;
    this.ahead = ahead;
    this.at = 0;
    return true;
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
    this.source.forget(this.changed);
    this.isListening = false;
    this.signal?.removeEventListener("abort", this.wake);
  }
}

/** Yields entries one by one. */
export class EntryFollower extends Follower<LogEntry> {
  protected override take(): LogEntry {
    return this.ahead[this.at++]!;
  }
}

/** Yields all entries that were read together. */
export class BatchFollower extends Follower<readonly LogEntry[]> {
  protected override take(): readonly LogEntry[] {
    const { at, ahead } = this;
    this.at = ahead.length;
    // A copy: others share the list.
    return ahead.slice(at);
  }
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
