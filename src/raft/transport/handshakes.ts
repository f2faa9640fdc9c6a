/**
 * Callers with whom TLS has not come about yet.
 *
 * @module
 */

import type { Socket } from "node:net";

/** Somebody who has called, and has not said who it is. */
export interface Stranger {
  /** The address of the caller. */
  readonly address: string | undefined;
  /** Ends the connection. */
  readonly sendAway: (reason: string) => void;
}

/** A handshake that goes on. */
interface Handshake {
  readonly socket: Socket;
  readonly timer: ReturnType<typeof setTimeout>;
}

/**
 * Keeps the connections below TLS until it has come about, for a server does not count them, and ends without them when
 * it is closed. Whoever is sent away is reported by the server's `tlsClientError`, with the reason given here.
 */
export class Handshakes {
  /** By the other end's address and port: the socket that TLS makes of a connection is another one. */
  readonly #all: Map<string, Handshake> = new Map();

  /** Those with whom it goes on, who came first, first. */
  get callers(): Stranger[] {
    return [...this.#all].map(([key, { socket }]) => ({
      address: socket.remoteAddress,
      sendAway: (reason) => {
        this.#forget(key);
        socket.destroy(new Error(reason));
      },
    }));
  }

  /**
   * Somebody has called.
   *
   * @param socket The connection below TLS.
   * @param timeout How long TLS may take, in milliseconds.
   */
  begin(socket: Socket, timeout: number): void {
    const key = keyOf(socket);
    const late = () => socket.destroy(new Error(`TLS has not come about for ${timeout} ms`));
    this.#all.set(key, { socket, timer: setTimeout(late, timeout) });
    socket.on("error", () => {});
    socket.on("close", () => {
      if (this.#all.get(key)?.socket === socket) this.#forget(key);
    });
  }

  /**
   * TLS has come about.
   *
   * @param socket What it has made of the connection.
   */
  end(socket: Socket): void {
    this.#forget(keyOf(socket));
  }

  /** Sends everyone away. */
  close(): void {
    for (const { socket } of this.#all.values()) socket.destroy(new Error("the transport is closed"));
  }

  #forget(key: string): void {
    clearTimeout(this.#all.get(key)?.timer);
    this.#all.delete(key);
  }
}

function keyOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
