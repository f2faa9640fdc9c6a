/**
 * A snapshot that is written a piece at a time, without waiting.
 *
 * @module
 */

import type { WalLogError } from "../api/errors.ts";
import { checkNames, FORCE } from "../api/option_names.ts";
import { takeBytes } from "../api/taken.ts";
import type { Index, SnapshotTarget } from "../api/types.ts";
import { checkPiece, closedTarget } from "../api/validate_snapshot.ts";
import { ioError, isNoSpace } from "../io/full.ts";
import type { Durability } from "../write/durability.ts";
import type { SnapshotWriter } from "./snapshot_writer.ts";

/** A flush follows so many bytes, so that none takes long. In bytes. */
const FLUSH_BYTES = 8 * 1024 * 1024;
const ATTEMPT = "write a snapshot";

/** Decides on a snapshot that is complete, and installs it. */
export interface TargetEnd {
  /** Whether the log still needs the snapshot. */
  readonly isWanted: () => boolean;
  /** Throws if the snapshot must not be installed. */
  readonly check: (force: boolean) => void;
  /** Makes the snapshot part of the log. Its file is durable and has its name. Without room, it takes the name back. */
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
   * @param file Writes the file. Closing the log gives it up.
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

  /** Gives the snapshot up. See {@link SnapshotTarget.abort}. */
  abort(): void {
    if (!this.isOpen) return;
    this.close();
    // Of a log that is closed or has failed, the next opening removes the file.
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

  /** What found no room can be written again; any other failure ends the writer. */
  private attempt(step: () => void): void {
    try {
      step();
    } catch (error) {
      if (isNoSpace(error) && !this.file.isNamed) throw ioError(`Cannot ${ATTEMPT}`, this.file.temporary, error);
      throw this.giveUp(error);
    }
  }

  /** A flush that fails can have lost what was written before, even for lack of room. */
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
