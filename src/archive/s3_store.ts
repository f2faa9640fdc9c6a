/**
 * An object store in a bucket of Amazon S3, or of another service with the same protocol.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { WalLogError } from "../api/errors.ts";
import { show } from "../api/validate.ts";
import { reasonOf } from "../io/full.ts";
import {
  bodyOf,
  type GetResult,
  type ListedObject,
  type ObjectBody,
  type ObjectRange,
  type ObjectStore,
  type PutResult,
  READ_BYTES_MAX,
  type RequestOptions,
} from "./object_store.ts";
import { placeOf, type S3Options } from "./s3_place.ts";
import { failureOf, S3Failure, type S3Reply, type S3Request, S3Requests } from "./s3_requests.ts";
import { completeUpload, isUploadComplete, type ListPage, readListPage, readUploadId } from "./s3_xml.ts";
import { inSlices } from "./slices.ts";
import { checkKey } from "./store_key.ts";

/** The size of a part of a large object, in bytes. Smaller objects are written with one request. S3 demands 5 MiB. */
const PART_BYTES = 8 * 1024 * 1024;
/** The most parts of an object. Parts of an object that would have more are larger. */
const PARTS_MAX = 10_000;
/** The most bytes of a page of a list: S3 lists at most 1000 keys of at most 1024 bytes, and encodes them. */
const LIST_PAGE_BYTES_MAX = 16 * 1024 * 1024;
/** The most pages without a key in a row. A service may skip deleted versions, and list nothing for some pages. */
const EMPTY_PAGES_MAX = 1000;
/** The longest time for aborting an upload that failed, in milliseconds. */
const ABORT_MS_MAX = 3000;
/** The bytes to hash before other tasks may run. */
const HASH_BYTES = 256 * 1024;

/**
 * An object store in a bucket of Amazon S3, or of a service with the same protocol that refuses to write a key twice
 * (`If-None-Match: *`). It needs the package `aws4fetch`, which signs requests.
 *
 * Requests are repeated after temporary failures. A large object is read and sent in parts of 8 MiB, one at a time;
 * parts of an object above 80 GB are larger.
 *
 * @example
 * ```ts
 * import { S3Store } from "@wallog/wallog/archive/s3";
 *
 * const store = new S3Store("s3://backups/raft-1", {
 *   endpoint: "https://minio.example.com",
 *   region: "us-east-1",
 *   credentials: { accessKeyId: "key", secretAccessKey: "secret" },
 * });
 * console.log(store.name); // s3://backups/raft-1. Pass the store to `archive` or `restore`.
 * ```
 */
export class S3Store implements ObjectStore {
  /** The place of the objects, for messages: `s3://bucket/prefix`. */
  readonly name: string;
  readonly #prefix: string;
  readonly #requests: S3Requests;

  /**
   * Makes a store. The bucket must exist.
   *
   * @param place `s3://bucket` or `s3://bucket/prefix`.
   * @param options The endpoint, the credentials, and limits. Environment variables replace missing options.
   * @throws {WalLogError} `INVALID_ARGUMENT` if the place or an option is invalid, or if there are no credentials.
   */
  constructor(place: string, options: S3Options = {}) {
    const resolved = placeOf(place, options);
    this.name = resolved.name;
    this.#prefix = resolved.prefix;
    this.#requests = new S3Requests(resolved);
  }

