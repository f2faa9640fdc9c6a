/**
 * Durability and fail-stop: tracks how much of the log is on stable storage, answers the callers that wait for it, and
 * ends all writing at the first failure or when the log is closed.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { publish } from "../api/events.ts";
import { Broadcast } from "../log/broadcast.ts";
import { Access } from "./access.ts";
import { FlushEvents } from "./flush_events.ts";
import { GroupCommit } from "./group_commit.ts";
import type { LiveState } from "../log/live_state.ts";
import type { Opened } from "../recovery/open.ts";
import { ProofTiming } from "./proof_timing.ts";
import { closedError, poisonedError } from "./refusals.ts";
import type { Reserve } from "./reserve.ts";
import type { Unfinished } from "./unfinished.ts";
import type { FileLock } from "../io/file_system.ts";
import { isNoSpace, isRefused, refusedError } from "../io/full.ts";
import { FRAME_HEADER_BYTES } from "../format/frame.ts";
import type { Index, Term } from "../api/types.ts";

/** Writes a log, makes it durable, and stops for good at the first failure. */
export class Durability extends Access {
  /** Notifies of changes of {@link Durability.durableIndex}, and of the end of the log. */
  readonly changes: Broadcast = new Broadcast();
  /** Unfinished files, which closing the log abandons. */
  readonly unfinished: Set<Unfinished> = new Set();
  /** Called after flushes have succeeded and their events were published. */
  onFlushed: () => void = () => {};
  private readonly lock: FileLock | undefined;
  private readonly reserve: Reserve;
  private readonly commit: GroupCommit;
  private readonly flushEvents: FlushEvents;
  private readonly timing: ProofTiming;
  private durable: Index;
  /** Whether closing is complete. */
  private isFinished = false;
  private closing: Promise<void> | undefined;

  constructor({ fileSystem, writer, lock, reserve, report }: Opened, state: LiveState, slowFlushMilliseconds: number) {
    super(state, writer);
    this.timing = new ProofTiming(fileSystem);
    this.lock = lock;
    this.durable = writer === undefined ? report.provenIndex : state.lastIndex;
    this.reserve = reserve;
    this.flushEvents = new FlushEvents(state, slowFlushMilliseconds, () => fileSystem.now());
    this.commit = new GroupCommit({
      isDirty: () => this.writer!.isDirty,
      lastIndex: () => this.state.lastIndex,
      flush: () => this.flushAsync(),
      flushed: (lastIndex) => this.flushed(lastIndex),
    });
    if (writer === undefined) return;
    writer.onFlush = (bytes, milliseconds) => this.flushEvents.add(bytes, milliseconds);
    this.checkpointLater();
  }

  /**
   * The last index on stable storage. For a log opened for reading only: the last index that the disk proves durable.
   */
  get durableIndex(): Index {
    return this.durable;
  }

  set durableIndex(index: Index) {
    if (index === this.durable) return;
    this.durable = index;
    this.changes.announce();
  }

  /**
   * Writes to the active segment, or to a new one if it is full. A failure ends the writer, with two exceptions that
   * leave the log unchanged: a write that finds no space is undone, and a new segment can be refused before anything
   * has changed.
   *
   * @param attempt The call, for the message.
   * @param bytes The most bytes that will be written.
   * @param write Does the write. Memory may change only after it has returned.
   * @throws {WalLogError} `NO_SPACE`, or `CORRUPT` if no further segment can be created: the log is unchanged.
   * `POISONED` after any other failure.
   */
  write(attempt: string, bytes: number, write: () => void): void {
    const writer = this.writer!;
    const { index, counts } = this.state;
    const before = writer.segment;
    try {
      if (writer.needsRotation(bytes)) writer.rotate(this.record(), index.runs);
    } catch (error) {
      const isRefusal = error instanceof WalLogError && (error.code === "NO_SPACE" || error.code === "CORRUPT");
      if (!isRefusal) throw this.fail(attempt, error);
      // The old segment was flushed before the new one was refused.
      if (!writer.isDirty) this.flushed(this.state.lastIndex);
      throw error;
    }
    if (writer.segment !== before) {
      index.segments.push(writer.segment);
      counts.segmentsSealed++;
      this.durableIndex = this.state.lastIndex;
      this.tellFlushes();
      publish("wallog:rotation", { path: this.state.path, segment: writer.segment.header.number });
    }
    const start = writer.segment.endOffset;
    try {
      write();
    } catch (error) {
      throw isNoSpace(error) ? this.refuse(attempt, error, () => writer.undo()) : this.fail(attempt, error);
    }
    counts.bytesWritten += writer.segment.endOffset - start;
  }

