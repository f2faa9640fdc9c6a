/**
 * A small S3 server on the loopback interface, with the faults of real ones. It verifies signatures and MD5s with code
 * of its own.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createHash, createHmac } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { S3Credentials, S3Options } from "../src/archive/s3.ts";

/** The fault of a request. `late` faults come after the request has taken effect. */
export type Fault =
  /** An error of the service. */
  | { readonly kind: "error"; readonly status: number; readonly code: string; readonly late?: boolean }
  /** The connection ends without a reply. */
  | { readonly kind: "lost"; readonly late: boolean }
  /** There is no reply. */
  | { readonly kind: "hang" }
  /** The reply is far longer than it should be. */
  | { readonly kind: "long"; readonly status: number }
  /** The reply has only its first bytes. `honest`: its header does not promise more. */
  | { readonly kind: "cut"; readonly bytes: number; readonly honest?: boolean };

/** A request, as a test sees it. */
export interface Seen {
  readonly method: string;
  /** The key, decoded. */
  readonly key: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
}

interface Reply {
  readonly status: number;
  readonly body?: string | Uint8Array;
  readonly headers?: Record<string, string>;
}

export const BUCKET = "bucket";
/** The length of a long reply. It ends, so that a client that reads all of it fails by its result. */
export const LONG_REPLY_BYTES: number = 32 * 1024 * 1024;
const SECRETS: S3Credentials = { accessKeyId: "AKID", secretAccessKey: "sEcReT/+=", sessionToken: "t0k+en/=" };

/** The server. */
export class S3Server {
  readonly objects = new Map<string, Buffer>();
  /** Uploads in parts that are neither complete nor aborted, with their parts. */
  readonly uploads = new Map<string, Map<number, Buffer>>();
  /** All requests that were signed. */
  readonly seen: Seen[] = [];
  /** The bytes of each long reply that were sent before the client closed the connection. */
  readonly longReplies: Promise<number>[] = [];
  /** Decides the fault of a request. */
  fault: (request: Seen) => Fault | undefined = () => undefined;
  /** The most keys in one reply. */
  pageKeys = 4;
  /** Whether it honours `If-None-Match: *`. */
  isConditional = true;
  /** Replaces a page of a list. */
  editList: (xml: string) => string = (xml) => xml;
  #server: Server | undefined;
  #uploads = 0;

