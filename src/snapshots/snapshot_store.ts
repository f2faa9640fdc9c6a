/**
 * The snapshots of the log: receives them as bytes or as a stream, installs and reads them, and deletes the entries
 * that they replace. `snapshot_file.ts` and `snapshot_writer.ts` read and write the files.
 *
 * @module
 */

import type { Durability } from "../write/durability.ts";
import { publish } from "../api/events.ts";
import { WalLogError } from "../api/errors.ts";
import type { LiveState } from "../log/live_state.ts";
import type { Opened } from "../recovery/open.ts";
import { FLAG_CLEAR, KIND_SNAPSHOT } from "../format/frame.ts";
import type { OpenFiles } from "../log/open_files.ts";
import { goneFromReader } from "../log/reader.ts";
import { SnapshotSink } from "./snapshot_stream.ts";
import { isRefused, refusedError } from "../io/full.ts";
import { SnapshotReader } from "./snapshot_file.ts";
import { SnapshotWriter } from "./snapshot_writer.ts";
import { isReplacedSnapshot, snapshotName } from "../format/snapshot_name.ts";
import type {
  Index,
  NewSnapshot,
  Snapshot,
  SnapshotMeta,
  SnapshotSource,
  SnapshotStream,
  SnapshotTarget,
  Term,
} from "../api/types.ts";
import { FileSnapshotSource } from "./snapshot_source.ts";
import { FileSnapshotTarget } from "./snapshot_target.ts";

/** The snapshots of an open log. */
export class SnapshotStore {
  private readonly opened: Opened;
  private readonly state: LiveState;
  private readonly durability: Durability;
  private readonly files: OpenFiles;

  /**
   * @param opened The log.
   * @param state The log's state in memory.
   * @param durability Writes the log.
   * @param files The segments that are open for reading. Some of them will be deleted.
   */
  constructor(opened: Opened, state: LiveState, durability: Durability, files: OpenFiles) {
    this.opened = opened;
    this.state = state;
    this.durability = durability;
    this.files = files;
    state.retentions.onRise = () => this.deleteReleased();
  }

  /**
   * Installs a leader's snapshot, unless it is stale. If the log's own snapshot is damaged, a good copy of it replaces
   * it.
   *
   * @param snapshot A snapshot that was checked.
   * @param force Whether to drop the entries after it if it is unknown whether they continue from it.
   */
  apply(snapshot: NewSnapshot, force: boolean): void {
    if (this.isDamaged(snapshot)) return this.replaceDamaged(snapshot);
    if (snapshot.index <= this.state.index.snapshotIndex) return;
    if (!force) this.requireTold(snapshot);
    this.write(snapshot);
  }

  /** Whether a snapshot is the same as the log's own, and the log's copy is damaged. */
  private isDamaged({ index, term }: SnapshotMeta): boolean {
    const { index: log, damaged } = this.state;
    return index === log.snapshotIndex && term === log.snapshotTerm && damaged.some(({ kind }) => kind === "snapshot");
  }

  /** Replaces the damaged snapshot, which the log already names, with an intact copy. */
  private replaceDamaged(snapshot: NewSnapshot): void {
    this.writeFile(snapshot);
    this.replacedDamaged();
  }

  private replacedDamaged(): void {
    this.state.damaged = this.state.damaged.filter(({ kind }) => kind !== "snapshot");
  }

  /**
   * Writes a snapshot and installs it. Entries above it stay if the log has the same entry at its index.
   *
   * @param snapshot A snapshot that was checked, above the log's last one.
   */
  write(snapshot: NewSnapshot): void {
    const { durability } = this;
    const write = () => this.writeFile(snapshot);
    // A snapshot without data lets the log free space, so it may use the reserve.
    if (snapshot.data.length > 0) write();
    else this.opened.reserve.lend(write, (error) => durability.fail("write a snapshot", error));
    this.install(snapshot);
  }

  /** Writes a snapshot's file, durably. */
  private writeFile(snapshot: NewSnapshot): void {
    const file = this.create(snapshot);
    try {
      file.write(snapshot.data);
      file.publish();
    } catch (error) {
      throw this.durability.giveUp("write a snapshot", file, error);
    }
  }

  /**
   * Begins a leader's snapshot that arrives as a stream.
   *
   * @param meta Its checked description.
   * @param force As {@link SnapshotStore.apply}.
   * @returns The stream for its data. Closing it installs the snapshot.
   */
  receive(meta: SnapshotMeta, force: boolean): WritableStream<Uint8Array> {
    if (!force) this.requireTold(meta);
    return this.streamIn(meta, () => {});
  }

