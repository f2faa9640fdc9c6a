/**
 * The bytes of a wal-db log with raft-io's records: one file, records back to back from offset 0, no header. All
 * integers are little-endian.
 *
 * ```text
 * Framing                                  Records, by their first byte
 *   0  u32 crc32c   of all that follows      1 entry       u64 term, u64 index, u8 kind (0 normal, 1 config),
 *   4  u32 length   of the record                          u64 length, command
 *   8  record                                2 hard state  u64 term, u8 has vote, u64 vote
 *                                            3 truncate    u64 from
 *                                            4 snapshot    u64 index, u64 term, u64 n, n x u64 member,
 *                                                          u64 length, data
 * ```
 *
 * The format belongs to its authors. It is frozen, and nothing may be added to it here.
 *
 * @module
 */

import type { EntryKind, Index, LogEntry, NodeId, SnapshotMeta, Term } from "../api/types.ts";

/** The size of the framing before a record: checksum and length. In bytes. */
export const FRAMING_BYTES = 8;
/** Offset of the checksummed part, in bytes. */
export const SUMMED_FROM = 4;
/** The largest record, in bytes: 64 MiB. The format's authors refuse larger ones. */
export const RECORD_BYTES_MAX = 64 * 1024 * 1024;
/** The number of first bytes of a record that show whether its length is plausible. */
export const PLAUSIBLE_BYTES = 26;

const TAG_ENTRY = 1;
const TAG_HARD_STATE = 2;
const TAG_TRUNCATE = 3;
const TAG_SNAPSHOT = 4;

/** Bytes of a record besides command, members and data. */
const ENTRY_BYTES = 26;
const HARD_STATE_BYTES = 18;
const TRUNCATE_BYTES = 9;
const SNAPSHOT_BYTES = 33;

/** A record, with views of the bytes that it was decoded from. */
export type WalDbRecord =
  | { readonly type: "entry"; readonly entry: LogEntry }
  | { readonly type: "hard state"; readonly term: Term; readonly votedFor: NodeId | null }
  | { readonly type: "truncate"; readonly from: Index }
  | { readonly type: "snapshot"; readonly meta: SnapshotMeta; readonly data: Uint8Array };

/** A number that is not a safe integer. It cannot be represented exactly, and is not rounded. */
export class UnsafeNumber extends Error {
  /** The name of the number: `the term of an entry`. */
  readonly what: string;
  /** The number. */
  readonly value: bigint;

  constructor(what: string, value: bigint) {
    super(`${what} is ${value}`);
    this.what = what;
    this.value = value;
  }
}

/** Bytes that are not a record, although their checksum is valid. */
export class Malformed extends Error {}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** Reads a 64-bit number as a JavaScript number. */
function safe(view: DataView, offset: number, what: string): number {
  const high = view.getUint32(offset + 4, true);
  if (high >= 2 ** 21) throw new UnsafeNumber(what, view.getBigUint64(offset, true));
  return high * 2 ** 32 + view.getUint32(offset, true);
}

/** Writes a safe integer as 64 bits. */
function setSafe(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value >>> 0, true);
  view.setUint32(offset + 4, Math.floor(value / 2 ** 32), true);
}

/** Fails unless a length field has the actual length. */
function requireLength(view: DataView, offset: number, found: number): void {
  const stated = view.getBigUint64(offset, true);
  if (stated !== BigInt(found)) throw new Malformed(`it states ${stated} bytes where it has ${found}`);
}

function requireBytes(record: Uint8Array, exactly: number, what: string): void {
  if (record.length !== exactly) throw new Malformed(`${what} has ${exactly} bytes, this one ${record.length}`);
}

/**
 * Reads a record.
 *
 * @param record Its bytes, without the framing.
 * @returns The record. Command and data are views of the bytes.
 * @throws {Malformed} If the bytes are not a record.
 * @throws {UnsafeNumber} If a term or an index is past 2^53 - 1.
 */
