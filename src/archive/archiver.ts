/**
 * Archives a log, step by step. A step writes everything that has become durable since the step before, and then checks
 * that no other archiver has taken over. It neither retries nor waits: `archive.ts` does.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { WalLogError } from "../api/errors.ts";
import type { Index } from "../api/types.ts";
import { ID_BYTES, type Identity } from "../format/identity.ts";
import { encodeIdentity } from "../format/identity.ts";
import { snapshotName } from "../format/snapshot_name.ts";
import { sharedCodec } from "../codec/pool.ts";
import { errorCode } from "../io/full.ts";
import type { Segment } from "../log/segment.ts";
import { beginGeneration, type Starter } from "./begin.ts";
import { type OwnClaim, probeStore, requireUnfenced } from "./claims.ts";
import { type ArchivedSnapshot, identityKey, pieceKey, snapshotKey } from "./keys.ts";
import type { LogView } from "./log_view.ts";
import { bodyOf, type ObjectStore, type RequestOptions } from "./object_store.ts";
import { mergedPiece, type OwnPiece, OwnPieces, type PlannedPiece } from "./own_pieces.ts";
import { segmentId, verifyPiece } from "./piece_file.ts";
import { openSnapshotFile } from "./snapshot_body.ts";
import { NOTHING_ARCHIVED, type Position } from "./takeover.ts";

/** Figures of an archiver since it began. */
export interface ArchiverCounts {
  /** Objects written. */
  objects: number;
  /** Their bytes. */
  bytes: number;
  /** Pieces that were deleted after a merge. */
  merged: number;
}

/** An archiver. One step runs at a time. */
export class Archiver {
  readonly counts: ArchiverCounts = { objects: 0, bytes: 0, merged: 0 };
  /** The claimed generation; 0 before the claim. */
  generation = 0;
  /** The last archived index after a step, and the number of truncations at that time. */
  private reported = { index: 0, truncations: 0 };
  private readonly store: ObjectStore;
  private readonly view: LogView;
  private readonly token: string;
  private readonly options: RequestOptions;
  private readonly starter: Starter;
  private position: Position = NOTHING_ARCHIVED;
  /** Whether a step has ended. Then the generation counts. */
  private hasEnded = false;
  /** The snapshots that earlier generations have archived. */
  private earlier: readonly ArchivedSnapshot[] = [];
  /** The snapshot that this archiver has archived, or found in the archive; index 0 if there is none. */
  private snapshot = { index: 0, term: 0 };
  private identity = "";
  private probes = 0;
  /** The pieces that this archiver has written, by segment. Those of segments that are merged are forgotten. */
  private own: OwnPieces[] = [];

  /**
   * @param store The store.
   * @param view The log.
   * @param token A random name of this archiver.
   * @param signal Ends requests.
   */
  constructor(store: ObjectStore, view: LogView, token: string, signal?: AbortSignal) {
    this.store = store;
    this.view = view;
    this.token = token;
    this.options = { signal };
    this.starter = { store, view, token, options: this.options, tried: 0 };
  }

  /**
   * The last archived index. A later archiver cannot have missed it. Entries that the log is known to have truncated
   * since do not count.
   */
  get archivedIndex(): Index {
    const { reported: { index, truncations }, view } = this;
    return Math.min(index, view.truncatedSince(truncations) - 1);
  }

  /** The log. */
  get log(): LogView {
    return this.view;
  }

  private get claim(): OwnClaim {
    const { store, view: { folder }, generation, token, options } = this;
    return { store, folder, generation, token, options };
  }

  /** Bytes of the log that are durable and not archived. */
  get lagBytes(): number {
    return this.pending().reduce((sum, { segment, from }) => sum + segment.endOffset - from, 0);
  }

  /**
   * Claims a generation. Does nothing if there is a claim already, or while there is no log.
   *
   * @throws {WalLogError} `DIVERGED` if the archive is not of this log; `INVALID_ARGUMENT` if the store lacks the
   * condition; `FENCED`, `STORE`, `CORRUPT`, `IO`.
   */
  async begin(): Promise<void> {
    const { store, view, token, options } = this;
    await view.advance();
    if (this.generation > 0 || view.uuid === undefined) return;
    // A new name each time, because a delete of an earlier attempt can take effect late.
    await probeStore(store, `${token}-${++this.probes}`, options);
    const { generation, position, snapshots } = await beginGeneration(this.starter);
    this.position = position;
    this.generation = generation;
    this.earlier = snapshots;
  }

