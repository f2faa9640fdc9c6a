/**
 * Writes a snapshot a piece at a time, without waiting.
 *
 * @module
 */

import type { WalLogError } from "../api/errors.ts";
import { checkNames, FORCE } from "../api/option_names.ts";
import { takeBytes } from "../api/taken.ts";
import type { Index, SnapshotTarget } from "../api/types.ts";
import { checkPiece, closedTarget } from "../api/validate_snapshot.ts";
import { isRefused, refusedError } from "../io/full.ts";
import type { Durability } from "../write/durability.ts";
import type { SnapshotWriter } from "./snapshot_writer.ts";

/** The number of bytes between two flushes, so that no flush takes long. */
const FLUSH_BYTES = 8 * 1024 * 1024;
const ATTEMPT = "write a snapshot";

/** Decides on a complete snapshot, and installs it. */
export interface TargetEnd {
  /** Whether the log still needs the snapshot. */
  readonly isWanted: () => boolean;
  /** Throws if the snapshot must not be installed. */
  readonly check: (force: boolean) => void;
  /**
   * Makes the snapshot part of the log. Its file is durable and has its final name. Without space, it takes the name
   * back.
   */
  readonly install: () => void;
}

/** Writes a snapshot's file. */
export class FileSnapshotTarget implements SnapshotTarget {
  isOpen = true;
  private readonly file: SnapshotWriter;
  private readonly durability: Durability;
  private readonly end: TargetEnd;
  private isFlushed = false;
  private flushedBytes = 0;

  /**
   * @param file Writes the file. Closing the log discards it.
   * @param durability The durability of the log.
   * @param end Checks and installs the snapshot.
   */
  constructor(file: SnapshotWriter, durability: Durability, end: TargetEnd) {
    this.file = file;
    this.durability = durability;
    this.end = end;
    durability.unfinished.add(file);
  }

  /** The index of the snapshot. */
  get index(): Index {
    return this.file.index;
  }

  /** The bytes of data written so far. */
  get dataBytes(): number {
    return this.file.dataBytes;
  }

  /** Adds data. See {@link SnapshotTarget.write}. */
  write(piece: Uint8Array): void {
    checkPiece(piece);
    this.requireOpen();
    if (this.file.isEnded && piece.length > 0) throw closedTarget(this.index);
    this.attempt(() => this.file.write(takeBytes(piece)));
    if (this.dataBytes - this.flushedBytes >= FLUSH_BYTES) this.flush();
  }

  /** Installs the snapshot. See {@link SnapshotTarget.install}. */
  install(options: { readonly force?: boolean } = {}): void {
    checkNames("Cannot install a snapshot", options, FORCE);
    this.requireOpen();
    if (!this.end.isWanted()) return this.abort();
    this.end.check(options.force === true);
    if (!this.isFlushed) {
      this.attempt(() => this.file.end());
      this.flush();
      this.isFlushed = true;
    }
    this.attempt(() => this.file.rename());
    this.end.install();
    this.close();
  }

  /** Discards the snapshot. See {@link SnapshotTarget.abort}. */
  abort(): void {
    if (!this.isOpen) return;
    this.close();
    // If the log is closed or has failed, the next opening removes the file.
    if (!this.durability.canWrite) return this.file.release();
    try {
      this.file.abort();
    } catch (error) {
      throw this.durability.giveUp(ATTEMPT, this.file, error);
    }
  }

  private requireOpen(): void {
    this.durability.requireWriter(ATTEMPT);
    if (!this.isOpen) throw closedTarget(this.index);
  }

  private close(): void {
    this.isOpen = false;
    this.durability.unfinished.delete(this.file);
  }

  /** A write that is refused can be repeated. Any other failure ends the writer. */
  private attempt(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (isRefused(error) && !this.file.isNamed) throw refusedError(`Cannot ${ATTEMPT}`, this.file.temporary, error);
      throw this.giveUp(error);
    }
  }

  /** A failed flush may have lost earlier writes, even if it failed for lack of space. */
  private flush(): void {
    try {
      this.file.sync();
      this.flushedBytes = this.dataBytes;
    } catch (error) {
      throw this.giveUp(error);
    }
  }

  private giveUp(error: unknown): WalLogError {
    this.close();
    return this.durability.giveUp(ATTEMPT, this.file, error);
  }
}
