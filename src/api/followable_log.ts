/**
 * Following the durable log.
 *
 * @module
 */

import { streamOf } from "../log/entry_stream.ts";
import { BatchFollower, compactedBeforeGiven, EntryFollower, type Following } from "../log/follow.ts";
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
   * Follows the log: returns its durable entries in order, without gaps and without repeats, and waits at the end for
   * more. It reads an entry only when the caller asks for it. Any number of followers can run side by side, each at its
   * own pace. A follower does not hold compaction back: use {@link CompactableLog.retain} for that.
   *
   * Followers of a log in one process share entries. Do not write into a command, and do not transfer its buffer: copy it
   * first, with `command.slice()`.
   *
   * A read-only log can be followed beside its writer, in the same process or in another one, and across restarts of
   * the writer. An entry arrives when the disk proves it durable: with the writer's next write after the flush, or with
   * the checkpoint that an idle writer writes 20 ms after the flush. Following does not change the view of the log
   * itself: see {@link FollowableLog.refresh}.
   *
   * Closing the log ends the iteration, although durable entries may not have been returned yet. Leaving the loop ends
   * it too.
   *
   * @param options Where to begin, and when to stop.
   * @returns The entries. Waiting for one rejects with the reason of the signal; with `COMPACTED` if a snapshot has
   * replaced the next entry (`index` is the place to continue from); with `NOT_CONTIGUOUS` if the log truncates entries
   * that the follower has returned, or that were durable below `from` at the start (`index` is the first of them); with
   * `POISONED` if a write or flush failed, after all durable entries; otherwise as {@link ReadableLog.entry}.
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
    return new EntryFollower(this.#source, this.#following(options));
  }

  /**
   * Like {@link FollowableLog.follow}, but returns several entries at a time: those that are durable, up to `maxBytes` of
   * commands and 4,096 entries. Waiting once for many entries costs less, above all with many followers.
   *
   * @param options Where to begin, and when to stop.
   * @returns Lists of entries. None is empty. The caller owns the lists; the entries are shared.
   * @throws {WalLogError} As {@link FollowableLog.follow}.
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
   *   log.append([1, 2, 3].map((index) => ({ term: 1, index, command: new Uint8Array(8) })));
   *   await log.sync();
   *   for await (const entries of log.followBatches({ from: 1 })) {
   *     assert.deepEqual(entries.map(({ index }) => index), [1, 2, 3]);
   *     break;
   *   }
   * }
   * rmSync(folder, { recursive: true });
   * ```
   */
  followBatches(options: FollowOptions = {}): AsyncIterableIterator<readonly LogEntry[], undefined, unknown> {
    return new BatchFollower(this.#source, this.#following(options));
  }

  #following(options: FollowOptions): Following {
    this.#durability.requireOpen("follow");
    const following = takeFollowOptions(options, this.durableIndex);
    const { path, firstIndex } = this.#source;
    if (following.from < firstIndex) throw compactedBeforeGiven(path, following.from, firstIndex);
    return following;
  }

  /**
   * Like {@link FollowableLog.follow}, as a stream. It reads only on demand. Cancel it to stop following.
   *
   * @param options Where to begin, and when to stop.
   * @returns The stream. It is closed when the log is closed, and fails as {@link FollowableLog.follow} does.
   * @throws {WalLogError} As {@link FollowableLog.follow}.
   */
  followStream(options: FollowOptions = {}): EntryStream {
    return streamOf(this.follow(options));
  }

  /**
   * Brings a read-only log up to date with its writer. It continues reading in the newest segment. Until it is done,
   * the log shows the old state.
   *
   * The log then shows everything that the writer has written, including entries that were never synced and that a
   * crash of the machine could still lose. Entries at or below {@link ReadableLog.durableIndex} are on stable storage.
   * That index can lag behind the writer's own by the last flush, because only a later write proves a flush. A log that
   * is open for writing is always up to date.
   *
   * @returns The last index.
   * @throws {WalLogError} `CORRUPT` if the log is damaged and was opened with `onDamage: "fail"`; `CHANGING` if the
   * writer changes the log faster than it can be read; `NOT_FOUND` if the log is gone, or another one is in its place;
   * `IO`; `CLOSED`.
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
      // A segment may have been repaired, in a new file of the same name.
      this.#files.close();
    }
    return this.lastIndex;
  }

  /**
   * Calls a listener when {@link ReadableLog.durableIndex} changes. A flush raises it, and a truncation of durable
   * entries lowers it. On a read-only log, only {@link FollowableLog.refresh} changes it. The listener runs soon after
   * the change, never inside a call of the log, and once for changes that happen together. Closing the log ends the
   * calls.
   *
   * @param listener Receives the last durable index.
   * @returns A function that ends the calls.
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
