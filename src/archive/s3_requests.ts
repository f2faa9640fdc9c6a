/**
 * Requests to S3: signs them, limits their time, repeats them after temporary failures, and explains errors.
 *
 * @module
 */

import { setTimeout as pause } from "node:timers/promises";
import { AwsV4Signer } from "aws4fetch";
import { WalLogError } from "../api/errors.ts";
import { reasonOf } from "../io/full.ts";
import type { S3Place } from "./s3_place.ts";
import { readError } from "./s3_xml.ts";

/** The bounds of the pauses between attempts, in milliseconds. */
const PAUSE_MS_FIRST = 200;
const PAUSE_MS_MAX = 10_000;
/** The most bytes of a reply without an object or a list, such as an error. */
const SHORT_REPLY_BYTES_MAX = 64 * 1024;
/** The most characters of a text from the service in a message. */
const MESSAGE_LENGTH_MAX = 300;

/** Statuses of temporary failures: of the service, of a proxy before it, or of two requests that collide. */
const PASSING_STATUSES: readonly number[] = [408, 409, 429, 500, 502, 503, 504];
/** Codes of temporary failures, whatever their status is. */
const PASSING_CODES: readonly string[] = ["InternalError", "RequestTimeout", "ServiceUnavailable", "SlowDown"];

/** Codes with which the service refuses credentials. Without others, no request can succeed. */
const REFUSAL_CODES: readonly string[] = [
  "InvalidAccessKeyId",
  "SignatureDoesNotMatch",
  "ExpiredToken",
  "InvalidToken",
];

/** The advice for an error, by its code. */
const ADVICE: Readonly<Record<string, string>> = {
  NoSuchBucket: "create the bucket, or name another one",
  AccessDenied: "allow these credentials to list the bucket, and to read, write and delete its objects",
  InvalidAccessKeyId: "check the credentials (AWS_ACCESS_KEY_ID) and the endpoint",
  SignatureDoesNotMatch: "check the credentials (AWS_SECRET_ACCESS_KEY)",
  ExpiredToken: "renew the credentials",
  InvalidToken: "check the credentials (AWS_SESSION_TOKEN)",
  RequestTimeTooSkewed: "set the clock of this machine",
  PermanentRedirect: "set the region of the bucket (AWS_REGION)",
  AuthorizationHeaderMalformed: "set the region of the bucket (AWS_REGION)",
};

/** A request. */
export interface S3Request {
  /** Its purpose, for messages: `write a/b`. */
  readonly action: string;
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** The whole key, with the store's prefix; empty for the bucket itself. */
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer>;
  /** The most bytes of a successful reply. Default: enough for a reply without an object or a list. */
  readonly replyBytesMax?: number;
  readonly signal?: AbortSignal | undefined;
  /** The number of attempts. Default: that of the store. */
  readonly attempts?: number;
  /** Whether a status that is not a success is a result. */
  readonly isResult?: (status: number, code: string | undefined) => boolean;
}

/** A complete reply. */
export interface S3Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The failure of one attempt. */
export class S3Failure extends Error {
  /** The service's code, such as `SlowDown`; `undefined` if it sent none. */
  readonly code: string | undefined;
  /** Whether another attempt can succeed. */
  readonly isPassing: boolean;

  constructor(message: string, isPassing: boolean, code?: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
    this.isPassing = isPassing;
  }
}

/** Sends requests to a bucket. */
export class S3Requests {
  private readonly place: S3Place;
  /** Signing keys, which hold for a day. */
  private readonly signingKeys = new Map<string, ArrayBuffer>();

  constructor(place: S3Place) {
    this.place = place;
  }

