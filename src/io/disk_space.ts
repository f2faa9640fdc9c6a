/**
 * The space that a log uses on its volume, and the free space there.
 *
 * @module
 */

import { hasSubscribers, publish } from "../api/events.ts";
import type { Opened } from "../recovery/open.ts";
import type { Index } from "../api/types.ts";
import { snapshotName } from "../format/snapshot_name.ts";

/** The least time between two measurements of the free space by a writer, in milliseconds. */
const LOOK_MS = 1000;

/** Space on the volume of a log. */
export interface SpaceStats {
  /**
   * Bytes of the segments, each up to its last frame. The files are larger, because of segment indexes and
   * preallocation.
   */
  readonly logBytes: number;
  /** Bytes of the snapshot's file; 0 if there is none. */
  readonly snapshotBytes: number;
  /**
   * When the snapshot's file was written, in milliseconds since 1970; `undefined` if there is no snapshot, or if it is
   * unknown.
   */
  readonly snapshotTime: number | undefined;
  /**
   * Bytes that the process may still write on the log's volume; `undefined` if the process may not ask. Deno needs
   * `--allow-sys=statfs` for it, which this library uses if granted but never requests.
   */
  readonly freeBytes: number | undefined;
}

/** The file of a snapshot. */
interface Measured {
  readonly index: Index;
  readonly bytes: number;
  readonly time: number | undefined;
}

/** Measures the space of an open log, and reports when free space is low. */
export class DiskSpace {
  private readonly opened: Opened;
  private readonly lowSpaceBytes: number;
  /** The snapshot that was measured last. */
  private measured: Measured = { index: 0, bytes: 0, time: undefined };
  /** Whether the event was published and space has been low ever since. */
  private isReported = false;
  private lookAt = 0;

  /**
   * @param opened The log.
   * @param lowSpaceBytes Free space below this is reported, in bytes.
   */
  constructor(opened: Opened, lowSpaceBytes: number) {
    this.opened = opened;
    this.lowSpaceBytes = lowSpaceBytes;
  }

  /** Measures the free space if the event has subscribers, at most once a second. */
  look(): void {
    const now = performance.now();
    if (now < this.lookAt || !hasSubscribers("wallog:low-space")) return;
    this.lookAt = now + LOOK_MS;
    this.freeBytes();
  }

  /** The current space. */
  read(): SpaceStats {
    const { segments } = this.opened.index;
    const { bytes: snapshotBytes, time: snapshotTime } = this.snapshotFile();
    return {
      logBytes: segments.reduce((sum, { endOffset }) => sum + endOffset, 0),
      snapshotBytes,
      snapshotTime,
      freeBytes: this.freeBytes(),
    };
  }

  private freeBytes(): number | undefined {
    const { fileSystem, folder, writer } = this.opened;
    const { lowSpaceBytes } = this;
    const freeBytes = fileSystem.freeBytes?.(folder);
    if (freeBytes === undefined || writer === undefined) return freeBytes;
    if (freeBytes >= lowSpaceBytes) this.isReported = false;
    else if (!this.isReported && hasSubscribers("wallog:low-space")) {
      this.isReported = true;
      publish("wallog:low-space", { path: folder, freeBytes, lowSpaceBytes });
    }
    return freeBytes;
  }

  /** Measures the snapshot's file, which never changes. If it cannot be opened, it has 0 bytes. */
  private snapshotFile(): Measured {
    const { fileSystem, folder, index } = this.opened;
    const { snapshotIndex, snapshotTerm } = index;
    if (this.measured.index === snapshotIndex) return this.measured;
    this.measured = { index: snapshotIndex, bytes: 0, time: undefined };
    try {
      const file = fileSystem.open(`${folder}/${snapshotName(snapshotIndex, snapshotTerm)}`, "read");
      try {
        this.measured = { index: snapshotIndex, bytes: file.size(), time: file.modified?.() };
      } finally {
        file.close();
      }
    } catch {
      // Statistics must not fail. Reading the snapshot reports a missing file.
    }
    return this.measured;
  }
}
