/**
 * Snapshots of the durable log, compaction, and retentions.
 *
 * @module
 */

import { TERM_UNKNOWN } from "../format/numbers.ts";
import type { LiveState } from "../log/live_state.ts";
import type { SnapshotStore } from "../snapshots/snapshot_store.ts";
import type { Durability } from "../write/durability.ts";
import { FollowableLog } from "./followable_log.ts";
import { knownTerm } from "./known_term.ts";
import type { LogParts } from "./log_parts.ts";
import { checkNames, FORCE } from "./option_names.ts";
import type { Retention } from "./retention.ts";
import { keptMeta, takeCompactOptions, takeSnapshot, takeSnapshotMeta } from "./taken.ts";
import type { CompactOptions, Index, NewSnapshot, SnapshotMeta, SnapshotTarget } from "./types.ts";
import { checkCompact, checkOwnSnapshot, checkSnapshot, checkSnapshotMeta } from "./validate_snapshot.ts";

/** A log that can replace entries with a snapshot, and hold compaction back. Every `WalLog` is one. */
export abstract class CompactableLog extends FollowableLog {
  readonly #state: LiveState;
  readonly #durability: Durability;
  readonly #snapshots: SnapshotStore;

  /** @internal */
  protected constructor(parts: LogParts) {
    super(parts);
    this.#state = parts.state;
    this.#durability = parts.durability;
    this.#snapshots = parts.snapshots;
  }

