/**
 * Requests over HTTP on connections that are kept, and what became of those that failed.
 *
 * @module
 */

import { Agent, request as httpRequest } from "node:http";

/** An answer. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: string;
  readonly location: string | undefined;
}

/** No answer came. */
export class NoAnswer extends Error {
  /** Whether the request cannot have arrived: nobody took the connection. */
  readonly isCertain: boolean;

  constructor(cause: Error & { code?: string }) {
    super(cause.message, { cause });
    this.isCertain = cause.code === "ECONNREFUSED";
  }
}

/** Makes requests. */
export class HttpClient {
  readonly #agent: Agent;

  /** @param connectionsMax For each server. */
  constructor(connectionsMax = 64) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: connectionsMax });
  }

  /**
   * Makes a request.
   *
   * @returns The answer.
   * @throws {NoAnswer} If none came in time.
   */
  request(
    method: "GET" | "PUT",
    url: string,
    { body, timeoutMs }: { readonly body?: string; readonly timeoutMs: number },
  ): Promise<HttpAnswer> {
    return new Promise((resolve, reject) => {
      const fail = (error: Error) => {
        clearTimeout(timer);
        reject(new NoAnswer(error));
      };
      const bytes = body === undefined ? undefined : new TextEncoder().encode(body);
      const headers = bytes === undefined ? {} : { "content-length": bytes.length };
      const request = httpRequest(url, { method, headers, agent: this.#agent }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => text += chunk);
        response.on("error", fail);
        response.on("end", () => {
          clearTimeout(timer);
          resolve({ status: response.statusCode!, body: text, location: response.headers.location });
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