  /** The URL of the service. */
  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server!.address() as AddressInfo).port}`;
  }

  /** Options of a store. */
  options(more: S3Options = {}): S3Options {
    return { endpoint: this.endpoint, region: "eu-test-1", credentials: SECRETS, attempts: 3, ...more };
  }

  /** The environment of a program that uses the store. */
  get environment(): Record<string, string> {
    return {
      AWS_ENDPOINT_URL_S3: this.endpoint,
      AWS_REGION: "eu-test-1",
      AWS_ACCESS_KEY_ID: SECRETS.accessKeyId,
      AWS_SECRET_ACCESS_KEY: SECRETS.secretAccessKey,
      AWS_SESSION_TOKEN: SECRETS.sessionToken!,
    };
  }

  async start(): Promise<this> {
    const server = createServer((request, response) => void this.#answer(request, response));
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return this;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server!.close(resolve));
    this.#server!.closeAllConnections();
    await closed;
  }

  /** Fails the next requests that match, each with the fault. */
  failNext(times: number, fault: Fault, matches: (request: Seen) => boolean = () => true): void {
    this.fault = (request) => times > 0 && matches(request) && times-- > 0 ? fault : undefined;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    try {
      for await (const part of request) parts.push(part);
    } catch {
      return; // The client has ended the request.
    }
    const body = Buffer.concat(parts);
    const url = new URL(request.url!, "http://host");
    const path = decodeURIComponent(url.pathname);
    const { method = "", headers } = request;
    const key = path.slice(BUCKET.length + 2);
    const seen = { method, key, query: url.searchParams, headers };
    const refusal = refusalOf(request, url, body) ?? (path.split("/")[1] === BUCKET ? undefined : noBucket());
    if (refusal !== undefined) return send(response, refusal);
    this.seen.push(seen);
    const fault = this.fault(seen);
    if (fault?.kind === "hang") return;
    if (fault?.kind === "lost" && !fault.late) return void request.socket.destroy();
    if (fault?.kind === "error" && fault.late !== true) return send(response, errorReply(fault.status, fault.code));
    if (fault?.kind === "long") return void this.longReplies.push(sendLong(response, fault.status));
    const reply = this.#replyTo(seen, body);
    if (fault?.kind === "lost") return void request.socket.destroy();
    if (fault?.kind === "error") return send(response, errorReply(fault.status, fault.code));
    send(response, reply, fault);
  }

  #replyTo(request: Seen, body: Buffer): Reply {
    const { method, key, query, headers } = request;
    if (key === "") return this.#list(query);
    const uploadId = query.get("uploadId");
    if (query.has("uploads")) return this.#begin();
    if (uploadId !== null) return this.#replyToUpload(request, uploadId, body);
    if (method === "DELETE") this.objects.delete(key);
    if (method === "DELETE") return { status: 204 };
    if (method === "GET") return this.#read(key, headers.range);
    if (this.isConditional && headers["if-none-match"] === "*" && this.objects.has(key)) {
      return errorReply(412, "PreconditionFailed");
    }
    this.objects.set(key, body);
    return { status: 200, headers: { etag: tagOf(body) } };
  }

  #read(key: string, range: string | undefined): Reply {
    const object = this.objects.get(key);
    if (object === undefined) return errorReply(404, "NoSuchKey");
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? "") ?? [];
    if (from === undefined) return { status: 200, body: object };
    if (Number(from) >= object.length) return errorReply(416, "InvalidRange");
    const end = Math.min(Number(to) + 1, object.length);
    const headers = { "content-range": `bytes ${from}-${end - 1}/${object.length}` };
    return { status: 206, body: object.subarray(Number(from), end), headers };
  }

  #list(query: URLSearchParams): Reply {
    const prefix = query.get("prefix") ?? "";
    const after = query.get("continuation-token") ?? "";
    const keys = [...this.objects.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      .filter((key) => key.startsWith(prefix) && key > after);
    const page = keys.slice(0, this.pageKeys);
    const isTruncated = page.length < keys.length;
    const encode = (key: string) => encodeURIComponent(key).replaceAll("%2F", "/").replaceAll("%20", "+");
    const contents = page.map((key) =>
      `<Contents><Key>${encode(key)}</Key><ETag>&quot;x&quot;</ETag><Size>${
        this.objects.get(key)!.length
      }</Size></Contents>`
    );
    const next = isTruncated ? `<NextContinuationToken>${escaped(page.at(-1)!)}</NextContinuationToken>` : "";
    const xml = `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/">` +
      `<Prefix>${encode(prefix)}</Prefix><EncodingType>url</EncodingType><IsTruncated>${isTruncated}</IsTruncated>` +
      `${next}${contents.join("")}</ListBucketResult>`;
    return { status: 200, body: this.editList(xml) };
  }

  #begin(): Reply {
    const id = `upload ${++this.#uploads}+/=&`;
    this.uploads.set(id, new Map());
    const xml = `<InitiateMultipartUploadResult><UploadId>${escaped(id)}</UploadId></InitiateMultipartUploadResult>`;
    return { status: 200, body: xml };
  }

  #replyToUpload({ method, key, query }: Seen, id: string, body: Buffer): Reply {
    const parts = this.uploads.get(id);
    if (parts === undefined) return errorReply(404, "NoSuchUpload");
    if (method === "PUT") {
      parts.set(Number(query.get("partNumber")), body);
      return { status: 200, headers: { etag: tagOf(body) } };
    }
    this.uploads.delete(id);
    if (method === "DELETE") return { status: 204 };
    const named = [...body.toString().matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>([^<]*)<\/ETag>/g)];
    const ordered = named.map(([, number, tag]) => ({ part: parts.get(Number(number)), tag }));
    if (ordered.length !== parts.size || ordered.some(({ part, tag }) => part === undefined || tagOf(part) !== tag)) {
      return errorReply(400, "InvalidPart");
    }
    this.objects.set(key, Buffer.concat(ordered.map(({ part }) => part!)));
    return { status: 200, body: "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>" };
  }
}

