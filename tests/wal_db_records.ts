/**
 * Encodes and parses records of wal-db logs for tests, from the description of the format and without code of the
 * library. Also gives the contents of logs according to the reference.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createCRC32, type IHasher } from "hash-wasm";
import type { RaftLog } from "../src/api/types.ts";

const REFERENCE = fileURLToPath(new URL("../../shared/reference/wal-db/", import.meta.url));

/** The Castagnoli polynomial with reversed bits. */
const hasher: IHasher = await createCRC32(0x82f63b78);

/** A log of the reference. */
export interface Reference {
  readonly name: string;
  readonly path: string;
  /** The state that the reference implementation recovers from it. */
  readonly expected: ExpectedState;
}

/** A log's state as the reference writes it: 64-bit numbers as decimal strings. */
export interface ExpectedState {
  readonly last_index: string;
  readonly last_term: string;
  readonly snapshot_index: string;
  readonly snapshot: {
    readonly index: string;
    readonly term: string;
    readonly config: readonly string[];
    readonly data_len: number;
    readonly data_fnv1a64: string;
  } | null;
  readonly hard_state: { readonly term: string; readonly voted_for: string | null };
  readonly entries: readonly (readonly [string, string, string, number, string])[];
}

/** The logs of the reference; none if it is absent. */
export function references(): Reference[] {
  if (!existsSync(REFERENCE)) return [];
  return readdirSync(REFERENCE).filter((name) => name.endsWith(".wal")).sort().map((file) => {
    const name = file.slice(0, -".wal".length);
    return {
      name,
      path: join(REFERENCE, file),
      expected: JSON.parse(readFileSync(join(REFERENCE, `${name}.json`), "utf8")),
    };
  });
}

/** A log's state as the reference would write it. */
export function stateAsExpected(log: RaftLog): ExpectedState {
  const snapshot = log.snapshot();
  const { term, votedFor } = log.hardState;
  return {
    last_index: String(log.lastIndex),
    last_term: String(log.lastTerm),
    snapshot_index: String(log.snapshotIndex),
    snapshot: snapshot === undefined ? null : {
      index: String(snapshot.index),
      term: String(snapshot.term),
      config: snapshot.config.map(String),
      data_len: snapshot.data.length,
      data_fnv1a64: fnv1a64(snapshot.data),
    },
    hard_state: { term: String(term), voted_for: votedFor === null ? null : String(votedFor) },
    entries: log.entries(0, Number.MAX_SAFE_INTEGER).map(({ index, term, kind, command }) =>
      [String(index), String(term), kind, command.length, fnv1a64(command)] as const
    ),
  };
}

/** FNV-1a with 64 bits, in hexadecimal. */
function fnv1a64(bytes: Uint8Array): string {
  let low = 0x84222325;
  let high = 0xcbf29ce4;
  for (const byte of bytes) {
    low = (low ^ byte) >>> 0;
    // Times 2^40 + 0x1b3.
    const product = low * 0x1b3;
    high = (Math.imul(high, 0x1b3) + Math.floor(product / 2 ** 32) + (low << 8)) >>> 0;
    low = product >>> 0;
  }
  return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
}

/** A record with its framing. */
export function framed(...parts: readonly (number[] | Uint8Array)[]): Uint8Array {
  const record = Buffer.concat(parts.map((part) => Buffer.from(part)));
  const framing = Buffer.alloc(8);
  framing.writeUInt32LE(record.length, 4);
  const sum = hasher.init().update(framing.subarray(4)).update(record).digest("hex");
  framing.writeUInt32LE(parseInt(sum, 16), 0);
  return new Uint8Array(Buffer.concat([framing, record]));
}

/** A number in 64 bits. */
export function u64(number: number | bigint): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(number));
  return bytes;
}

/** Records of each kind. */
export const record = {
  entry: (term: number | bigint, index: number | bigint, command: Uint8Array, kind = 0): Uint8Array =>
    framed([1], u64(term), u64(index), [kind], u64(command.length), command),
  hardState: (term: number | bigint, votedFor: bigint | null): Uint8Array =>
    framed([2], u64(term), [votedFor === null ? 0 : 1], u64(votedFor ?? 0n)),
  truncate: (from: number | bigint): Uint8Array => framed([3], u64(from)),
  snapshot: (index: number | bigint, term: number | bigint, members: readonly bigint[], data: Uint8Array): Uint8Array =>
    framed([4], u64(index), u64(term), u64(members.length), ...members.map(u64), u64(data.length), data),
};

/**
 * Parses a file; fails if it violates the format.
 *
 * @param bytes The file.
 * @returns The first byte of each record and its length.
 */
export function recordsOf(bytes: Uint8Array): { readonly tag: number; readonly length: number }[] {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = [];
  for (let at = 0; at < file.length;) {
    const length = file.readUInt32LE(at + 4);
    const sum = parseInt(hasher.init().update(file.subarray(at + 4, at + 8 + length)).digest("hex"), 16);
    if (at + 8 + length > file.length || sum !== file.readUInt32LE(at)) throw new Error(`no record at byte ${at}`);
    found.push({ tag: file[at + 8]!, length });
    at += 8 + length;
  }
  return found;
}

/**
 * A file of headers back to back. Each claims an entry that reaches to the end of the file. All checksums are wrong.
 *
 * @param bytes The size of the file; at most 64 MiB.
 * @returns The file.
 */
export function plausibleHeaders(bytes: number): Uint8Array {
  const file = Buffer.alloc(bytes);
  for (let at = 0; at + 34 <= bytes; at += 34) {
    file.writeUInt32LE(bytes - at - 8, at + 4);
    file[at + 8] = 1;
    file.writeUInt32LE(bytes - at - 34, at + 26);
  }
  return new Uint8Array(file);
}
