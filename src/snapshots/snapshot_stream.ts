/**
 * A snapshot that arrives as a stream. Its pieces go to a file, and closing the stream makes it part of the log.
 *
 * @module
 */

import type { Durability } from "../write/durability.ts";
import { WalLogError } from "../api/errors.ts";
import type { SnapshotWriter } from "./snapshot_writer.ts";
import { isBytes, isDetached, takeBytes } from "../api/taken.ts";

/** Decides on a snapshot whose stream is closed, and installs it. */
export interface SnapshotEnd {
  /** Whether the log still needs the snapshot. If not, it is discarded. */
  readonly isWanted: () => boolean;
  /** Throws if the snapshot must not be installed. Then it is discarded, and closing the stream rejects. */
  readonly check: () => void;
  /** Makes the snapshot part of the log. Its file is durable and has its final name. */
  readonly install: () => void;
}

/** The sink of a `WritableStream` for the data of a snapshot. */
export class SnapshotSink implements UnderlyingSink<Uint8Array> {
  private readonly file: SnapshotWriter;
  private readonly durability: Durability;
  private readonly end: SnapshotEnd;

  /**
   * @param file Writes the snapshot. Closing the log discards it.
   * @param durability The durability of the log.
   * @param end Checks and installs the snapshot.
   */
  constructor(file: SnapshotWriter, durability: Durability, end: SnapshotEnd) {
    this.file = file;
    this.durability = durability;
    this.end = end;
    durability.unfinished.add(file);
  }

  /** Writes a piece. */
  write(piece: Uint8Array): void {
    if (isBytes(piece) && !isDetached(piece)) return this.attempt(() => this.file.write(takeBytes(piece)));
    this.abort();
    throw new WalLogError(
      "INVALID_ARGUMENT",
      "Cannot write a snapshot: each piece must be a Uint8Array whose buffer was not transferred away",
    );
  }

  /** Installs the snapshot, unless a later one was installed meanwhile. */
  async close(): Promise<void> {
    try {
      if (!this.isWanted()) return;
      await this.flush();
      // The log may have changed during the flush. From here on, no other code runs until the snapshot is installed.
      if (!this.isWanted()) return;
      this.attempt(() => this.file.rename());
    } finally {
      this.durability.unfinished.delete(this.file);
    }
    this.end.install();
  }

  /** Discards the snapshot and removes its file. */
  abort(): void {
    this.durability.unfinished.delete(this.file);
    this.attempt(() => this.file.abort());
  }

  /** Whether to install the snapshot. If not, discards it. */
  private isWanted(): boolean {
    if (!this.end.isWanted()) {
      this.abort();
      return false;
    }
    try {
      this.end.check();
    } catch (error) {
      this.abort();
      throw error;
    }
    return true;
  }

  private async flush(): Promise<void> {
    try {
      await this.attempt(() => this.file.flushAsync());
    } catch (error) {
      throw this.failed(error);
    }
  }

  private attempt<T>(step: () => T): T {
    try {
      this.durability.requireWriter("write a snapshot");
      return step();
    } catch (error) {
      throw this.failed(error);
    }
  }

  private failed(error: unknown): WalLogError {
    this.durability.unfinished.delete(this.file);
    return this.durability.giveUp("write a snapshot", this.file, error);
  }
}