  /**
   * Installs a snapshot of the node's own state: drops the entries up to and including an index, and keeps all above
   * it. When this returns, the snapshot and everything before it are durable. At or below {@link
   * ReadableLog.snapshotIndex}, the call changes nothing. It blocks for the flushes.
   *
   * @param through The last index to drop, and the snapshot's index. The snapshot gets the term that the log has there.
   * @param options The snapshot's data, configuration and meta. The configuration defaults to the previous snapshot's:
   * give `config` if the entries to drop change the cluster.
   * @throws {WalLogError} `INVALID_ARGUMENT` for an index above {@link ReadableLog.lastIndex}, for anything but a safe
   * integer of 0 or more, or for invalid options; `DAMAGED_ENTRY` if the term at the index is lost; `CORRUPT` if no
   * `config` is given and the previous snapshot is damaged; `NO_SPACE`, `IO`: the log is unchanged. `CORRUPT` while the
   * hard state is lost; `POISONED`, `READ_ONLY`, `CLOSED`.
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
   *   const command = new TextEncoder().encode("x += 1");
   *   log.append([1, 2, 3].map((index) => ({ term: 1, index, kind: "normal", command })));
   *   // The state machine has applied entries 1 and 2.
   *   log.compact(2, { data: new TextEncoder().encode("x = 2"), config: [1n, 2n, 3n] });
   *   assert.deepEqual([log.snapshotIndex, log.lastIndex], [2, 3]);
   * }
   * rmSync(folder, { recursive: true });
   * ```
   */
  compact(through: Index, options: CompactOptions = {}): void {
    const taken = takeCompactOptions(options);
    this.#durability.requireWriter("compact the log");
    checkCompact(through, taken, this.lastIndex);
    if (through <= this.snapshotIndex) return;
    const term = knownTerm(this.path, this.#state.index.termAt(through) ?? TERM_UNKNOWN, through);
    const { data = new Uint8Array(0) } = taken;
    this.#snapshots.write({ index: through, term, ...keptMeta(taken, () => this.snapshotMeta()), data });
  }

  /**
   * Installs a leader's snapshot and drops the entries that it replaces. When this returns, the snapshot and everything
   * before it are durable. A snapshot at or below {@link ReadableLog.snapshotIndex} is stale and changes nothing. One
   * exception: if the log's own snapshot is damaged, a snapshot with the same index and term replaces it. For a
   * snapshot of the node's own state, use {@link CompactableLog.compact}, which never drops an entry above its index.
   *
   * The entries above the snapshot stay if the log has the same entry at its index, and are dropped if it has another
   * one. If damage has destroyed the term of that entry, they stay if one of them has the snapshot's term: by log
   * matching, the entry was then the same.
   *
   * @param snapshot The snapshot with its data.
   * @param options `force`: allows dropping the entries above the snapshot if nothing shows whether they continue from
   * it.
   * @throws {WalLogError} `DAMAGED_ENTRY` if nothing shows that, `INVALID_ARGUMENT`: the log is unchanged. `POISONED`,
   * `READ_ONLY`, `CLOSED`.
   */
  applySnapshot(snapshot: NewSnapshot, options: { readonly force?: boolean } = {}): void {
    const taken = takeSnapshot(snapshot);
    checkNames("Cannot apply the snapshot", options, FORCE);
    this.#durability.requireWriter("apply a snapshot");
    checkSnapshot(taken);
    this.#snapshots.apply(taken, options.force === true);
  }

  /**
   * Installs a snapshot of the node's own state from a stream, with at most one piece of it in memory. Closing the
   * stream installs the snapshot: it drops the entries up to and including its index, and keeps all above it. Until
   * then the log can be used. Aborting the stream leaves the log unchanged.
   *
   * If a later snapshot is installed before the stream is closed, this one is dropped without an error. If the entry at
   * its index is truncated before that, closing the stream rejects with `INVALID_ARGUMENT`, and the log drops nothing.
   *
   * @param meta Index and term of an entry that the log has, and the configuration at that index.
   * @returns The stream to write the data to. Closing it rejects if the snapshot could not be installed.
   * @throws {WalLogError} `COMPACTED` at or below {@link ReadableLog.snapshotIndex}; `INVALID_ARGUMENT` for an index
   * above {@link ReadableLog.lastIndex}, or a term that is not the entry's; `DAMAGED_ENTRY` if the entry's term is
   * lost: the log is unchanged. `CORRUPT` while the hard state is lost; `POISONED`, `READ_ONLY`, `CLOSED`.
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
   *   const command = new TextEncoder().encode("x += 1");
   *   log.append([1, 2, 3].map((index) => ({ term: 1, index, kind: "normal", command })));
   *   const writer = log.createSnapshot({ index: 2, term: log.termAt(2)!, config: [1n, 2n, 3n] }).getWriter();
   *   for (const piece of ["x ", "= ", "2"]) await writer.write(new TextEncoder().encode(piece));
   *   await writer.close();
   *   assert.deepEqual([log.snapshotIndex, log.lastIndex], [2, 3]);
   * }
   * rmSync(folder, { recursive: true });
   * ```
   */
  createSnapshot(meta: SnapshotMeta): WritableStream<Uint8Array> {
    const taken = takeSnapshotMeta(meta);
    this.#durability.requireWriter("create a snapshot");
    checkSnapshotMeta(taken, "create a snapshot");
    checkOwnSnapshot(taken, this, "create a snapshot");
    return this.#snapshots.streamIn(taken, () => checkOwnSnapshot(taken, this, "install the snapshot"));
  }

  /**
   * Installs a leader's snapshot from a stream, with at most one piece of it in memory. Closing the stream installs the
   * snapshot as {@link CompactableLog.applySnapshot} does: if the log has another entry at its index, the entries above
   * it are dropped. Until then the log can be used. Aborting the stream leaves the log unchanged.
   *
   * @param meta The snapshot's index, term, configuration and meta.
   * @param options As {@link CompactableLog.applySnapshot}.
   * @returns The stream to write the data to. Closing it rejects if the snapshot could not be installed.
   * @throws {WalLogError} As {@link CompactableLog.applySnapshot}.
   */
  receiveSnapshot(meta: SnapshotMeta, options: { readonly force?: boolean } = {}): WritableStream<Uint8Array> {
    const taken = takeSnapshotMeta(meta);
    checkNames("Cannot receive a snapshot", options, FORCE);
    this.#durability.requireWriter("receive a snapshot");
    checkSnapshotMeta(taken, "receive a snapshot");
    return this.#snapshots.receive(taken, options.force === true);
  }

  /**
   * Starts writing a leader's snapshot piece by piece: a synchronous version of {@link CompactableLog.receiveSnapshot}.
   * At most one piece is in memory. Some writes block for a flush. A snapshot that is never installed is removed when
   * the log is closed, or when it is opened again.
   *
   * @param meta The snapshot's index, term, configuration and meta.
   * @returns The target to write the data to. Its `install` does what {@link CompactableLog.applySnapshot} does.
   * @throws {WalLogError} `INVALID_ARGUMENT`, `NO_SPACE`; `CORRUPT` while the hard state is lost; `POISONED`, `READ_ONLY`,
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
   *   await using log = await WalLog.open(join(folder, "raft.wal"));
   *   const target = log.createSnapshotTarget({ index: 5, term: 1, config: [1n, 2n, 3n] });
   *   for (const piece of ["x ", "= ", "2"]) target.write(new TextEncoder().encode(piece));
   *   target.install();
   *   const source = log.openSnapshotSource()!;
   *   assert.equal(new TextDecoder().decode(source.read(2, 3)), "= 2");
   *   source.close();
   * }
   * rmSync(folder, { recursive: true });
   * ```
   */
  createSnapshotTarget(meta: SnapshotMeta): SnapshotTarget {
    const taken = takeSnapshotMeta(meta);
    this.#durability.requireWriter("create a snapshot");
    checkSnapshotMeta(taken, "create a snapshot");
    return this.#snapshots.target(taken);
  }

  /**
   * Holds compaction back for a follower, a consumer or an archive that still needs entries. Snapshots are taken as
   * usual, and {@link ReadableLog.snapshotIndex} moves. But the log keeps the segment files with entries from an index
   * on, and these entries stay readable, until the retention moves up or is released.
   *
   * Retentions are held in memory, by the writer only. After a restart nothing is retained: opening a log for writing
   * deletes the segments that its snapshot covers. A reader in another process does not see retained entries. A
   * leader's snapshot that clears the log discards them ({@link RetentionState.clearedAt}).
   *
   * @param name Name of the retention: 1 to 255 characters, not in use by another retention.
   * @param from The lowest index needed. It may be above {@link ReadableLog.lastIndex}.
   * @returns The retention.
   * @throws {WalLogError} `COMPACTED` below {@link ReadableLog.firstIndex}, with that index as `index`;
   * `INVALID_ARGUMENT`; `POISONED`, `READ_ONLY`, `CLOSED`.
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
   *   const command = new TextEncoder().encode("x += 1");
   *   log.append([1, 2, 3].map((index) => ({ term: 1, index, command })));
   *   const mailer = log.retain("mailer", 2);
   *   log.compact(3);
   *   assert.deepEqual([log.snapshotIndex, log.firstIndex], [3, 2]);
   *   for (const { index } of log.iterate(mailer.from)) mailer.advance(index + 1);
   *   assert.equal(log.firstIndex, 4);
   *   mailer.release();
   * }
   * rmSync(folder, { recursive: true });
   * ```
   */
  retain(name: string, from: Index): Retention {
    this.#durability.requireWriter("retain entries", true);
    return this.#state.retentions.retain(name, from, this.firstIndex);
  }
}
