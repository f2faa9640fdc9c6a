/**
 * All writes between a recovery and an open log: they prepare the segment for new frames, and remove files that the log
 * does not need.
 *
 * @module
 */

import type { Codec } from "../codec/codec.ts";
import { CHECKPOINT_BYTES, OPEN_BYTES } from "../format/checkpoint.ts";
import type { PlacedSlot } from "../format/durable_slot.ts";
import { SEGMENT_HEADER_BYTES } from "../format/header_block.ts";
import type { File, FileSystem } from "../io/file_system.ts";
import { errorCode, isNoSpace, readFull, writeFull } from "../io/full.ts";
import type { Segment } from "../log/segment.ts";
import { isRepairLeftover } from "../maintain/segment_repairer.ts";
import { isSnapshotLeftover } from "../snapshots/snapshot_file.ts";
import { continueAfterCrash } from "../write/continue.ts";
import { createSegment } from "../write/create.ts";
import { nameNextSegment } from "../write/name_next.ts";
import type { Reserve } from "../write/reserve.ts";
import { isReplaceable, replaceSegment } from "../write/replace.ts";
import { SegmentWriter } from "../write/writer.ts";
import { ID_BYTES, type Identity } from "../format/identity.ts";
import { isIdentityLeftover, writeIdentity } from "./identity.ts";
import { recover, type Recovering } from "./recover.ts";
import type { Recovered, RecoveryStep } from "./recovered.ts";

/** A recovered log that will be written. */
interface Resumed {
  readonly fileSystem: FileSystem;
  readonly folder: string;
  readonly codec: Codec;
  readonly segmentBytes: number;
  readonly recovered: Recovered;
  readonly uuid: Uint8Array;
}

/** The segment that gets new frames. */
interface Started {
  readonly segment: Segment;
  readonly file: File;
  /** Whether its last frame is a checkpoint. */
  readonly endsWithCheckpoint: boolean;
  readonly slot?: PlacedSlot;
}

/** A recovered log that is open for writing. */
export interface Begun {
  readonly recovered: Recovered;
  readonly uuid: Uint8Array;
  readonly identity: Identity | undefined;
  readonly writer: SegmentWriter;
}

/**
 * Prepares a recovered log for writing, and removes files that it does not need.
 *
 * @param recovering Recovers the log again, if the disk is full.
 * @param found The recovered log.
 * @param reserve The reserve.
 * @param segmentBytes The most bytes of a segment.
 * @returns The log, with its writer.
 */
export function* beginWriting(
  recovering: Recovering,
  found: Recovered,
  reserve: Reserve,
  segmentBytes: number,
): Generator<RecoveryStep, Begun> {
  const { fileSystem, folder, codec } = recovering;
  const uuid = found.uuid ?? randomId(fileSystem);
  let { identity } = found;
  const renew = (cluster: Uint8Array) => {
    identity = { uuid, incarnation: randomId(fileSystem), cluster };
    writeIdentity(fileSystem, folder, identity, (bytes, seed) => codec.hash(bytes, seed));
  };
  // A log that has lost all its segments needs a new incarnation, because other nodes know the old one. The new
  // incarnation must be durable before the first segment exists.
  if (identity !== undefined && found.head === undefined) renew(identity.cluster);
  const resumed = { fileSystem, folder, codec, segmentBytes, recovered: found, uuid };
  const { recovered, writer } = yield* startWithRoom(resumed, recovering, reserve);
  try {
    // Proves to the next recovery that everything copied by this one is durable.
    writer.checkpoint(recovered.state);
    // For a new log, the segment must be durable first: an identity without segments means that they are lost.
    if (identity === undefined) renew(new Uint8Array(ID_BYTES));
    removeSuperseded(fileSystem, folder, recovered);
    // If there is damage, other apparent leftovers of a crash may be the only remains of the damaged data.
    if (found.damage.length === 0) removeLeftovers(fileSystem, folder, recovered);
    reserve.make();
    return { recovered, uuid, identity, writer };
  } catch (error) {
    writer.close();
    throw error;
  }
}