function send(response: ServerResponse, { status, body = "", headers }: Reply, cut?: Fault): void {
  const bytes = Buffer.from(body);
  const kept = cut?.kind === "cut" ? bytes.subarray(0, cut.bytes) : bytes;
  const isCut = cut?.kind === "cut" && cut.honest !== true;
  const length = status === 204 ? {} : { "content-length": String(isCut ? bytes.length : kept.length) };
  response.writeHead(status, { "x-amz-request-id": "request-1", ...length, ...headers });
  if (!isCut) return void response.end(kept);
  response.write(kept, () => response.destroy());
}

/** Sends a long reply, until the client closes the connection; returns the bytes that were sent. */
async function sendLong(response: ServerResponse, status: number): Promise<number> {
  response.writeHead(status);
  const part = Buffer.alloc(64 * 1024, "x");
  const closed = new Promise((resolve) => response.once("close", resolve));
  let sent = 0;
  for (; sent < LONG_REPLY_BYTES && !response.destroyed; sent += part.length) {
    if (response.write(part)) continue;
    await Promise.race([closed, new Promise((resolve) => response.once("drain", resolve))]);
  }
  response.end();
  return sent;
}

/** An error with secrets in elements that must not reach a message. */
function errorReply(status: number, code: string): Reply {
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>Say &quot;${code}&quot;.</Message>` +
    `<AWSAccessKeyId>${SECRETS.accessKeyId}</AWSAccessKeyId><RequestId>request-2</RequestId></Error>`;
  return { status, body, headers: status < 400 ? { "x-amz-bucket-region": "eu-other-1" } : {} };
}

function noBucket(): Reply {
  return errorReply(404, "NoSuchBucket");
}

/** The refusal of a request that is not signed right, or whose body is not the signed one. */
function refusalOf({ method, headers }: IncomingMessage, url: URL, body: Buffer): Reply | undefined {
  const pattern =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]+)$/;
  const [, keyId, day, region, names = "", signature] = pattern.exec(headers.authorization ?? "") ?? [];
  if (keyId !== SECRETS.accessKeyId) return errorReply(403, "InvalidAccessKeyId");
  const required = ["host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"];
  for (const name of ["content-md5", "if-none-match"]) if (headers[name] !== undefined) required.push(name);
  const signed = names.split(";");
  if (!required.every((name) => signed.includes(name))) return errorReply(403, "AccessDenied");
  if (headers["x-amz-security-token"] !== SECRETS.sessionToken) return errorReply(400, "InvalidToken");
  const strict = (text: string) =>
    encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
  const query = [...url.searchParams].map(([name, value]) => `${strict(name)}=${strict(value)}`).sort().join("&");
  const path = decodeURIComponent(url.pathname).split("/").map(strict).join("/");
  const lines = signed.map((name) => `${name}:${String(headers[name]).replace(/\s+/g, " ")}\n`).join("");
  const canonical = [method, path, query, lines, names, headers["x-amz-content-sha256"]].join("\n");
  const scope = `${day}/${region}/s3/aws4_request`;
  const hash = createHash("sha256").update(canonical).digest("hex");
  const hmac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest();
  const signing = [region!, "s3", "aws4_request"].reduce(hmac, hmac(`AWS4${SECRETS.secretAccessKey}`, day!));
  const expected = hmac(signing, ["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hash].join("\n")).toString("hex");
  if (signature !== expected) return errorReply(403, "SignatureDoesNotMatch");
  const hasBody = method === "PUT" || (method === "POST" && !url.searchParams.has("uploads"));
  const md5 = createHash("md5").update(body).digest("base64");
  return hasBody && headers["content-md5"] !== md5 ? errorReply(400, "BadDigest") : undefined;
}

function tagOf(body: Uint8Array): string {
  return `"${createHash("md5").update(body).digest("hex")}"`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