  /**
   * Archives everything that is durable.
   *
   * @throws {WalLogError} `FENCED` if another archiver has taken over. Otherwise, the next step tries again: `STORE`,
   * `CORRUPT`, `CHANGING`, `IO`.
   */
  async step(): Promise<void> {
    await this.begin();
    if (this.generation === 0) return;
    const { view } = this;
    const reported = { index: view.durableIndex, truncations: view.truncations };
    await this.putIdentity();
    const pending = this.pending();
    if (pending.length > 0) await this.putSnapshot();
    try {
      for (const [i, { segment, from }] of pending.entries()) {
        // An upload of many segments takes long, and is wasted if another archiver has taken over.
        if (i > 0) await requireUnfenced(this.claim);
        const next = pending[i + 1]?.segment;
        await this.putPiece(segment, from, segment.endOffset, next === undefined).catch(async (error) => {
          if (!isDamage(error) || next === undefined || !this.isCovered(next)) throw error;
          // The archive gets a gap, as if the log had compacted the segment before.
          if (error.offset > from) await this.putPiece(segment, from, error.offset, false);
        });
      }
    } catch (error) {
      // Compaction has deleted a segment that was not archived. The snapshot covers it.
      if (errorCode(error) === "ENOENT") view.recoverNext();
      throw error;
    }
    if (pending.length === 0) await this.putEnd();
    this.hasEnded = true;
    await requireUnfenced(this.claim);
    this.reported = reported;
    view.forget(this.position.segment?.number ?? 0);
    await this.merge();
  }

  /** The segments that are not fully archived, and the offset at which each continues. */
  private pending(): { readonly segment: Segment; readonly from: number }[] {
    const { segment: { number, salt } = { number: 0, salt: 0n }, end } = this.position;
    return this.view.segments.flatMap((segment) => {
      const { header, endOffset } = segment;
      if (header.number < number) return [];
      if (header.number > number) return [{ segment, from: 0 }];
      return header.salt === salt && endOffset > end ? [{ segment, from: end }] : [];
    });
  }

  /** Ends the first step if it has nothing to archive: an empty piece makes the generation count. */
  private async putEnd(): Promise<void> {
    const { generation, position: { segment, end, next, snapshot, archived }, hasEnded } = this;
    if (hasEnded || segment === undefined) return;
    const facts = { from: end, to: end, floor: next, next, snapshot, archived, ended: true, time: 0 };
    await this.put(pieceKey(generation, segment, facts, 0n), bodyOf(new Uint8Array()));
  }

  private async putIdentity(): Promise<void> {
    const { identity } = this.view;
    if (identity === undefined) return;
    const key = identityKey(this.generation, hexOf(identity.incarnation), hexOf(identity.cluster));
    if (key === this.identity) return;
    await this.put(key, bodyOf(bytesOf(identity)));
    this.identity = key;
  }

  /** Archives the snapshot of the log, before the frame that refers to it. */
  private async putSnapshot(): Promise<void> {
    const { view, generation, earlier, snapshot } = this;
    const { index, term } = view.snapshot;
    if (index === 0 || (index === snapshot.index && term === snapshot.term)) return;
    const { body, checksum } = await openSnapshotFile(view.fileSystem, `${view.folder}/${snapshotName(index, term)}`);
    const isSame = (one: ArchivedSnapshot) => one.index === index && one.term === term && one.checksum === checksum;
    try {
      // An earlier generation may have archived the same file.
      if (!earlier.some(isSame)) {
        const older = earlier.reduce((highest, one) => one.index < index ? Math.max(highest, one.index) : highest, 0);
        const previous = snapshot.index || older;
        await this.put(snapshotKey(generation, { index, term, previous, checksum }), body);
      }
    } finally {
      body.close();
    }
    this.snapshot = { index, term };
  }

  /** Whether the archived snapshot covers all entries before a segment. */
  private isCovered({ header }: Segment): boolean {
    return header.state.nextIndex - 1 <= this.snapshot.index;
  }