export function decodeRecord(record: Uint8Array<ArrayBuffer>): WalDbRecord {
  const view = viewOf(record);
  const tag = record[0];
  if (tag === TAG_ENTRY) {
    if (record.length < ENTRY_BYTES) throw new Malformed(`an entry of ${record.length} bytes`);
    const kind = record[17]!;
    if (kind > 1) throw new Malformed(`an entry of kind ${kind}`);
    requireLength(view, 18, record.length - ENTRY_BYTES);
    const term = safe(view, 1, "the term of an entry");
    const index = safe(view, 9, "the index of an entry");
    const entryKind: EntryKind = kind === 0 ? "normal" : "config";
    return { type: "entry", entry: { term, index, kind: entryKind, command: record.subarray(ENTRY_BYTES) } };
  }
  if (tag === TAG_HARD_STATE) {
    requireBytes(record, HARD_STATE_BYTES, "a hard state");
    if (record[9]! > 1) throw new Malformed(`a hard state whose vote is marked ${record[9]}`);
    const votedFor = record[9] === 1 ? view.getBigUint64(10, true) : null;
    return { type: "hard state", term: safe(view, 1, "the term of a hard state"), votedFor };
  }
  if (tag === TAG_TRUNCATE) {
    requireBytes(record, TRUNCATE_BYTES, "a truncation");
    return { type: "truncate", from: safe(view, 1, "the index of a truncation") };
  }
  if (tag === TAG_SNAPSHOT) {
    if (record.length < SNAPSHOT_BYTES) throw new Malformed(`a snapshot of ${record.length} bytes`);
    const members = view.getBigUint64(17, true);
    if (members * 8n > BigInt(record.length - SNAPSHOT_BYTES)) throw new Malformed(`a snapshot of ${members} members`);
    const dataAt = SNAPSHOT_BYTES + Number(members) * 8;
    requireLength(view, dataAt - 8, record.length - dataAt);
    const config = Array.from({ length: Number(members) }, (_, i) => view.getBigUint64(25 + i * 8, true));
    const index = safe(view, 1, "the index of a snapshot");
    const term = safe(view, 9, "the term of a snapshot");
    return { type: "snapshot", meta: { index, term, config }, data: record.subarray(dataAt) };
  }
  throw new Malformed(tag === undefined ? "a record of no bytes" : `a record of unknown kind ${tag}`);
}

/**
 * Whether a record's first bytes are compatible with a length. Used to search arbitrary bytes.
 *
 * @param view A view with at least {@link PLAUSIBLE_BYTES} of the record, unless the record is shorter.
 * @param at Its offset in the view.
 * @param length Its length.
 * @returns Whether its checksum is worth checking.
 */
export function isPlausible(view: DataView, at: number, length: number): boolean {
  switch (view.getUint8(at)) {
    case TAG_ENTRY:
      return length >= ENTRY_BYTES && view.getUint32(at + 18, true) === length - ENTRY_BYTES;
    case TAG_HARD_STATE:
      return length === HARD_STATE_BYTES;
    case TAG_TRUNCATE:
      return length === TRUNCATE_BYTES;
    case TAG_SNAPSHOT:
      return length >= SNAPSHOT_BYTES && view.getUint32(at + 17, true) <= (length - SNAPSHOT_BYTES) / 8;
    default:
      return false;
  }
}

/**
 * The length of a record without its command or data.
 *
 * @param record The record.
 * @returns The number of bytes, including the framing.
 */
function headBytes(record: WalDbRecord): number {
  switch (record.type) {
    case "entry":
      return FRAMING_BYTES + ENTRY_BYTES;
    case "hard state":
      return FRAMING_BYTES + HARD_STATE_BYTES;
    case "truncate":
      return FRAMING_BYTES + TRUNCATE_BYTES;
    case "snapshot":
      return FRAMING_BYTES + SNAPSHOT_BYTES + record.meta.config.length * 8;
  }
}

const NO_BYTES = new Uint8Array(0);

/**
 * The payload at the end of a record.
 *
 * @param record The record.
 * @returns The command of an entry, or the data of a snapshot.
 */
export function payloadOf(record: WalDbRecord): Uint8Array {
  return record.type === "entry" ? record.entry.command : record.type === "snapshot" ? record.data : NO_BYTES;
}

/**
 * The size of a record.
 *
 * @param record The record.
 * @returns The number of bytes, including the framing.
 */
export function framedBytes(record: WalDbRecord): number {
  return headBytes(record) + payloadOf(record).length;
}

/**
 * Writes a record without its payload, which follows, and without its checksum, which the caller adds.
 *
 * @param record The record.
 * @param into The bytes from the start of its framing.
 * @returns The number of bytes written.
 */
export function encodeHead(record: WalDbRecord, into: Uint8Array): number {
  const view = viewOf(into);
  const bytes = headBytes(record);
  view.setUint32(SUMMED_FROM, framedBytes(record) - FRAMING_BYTES, true);
  const at = FRAMING_BYTES;
  switch (record.type) {
    case "entry": {
      const { term, index, kind, command } = record.entry;
      into[at] = TAG_ENTRY;
      setSafe(view, at + 1, term);
      setSafe(view, at + 9, index);
      into[at + 17] = kind === "normal" ? 0 : 1;
      setSafe(view, at + 18, command.length);
      break;
    }
    case "hard state":
      into[at] = TAG_HARD_STATE;
      setSafe(view, at + 1, record.term);
      into[at + 9] = record.votedFor === null ? 0 : 1;
      view.setBigUint64(at + 10, record.votedFor ?? 0n, true);
      break;
    case "truncate":
      into[at] = TAG_TRUNCATE;
      setSafe(view, at + 1, record.from);
      break;
    case "snapshot": {
      const { index, term, config } = record.meta;
      into[at] = TAG_SNAPSHOT;
      setSafe(view, at + 1, index);
      setSafe(view, at + 9, term);
      setSafe(view, at + 17, config.length);
      config.forEach((member, i) => view.setBigUint64(at + 25 + i * 8, member, true));
      setSafe(view, bytes - 8, record.data.length);
      break;
    }
  }
  return bytes;
}
