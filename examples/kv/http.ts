/**
 * The service over HTTP:
 *
 *     GET  /kv/KEY                  200 and the text, 404 if there is none
 *     PUT  /kv/KEY                  204; the body is the text
 *     PUT  /kv/KEY?expected=TEXT    204 if the key had this text; 412 otherwise, and the text it has, as JSON
 *     PUT  /kv/KEY?absent           204 if the key had none; 412 likewise
 *     GET  /status                  how it goes with this replica, as JSON
 *     GET  /contents                a digest of all it has, to compare with others, as JSON
 *     PUT  /cut                     with --control: the body lists ids with which to exchange no more messages
 *
 * 307 names the leader, 503 says that none is known, or that it is overloaded or has no room on its disk, 4xx that this
 * cannot be asked: nothing has happened. 504: it is not known what will happen. Keys and texts are UTF-8; a key is percent-encoded, and not empty.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { WalLogError } from "../../mod.ts";
import { OutcomeUnknown, type Replica } from "./replica.ts";

/** The largest text taken. In bytes. */
const BODY_BYTES_MAX = 1024 * 1024;

/** Refuses what is not UTF-8, and keeps a byte order mark: what is read is what was written. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What is answered. */
interface Answer {
  readonly status: number;
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request that cannot be carried out, and has not been. */
class Refused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** What the service is over. */
export interface ServiceOptions {
  readonly replica: Replica;
  /** The base URL of each replica, for clients to be sent there. */
  readonly urls: ReadonlyMap<bigint, string>;
  /** Cuts this replica off from others; `undefined` if nobody may. */
  readonly cut: ((ids: readonly bigint[]) => void) | undefined;
}

/** Makes the server; the caller lets it listen. */
export function createService(options: ServiceOptions): Server {
  return createServer((request, response) => {
    answer(request, options)
      .catch((error) => answerToError(error, request, options))
      .then((given) => respond(response, given));
  });
}

function respond(response: ServerResponse, { status, body = "", headers }: Answer): void {
  const bytes = new TextEncoder().encode(body);
  response.writeHead(status, status === 204 ? headers : { ...headers, "content-length": bytes.length });
  response.end(status === 204 ? undefined : bytes);
}

async function answer(request: IncomingMessage, { replica, cut }: ServiceOptions): Promise<Answer> {
  const { path, query } = targetOf(request);
  const { method } = request;
  const body = await bodyOf(request);
  if (path === "/status" || path === "/contents") {
    if (method !== "GET") return otherThan("GET");
    return { status: 200, body: JSON.stringify(path === "/status" ? replica.status : replica.contents) };
  }
  if (path === "/cut" && cut !== undefined) {
    if (method !== "PUT") return otherThan("PUT");
    if (!/^(\d+(,\d+)*)?$/.test(body)) throw new Refused(400, "ids are numbers, separated by commas");
    cut(body.split(",").filter((id) => id !== "").map(BigInt));
    return { status: 204 };
  }
  if (!path.startsWith("/kv/")) return { status: 404, body: "no such thing" };
  const key = decoded(path.slice("/kv/".length));
  if (key === "") throw new Refused(400, "a key is not empty");
  switch (method) {
    case "GET": {
      const value = await replica.read(key);
      return value === null ? { status: 404 } : { status: 200, body: value };
    }
    case "PUT": {
      const expected = expectedIn(query);
      const found = await replica.write({ key, value: body, expected });
      if (expected === undefined || expected === found) return { status: 204 };
      return { status: 412, body: JSON.stringify(found) };
    }
    default:
      return otherThan("GET, PUT");
  }
}

function answerToError(error: unknown, request: IncomingMessage, { replica, urls }: ServiceOptions): Answer {
  if (error instanceof Refused) return { status: error.status, body: error.message };
  if (error instanceof OutcomeUnknown) return { status: 504, body: error.message };
  if (error instanceof WalLogError && error.code === "NOT_LEADER") {
    const { leader } = replica;
    const url = leader === null ? undefined : urls.get(leader);
    if (url === undefined) return { status: 503, body: "no leader is known" };
    const { path, query } = targetOf(request);
    return { status: 307, headers: { location: `${url}${path}${query}` } };
  }
  if (error instanceof WalLogError && error.isRetryable) return { status: 503, body: error.message };
  // The disk has failed, or something is wrong with this program: what has become of the request, nobody knows.
  return { status: 504, body: String(error) };
}

function otherThan(allow: string): Answer {
  return { status: 405, headers: { allow } };
}

/** The path, and the query with its question mark, as they were sent: `URL` would take `/kv/a/..` for `/kv/`. */
function targetOf(request: IncomingMessage): { readonly path: string; readonly query: string } {
  // Whoever takes this for a proxy sends a whole URL.
  const match = /^(?:https?:\/\/[^/?]*)?(\/[^?]*)(\?.*)?$/i.exec(request.url!);
  if (match === null) throw new Refused(400, "no path");
  return { path: match[1]!, query: match[2] ?? "" };
}

/** What a write expects to find; `undefined` if it does not care. */
function expectedIn(query: string): string | null | undefined {
  // `URLSearchParams` puts other characters where there is no UTF-8.
  decoded(query);
  const params = new URLSearchParams(query);
  return params.has("absent") ? null : params.get("expected") ?? undefined;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Refused(400, `not percent-encoded UTF-8: ${text}`);
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new Refused(413, `more than ${BODY_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  try {
    return UTF8.decode(Buffer.concat(chunks));
  } catch {
    throw new Refused(400, "not UTF-8");
  }
}
