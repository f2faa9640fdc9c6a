/**
 * The interface between an archive and an object store. A store that implements it can hold archives. `docs/ARCHIVE.md`
 * lists what a store must guarantee.
 *
 * Expected outcomes are results: an object exists or not, a key was free or not. A failure of the store is a
 * `WalLogError` with the code `STORE`. After a failure, the request may have taken effect, or may still do so.
 *
 * @module
 */

/** The contents of an object to write. It is read in parts, so that an object need not fit in memory. */
export interface ObjectBody {
  /** The size in bytes. */
  readonly size: number;
  /**
   * Reads a part. A store can read a part again when it repeats a request.
   *
   * @param offset The offset of the part, in bytes.
   * @param length Its length. The part lies within the object.
   * @returns The bytes. The store must use or copy them before it reads again.
   */
  read(offset: number, length: number): Uint8Array;
}

/** An object in a list. */
export interface ListedObject {
  /** The key. */
  readonly key: string;
  /** The size in bytes. */
  readonly size: number;
}

/** A part of an object. */
export interface ObjectRange {
  /** The offset of the first byte. */
  readonly offset: number;
  /** The number of bytes. At the end of the object, there are fewer. */
  readonly length: number;
}

/** The most bytes that one read of a store in a folder or in S3 returns: they must fit in memory. */
export const READ_BYTES_MAX: number = 1024 * 1024 * 1024;

/** The result of a conditional write. */
export type PutResult = { readonly kind: "created" } | { readonly kind: "exists" };

/** The result of a read. `size`: the size of the whole object, in bytes. */
export type GetResult =
  | { readonly kind: "found"; readonly bytes: Uint8Array; readonly size: number }
  | { readonly kind: "absent" };

/** Options of a request. */
export interface RequestOptions {
  /** Ends the request: it rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** An object store. Keys consist of letters, digits, `-`, `.`, `_` and `/`, without empty parts. */
export interface ObjectStore {
  /** The place of the objects, for messages: `s3://bucket/prefix`. It must not have secrets. */
  readonly name: string;

  /**
   * Writes an object if its key is free. Of several writers, at most one succeeds.
   *
   * @param key The key.
   * @param bytes The object.
   * @param options A signal.
   * @returns Whether it was created. If the reply to an earlier attempt was lost, the existing object can be the
   * caller's own.
   * @throws {WalLogError} `STORE`.
   */
  putIfAbsent(key: string, bytes: Uint8Array, options?: RequestOptions): Promise<PutResult>;

  /**
   * Writes an object, and replaces an existing one with the key. It is durable when this resolves.
   *
   * @param key The key.
   * @param body The object.
   * @param options A signal.
   * @throws {WalLogError} `STORE`.
   */
  put(key: string, body: ObjectBody, options?: RequestOptions): Promise<void>;

  /**
   * Reads an object or a part of it. Stores in a folder or in S3 read at most 1 GiB at once.
   *
   * @param key The key.
   * @param range The part. Default: the whole object.
   * @param options A signal.
   * @returns The bytes.
   * @throws {WalLogError} `STORE`.
   */
  get(key: string, range?: ObjectRange, options?: RequestOptions): Promise<GetResult>;

  /**
   * Lists objects in the order of their keys, compared as ASCII.
   *
   * @param prefix The beginning of their keys.
   * @param options A signal.
   * @returns The objects.
   * @throws {WalLogError} `STORE`.
   */
  list(prefix: string, options?: RequestOptions): AsyncIterable<ListedObject>;

  /**
   * Deletes an object. Does nothing if there is none.
   *
   * @param key The key.
   * @param options A signal.
   * @throws {WalLogError} `STORE`.
   */
  delete(key: string, options?: RequestOptions): Promise<void>;
}

/**
 * Makes a body of bytes in memory.
 *
 * @param bytes The bytes. They must not change before the object is written.
 * @returns The body.
 */
export function bodyOf(bytes: Uint8Array): ObjectBody {
  return { size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) };
}
