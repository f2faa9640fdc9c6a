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
 * The format is its authors'; it is frozen, and nothing may be added to it here.
 *
 * @module
 */

import type { EntryKind, Index, LogEntry, NodeId, SnapshotMeta, Term } from "../api/types.ts";

/** What precedes a record: checksum and length. In bytes. */
export const FRAMING_BYTES = 8;
/** Where the checksummed part begins. In bytes. */
export const SUMMED_FROM = 4;
/** The largest record that there is: the format's authors refuse larger ones. In bytes: 64 MiB. */
export const RECORD_BYTES_MAX = 64 * 1024 * 1024;
/** How much of a record tells whether its length is plausible. In bytes. */
export const PLAUSIBLE_BYTES = 26;

const TAG_ENTRY = 1;
const TAG_HARD_STATE = 2;
const TAG_TRUNCATE = 3;
const TAG_SNAPSHOT = 4;

/** Bytes of a record beside command, members and data. */
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

/** A number that is no safe integer: it cannot be represented, and is not rounded. */
export class UnsafeNumber extends Error {
  /** What the number is, and of what: `the term of an entry`. */
  readonly what: string;
  /** The number. */
  readonly value: bigint;

  constructor(what: string, value: bigint) {
    super(`${what} is ${value}`);
    this.what = what;
    this.value = value;
  }
}

/** Bytes that no record has, although their checksum is right. */
export class Malformed extends Error {}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A 64-bit number as one of JavaScript's. */
function safe(view: DataView, offset: number, what: string): number {
  const high = view.getUint32(offset + 4, true);
  if (high >= 2 ** 21) throw new UnsafeNumber(what, view.getBigUint64(offset, true));
  return high * 2 ** 32 + view.getUint32(offset, true);
}

/** Puts a safe integer as 64 bits. */
function setSafe(view: DataView, offset: number, value: number): void {
  view.setUint32(offset, value >>> 0, true);
  view.setUint32(offset + 4, Math.floor(value / 2 ** 32), true);
}

/** A length that must come out as what is there. */
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
 * @returns What it says; command and data are views of the bytes.
 * @throws {Malformed} If it is none.
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
 * Whether a record can have a length, by what little is known of it: for a search among bytes that may be anything.
 *
 * @param view What holds the record's beginning, at least {@link PLAUSIBLE_BYTES} of it unless the record is shorter.
 * @param at Where it begins there.
 * @param length Its length.
 * @returns Whether a look at its checksum is worth while.
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
 * How long a record is without its command or data.
 *
 * @param record The record.
 * @returns Bytes, framing included.
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
 * What a record ends with, as it is.
 *
 * @param record The record.
 * @returns An entry's command, a snapshot's data.
 */
export function payloadOf(record: WalDbRecord): Uint8Array {
  return record.type === "entry" ? record.entry.command : record.type === "snapshot" ? record.data : NO_BYTES;
}

/**
 * The bytes that a record takes.
 *
 * @param record The record.
 * @returns Bytes, framing included.
 */
export function framedBytes(record: WalDbRecord): number {
  return headBytes(record) + payloadOf(record).length;
}

/**
 * Writes a record but for its payload, which follows, and its checksum, which is left to the caller.
 *
 * @param record The record.
 * @param into Where its framing begins.
 * @returns How many bytes were written.
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
