/**
 * Reads objects of an archive, and verifies their checksums.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { leaseCodec, returnCodec } from "../codec/pool.ts";
import { FIXED_HEADER_BYTES, snapshotPosition } from "../format/snapshot_header.ts";
import type { ArchivedSnapshot } from "./keys.ts";
import { addToChecksum, CHECKSUM_BLOCK_BYTES } from "./object_checksum.ts";
import type { ObjectStore, RequestOptions } from "./object_store.ts";

/** The most bytes to request at once. */
const REQUEST_BYTES: number = 4 * CHECKSUM_BLOCK_BYTES;
/** The number of attempts to read an object whose bytes are wrong: the reply may have been damaged. */
const ATTEMPTS_MAX = 3;

/** An object and its checksum. */
export interface Fetched {
  readonly key: string;
  readonly checksum: bigint;
}

/**
 * Reads an object in parts, and verifies its checksum at the end.
 *
 * @param store The store.
 * @param object The object.
 * @param size Its size in bytes.
 * @param take Takes each part, with its offset. After a failure, the parts come again from offset 0.
 * @param options A signal.
 * @throws {WalLogError} `NOT_FOUND` if there is no such object, `CORRUPT` if its bytes are wrong, `STORE`.
 */
export async function fetchObject(
  store: ObjectStore,
  { key, checksum }: Fetched,
  size: number,
  take: (part: Uint8Array, offset: number) => void,
  options?: RequestOptions,
): Promise<void> {
  for (let attempt = 1;; attempt++) {
    const found = await fetchOnce(store, key, size, take, options);
    if (found === checksum) return;
    if (attempt === ATTEMPTS_MAX) throw damaged(store, key, "the object is damaged");
  }
}

function damaged({ name }: ObjectStore, key: string, why: string): WalLogError {
  return new WalLogError("CORRUPT", `Cannot read ${key} in ${name}: ${why}`, { path: key });
}

/**
 * Reads a snapshot file in parts. Verifies its checksum, and that it is the snapshot in its key.
 *
 * @param store The store.
 * @param snapshot The object.
 * @param take As for {@link fetchObject}.
 * @param options A signal.
 * @throws {WalLogError} As {@link fetchObject}.
 */
export async function fetchSnapshot(
  store: ObjectStore,
  snapshot: ArchivedSnapshot,
  take: (part: Uint8Array, offset: number) => void,
  options?: RequestOptions,
): Promise<void> {
  const { key, size, index, term } = snapshot;
  let isSame = false;
  await fetchObject(store, snapshot, size, (part, offset) => {
    if (offset === 0) isSame = part.length >= FIXED_HEADER_BYTES && hasPosition(part, index, term);
    take(part, offset);
  }, options);
  if (!isSame) throw damaged(store, key, "the object is another snapshot than the one in its key");
}

function hasPosition(fixed: Uint8Array, index: number, term: number): boolean {
  const found = snapshotPosition(fixed);
  return found.index === BigInt(index) && found.term === BigInt(term);
}

/** Reads an object once; returns its checksum, or `undefined` if it is too short. */
async function fetchOnce(
  store: ObjectStore,
  key: string,
  size: number,
  take: (part: Uint8Array, offset: number) => void,
  options: RequestOptions | undefined,
): Promise<bigint | undefined> {
  let checksum = 0n;
  for (let offset = 0; offset < size || offset === 0;) {
    const length = Math.min(REQUEST_BYTES, size - offset);
    const result = await store.get(key, { offset, length }, options);
    if (result.kind === "absent") {
      throw new WalLogError("NOT_FOUND", `Cannot read ${key} in ${store.name}: there is no such object`, { path: key });
    }
    if (result.bytes.length !== length || result.size !== size) return undefined;
    const codec = leaseCodec();
    checksum = addToChecksum(codec, checksum, result.bytes);
    returnCodec(codec);
    take(result.bytes, offset);
    offset += length;
    if (length === 0) break;
  }
  return checksum;
}

/** Reads a whole piece into memory. */
export async function fetchPiece(
  store: ObjectStore,
  piece: Fetched & { readonly from: number; readonly to: number },
  options?: RequestOptions,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(piece.to - piece.from);
  await fetchObject(store, piece, bytes.length, (part, offset) => bytes.set(part, offset), options);
  return bytes;
}
