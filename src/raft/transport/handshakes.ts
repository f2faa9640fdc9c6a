/**
 * TLS handshakes in progress.
 *
 * @module
 */

import type { Socket } from "node:net";

/** A caller that has not yet identified itself. */
export interface Stranger {
  /** The caller's address. */
  readonly address: string | undefined;
  /** Ends the connection. */
  readonly sendAway: (reason: string) => void;
}

/** A handshake in progress. */
interface Handshake {
  readonly socket: Socket;
  readonly timer: ReturnType<typeof setTimeout>;
}

/**
 * Tracks TCP connections until their TLS handshake is complete: a server does not count them, and does not close them
 * when it is closed. The server's `tlsClientError` event reports each connection that is closed here, with the reason
 * given here.
 */
export class Handshakes {
  /** By the other end's address and port, because TLS makes a new socket for the connection. */
  readonly #all: Map<string, Handshake> = new Map();

  /** The callers with a handshake in progress, oldest first. */
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
   * Starts the time limit of a handshake.
   *
   * @param socket The TCP connection.
   * @param timeout The time limit, in milliseconds.
   */
  begin(socket: Socket, timeout: number): void {
    const key = keyOf(socket);
    const late = () => socket.destroy(new Error(`the TLS handshake took more than ${timeout} ms`));
    this.#all.set(key, { socket, timer: setTimeout(late, timeout) });
    socket.on("error", () => {});
    socket.on("close", () => {
      if (this.#all.get(key)?.socket === socket) this.#forget(key);
    });
  }

  /**
   * Ends the time limit of a handshake that is complete.
   *
   * @param socket The TLS connection.
   */
  end(socket: Socket): void {
    this.#forget(keyOf(socket));
  }

  /** Closes all connections. */
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
