/**
 * The service over HTTP:
 *
 *     GET  /kv/KEY                  200 and the text, 404 if there is none
 *     PUT  /kv/KEY                  204; the body is the text
 *     PUT  /kv/KEY?expected=TEXT    204 if the key had this text; 412 otherwise, and the text it has, as JSON
 *     PUT  /kv/KEY?absent           204 if the key had none; 412 likewise
 *     GET  /status                  how it goes with this replica, as JSON
 *     PUT  /cut                     with --control: the body lists ids with which to exchange no more messages
 *
 * 307 names the leader, 503 says that none is known: nothing has happened. 504: it is not known what will happen.
 *
 * @module
 */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { WalLogError } from "../../mod.ts";
import { OutcomeUnknown, type Replica } from "./replica.ts";

/** The largest text taken. In bytes. */
const BODY_BYTES_MAX = 1024 * 1024;

/** What is answered. */
interface Answer {
  readonly status: number;
  readonly body?: string;
  readonly location?: string;
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
    answer(request, options).catch(answerToError(request, options)).then(({ status, body, location }) => {
      respond(response, status, body, location);
    });
  });
}

function respond(response: ServerResponse, status: number, body = "", location?: string): void {
  const headers = location === undefined ? {} : { location };
  const bytes = new TextEncoder().encode(body);
  response.writeHead(status, status === 204 ? headers : { ...headers, "content-length": bytes.length });
  response.end(status === 204 ? undefined : bytes);
}

async function answer(request: IncomingMessage, { replica, cut }: ServiceOptions): Promise<Answer> {
  const url = new URL(request.url!, "http://localhost");
  const body = await bodyOf(request);
  if (request.method === "GET" && url.pathname === "/status") {
    return { status: 200, body: JSON.stringify(replica.status) };
  }
  if (request.method === "PUT" && url.pathname === "/cut" && cut !== undefined) {
    cut(body.split(",").filter((id) => id !== "").map(BigInt));
    return { status: 204 };
  }
  if (!url.pathname.startsWith("/kv/")) return { status: 404, body: "no such thing" };
  const key = decodeURIComponent(url.pathname.slice("/kv/".length));
  switch (request.method) {
    case "GET": {
      const value = await replica.read(key);
      return value === null ? { status: 404 } : { status: 200, body: value };
    }
    case "PUT": {
      const expected = url.searchParams.has("absent") ? null : url.searchParams.get("expected") ?? undefined;
      const found = await replica.write({ key, value: body, expected });
      if (expected === undefined || expected === found) return { status: 204 };
      return { status: 412, body: JSON.stringify(found) };
    }
    default:
      return { status: 405 };
  }
}

function answerToError(request: IncomingMessage, { replica, urls }: ServiceOptions): (error: unknown) => Answer {
  return (error) => {
    if (error instanceof OutcomeUnknown) return { status: 504, body: error.message };
    if (error instanceof WalLogError && error.code === "NOT_LEADER") {
      const { leader } = replica;
      const url = leader === null ? undefined : urls.get(leader);
      if (url === undefined) return { status: 503, body: "no leader is known" };
      return { status: 307, location: `${url}${request.url}` };
    }
    if (error instanceof RangeError) return { status: 413, body: error.message };
    // The disk has failed, or something is wrong with this program: what has become of the request, nobody knows.
    return { status: 504, body: String(error) };
  };
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of request) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (text.length > BODY_BYTES_MAX) throw new RangeError(`more than ${BODY_BYTES_MAX} bytes`);
  }
  return text + decoder.decode();
}
