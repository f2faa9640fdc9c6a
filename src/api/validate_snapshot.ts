/**
 * Checks the arguments of snapshot calls. `validate.ts` checks all others.
 *
 * @module
 */

import { WalLogError } from "./errors.ts";
import { MEMBERS_MAX, META_BYTES_MAX } from "../format/snapshot_header.ts";
import { checkNames } from "./option_names.ts";
import { isBytes, isDetached } from "./taken.ts";
import type { CompactOptions, Index, NewSnapshot, NodeId, RaftLog, SnapshotMeta, SnapshotSource } from "./types.ts";
import { invalid, isNodeId, isObject, isTerm, show } from "./validate.ts";

/** The options of a compaction. */
const COMPACT_OPTIONS = ["data", "config", "meta"];

/**
 * Checks a snapshot's metadata: everything but its data.
 *
 * @param meta Index, term, configuration and `meta`.
 * @param attempt The attempted operation, for the message.
 * @throws {WalLogError} `INVALID_ARGUMENT` for an index that is not a safe integer of 1 or more, a term that is not a
 * safe integer of 0 or more, a configuration that is not an array of unsigned 64-bit numbers, or a `meta` that is not a
 * `Uint8Array` of at most 1 MiB.
 */
export function checkSnapshotMeta(meta: SnapshotMeta, attempt = "apply the snapshot"): void {
  if (!isObject(meta)) throw invalid(`Cannot ${attempt}: expected a snapshot, found ${show(meta)}`);
  const { index, term, config, meta: bytes } = meta;
  if (!Number.isSafeInteger(index) || index < 1) {
    throw invalid(`Cannot ${attempt}: the index must be a safe integer of 1 or more, found ${show(index)}`);
  }
  const at = `Cannot ${attempt} at index ${index}`;
  if (!isTerm(term)) throw invalid(`${at}: the term must be a safe integer of 0 or more, found ${show(term)}`);
  checkConfig(config, at);
  if (bytes !== undefined) checkMeta(bytes, at);
}

/** Checks the members of a cluster. `at` begins the error message. */
function checkConfig(config: readonly NodeId[], at: string): void {
  if (!Array.isArray(config)) throw invalid(`${at}: the configuration must be an array, found ${show(config)}`);
  if (config.length > MEMBERS_MAX) {
    throw invalid(`${at}: at most ${MEMBERS_MAX} members can be named, found ${config.length}`);
  }
  for (const node of config as readonly unknown[]) {
    if (!isNodeId(node)) {
      throw invalid(`${at}: the members must be bigints from 0 to 2^64 - 1, found ${show(node)}`);
    }
  }
}

/**
 * Checks a snapshot with its data.
 *
 * @param snapshot The snapshot.
 * @throws {WalLogError} `INVALID_ARGUMENT`, as for {@link checkSnapshotMeta}, or for data that is not a `Uint8Array`.
 */
export function checkSnapshot(snapshot: NewSnapshot): void {
  checkSnapshotMeta(snapshot);
  checkBytes(snapshot.data, "data", `Cannot apply the snapshot at index ${snapshot.index}`);
}

/** Checks bytes of a snapshot, its data or its meta. `at` begins the error message. */
function checkBytes(bytes: Uint8Array, name: "data" | "meta", at: string): void {
  if (!isBytes(bytes)) throw invalid(`${at}: the ${name} must be a Uint8Array, found ${show(bytes)}`);
  if (isDetached(bytes)) throw invalid(`${at}: the ${name}'s buffer was transferred away`);
}

/**
 * Checks a piece of a snapshot's data.
 *
 * @param piece The piece.
 * @throws {WalLogError} `INVALID_ARGUMENT` if it is not a `Uint8Array`.
 */
export function checkPiece(piece: Uint8Array): void {
  checkBytes(piece, "data", "Cannot write a snapshot");
}