  /**
   * Writes a frame without a payload, as {@link Durability.write}, and a checkpoint before it if one is due. On a full
   * disk, releases the reserve and tries again.
   *
   * @param attempt The call, for the message.
   * @param kind The frame's kind.
   * @param flags Its flags.
   * @param term Its term, as the kind uses it.
   * @param index Its index, as the kind uses it; any 64 bits.
   */
  writeFrame(attempt: string, kind: number, flags: number, term: Term, index: Index | bigint): void {
    const writer = this.writer!;
    const write = () => {
      if (writer.isCheckpointDue) writer.checkpoint(this.record());
      writer.writeFrame(kind, flags, term, index);
    };
    const fail = (error: unknown) => this.fail(attempt, error);
    this.reserve.lend(() => this.write(attempt, FRAME_HEADER_BYTES, write), fail);
  }

  /** Undoes a write that was refused, and returns the error for it. If undoing fails, the writer ends. */
  private refuse(attempt: string, cause: unknown, takeBack: () => void): WalLogError {
    try {
      takeBack();
    } catch (error) {
      return this.fail(attempt, error);
    }
    return refusedError(`Cannot ${attempt}`, this.state.path, cause);
  }

  /**
   * Abandons a file that could not be written. If the disk is full or no file can be opened, the file is removed and
   * the log stays usable. Any other failure ends the writer.
   *
   * @param attempt The call, for the message.
   * @param file The file.
   * @param cause The failure.
   * @returns The error to throw: `NO_SPACE` if the log is unchanged, otherwise `POISONED`.
   */
  giveUp(attempt: string, file: Unfinished, cause: unknown): WalLogError {
    if (cause instanceof WalLogError && cause.code === "NO_SPACE") return cause;
    if (!isRefused(cause) || file.isNamed || this.poison !== undefined) {
      file.release();
      return this.fail(attempt, cause);
    }
    return this.refuse(attempt, cause, () => file.abort());
  }

  /**
   * Makes everything written so far durable, with a flush that callers share.
   *
   * @returns The last durable index, or a promise of it.
   */
  sync(): Index | Promise<Index> {
    if (this.needsFlush()) return this.commit.sync();
    // A flush may have succeeded without `durableIndex` being updated yet. All entries are durable then.
    return this.durableIndex = this.state.lastIndex;
  }

  /**
   * Like {@link Durability.sync}, but blocks until it is done.
   *
   * @returns The last durable index.
   */
  syncSync(): Index {
    if (this.needsFlush()) {
      this.flush("flush");
      this.flushed(this.state.lastIndex);
    }
    return this.durableIndex;
  }

  /**
   * Flushes, blocking. A failed flush ends the writer, even on a full disk, because it is unknown which data is
   * durable.
   *
   * @param attempt The call, for the message.
   */
  flush(attempt: string): void {
    this.orFail(attempt, () => this.writer!.flush(this.timing.isSlotDue() ? this.record() : undefined));
  }

  /** The log's state, for checkpoints and headers. */
  private record() {
    return this.state.record(this.writer!.changes);
  }

  /** Whether a flush is needed. If not, still checks that this writer holds the lock, as a flush would. */
  private needsFlush(): boolean {
    const writer = this.requireWriter("sync", true);
    this.state.counts.syncs++;
    if (!writer.isDirty) this.orFail("flush", () => this.lock?.check());
    return writer.isDirty;
  }