  /**
   * Begins a snapshot that arrives as a stream.
   *
   * @param meta Index, term and configuration, checked.
   * @param check Called when the stream is closed, and just before the snapshot is installed. If it throws, the
   * snapshot is discarded, and closing the stream rejects with the error.
   * @returns The stream to write its data to. Closing it installs the snapshot, unless a later one was installed
   * meanwhile.
   */
  streamIn(meta: SnapshotMeta, check: () => void): WritableStream<Uint8Array> {
    const file = this.create(meta);
    const isWanted = () => meta.index > this.state.index.snapshotIndex || this.isDamaged(meta);
    const install = () => this.isDamaged(meta) ? this.replacedDamaged() : this.install(meta);
    const end = { isWanted, check, install };
    return new WritableStream(new SnapshotSink(file, this.durability, end));
  }

  /**
   * Begins a leader's snapshot that is written a piece at a time.
   *
   * @param meta Index, term and configuration, checked.
   * @returns The target for its data.
   */
  target(meta: SnapshotMeta): SnapshotTarget {
    const file = this.create(meta);
    return new FileSnapshotTarget(file, this.durability, {
      isWanted: () => meta.index > this.state.index.snapshotIndex || this.isDamaged(meta),
      check: (force) => force || this.isDamaged(meta) ? undefined : this.requireTold(meta),
      install: () => this.isDamaged(meta) ? this.replacedDamaged() : this.install(meta, () => file.unname()),
    });
  }

  /** Rejects a snapshot if it is unknown whether the entries after it continue from it. */
  private requireTold({ index, term }: SnapshotMeta): void {
    const { path, index: log, damaged } = this.state;
    if (index <= log.snapshotIndex || log.keepsTail(index, term) !== undefined) return;
    throw new WalLogError(
      "DAMAGED_ENTRY",
      `Cannot install a snapshot of index ${index} in the log at ${path}: the entry there is damaged and its term lost, ` +
        `so it is unknown whether entries ${index + 1} to ${log.nextIndex - 1} continue from the snapshot; repair ` +
        "the entry, take a later snapshot, or drop these entries with force",
      { path, damage: damaged },
    );
  }

  private create(meta: SnapshotMeta): SnapshotWriter {
    const { fileSystem, folder, codec } = this.opened;
    try {
      return new SnapshotWriter(fileSystem, folder, codec, this.state.uuid, meta);
    } catch (error) {
      const attempt = "write a snapshot";
      // If it was refused, no file is left and the log is unchanged.
      throw isRefused(error) ? refusedError(`Cannot ${attempt}`, folder, error) : this.durability.fail(attempt, error);
    }
  }

  /**
   * Makes a snapshot part of the log, whose file must be durable. Then deletes the replaced files, oldest first.
   *
   * @param meta Its description.
   * @param takeBack Called if there is no space for the frame, so that no frame names the file. Default: removes the
   * file.
   */
  private install({ index, term }: SnapshotMeta, takeBack = () => this.remove(index, term)): void {
    const { state, durability } = this;
    const writer = this.opened.writer!;
    const log = state.index;
    const clears = log.keepsTail(index, term) !== true;
    try {
      durability.writeFrame("install a snapshot", KIND_SNAPSHOT, clears ? FLAG_CLEAR : 0, term, index);
    } catch (error) {
      if (error instanceof WalLogError && error.code !== "POISONED") durability.orFail("remove a snapshot", takeBack);
      throw error;
    }
    durability.flush("install a snapshot");
    if (clears) {
      durability.truncated(log.snapshotIndex + 1);
      state.retentions.cleared(index);
    }
    log.compact(index, term, clears);
    state.replacementsLost = false;
    state.damaged = state.damaged.filter(({ kind, lastIndex }) =>
      kind !== "snapshot" && (lastIndex === undefined || (lastIndex >= log.firstIndex && !clears))
    );
    durability.flushed(state.lastIndex);
    state.counts.snapshots++;
    publish("wallog:snapshot", { path: state.path, index, term });
    try {
      // The next step deletes the replaced entries. From here on, damage to the snapshot's frame must not look like a
      // torn write, even if the checkpoint after the frame is damaged too.
      writer.prove(state.record(writer.changes));
      this.deleteSegments();
      this.deleteSnapshots();
    } catch (error) {
      throw durability.fail("delete the files that the snapshot replaces", error);
    }
  }