function randomId(fileSystem: FileSystem): Uint8Array {
  const id = new Uint8Array(ID_BYTES);
  fileSystem.random(id);
  return id;
}

/** A log with its writer. */
interface OpenedForWriting {
  readonly recovered: Recovered;
  readonly writer: SegmentWriter;
}

/**
 * Prepares the segment that gets new frames. On a full disk, removes files that the log does not need, then the
 * reserve, and tries again. The first attempt may have changed files, so the log is recovered again.
 *
 * @param resumed The log.
 * @param recovering Recovers the log again.
 * @param reserve The reserve.
 * @returns The writer, and the recovered log that it continues.
 */
function* startWithRoom(
  resumed: Resumed,
  recovering: Recovering,
  reserve: Reserve,
): Generator<RecoveryStep, OpenedForWriting> {
  const { recovered, fileSystem, folder } = resumed;
  try {
    return { recovered, writer: startWriter(resumed) };
  } catch (error) {
    const { head, damage } = recovered;
    if (!isNoSpace(error) && errorCode(error) !== "NO_SPACE") throw error;
    if (damage.length > 0 || head === undefined) throw error;
    removeLeftovers(fileSystem, folder, recovered);
    cutZeros(fileSystem, recovered, head);
    reserve.release();
    const again = yield* recover(recovering);
    if (again.damage.length > 0) throw error;
    return { recovered: again, writer: startWriter({ ...resumed, recovered: again }) };
  }
}

/** Frees the zeros at the end of the newest segment's file. */
function cutZeros(fileSystem: FileSystem, recovered: Recovered, head: Segment): void {
  const old = fileSystem.open(head.path, "write");
  try {
    const end = usedBytes(recovered, head);
    if (old.size() > end) old.truncate(end);
    old.sync();
  } catch (error) {
    // XFS needs free space to shorten a file that shares its blocks with a copy.
    if (!isNoSpace(error)) throw error;
  } finally {
    old.close();
  }
}

/** The used bytes of the newest segment's file: its frames, and the torn end. */
function usedBytes({ cut }: Recovered, head: Segment): number {
  return Math.max(head.endOffset, cut === undefined ? 0 : cut.offset + cut.bytes);
}

/**
 * Prepares the segment that gets new frames.
 *
 * @param resumed The log.
 * @returns Its writer.
 */
