/**
 * The service over HTTP. Any replica answers, and the leader does so without asking another one.
 *
 *     GET  /kv/KEY                  200 and the text, 404 if there is none
 *     PUT  /kv/KEY                  204; the body is the text
 *     PUT  /kv/KEY?expected=TEXT    204 if the key had this text; 412 otherwise, and the text that it has, as JSON
 *     PUT  /kv/KEY?absent           204 if the key had none; 412 likewise
 *     GET  /status, /contents, /metrics     the replica; a digest of what it has; its figures for Prometheus
 *     GET  /archived                with --archive: the last archived index, and the last applied one
 *     PUT  /cut                     with --control: the body lists ids of replicas to be cut off from
 *
 * 400 and 413: the request is invalid. 503: try again later, nothing has happened. 504: the write may have happened.
 * Keys and texts are UTF-8; a key is percent-encoded, and not empty.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { prometheusText } from "../../mod.ts";
import type { Archive } from "../../src/archive/mod.ts";
import { type Replica, ReplicaError } from "../../src/replica/mod.ts";
import { encodeWrite, type Store } from "./store.ts";

const BODY_BYTES_MAX = 1024 * 1024;

type Answer = readonly [status: number, body?: string];

/** What the service consists of. */
export interface Service {
  readonly replica: Replica<string | null>;
  readonly store: Store;
  /** Cuts this replica off from others; `undefined` if nobody may. */
  readonly cut: ((ids: readonly bigint[]) => void) | undefined;
  /** The archive of this replica's log, if it has one. */
  readonly archiving?: Archive | undefined;
}

/** Makes the server. The caller lets it listen. */
export function createService(service: Service): Server {
  return createServer(async (request, response) => {
    const [status, body = ""] = await answer(request, service).catch(failure);
    response.writeHead(status, status === 204 ? {} : { "content-length": Buffer.byteLength(body) }).end(body);
  });
}

async function answer(request: IncomingMessage, { replica, store, cut, archiving }: Service): Promise<Answer> {
  const [, path, query] = /^([^?]*)\??(.*)$/.exec(request.url!)!;
  // Throws if the query is not UTF-8, which `URLSearchParams` would replace.
  decodeURIComponent(query!);
  const params = new URLSearchParams(query);
  const key = decodeURIComponent(/^\/kv\/(.+)$/.exec(path!)?.[1] ?? "");
  const body = await textOf(request);
  switch (`${request.method} ${key === "" ? path : "KEY"}`) {
    case "GET KEY":
      await replica.read();
      return store.get(key) === null ? [404] : [200, store.get(key)!];
    case "PUT KEY": {
      const expected = params.has("absent") ? null : params.get("expected") ?? undefined;
      const found = await replica.propose(encodeWrite({ key, value: body, expected }));
      return expected === undefined || expected === found ? [204] : [412, JSON.stringify(found)];
    }
    case "GET /status":
      return [200, JSON.stringify(replica.status(), (_, value) => typeof value === "bigint" ? String(value) : value)];
    case "GET /contents":
      return [200, JSON.stringify({ applied: replica.status().appliedIndex, digest: store.digest() })];
    case "GET /archived":
      return [200, JSON.stringify({ index: archiving?.archivedIndex ?? 0, applied: replica.status().appliedIndex })];
    case "GET /metrics":
      return [200, prometheusText(replica.metrics("kv"))];
    case "PUT /cut":
      cut?.(body.split(",").filter((id) => id !== "").map(BigInt));
      return cut === undefined ? [404] : [204];
  }
  return [404, "not found"];
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new RangeError(`more than ${BODY_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks));
}

function failure(error: unknown): Answer {
  if (error instanceof RangeError) return [413, error.message];
  // Not UTF-8, not percent-encoded UTF-8, not a number.
  if ([TypeError, URIError, SyntaxError].some((kind) => error instanceof kind)) return [400, String(error)];
  return [error instanceof ReplicaError && error.outcome === "not-applied" ? 503 : 504, String(error)];
}
