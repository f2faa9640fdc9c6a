/**
 * Lets a log be followed in the process of its writer. Group commit moves the durable index and wakes the followers,
 * without polling.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import type { Index, LogEntry, Term } from "../api/types.ts";
import { TERM_UNKNOWN } from "../format/numbers.ts";
import type { Durability } from "../write/durability.ts";
import { Broadcast } from "./broadcast.ts";
import type { FollowEnd, FollowSource } from "./follow.ts";
import type { LiveState } from "./live_state.ts";
import type { EntryReader } from "./reader.ts";
import { SharedChunks } from "./shared_chunks.ts";
import type { Truncations } from "./truncations.ts";

/** The log of a writer, as its followers see it. */
export class WrittenSource implements FollowSource {
  private readonly state: LiveState;
  private readonly durability: Durability;
  private readonly chunks: SharedChunks;
  /**
   * Wakes followers after the callers that a flush answers, whatever these await: then the next flush has begun, and the
   * disk works while the followers do.
   */
  private readonly followers = new Broadcast(setImmediate);
  private readonly announce = (): void => this.followers.announce();

  /**
   * @param state The log's state in memory.
   * @param durability The log's durability.
   * @param reader Reads its entries.
   */
  constructor(state: LiveState, durability: Durability, reader: EntryReader) {
    this.state = state;
    this.durability = durability;
    this.chunks = new SharedChunks(reader, state.truncations);
  }

  /** The log's folder. */
  get path(): string {
    return this.state.path;
  }

  /** The lowest index that can be read. */
  get firstIndex(): Index {
    return this.state.index.firstIndex;
  }

  /** The last index that is durable. */
  get durableIndex(): Index {
    return this.durability.durableIndex;
  }

  /** The last index. */
  get lastIndex(): Index {
    return this.state.lastIndex;
  }

  /** The log's truncations. */
  get truncations(): Truncations {
    return this.state.truncations;
  }

  /** Why no more entries become durable; `undefined` while they may. */
  get end(): FollowEnd | undefined {
    return this.durability.end;
  }

  /** The term at an index; `undefined` outside the log, and if it is lost. */
  termAt(index: Index): Term | undefined {
    const term = this.state.index.termAt(index);
    return term === TERM_UNKNOWN ? undefined : term;
  }

  /** Reads entries, which followers share. */
  read(from: Index, to: Index, maxBytes: number): readonly LogEntry[] {
    return this.chunks.read(from, to, maxBytes);
  }

  /** Calls back once when any of this has changed. */
  whenChanged(wake: () => void): void {
    this.durability.changes.once(this.announce);
    this.followers.once(wake);
  }

  /** Ends such a wait. */
  forget(wake: () => void): void {
    this.followers.forget(wake);
  }
}