  /** Writes a part of a segment. `ended`: whether it is the last piece of the step. */
  private async putPiece(segment: Segment, from: number, to: number, ended: boolean): Promise<void> {
    const { header } = segment;
    const { position, snapshot } = this;
    const { nextIndex, snapshotIndex } = header.state;
    const { next, snapshot: older } = header.number === position.segment?.number
      ? position
      : { next: nextIndex, snapshot: snapshotIndex };
    const plan = { from, to, start: { next, snapshot: older }, level: 0 };
    // A snapshot that was replaced by a newer one before it was archived never is.
    const archivedAt = (at: Index) => at === snapshot.index ? at : position.archived;
    const piece = await this.write(segment, plan, archivedAt, ended);
    if (this.own.at(-1)?.number !== header.number) this.own.push(new OwnPieces(header.number, header.salt));
    this.own.at(-1)!.add(piece);
    this.position = { segment: segmentId(header), end: to, ...piece.after };
  }

  /** Writes a piece of a segment. `archivedAt`: the newest archived snapshot, if the log has a given one at the end. */
  private async write(
    segment: Segment,
    plan: PlannedPiece,
    archivedAt: (snapshot: Index) => Index,
    ended: boolean,
  ): Promise<OwnPiece> {
    const { from, to, start } = plan;
    const { span, checksum, body } = await verifyPiece(this.view.fileSystem, segment, from, to, start);
    const { next, snapshot } = span;
    const archived = archivedAt(snapshot);
    const key = pieceKey(
      this.generation,
      segmentId(segment.header),
      { ...span, archived, ended },
      checksum,
    );
    try {
      await this.put(key, body);
    } finally {
      body.close();
    }
    return { ...plan, key, after: { next, snapshot, archived } };
  }

  /** Merges the pieces of sealed segments, and those of the newest one when that is due. */
  private async merge(): Promise<void> {
    while (this.own.length > 1) {
      const [left] = this.own as [OwnPieces];
      await this.seal(left);
      this.own.shift();
    }
    const [own] = this.own;
    const segment = own && this.segmentOf(own);
    if (segment === undefined) return;
    for (let parts = own!.due(); parts !== undefined; parts = own!.due()) {
      const whole = await this.write(segment, mergedPiece(parts), () => parts.at(-1)!.after.archived, true);
      await this.drop(parts);
      own!.merged(parts, whole);
    }
  }

  private segmentOf({ number, salt }: OwnPieces): Segment | undefined {
    return this.view.segments.find(({ header }) => header.number === number && header.salt === salt);
  }

  /** Merges all pieces that this archiver has written of a segment. */
  private async seal(own: OwnPieces): Promise<void> {
    const { pieces } = own;
    const segment = this.segmentOf(own);
    const { to, after } = pieces.at(-1)!;
    // If a crash has cut the segment, its pieces have more bytes than the file.
    if (segment === undefined || pieces.length === 1 || to !== segment.endOffset) return;
    try {
      await this.write(segment, mergedPiece(pieces), () => after.archived, true);
    } catch (error) {
      // The file is damaged or deleted, but its pieces are complete.
      if (isUnreadable(error)) return;
      throw error;
    }
    await this.drop(pieces);
  }

  /**
   * Deletes merged pieces. If another archiver has taken over, it may have listed the objects before the merged piece
   * was written, so the pieces must stay.
   */
  private async drop(pieces: readonly OwnPiece[]): Promise<void> {
    await requireUnfenced(this.claim);
    for (const { key } of pieces) {
      await this.store.delete(key, this.options);
      this.counts.merged++;
    }
  }

  private async put(key: string, body: Parameters<ObjectStore["put"]>[1]): Promise<void> {
    await this.store.put(key, body, this.options);
    this.counts.objects++;
    this.counts.bytes += body.size;
  }
}

/** Whether a frame of the log is damaged, at the offset in the error. */
function isDamage(error: unknown): error is WalLogError & { readonly offset: number } {
  return error instanceof WalLogError && error.code === "CORRUPT" && error.offset !== undefined;
}

/** Whether a file of the log cannot be read, or is damaged. */
function isUnreadable(error: unknown): boolean {
  return error instanceof WalLogError ? error.code === "CORRUPT" : errorCode(error) === "ENOENT";
}

function hexOf(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, ID_BYTES).toString("hex");
}

function bytesOf(identity: Identity): Uint8Array {
  return encodeIdentity(identity, (bytes, seed) => sharedCodec().hash(bytes, seed));
}