  /**
   * Sends a request, and repeats it while its failure is temporary. The pauses are random and grow.
   *
   * @param request The request.
   * @param read Reads a reply. It throws {@link S3Failure} if the reply is wrong.
   * @returns The result of `read`.
   * @throws {WalLogError} `STORE`, or `INVALID_ARGUMENT` if the service refuses credentials that do not change; its
   * cause is an {@link S3Failure}. Or the signal's reason.
   */
  async send<T>(request: S3Request, read: (reply: S3Reply) => T): Promise<T> {
    const { signal, attempts = this.place.attempts } = request;
    for (let attempt = 1;; attempt++) {
      try {
        signal?.throwIfAborted();
        return read(await this.attempt(request));
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof S3Failure)) throw error;
        if (!error.isPassing || attempt >= attempts) throw this.errorOf(request, error, attempt);
        const longest = Math.min(PAUSE_MS_FIRST * 2 ** (attempt - 1), PAUSE_MS_MAX);
        await pause(Math.random() * longest, undefined, { signal }).catch(() => {});
      }
    }
  }

  /** Sends a request once. */
  private async attempt(request: S3Request): Promise<S3Reply> {
    const { isResult, signal, replyBytesMax = SHORT_REPLY_BYTES_MAX } = request;
    const signed = await this.signed(request);
    const ending = new AbortController();
    const end = () => ending.abort();
    const timer = setTimeout(end, this.place.timeoutMs);
    signal?.addEventListener("abort", end, { once: true });
    try {
      signal?.throwIfAborted();
      const response = await fetch(signed.url, {
        method: signed.method,
        headers: signed.headers,
        body: request.body ?? null,
        redirect: "manual",
        signal: ending.signal,
      });
      const { status, headers } = response;
      if (status === 200 && request.headers?.range !== undefined) {
        // The body may be too large for memory.
        await response.body?.cancel();
        throw new S3Failure("the service ignores ranges", false);
      }
      const { bytes, isWhole } = await readBody(response, response.ok ? replyBytesMax : SHORT_REPLY_BYTES_MAX);
      if (response.ok && !isWhole) throw new S3Failure(`the reply has more than ${replyBytesMax} bytes`, false);
      if (response.ok) return { status, headers, bytes: requireWhole(bytes, headers) };
      const failure = failureOf(status, headers, new TextDecoder().decode(bytes));
      if (isResult?.(status, failure.code) === true) return { status, headers, bytes };
      throw failure;
    } catch (error) {
      if (error instanceof S3Failure) throw error;
      const isTimeout = ending.signal.aborted && signal?.aborted !== true;
      throw this.connectionFailure(isTimeout ? new Error(`no reply in ${this.place.timeoutMs} ms`) : error);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
    }
  }

  /** The URL and the headers of a request. The contents of a body are covered by its MD5, which is signed. */
  private async signed({ method, key, query, headers, action }: S3Request) {
    const { url, region, credentials, name } = this.place;
    let secrets;
    try {
      secrets = await credentials();
    } catch (cause) {
      throw new WalLogError("STORE", `Cannot ${action} in ${name}: cannot get the credentials: ${reasonOf(cause)}`, {
        path: name,
        cause,
      });
    }
    const search = Object.entries(query ?? {}).map((pair) => pair.map(encodeURIComponent).join("="));
    const path = key.split("/").map(encodeURIComponent).join("/");
    const signer = new AwsV4Signer({
      method,
      url: `${url}/${path}${search.length === 0 ? "" : `?${search.join("&")}`}`,
      headers: { ...headers },
      accessKeyId: secrets.accessKeyId,
      secretAccessKey: secrets.secretAccessKey,
      ...secrets.sessionToken !== undefined && { sessionToken: secrets.sessionToken },
      service: "s3",
      region,
      cache: this.signingKeys,
    });
    return await signer.sign();
  }

  /** The failure of a connection. All but a missing permission are temporary. */
  private connectionFailure(cause: unknown): S3Failure {
    let innermost = cause;
    while (innermost instanceof Error && innermost.cause instanceof Error) innermost = innermost.cause;
    const { message, code, errors } = innermost as Partial<AggregateError> & { readonly code?: string };
    // A host with several addresses has an error for each.
    const reason = message || code || (errors?.[0] as Error | undefined)?.message || String(innermost);
    const isDenied = (innermost as Error)?.name === "NotCapable";
    const { origin } = new URL(this.place.url);
    return new S3Failure(`no reply from ${origin}: ${brief(reason)}`, !isDenied, undefined, cause);
  }

  private errorOf({ action }: S3Request, failure: S3Failure, attempts: number): WalLogError {
    const { name } = this.place;
    const advice = ADVICE[failure.code ?? ""];
    const isRefused = REFUSAL_CODES.includes(failure.code ?? "");
    const refusal = isRefused ? "the credentials are refused: " : "";
    const message = `Cannot ${action} in ${name}: ${refusal}${failure.message}` +
      (attempts > 1 ? `, after ${attempts} attempts` : "") + (advice === undefined ? "" : `; ${advice}`);
    return new WalLogError(isRefused && !this.place.renewsCredentials ? "INVALID_ARGUMENT" : "STORE", message, {
      path: name,
      cause: failure,
    });
  }
}

/**
 * The failure that a reply reports.
 *
 * @param status The status of the reply.
 * @param headers Its headers.
 * @param xml Its body.
 * @returns The failure.
 */
export function failureOf(status: number, headers: Headers, xml: string): S3Failure {
  const error = readError(xml);
  const region = headers.get("x-amz-bucket-region");
  const requestId = error?.requestId ?? headers.get("x-amz-request-id");
  const parts = [
    `the service answers ${status}`,
    error === undefined ? "" : ` ${brief(error.code)}`,
    error === undefined || error.message === "" ? "" : ` (${brief(error.message).replace(/\.$/, "")})`,
    status >= 300 && status <= 400 && region !== null ? `: the bucket is in the region ${brief(region)}` : "",
    requestId === null ? "" : `, request ${brief(requestId)}`,
  ];
  const isPassing = PASSING_STATUSES.includes(status) || PASSING_CODES.includes(error?.code ?? "");
  return new S3Failure(parts.join(""), isPassing, error?.code);
}

/** The beginning of a body, and whether it is all. The rest is not received. */
async function readBody({ body }: Response, bytesMax: number) {
  const parts: Uint8Array[] = [];
  let size = 0;
  const reader = body?.getReader();
  for (let part = await reader?.read(); part?.value !== undefined; part = await reader?.read()) {
    parts.push(part.value);
    size += part.value.length;
    if (size <= bytesMax) continue;
    await reader?.cancel();
    break;
  }
  const bytes = new Uint8Array(Math.min(size, bytesMax));
  let done = 0;
  for (const part of parts) {
    const kept = part.subarray(0, bytes.length - done);
    bytes.set(kept, done);
    done += kept.length;
  }
  return { bytes, isWhole: size <= bytesMax };
}

/** Fails if a body is shorter than its header says: not every runtime notices that a connection has ended early. */
function requireWhole(bytes: Uint8Array<ArrayBuffer>, headers: Headers): Uint8Array<ArrayBuffer> {
  const length = headers.get("content-length");
  if (length === null || headers.has("content-encoding") || Number(length) === bytes.length) return bytes;
  throw new S3Failure(`the reply is cut off: it has ${bytes.length} of ${brief(length)} bytes`, true);
}

/** A text from outside as a short part of one line. */
function brief(text: string): string {
  // deno-lint-ignore no-control-regex -- control characters are replaced
  return text.slice(0, MESSAGE_LENGTH_MAX).replace(/[\x00-\x1f\x7f-\x9f]+/g, " ");
}
