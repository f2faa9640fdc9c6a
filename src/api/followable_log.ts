/**
 * Following the durable log.
 *
 * @module
 */

import { streamOf } from "../log/entry_stream.ts";
import { compactedBeforeGiven, Follower } from "../log/follow.ts";
import type { LiveState } from "../log/live_state.ts";
import type { OpenFiles } from "../log/open_files.ts";
import type { WrittenSource } from "../log/written_source.ts";
import { ReadSource } from "../recovery/read_source.ts";
import type { Durability } from "../write/durability.ts";
import { takeFollowOptions } from "./follow_options.ts";
import type { LogParts } from "./log_parts.ts";
import { ReadableLog } from "./readable_log.ts";
import type { EntryStream, FollowOptions, Index, LogEntry } from "./types.ts";

/** A log whose entries can be followed as they become durable. Every `WalLog` is one. */
export abstract class FollowableLog extends ReadableLog {
  readonly #state: LiveState;
  readonly #durability: Durability;
  readonly #files: OpenFiles;
  readonly #source: ReadSource | WrittenSource;

  /** @internal */
  protected constructor(parts: LogParts) {
    super(parts);
    this.#state = parts.state;
    this.#durability = parts.durability;
    this.#files = parts.reader.files;
    this.#source = parts.source;
  }