  private remove(index: Index, term: Term): void {
    this.opened.fileSystem.remove(`${this.opened.folder}/${snapshotName(index, term)}`);
  }

  /**
   * Deletes the segments that the snapshot covers and no retention holds back any more. If the log accepts no more
   * writes, they stay, and the next opening deletes them.
   */
  private deleteReleased(): void {
    const { state, durability } = this;
    if (!durability.canWrite) return;
    state.compacted();
    // A truncation may have emptied segments. A power failure could undo the truncation, but not their deletion.
    if (state.index.covered > 0 && this.opened.writer!.isDirty) {
      durability.flush("delete released segments");
      durability.flushed(state.lastIndex);
    }
    try {
      this.deleteSegments();
    } catch (error) {
      throw durability.fail("delete released segments", error);
    }
  }

  /** Deletes the segments below the first index, oldest first. */
  private deleteSegments(): void {
    const { fileSystem } = this.opened;
    const { path, counts } = this.state;
    const { segments, covered } = this.state.index;
    const before = counts.segmentsDeleted;
    for (let left = covered; left > 0; left--) {
      const [oldest] = segments;
      this.files.drop(oldest!.path);
      fileSystem.remove(oldest!.path);
      segments.shift();
      counts.segmentsDeleted++;
    }
    const segmentsDeleted = counts.segmentsDeleted - before;
    if (segmentsDeleted > 0) publish("wallog:compaction", { path, segmentsDeleted });
  }

  private deleteSnapshots(): void {
    const { fileSystem, folder } = this.opened;
    const { snapshotIndex, snapshotTerm } = this.state.index;
    for (const name of fileSystem.list(folder)) {
      if (isReplacedSnapshot(name, snapshotIndex, snapshotTerm)) fileSystem.remove(`${folder}/${name}`);
    }
  }

  /**
   * Opens the latest snapshot.
   *
   * @returns A reader, which must be closed or read to its end; `undefined` if there is no snapshot.
   * @throws {WalLogError} `CORRUPT` if it is damaged; `COMPACTED` if the log's writer has deleted it; `IO`.
   */
  open(): SnapshotReader | undefined {
    const { fileSystem, folder, codec, writer, report } = this.opened;
    const { snapshotIndex, snapshotTerm } = this.state.index;
    if (snapshotIndex === 0) return undefined;
    try {
      return new SnapshotReader(fileSystem, folder, codec, this.state.uuid, snapshotIndex, snapshotTerm);
    } catch (error) {
      const name = snapshotName(snapshotIndex, snapshotTerm);
      const wasThere = writer === undefined && report.damage.every(({ kind }) => kind !== "snapshot");
      if (!wasThere || fileSystem.list(folder).includes(name)) throw error;
      throw goneFromReader(`${folder}/${name}`, error);
    }
  }

  /**
   * Opens the latest snapshot, for reads at any position.
   *
   * @returns The snapshot, or `undefined` if there is none.
   * @throws {WalLogError} As {@link SnapshotStore.open}.
   */
  source(): SnapshotSource | undefined {
    const reader = this.open();
    return reader === undefined ? undefined : new FileSnapshotSource(reader, this.durability, this.files.others);
  }

  /**
   * Reads the complete latest snapshot.
   *
   * @returns The snapshot, or `undefined` if there is none.
   * @throws {WalLogError} As {@link SnapshotStore.open}.
   */
  read(): Snapshot | undefined {
    const reader = this.open();
    if (reader === undefined) return undefined;
    const data = new Uint8Array(reader.dataBytes);
    let filled = 0;
    for (const piece of reader.pieces()) {
      data.set(piece, filled);
      filled += piece.length;
    }
    return { ...reader.meta, data };
  }

  /**
   * Reads the latest snapshot as a stream.
   *
   * @returns Its data, or `undefined` if there is no snapshot.
   * @throws {WalLogError} As {@link SnapshotStore.open}.
   */
  streamOut(): SnapshotStream | undefined {
    const reader = this.open();
    if (reader === undefined) return undefined;
    const pieces = reader.pieces();
    let begun = false;
    const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller) {
        begun = true;
        const step = pieces.next();
        if (step.done) controller.close();
        else controller.enqueue(step.value);
      },
      cancel() {
        if (begun) pieces.return();
        else reader.close();
      },
    }, { highWaterMark: 0 });
    return stream as SnapshotStream;
  }
}