  /** As {@link ObjectStore.putIfAbsent}. */
  async putIfAbsent(key: string, bytes: Uint8Array, options?: RequestOptions): Promise<PutResult> {
    const request = this.#request("PUT", "write", key, options);
    const body = await this.#partOf(request, bodyOf(bytes), 0, bytes.length);
    return await this.#requests.send({
      ...request,
      ...body,
      headers: { ...body.headers, "if-none-match": "*" },
      isResult: (status) => status === 412 || status === 501,
    }, ({ status }): PutResult => {
      if (status === 412) return { kind: "exists" };
      if (status !== 501) return { kind: "created" };
      const message =
        `Cannot write ${key} in ${this.name}: the service has no conditional write (If-None-Match: *), so that two ` +
        "archivers could mix their logs; use another store";
      throw new WalLogError("INVALID_ARGUMENT", message, { path: this.name });
    });
  }

  /** As {@link ObjectStore.put}. */
  async put(key: string, body: ObjectBody, options?: RequestOptions): Promise<void> {
    const request = this.#request("PUT", "write", key, options);
    if (body.size > PART_BYTES) return await this.#putInParts(key, body, options);
    const part = await this.#partOf(request, body, 0, body.size);
    await this.#requests.send({ ...request, ...part }, () => {});
  }

  /** As {@link ObjectStore.get}. */
  async get(key: string, range?: ObjectRange, options?: RequestOptions): Promise<GetResult> {
    const request = this.#request("GET", "read", key, options);
    // A range has at least one byte.
    const length = range === undefined ? undefined : Math.max(range.length, 1);
    const headers: Record<string, string> = range === undefined
      ? {}
      : { range: `bytes=${range.offset}-${range.offset + length! - 1}` };
    const isResult = (status: number, code?: string) => status === 416 || (status === 404 && code === "NoSuchKey");
    const limited = { ...request, headers, isResult, replyBytesMax: length ?? READ_BYTES_MAX };
    const found = await this.#requests.send(limited, (reply): GetResult | undefined => {
      if (reply.status === 404) return { kind: "absent" };
      if (reply.status === 416) return undefined;
      if (range === undefined) return { kind: "found", bytes: reply.bytes, size: reply.bytes.length };
      return {
        kind: "found",
        bytes: reply.bytes.subarray(0, range.length),
        size: sizeOf(reply, range.offset),
      } as const;
    });
    if (found !== undefined) return found;
    // The range begins at or after the end of the object.
    if (range!.offset === 0) return { kind: "found", bytes: new Uint8Array(), size: 0 };
    const first = await this.get(key, { offset: 0, length: 0 }, options);
    return first.kind === "absent" ? first : { ...first, bytes: new Uint8Array() };
  }

  /** As {@link ObjectStore.list}. */
  async *list(prefix: string, options?: RequestOptions): AsyncGenerator<ListedObject, void> {
    let last = "";
    let emptyPages = 0;
    for (let token: string | undefined, page: ListPage | undefined; page === undefined || token !== undefined;) {
      page = await this.#listPage(prefix, token, options);
      emptyPages = page.objects.length === 0 ? emptyPages + 1 : 0;
      for (const { key, size } of page.objects) {
        if (Buffer.compare(Buffer.from(key), Buffer.from(last)) <= 0 || !key.startsWith(this.#prefix)) {
          const message = `Cannot list ${prefix} in ${this.name}: the service lists ${show(key)} out of order`;
          throw new WalLogError("STORE", message, { path: this.name });
        }
        last = key;
        yield { key: key.slice(this.#prefix.length), size };
      }
      if (page.next !== undefined && (page.next === token || emptyPages === EMPTY_PAGES_MAX)) {
        const why = page.next === token ? "the same page again" : `${EMPTY_PAGES_MAX} pages without a key`;
        const message = `Cannot list ${prefix || "objects"} in ${this.name}: the service lists ${why}, and no end`;
        throw new WalLogError("STORE", message, { path: this.name });
      }
      token = page.next;
    }
  }

  /** As {@link ObjectStore.delete}. */
  async delete(key: string, options?: RequestOptions): Promise<void> {
    const request = this.#request("DELETE", "delete", key, options);
    await this.#requests.send({ ...request, isResult: (_, code) => code === "NoSuchKey" }, () => {});
  }

  #request(method: S3Request["method"], verb: string, key: string, options: RequestOptions | undefined): S3Request {
    checkKey(key);
    return { method, action: `${verb} ${key}`, key: this.#prefix + key, signal: options?.signal };
  }

  #listPage(prefix: string, token: string | undefined, options: RequestOptions | undefined): Promise<ListPage> {
    const query = {
      "list-type": "2",
      "encoding-type": "url",
      prefix: this.#prefix + prefix,
      ...token !== undefined && { "continuation-token": token },
    };
    const request = {
      method: "GET",
      action: `list ${prefix || "objects"}`,
      key: "",
      query,
      replyBytesMax: LIST_PAGE_BYTES_MAX,
    } as const;
    return this.#requests.send({ ...request, signal: options?.signal }, (reply) => {
      const page = readListPage(textOf(reply));
      if (page === undefined) throw wrongReply(reply);
      return page;
    });
  }

  /** Writes an object in parts. If that fails, the upload is aborted, so that its parts take no space. */
  async #putInParts(key: string, body: ObjectBody, options: RequestOptions | undefined): Promise<void> {
    const request = this.#request("PUT", "write", key, options);
    const uploadId = await this.#requests.send({ ...request, method: "POST", query: { uploads: "" } }, (reply) => {
      const id = readUploadId(textOf(reply));
      if (id === undefined) throw wrongReply(reply);
      return id;
    });
    try {
      const tags = await this.#putParts({ ...request, query: { uploadId } }, body);
      await this.#complete(request, uploadId, tags, () => this.#hasSize(key, body.size, options));
    } catch (error) {
      // The caller's signal may have ended the upload, and must not end this. The caller waits for it, but not long.
      const signal = AbortSignal.timeout(ABORT_MS_MAX);
      const abort = { ...request, method: "DELETE", query: { uploadId }, signal, attempts: 1 } as const;
      await this.#requests.send(abort, () => {}).catch(() => {});
      throw error;
    }
  }

  /** Writes the parts one after the other; returns their tags. */
  async #putParts(request: S3Request, body: ObjectBody): Promise<string[]> {
    const partBytes = Math.max(PART_BYTES, Math.ceil(body.size / PARTS_MAX));
    const tags: string[] = [];
    for (let offset = 0; offset < body.size; offset += partBytes) {
      const part = await this.#partOf(request, body, offset, Math.min(partBytes, body.size - offset));
      const query = { ...request.query, partNumber: String(tags.length + 1) };
      tags.push(
        await this.#requests.send({ ...request, ...part, query }, (reply) => {
          const tag = reply.headers.get("etag");
          if (tag === null) throw wrongReply(reply);
          return tag;
        }),
      );
    }
    return tags;
  }

  /** Completes an upload. The reply can be 200 and an error: the service sends the status before it is done. */
  async #complete(request: S3Request, uploadId: string, tags: readonly string[], isThere: () => Promise<boolean>) {
    const body = new TextEncoder().encode(completeUpload(tags));
    const headers = { "content-md5": await md5Of(body) };
    const isGone = await this.#requests.send({
      ...{ ...request, method: "POST", query: { uploadId }, body, headers },
      isResult: (_, code) => code === "NoSuchUpload",
    }, (reply) => {
      if (reply.status === 404) return failureOf(reply.status, reply.headers, textOf(reply));
      if (!isUploadComplete(textOf(reply))) throw wrongReply(reply);
      return undefined;
    });
    // If the reply to an earlier attempt was lost, the upload is complete, and no longer there.
    if (isGone === undefined || await isThere()) return;
    throw new WalLogError("STORE", `Cannot ${request.action} in ${this.name}: ${isGone.message}`, {
      path: this.name,
      cause: isGone,
    });
  }

  async #hasSize(key: string, size: number, options: RequestOptions | undefined): Promise<boolean> {
    const found = await this.get(key, { offset: 0, length: 0 }, options);
    return found.kind === "found" && found.size === size;
  }

  /** A part of a body, with the header that protects it. */
  async #partOf({ action, signal }: S3Request, body: ObjectBody, offset: number, length: number) {
    signal?.throwIfAborted();
    try {
      const bytes = body.read(offset, length) as Uint8Array<ArrayBuffer>;
      return { body: bytes, headers: { "content-md5": await md5Of(bytes) } };
    } catch (cause) {
      if (cause instanceof WalLogError) throw cause;
      throw new WalLogError("STORE", `Cannot ${action} in ${this.name}: ${reasonOf(cause)}`, {
        path: this.name,
        cause,
      });
    }
  }
}

/** The size of an object, from the reply to a request for a range. */
function sizeOf({ status, headers, bytes }: S3Reply, offset: number): number {
  const [, first, size] = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers.get("content-range") ?? "") ?? [];
  if (status === 206 && Number(first) === offset) return Number(size);
  throw new S3Failure(`the reply is not the range from ${offset}, but has ${bytes.length} bytes`, true);
}

/** The failure of a reply with a body that is not the expected one: an error after all, or a part of it. */
function wrongReply(reply: S3Reply): S3Failure {
  const failure = failureOf(reply.status, reply.headers, textOf(reply));
  if (failure.code !== undefined) return failure;
  return new S3Failure(`the reply has an unexpected body of ${reply.bytes.length} bytes`, true);
}

function textOf({ bytes }: S3Reply): string {
  return new TextDecoder().decode(bytes);
}

/** The MD5 of bytes in base64. S3 and Ceph verify it. */
function md5Of(bytes: Uint8Array): Promise<string> {
  return inSlices((function* () {
    const hash = createHash("md5");
    for (let done = 0; done < bytes.length; done += HASH_BYTES) {
      hash.update(bytes.subarray(done, done + HASH_BYTES));
      yield;
    }
    return hash.digest("base64");
  })());
}
