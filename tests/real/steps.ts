/**
 * Random histories that a seed repeats, even in another process: the next step follows from the seed, the previous
 * steps, and the log's contents.
 *
 * @module
 */

import type { LogEntry, RaftLog, Snapshot } from "../../src/api/types.ts";
import { Random } from "../../src/testing/random.ts";

/** The number of entries above the snapshot from which compaction becomes likelier. It keeps logs small. */
const ENTRIES_WANTED = 150;
const MIB = 2 ** 20;

/** A step that changes the log's contents. */
export interface Mutation {
  readonly kind: "append" | "truncate" | "hard-state" | "snapshot" | "stream";
  /** A description. */
  readonly title: string;
  /** The smallest changes that it consists of. An interrupted write may leave the first few. */
  readonly parts: readonly ((log: RaftLog) => void)[];
  /** The change as one call. */
  readonly apply: (log: RaftLog) => void;
  /** The snapshot, if it is one. */
  readonly snapshot?: Snapshot;
  /** Whether the snapshot is the node's own, so that every entry above it must stay. */
  readonly isOwn?: boolean;
}

/** A step that changes nothing that a reader can see. */
export interface Other {
  /** `sync` does not wait for the flush, `wait` waits for all of them; `reopen` closes first. */
  readonly kind: "sync" | "sync-sync" | "wait" | "rest" | "reopen";
  readonly title: string;
}

/** A step of a history. */
export type Step = Mutation | Other;

/** Whether a step changes the log's contents. */
export function isMutation(step: Step): step is Mutation {
  return "parts" in step;
}

/** The steps of one history. */
export class Steps {
  readonly #random: Random;

  /**
   * Begins a history.
   *
   * @param seed The seed. It repeats the history on a log with the same contents.
   */
  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  /**
   * The next step.
   *
   * @param log The log after all previous steps.
   * @returns The step.
   */
  next(log: RaftLog): Step {
    const random = this.#random;
    const dice = random.below(1000);
    const isLong = log.lastIndex - log.snapshotIndex > ENTRIES_WANTED;
    if (isLong && random.chance(0.15)) return this.#snapshot(log);
    if (dice < 480) return this.#append(log);
    if (dice < 560) return this.#truncate(log);
    if (dice < 680) return this.#hardState(log);
    if (dice < 710) return this.#snapshot(log);
    if (dice < 830) return { kind: "sync", title: "sync" };
    if (dice < 900) return { kind: "wait", title: "wait" };
    if (dice < 960) return { kind: "sync-sync", title: "syncSync" };
    if (dice < 970) return { kind: "rest", title: "rest" };
    if (dice < 985) return { kind: "reopen", title: "close and open" };
    return this.#append(log);
  }

  #bytes(length: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(length);
    // Large commands are mostly zeros, which look like preallocation.
    this.#random.fill(bytes.subarray(0, 256));
    return bytes;
  }

  #append(log: RaftLog): Mutation {
    const random = this.#random;
    const dice = random.below(1000);
    const count = dice < 600 ? 1 + random.below(3) : dice < 996 ? 1 + random.below(40) : 2;
    const most = dice < 600 ? 60 : dice < 900 ? 600 : dice < 996 ? 5000 : 3 * MIB;
    const least = dice === 999 ? 4 * MIB + 1 : 0;
    const term = Math.max(log.lastTerm + (random.chance(0.1) ? 1 : 0), 1);
    const entries: LogEntry[] = Array.from({ length: count }, (_, i) => ({
      term,
      index: log.lastIndex + 1 + i,
      kind: random.chance(0.1) ? "config" : "normal",
      command: this.#bytes(least + random.below(most)),
    }));
    return {
      kind: "append",
      title: `append ${entries.map(({ command }) => command.length)} at ${log.lastIndex + 1}`,
      parts: entries.map((entry) => (log) => log.append([entry])),
      apply: (log) => log.append(entries),
    };
  }

  #truncate(log: RaftLog): Mutation {
    const random = this.#random;
    const length = log.lastIndex - log.snapshotIndex;
    // Mostly the last few entries, sometimes all, sometimes none.
    const dropped = random.chance(0.9) ? random.below(8) : random.below(length + 1);
    const from = Math.max(log.snapshotIndex + 1, log.lastIndex + 1 - dropped);
    const apply = (log: RaftLog) => log.truncate(from);
    return { kind: "truncate", title: `truncate from ${from}`, parts: [apply], apply };
  }

  #hardState(log: RaftLog): Mutation {
    const random = this.#random;
    const state = {
      term: log.hardState.term + random.below(3),
      votedFor: random.chance(0.2) ? null : BigInt(random.next()) << 32n | BigInt(random.next()),
    };
    const apply = (log: RaftLog) => log.setHardState(state);
    return { kind: "hard-state", title: `hard state ${state.term}, ${state.votedFor}`, parts: [apply], apply };
  }

  #snapshot(log: RaftLog): Mutation {
    const random = this.#random;
    const { lastIndex, lastTerm, snapshotIndex } = log;
    // Mostly at the end, sometimes anywhere, even stale or beyond the end.
    const index = Math.max(
      1,
      random.chance(0.6) ? lastIndex - random.below(10) : snapshotIndex + random.below(lastIndex - snapshotIndex + 3),
    );
    const agrees = random.chance(0.8) && index >= snapshotIndex ? log.termAt(index) : undefined;
    const snapshot: Snapshot = {
      index,
      term: Math.max(agrees ?? lastTerm + 1, 1),
      config: [1n, 2n, BigInt(random.next())],
      data: this.#bytes(random.chance(0.9) ? random.below(3000) : random.below(MIB)),
    };
    // Of those that agree with the log, some are the node's own.
    const isOwn = index > snapshotIndex && index % 2 === 1 && log.termAt(index) === snapshot.term;
    const apply = (log: RaftLog) =>
      isOwn ? log.compact(index, { data: snapshot.data, config: snapshot.config }) : log.applySnapshot(snapshot);
    const kind = random.chance(0.3) ? "stream" : "snapshot";
    return { kind, title: `${kind} at ${index}, term ${snapshot.term}`, parts: [apply], apply, snapshot, isOwn };
  }
}