  private async flushAsync(): Promise<void> {
    try {
      const state = this.timing.isSlotDue() ? this.record() : undefined;
      await this.writer!.flushAsync(state, () => this.poison === undefined && !this.isFinished);
    } catch (error) {
      throw this.fail("flush", error);
    }
    // Group commit does not call `flushed` after the log has failed or was closed.
    if (this.poison !== undefined || this.isFinished) this.tellFlushes();
  }

  /**
   * Records that a flush has succeeded.
   *
   * @param lastIndex The log's last index when the flush began, lowered by later truncations.
   */
  flushed(lastIndex: Index): void {
    this.durableIndex = Math.max(this.durableIndex, lastIndex);
    this.tellFlushes();
    this.checkpointLater();
  }

  /** Publishes events for successful flushes. Called after {@link Durability.durableIndex} has moved. */
  private tellFlushes(): void {
    if (this.flushEvents.publish(this.durableIndex)) this.onFlushed();
  }

  /**
   * Records a truncation: entries from `from` on are no longer durable, and readers must drop those that they read
   * ahead.
   */
  truncated(from: Index): void {
    this.state.truncated(from);
    this.durableIndex = Math.min(this.durableIndex, from - 1);
    this.commit.truncated(from);
  }

  /** Writes a checkpoint when the log has been idle for a moment. */
  private checkpointLater(): void {
    if (this.isClosed) return;
    this.timing.afterRest(() => {
      if (this.isClosed || this.poison !== undefined) return;
      try {
        if (!this.writer!.isDirty) this.writer!.rest(this.record());
        this.reserve.make();
      } catch (error) {
        this.fail("write a checkpoint", error);
      }
    });
  }

  /** Runs an action whose failure ends the writer. */
  orFail(attempt: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      throw this.fail(attempt, error);
    }
  }

  /**
   * Ends the writer for good, unless it has ended already.
   *
   * @param attempt The operation, for the error message.
   * @param cause The failure.
   * @returns The error to throw.
   */
  fail(attempt: string, cause: unknown): WalLogError {
    if (cause instanceof WalLogError && (cause.code === "POISONED" || cause.code === "CLOSED")) return cause;
    if (this.poison !== undefined) return this.poison;
    this.poison = poisonedError(attempt, this.state.path, cause);
    this.commit.fail(this.poison);
    this.changes.announce();
    this.tellFlushes();
    publish("wallog:poison", { path: this.state.path, error: this.poison });
    return this.poison;
  }

  /**
   * Closes the log after the running flushes: flushes again, writes the checkpoint of a clean close, and releases the
   * lock.
   *
   * @param release Releases the log's other resources. Called once at the end, also after a failure.
   * @returns Settles when it is done; rejects if not everything is durable.
   */
  close(release: () => void): Promise<void> {
    if (this.isFinished) return Promise.resolve();
    if (this.closing !== undefined) return this.closing;
    this.isClosed = true;
    this.changes.announce();
    return this.closing = this.commit.idle().then(() => this.finish(release));
  }

  /** Like {@link Durability.close}, but blocks until it is done. */
  closeSync(release: () => void): void {
    if (this.isClosed && this.closing === undefined) return;
    this.isClosed = true;
    this.changes.announce();
    this.finish(release);
  }

  private finish(release: () => void): void {
    if (this.isFinished) return;
    this.isFinished = true;
    this.timing.cancel();
    const { writer } = this;
    try {
      if (writer === undefined) return;
      for (const one of this.unfinished) this.poison === undefined ? one.abort() : one.release();
      if (this.poison !== undefined) throw this.poison;
      if (writer.durableLsn < writer.segment.endLsn) writer.flush();
      this.flushed(this.state.lastIndex);
      this.commit.finish(this.state.lastIndex, closedError("sync", this.state.path));
      // A log without its latest hard state is not closed cleanly, so that the next opening detects the loss too.
      if (this.state.hardStateLost) return;
      writer.finish(this.record(), () => this.reserve.release());
      this.tellFlushes();
    } catch (error) {
      throw this.fail("close", error);
    } finally {
      release();
      writer?.close();
      this.lock?.release();
    }
  }
}