function startWriter(resumed: Resumed): SegmentWriter {
  const { fileSystem, folder, segmentBytes, recovered } = resumed;
  const { head, numberUsed, state: { changes } } = recovered;
  const { segment, file, endsWithCheckpoint, slot } = head === undefined
    ? beginLog(resumed)
    : isWellClosed(recovered, head)
    ? continueInPlace(resumed, head)
    : continueInNewFile(resumed, head);
  try {
    return new SegmentWriter(fileSystem, folder, segmentBytes, {
      segment,
      file,
      endsWithCheckpoint,
      slot,
      numberUsed: Math.max(numberUsed, segment.header.number),
      changes,
    });
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Creates the first segment of a log. */
function beginLog({ fileSystem, folder, codec, recovered, uuid }: Resumed): Started {
  const { segment, file } = createSegment(fileSystem, folder, codec, recovered.numberUsed, {
    uuid,
    baseLsn: 0,
    previous: 0,
    previousChecksum: 0,
    state: recovered.provenState,
    provenLsn: 0,
    floor: 1,
    dropped: [],
  });
  try {
    fileSystem.syncDirectory(folder);
  } catch (error) {
    file.close();
    throw error;
  }
  recovered.index.segments.push(segment);
  return { segment, file, endsWithCheckpoint: false };
}

/**
 * Whether the log was closed, so that writing can continue in its newest segment. A damaged segment is left for repair.
 */
function isWellClosed({ closed, cut, damage, harmless }: Recovered, head: Segment): boolean {
  return closed && cut === undefined && damage.length === 0 && harmless.every((one) => one.path !== head.path);
}

/** Writes the pointer to the newest segment again. Reading the pointer does not prove that it is durable. */
function nameHead({ fileSystem, codec, recovered: { previous, provenLsn } }: Resumed, head: Segment): void {
  if (previous === undefined || previous.header.number !== head.header.previous) return;
  nameNextSegment(fileSystem, codec, previous, head, provenLsn);
}

/** Continues in the newest segment of a log that was closed. */
function continueInPlace(resumed: Resumed, head: Segment): Started {
  const { fileSystem, recovered } = resumed;
  const file = fileSystem.open(head.path, "write");
  try {
    // Reading the checkpoint does not prove that it is durable, because its own flush may have failed. Write it again.
    const checkpoint = new Uint8Array(CHECKPOINT_BYTES);
    readFull(file, checkpoint, head.endOffset - checkpoint.length);
    file.requireNamed?.();
    writeFull(file, checkpoint, head.endOffset - checkpoint.length);
    // From now on the log does not look closed. Otherwise a second writer could also continue here, at the same offset.
    file.truncate(head.endOffset + OPEN_BYTES);
    file.sync();
    // If the newest segment were then lost, nothing would show that it existed.
    if (!recovered.isHeadNamed) nameHead(resumed, head);
    return { segment: head, file, endsWithCheckpoint: true, slot: recovered.slot };
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Continues a log that was not closed: in a copy of the newest segment, or in a new segment after it. */
function continueInNewFile(resumed: Resumed, head: Segment): Started {
  const { fileSystem, folder, codec, segmentBytes, recovered } = resumed;
  const { index, numberUsed, previous } = recovered;
  nameHead(resumed, head);
  if (previous !== undefined && canReplace(recovered, head, previous, segmentBytes)) {
    const around = {
      previous,
      newest: head,
      unfinishedNumber: recovered.missingNumber,
      provenLsn: recovered.provenLsn,
    };
    const replaced = replaceSegment(fileSystem, folder, codec, around, numberUsed);
    index.segments.splice(-1, 1, replaced.segment);
    return replaced;
  }
  const keptBytes = usedBytes(recovered, head);
  const proven = {
    lsn: recovered.provenLsn,
    state: recovered.provenState,
    sum: recovered.provenChecksum,
    lowestTruncated: recovered.provenTruncated,
    truncatedSince: recovered.unprovenTruncated,
    missingNumber: recovered.missingNumber,
  };
  const { segment, file } = continueAfterCrash(fileSystem, folder, codec, head, proven, numberUsed, keptBytes);
  index.segments.push(segment);
  return { segment, file, endsWithCheckpoint: segment.endOffset === SEGMENT_HEADER_BYTES };
}

/** Whether the newest segment can be replaced: nothing is damaged, and the previous segment stays and names it. */
function canReplace(recovered: Recovered, newest: Segment, previous: Segment, segmentBytes: number): boolean {
  const { damage, harmless, leftovers } = recovered;
  return damage.length === 0 && harmless.length === 0 && previous.header.number === newest.header.previous &&
    !leftovers.includes(previous.path) && isReplaceable(newest, segmentBytes);
}

/**
 * Removes uncommitted and replaced segments durably. Otherwise a crash could bring one back after compaction has
 * removed the segment whose pointer excludes it. If the newest segment were then lost, the old one would be mistaken
 * for it.
 */
function removeSuperseded(fileSystem: FileSystem, folder: string, { superseded, head, index }: Recovered): void {
  const isReplaced = head !== undefined && !index.segments.includes(head);
  const paths = isReplaced ? [...superseded, head.path] : superseded;
  for (const path of paths) fileSystem.remove(path);
  if (paths.length > 0) fileSystem.syncDirectory(folder);
}

/** Removes files that a crash left behind. Ignores files that do not belong to the log. */
function removeLeftovers(fileSystem: FileSystem, folder: string, { head, index, leftovers }: Recovered): void {
  for (const path of leftovers) fileSystem.remove(path);
  // In a folder without a log, all files belong to others, even if their names look like the log's.
  if (head === undefined) return;
  for (const name of fileSystem.list(folder)) {
    const isLeftover = isSnapshotLeftover(name, index.snapshotIndex, index.snapshotTerm) || isRepairLeftover(name) ||
      isIdentityLeftover(name);
    if (isLeftover) fileSystem.remove(`${folder}/${name}`);
  }
}