  /**
   * Follows the log: gives its durable entries in order, without gaps and without repeats, and waits at the end for
   * more. Nothing is read before it is asked for. Any number of followers can run side by side, each at its own pace. A
   * follower holds nothing back: use {@link CompactableLog.retain} if compaction must wait for it.
   *
   * A log that was opened for reading only is followed beside its writer, in the same process or in another one, and on
   * to whoever writes it next. An entry comes when the disk proves it durable: with the writer's next write after the
   * flush, or with the checkpoint that it writes 20 ms after the flush when it rests. What the log itself shows does not
   * change: see {@link FollowableLog.refresh}.
   *
   * Closing the log ends the iteration. Leaving the loop ends it too.
   *
   * @param options Where to begin, and when to stop.
   * @returns The entries. Waiting for one rejects with the reason of the signal; with `COMPACTED` when a snapshot has
   * replaced the next entry, and `index` is where to go on; with `NOT_CONTIGUOUS` when entries are truncated that were
   * given, or that were durable below `from` when it began, and `index` is the first of them; with `POISONED` when a
   * write or flush failed and all durable entries are given; otherwise as {@link ReadableLog.entry}.
   * @throws {WalLogError} `COMPACTED` if `from` is below {@link ReadableLog.firstIndex}; `INVALID_ARGUMENT`; `CLOSED`.
   *
   * @example
   * ```ts
   * import { WalLog } from "@wallog/wallog";
   * import { mkdtempSync, rmSync } from "node:fs";
   * import { tmpdir } from "node:os";
   * import { join } from "node:path";
   * import assert from "node:assert/strict";
   *
   * const folder = mkdtempSync(join(tmpdir(), "wallog-"));
   * {
   *   await using log = await WalLog.open(join(folder, "raft.wal"));
   *   const followed = log.follow({ from: 1 });
   *   const first = followed.next(); // waits
   *   log.append([{ term: 1, index: 1, command: new TextEncoder().encode("x = 1") }]);
   *   await log.sync();
   *   assert.equal((await first).value?.index, 1);
   * }
   * rmSync(folder, { recursive: true });
   * ```
   */
  follow(options: FollowOptions = {}): AsyncIterableIterator<LogEntry, undefined, unknown> {
    this.#durability.requireOpen("follow");
    const following = takeFollowOptions(options, this.durableIndex);
    const { path, firstIndex } = this.#source;
    if (following.from < firstIndex) throw compactedBeforeGiven(path, following.from, firstIndex);
    return new Follower(this.#source, following);
  }

  /**
   * Like {@link FollowableLog.follow}, as a stream. Reading it pulls; cancelling it ends it.
   *
   * @param options Where to begin, and when to stop.
   * @returns The stream. It is closed when the log is closed, and fails as {@link FollowableLog.follow} does.
   * @throws {WalLogError} As {@link FollowableLog.follow}.
   */
  followStream(options: FollowOptions = {}): EntryStream {
    return streamOf(this.follow(options));
  }

  /**
   * Brings a log that was opened for reading only up to date with its writer. It reads on from the newest segment. Until
   * this is done, the log shows what it showed before.
   *
   * The log then shows everything that the writer has written, also what was never synced: a crash of the machine could
   * still take that away. What lies at or below {@link ReadableLog.durableIndex} is on stable storage. That index can be
   * behind the writer's own by the last flush, for the disk proves a flush only by what is written after it. A log that is
   * open for writing is always up to date.
   *
   * @returns The last index.
   * @throws {WalLogError} `CORRUPT` if the log is damaged by now, and was opened with `onDamage: "fail"`; `CHANGING` if the
   * writer changes it faster than it can be read; `NOT_FOUND` if the log is gone, or another one is in its place; `IO`;
   * `CLOSED`.
   *
   * @example
   * ```ts
   * import { WalLog } from "@wallog/wallog";
   * import { mkdtempSync, rmSync } from "node:fs";
   * import { tmpdir } from "node:os";
   * import { join } from "node:path";
   * import assert from "node:assert/strict";
   *
   * const folder = mkdtempSync(join(tmpdir(), "wallog-"));
   * {
   *   await using writer = await WalLog.open(join(folder, "raft.wal"));
   *   await using reader = await WalLog.open(join(folder, "raft.wal"), { readOnly: true });
   *   writer.append([{ term: 1, index: 1, command: new Uint8Array(8) }]);
   *   assert.equal(reader.lastIndex, 0);
   *   assert.equal(await reader.refresh(), 1);
   *   assert.equal(reader.durableIndex, 0);
   * }
   * rmSync(folder, { recursive: true });
   * ```
   */
  async refresh(): Promise<Index> {
    this.#durability.requireOpen("refresh");
    if (this.#source instanceof ReadSource) {
      const view = await this.#source.view();
      this.#state.refreshed(view);
      this.#durability.durableIndex = view.durableIndex;
      // A segment can have been repaired, in a file of the same name.
      this.#files.close();
    }
    return this.lastIndex;
  }

  /**
   * Calls a listener when {@link ReadableLog.durableIndex} has changed: it rises with a flush, and falls with a
   * truncation of durable entries; of a log opened for reading only, with {@link FollowableLog.refresh}. The listener runs soon after the change, never within a call of the log, and once for
   * changes that come together. Closing the log ends the calls.
   *
   * @param listener Gets the last index that is durable.
   * @returns Ends the calls.
   * @throws {WalLogError} `CLOSED`.
   *
   * @example
   * ```ts
   * import { WalLog } from "@wallog/wallog";
   * import { mkdtempSync, rmSync } from "node:fs";
   * import { tmpdir } from "node:os";
   * import { join } from "node:path";
   * import assert from "node:assert/strict";
   *
   * const folder = mkdtempSync(join(tmpdir(), "wallog-"));
   * {
   *   await using log = await WalLog.open(join(folder, "raft.wal"));
   *   const seen: number[] = [];
   *   const stop = log.onDurable((index) => seen.push(index));
   *   log.append([{ term: 1, index: 1, command: new Uint8Array(8) }]);
   *   await log.sync();
   *   await Promise.resolve();
   *   assert.deepEqual(seen, [1]);
   *   stop();
   * }
   * rmSync(folder, { recursive: true });
   * ```
   */
  onDurable(listener: (durableIndex: Index) => void): () => void {
    this.#durability.requireOpen("listen");
    let last = this.durableIndex;
    return this.#durability.changes.subscribe(() => {
      const { durableIndex } = this;
      if (this.#durability.isClosed || durableIndex === last) return;
      last = durableIndex;
      listener(durableIndex);
    });
  }
}
