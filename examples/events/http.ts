/**
 * The service over HTTP, without a server: from what any of the three runtimes says of a request to what it is to
 * answer.
 *
 *     POST /accounts/ann/deposit     {"amount": 100}, and a header Idempotency-Key: 201, or 200 for a retry
 *     POST /accounts/ann/withdraw    the same; 409 if there is not enough
 *     GET  /accounts/ann             {"account": "ann", "balance": 100}
 *     GET  /stats                    what the log has done since the start
 *
 * @module
 */

import { WalLogError } from "../../mod.ts";
import type { AccountEvent } from "./accounts.ts";
import type { Outcome, Service } from "./service.ts";

/** A request, as every runtime can tell of it. */
export interface HttpRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** A header's value, by its name in lower case. */
  header(name: string): string | null | undefined;
  /** Reads the body. */
  text(): Promise<string>;
}

/** What to answer. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

/** Larger than any sensible request. In bytes. */
const BODY_BYTES_MAX = 4096;
const ACCOUNT = /^\/accounts\/([\w-]{1,64})(?:\/(deposit|withdraw))?$/;
/** What HTTP allows in a header, and short enough to be remembered. */
const KEY = /^[\x21-\x7e]{1,64}$/;

const STATUS: Record<Outcome["verdict"], number> = {
  recorded: 201,
  repeated: 200,
  overdrawn: 409,
  overfull: 409,
  "key reused": 422,
};

/** A request that the client got wrong. */
class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * Answers a request. Never rejects.
 *
 * @param service What it is about.
 * @param request What the client wants.
 * @returns What to tell it, when that is durable.
 */
export async function answer(service: Service, request: HttpRequest): Promise<HttpAnswer> {
  try {
    return await route(service, request);
  } catch (error) {
    if (error instanceof Refusal) return json(error.status, { error: error.message });
    if (error instanceof WalLogError) {
      // Whether the event is in the log is uncertain, and the client need not know: it tries again with the same key.
      return json(503, { error: error.message, code: error.code }, { "retry-after": "1" });
    }
    console.error(error);
    return json(500, { error: "internal error" });
  }
}

async function route(service: Service, request: HttpRequest): Promise<HttpAnswer> {
  const { method, path } = request;
  if (path === "/stats") {
    requireMethod("GET", method);
    return json(200, service.stats());
  }
  const [, account, action] = ACCOUNT.exec(path) ?? [];
  if (account === undefined) throw new Refusal(404, "expected /accounts/NAME, /accounts/NAME/deposit or /withdraw");
  if (action === undefined) {
    requireMethod("GET", method);
    const balance = await service.balance(account);
    if (balance === undefined) throw new Refusal(404, `no such account: ${account}`);
    return json(200, { account, balance });
  }
  requireMethod("POST", method);
  const outcome = await service.record(await readEvent(request, account, action));
  return json(STATUS[outcome.verdict], "receipt" in outcome ? outcome.receipt : { error: outcome.reason });
}

async function readEvent(request: HttpRequest, account: string, action: string | undefined): Promise<AccountEvent> {
  const key = request.header("idempotency-key") ?? "";
  if (!KEY.test(key)) throw new Refusal(400, "expected a header Idempotency-Key of 1 to 64 visible characters");
  // The length is asked for, so that nobody can fill the memory with a body that never ends.
  const length = request.header("content-length");
  if (length === null || length === undefined) throw new Refusal(411, "expected a header Content-Length");
  if (!(Number(length) <= BODY_BYTES_MAX)) throw new Refusal(413, `expected at most ${BODY_BYTES_MAX} bytes`);
  const text = await request.text().catch(() => {
    throw new Refusal(400, "the body ended early");
  });
  return { key, account, type: action === "deposit" ? "deposited" : "withdrawn", amount: readAmount(text) };
}

function readAmount(text: string): number {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new Refusal(400, "expected a body of JSON");
  }
  const amount = (body as { amount?: unknown } | null)?.amount;
  if (typeof amount === "number" && Number.isSafeInteger(amount) && amount > 0) return amount;
  throw new Refusal(400, "expected an amount: an integer of cents above 0");
}

function requireMethod(expected: string, found: string): void {
  if (found !== expected) throw new Refusal(405, `expected ${expected}, found ${found}`);
}

function json(status: number, content: object, headers: Record<string, string> = {}): HttpAnswer {
  return { status, headers: { "content-type": "application/json", ...headers }, body: JSON.stringify(content) + "\n" };
}
