/**
 * Clients of the key-value service that record every call and every return.
 *
 * @module
 */

import { Random } from "../../src/testing/mod.ts";
import { HttpClient, NoAnswer } from "./http_client.ts";
import type { Operation } from "./linearizability.ts";

/** The longest wait for an answer, in milliseconds. */
const REQUEST_MS = 2000;
/** The wait if no leader is known, in milliseconds, so that clients do not slow down an election. */
const PAUSE_MS = 20;
/**
 * The probability that a client asks a random replica and not the one that answered last. The random one may wrongly
 * believe that it leads.
 */
const ASKS_ANY = 0.2;

/** The outcome of a request that was tried until a leader was found or its outcome was unknown. */
type Outcome =
  | { readonly status: number; readonly body: string }
  /** It has not happened and never will. */
  | "refused"
  /** It may or may not have happened. */
  | "unknown";

/** Counts of events. */
export interface ClientCounts {
  acknowledged: number;
  refused: number;
  unknown: number;
}

/** Options of all clients of a run. */
export interface ClientOptions {
  /** The base URLs of the replicas. */
  readonly urls: readonly string[];
  /** Keys that are read and written by all. */
  readonly keys: number;
  /** The number of clients. */
  readonly clients: number;
  readonly seed: number;
}

/** Clients that read and write until they are stopped. */
export class Clients {
  /** Everything that may have happened. */
  readonly history: Operation[] = [];
  readonly counts: ClientCounts = { acknowledged: 0, refused: 0, unknown: 0 };
  /** The writes of keys that are written only once. All acknowledged ones must be there in the end. */
  readonly ledger = new Map<string, string>();
  readonly #options: ClientOptions;
  readonly #http: HttpClient;
  /** The replica that answered last. */
  #answered: string | undefined;
  #now = 0;
  /** The next page of the ledger to write. */
  #page = 1;
  /** The number of writes started. */
  #writes = 0;
  #isEnding = false;
  #running: Promise<unknown> | undefined;
  /** The first failure of a client. */
  #failure: { readonly error: unknown } | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#http = new HttpClient(options.clients * 2, false);
  }

  /** Starts, or continues after `end`. */
  start(): void {
    const { clients, seed } = this.#options;
    this.#isEnding = false;
    this.#running = Promise.all(Array.from({ length: clients }, (_, client) => {
      const random = new Random(seed * 1000 + this.#writes * clients + client);
      // The first client keeps the ledger.
      return client === 0 ? this.#keepLedger(random) : this.#readAndWrite(client, random);
    }));
    // `progress` and `end` report the failure. It can happen while neither is waiting.
    this.#running.catch((error) => {
      this.#failure = { error };
      this.#isEnding = true;
    });
  }

  /** Lets every client finish its request. Fails if a client has failed. */
  async end(): Promise<void> {
    this.#isEnding = true;
    await this.#running;
  }

  /** Closes all connections, and lets no client make another request. */
  close(): void {
    this.#isEnding = true;
    this.#http.close();
  }

  /** Waits for a number of further acknowledgements. Fails if a client fails meanwhile. */
  async progress(more: number, timeoutMs = 30_000): Promise<void> {
    const wanted = this.counts.acknowledged + more;
    const started = performance.now();
    while (this.counts.acknowledged < wanted) {
      if (this.#failure !== undefined) throw this.#failure.error;
      if (performance.now() - started > timeoutMs) throw new Error(`nothing is acknowledged any more`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /**
   * Reads all keys from one replica only, even if it does not answer. The reads belong to the history.
   *
   * @param url The replica.
   * @returns Resolves when each read has an answer or can get none.
   */
  async readFrom(url: string): Promise<void> {
    const { keys } = this.#options;
    const http = new HttpClient(keys, false);
    try {
      await Promise.all(Array.from({ length: keys }, async (_, i) => {
        const [key, called] = [`key-${i}`, ++this.#now];
        const answer = await http.request("GET", `${url}/kv/${key}`, { timeoutMs: REQUEST_MS }).catch(ifNoAnswer);
        if (answer === undefined || ![200, 404].includes(answer.status)) return;
        const found = answer.status === 404 ? null : answer.body;
        this.history.push({ kind: "get", key, called, returned: ++this.#now, found });
      }));
    } finally {
      http.close();
    }
  }

  /**
   * Reads a key at the very end, repeatedly until there is an answer. The read belongs to the history.
   *
   * @returns Its text.
   */
  async readLast(key: string): Promise<string | null> {
    const random = new Random(this.#options.seed);
    for (let tries = 0; tries < 200; tries++) {
      const found = await this.#get(key, random);
      if (found !== undefined) return found;
    }
    throw new Error(`nobody answers for key ${key}`);
  }

  /** Writes a page of the ledger while the clients are stopped, so that nothing follows it. */
  async writePage(): Promise<void> {
    const random = new Random(this.#options.seed);
    for (let tries = 0; tries < 200; tries++) {
      if (await this.#writePage(random)) return;
    }
    throw new Error(`nobody acknowledges page ${this.#page}`);
  }

  async #keepLedger(random: Random): Promise<void> {
    while (!this.#isEnding) await this.#writePage(random);
  }

  /** Writes the next page; returns whether it was acknowledged. A refused page is tried again next. */
  async #writePage(random: Random): Promise<boolean> {
    const [key, value] = [`ledger-${this.#page}`, `page ${this.#page}`];
    const outcome = await this.#put(key, value, random);
    if (outcome !== "refused") this.#page++;
    if (outcome !== "acknowledged") return false;
    this.ledger.set(key, value);
    return true;
  }

  async #readAndWrite(client: number, random: Random): Promise<void> {
    const seen = new Map<string, string | null>();
    while (!this.#isEnding) {
      const key = `key-${random.below(this.#options.keys)}`;
      // All writes of a run differ, so that a read shows which write it has seen.
      const value = `${client}.${++this.#writes}`;
      const dice = random.below(10);
      if (dice < 4) {
        const found = await this.#get(key, random);
        if (found !== undefined) seen.set(key, found);
      } else if (dice < 7) await this.#put(key, value, random);
      else await this.#cas(key, seen.get(key) ?? null, value, random);
    }
  }

  /** Reads a key; `undefined` if there was no answer. */
  async #get(key: string, random: Random): Promise<string | null | undefined> {
    const called = ++this.#now;
    const outcome = await this.#request("GET", `/kv/${key}`, undefined, random);
    if (typeof outcome !== "object") return undefined;
    const found = outcome.status === 404 ? null : outcome.body;
    this.history.push({ kind: "get", key, called, returned: ++this.#now, found });
    return found;
  }

  async #put(key: string, value: string, random: Random): Promise<keyof ClientCounts> {
    const called = ++this.#now;
    const outcome = await this.#request("PUT", `/kv/${key}`, value, random);
    if (outcome === "refused") return "refused";
    const returned = outcome === "unknown" ? Infinity : ++this.#now;
    this.history.push({ kind: "put", key, called, returned, value });
    return outcome === "unknown" ? "unknown" : "acknowledged";
  }

  async #cas(key: string, expected: string | null, value: string, random: Random): Promise<void> {
    const query = expected === null ? "absent" : `expected=${encodeURIComponent(expected)}`;
    const called = ++this.#now;
    const outcome = await this.#request("PUT", `/kv/${key}?${query}`, value, random);
    if (outcome === "refused") return;
    const operation = { kind: "cas", key, called, expected, value } as const;
    if (outcome === "unknown") this.history.push({ ...operation, returned: Infinity });
    else {
      const found = outcome.status === 412 ? JSON.parse(outcome.body) as string | null : expected;
      this.history.push({ ...operation, returned: ++this.#now, found });
    }
  }

  /** Sends a request to any replica. */
  async #request(method: "GET" | "PUT", path: string, body: string | undefined, random: Random): Promise<Outcome> {
    const outcome = await this.#tryRequest(method, path, body, random);
    this.counts[typeof outcome === "object" ? "acknowledged" : outcome]++;
    if (outcome === "refused") await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    return outcome;
  }

  async #tryRequest(method: "GET" | "PUT", path: string, body: string | undefined, random: Random): Promise<Outcome> {
    const { urls } = this.#options;
    const base = this.#answered !== undefined && !random.chance(ASKS_ANY) ? this.#answered : random.pick(urls);
    try {
      const answer = await this.#http.request(method, `${base}${path}`, { body, timeoutMs: REQUEST_MS });
      if (answer.status === 503) return "refused";
      if (answer.status === 504) return "unknown";
      this.#answered = base;
      return expectKnown(answer);
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      if (this.#answered === base) this.#answered = undefined;
      return error.isCertain ? "refused" : "unknown";
    }
  }
}

function ifNoAnswer(error: unknown): undefined {
  if (!(error instanceof NoAnswer)) throw error;
}

function expectKnown({ status, body }: { readonly status: number; readonly body: string }): Outcome {
  if ([200, 204, 404, 412].includes(status)) return { status, body };
  throw new Error(`a replica answers with ${status}: ${body}`);
}
