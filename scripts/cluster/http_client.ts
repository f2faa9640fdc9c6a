/**
 * Requests over HTTP, with the certainty of failures.
 *
 * @module
 */

import { Agent, request as httpRequest } from "node:http";

/** An answer. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
}

/** The error of a request without an answer. */
export class NoAnswer extends Error {
  /** Whether the request certainly did not arrive. */
  readonly isCertain: boolean;

  constructor(cause: Error, isCertain: boolean) {
    super(cause.message, { cause });
    this.isCertain = isCertain;
  }
}

/** Makes requests. */
export class HttpClient {
  readonly #agent: Agent;
  readonly #keepsConnections: boolean;

  /**
   * Makes a client.
   *
   * @param connectionsMax The most connections to each server.
   * @param keepsConnections Whether connections are reused. If so, no failure is certain: if a connection has ended
   * meanwhile, Deno sends the request again, and reports only the second outcome.
   */
  constructor(connectionsMax: number, keepsConnections: boolean) {
    this.#agent = new Agent({ keepAlive: keepsConnections, maxSockets: connectionsMax });
    this.#keepsConnections = keepsConnections;
  }

  /**
   * Makes a request.
   *
   * @returns The answer.
   * @throws {NoAnswer} If there was no answer in time.
   */
  request(
    method: "GET" | "POST" | "PUT",
    url: string,
    { body, timeoutMs }: { readonly body?: string; readonly timeoutMs: number },
  ): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const fail = (error: Error & { readonly code?: string }) => {
        clearTimeout(timer);
        reject(new NoAnswer(error, error.code === "ECONNREFUSED" && !this.#keepsConnections));
      };
      const bytes = body === undefined ? undefined : new TextEncoder().encode(body);
      const headers = bytes === undefined ? {} : { "content-length": bytes.length };
      const request = httpRequest(url, { method, headers, agent: this.#agent }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => text += chunk);
        response.on("error", fail);
        response.on("end", () => {
          clearTimeout(timer);
          resolve({ status: response.statusCode!, body: text });
        });
      });
      const timer = setTimeout(() => {
        request.destroy();
        fail(new Error(`no answer within ${timeoutMs} ms`));
      }, timeoutMs);
      request.on("error", fail);
      request.end(bytes);
    });
  }

  /** Closes its connections. */
  close(): void {
    this.#agent.destroy();
  }
}