/**
 * Checks the range of a snapshot's data that a call reads.
 *
 * @param source The snapshot.
 * @param offset Offset of the range.
 * @param length The requested length, in bytes.
 * @returns The length to read: less than requested if the data ends before.
 * @throws {WalLogError} `INVALID_ARGUMENT` for numbers that are not safe integers of 0 or more, and for an offset
 * beyond the data.
 */
export function checkPart({ dataBytes }: SnapshotSource, offset: number, length: number): number {
  for (const [name, value] of [["offset", offset], ["length", length]] as const) {
    if (Number.isSafeInteger(value) && value >= 0) continue;
    throw invalid(`Cannot read a snapshot: the ${name} must be a safe integer of 0 or more, found ${show(value)}`);
  }
  if (offset > dataBytes) throw invalid(`Cannot read a snapshot at byte ${offset}: it has ${dataBytes} bytes`);
  return Math.min(length, dataBytes - offset);
}

/**
 * The error for writing to a snapshot that was installed or aborted.
 *
 * @param index The snapshot's index.
 * @returns The error to throw.
 */
export function closedTarget(index: Index): WalLogError {
  return new WalLogError("CLOSED", `Cannot write the snapshot at index ${index}: it was installed or aborted`);
}

/** Checks the meta of a snapshot. `at` begins the error message. */
function checkMeta(meta: Uint8Array, at: string): void {
  checkBytes(meta, "meta", at);
  if (meta.length > META_BYTES_MAX) {
    throw invalid(`${at}: the meta must have at most ${META_BYTES_MAX} bytes, found ${meta.length}`);
  }
}

/**
 * Checks a snapshot of the node's own state against the log: the log must have the entry at its index.
 *
 * @param meta Index and term. Both are already known to be valid numbers.
 * @param log The log.
 * @param attempt The attempted operation, for the message.
 * @throws {WalLogError} `COMPACTED` if the log's snapshot includes the index; `INVALID_ARGUMENT` if the index is above
 * the last, or the log has another term there; `DAMAGED_ENTRY` if that term is lost.
 */
export function checkOwnSnapshot(
  { index, term }: SnapshotMeta,
  log: Pick<RaftLog, "snapshotIndex" | "lastIndex" | "termAt">,
  attempt: string,
): void {
  const at = `Cannot ${attempt} at index ${index}`;
  if (index <= log.snapshotIndex) {
    const { snapshotIndex } = log;
    throw new WalLogError("COMPACTED", `${at}: the snapshot at index ${snapshotIndex} includes it`, {
      index: snapshotIndex + 1,
    });
  }
  if (index > log.lastIndex) throw invalid(`${at}: the log ends at index ${log.lastIndex}`);
  const known = log.termAt(index);
  if (known !== term) throw invalid(`${at}: the log has term ${known} there, not ${term}`);
}

/**
 * Checks the arguments of a compaction.
 *
 * @param through The last index to drop.
 * @param options The data, the configuration and the meta of the snapshot; each may be missing.
 * @param lastIndex Index of the log's last entry.
 * @throws {WalLogError} `INVALID_ARGUMENT` for an index that is not a safe integer from 0 to the last index, or for
 * options that {@link checkSnapshot} would refuse in a snapshot.
 */
export function checkCompact(through: Index, options: CompactOptions, lastIndex: Index): void {
  if (!Number.isSafeInteger(through) || through < 0) {
    throw invalid(`Cannot compact: the index must be a safe integer of 0 or more, found ${show(through)}`);
  }
  const at = `Cannot compact through index ${through}`;
  // Bytes are an object too. Without this check, they would pass for options without data.
  if (!isObject(options) || isBytes(options)) {
    throw invalid(`${at}: expected an object with data and config, found ${show(options)}`);
  }
  checkNames(at, options, COMPACT_OPTIONS);
  if (options.data !== undefined) checkBytes(options.data, "data", at);
  if (options.config !== undefined) checkConfig(options.config, at);
  if (options.meta !== undefined) checkMeta(options.meta, at);
  if (through > lastIndex) throw invalid(`${at}: the log ends at index ${lastIndex}`);
}
