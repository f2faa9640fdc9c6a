/**
 * The connection that carries messages to one peer.
 *
 * @module
 */

import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { NodeId } from "../../api/types.ts";
import { free } from "../../io/free.ts";
import {
  ANSWER,
  canBeHello,
  decodeHello,
  encodeHello,
  type Hello,
  HELLO_BYTES,
  negotiate,
  PING,
  PING_MS,
  whatSeparates,
} from "./framing.ts";
import { asText } from "./certificates.ts";
import { isWithRevoked, REVOKED, whatIsWrongWith } from "./identity.ts";
import { Outbox, type OutboxChunk } from "./outbox.ts";
import { StreamReader } from "./stream_reader.ts";
import type { Address, CheckedTcpOptions, TransportTls } from "./tcp_options.ts";

/**
 * The maximum size of the messages that wait while a connection is being made. It is enough for answers to a peer that
 * has just called, and too small for entries. In bytes.
 */
const CONNECTING_BYTES_MAX = 64 * 1024;

/** The state of the connection to a peer. */
export interface PeerStats {
  /** Whether messages can be sent at the moment. */
  readonly isConnected: boolean;
  /** The size of the waiting messages, in bytes. */
  readonly queuedBytes: number;
  /** The protocol version in use; 0 without a connection. */
  readonly version: number;
  /** The number of messages sent. */
  readonly sent: number;
  /**
   * The number of messages dropped: without a connection, with a full queue, or because the connection ended while they
   * waited.
   */
  readonly dropped: number;
  /** The number of connections made. */
  readonly connections: number;
}

/** The connection to one peer. */
export class Outgoing {
  readonly #peer: NodeId;
  readonly #address: Address;
  readonly #options: CheckedTcpOptions;
  readonly #hello: () => Required<Hello>;
  /** This node's hello on the connection. */
  #said: Required<Hello> | undefined;
  /** The protocol version in use; 0 without a connection. */
  #version = 0;
  readonly #outbox: Outbox;
  #socket: Socket | undefined;
  /** `waiting` until the next attempt; `open` after both hellos. */
  #phase: "waiting" | "connecting" | "open" | "closed" = "waiting";
  #failures = 0;
  #openedAt = 0;
  /** The number of pings without an answer. */
  #unanswered = 0;
  /** The timer of the next attempt, of the end of an attempt, or of the next ping. */
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isBlocked = false;
  #isPumping = false;
  #accepted = 0;
  /** The number of accepted messages that were lost when a connection ended. */
  #lost = 0;
  #refused = 0;
  #connections = 0;

  /**
   * Starts to connect.
   *
   * @param peer The peer.
   * @param address The address on which it listens.
   * @param options The transport's options.
   * @param hello Returns the transport's hello to the peer.
   */
  constructor(peer: NodeId, address: Address, options: CheckedTcpOptions, hello: () => Required<Hello>) {
    this.#peer = peer;
    this.#address = address;
    this.#options = options;
    this.#hello = hello;
    this.#outbox = new Outbox(options.maxQueueBytes);
    this.#connect();
  }

  /** The state of the connection. */
  get stats(): PeerStats {
    return {
      isConnected: this.#phase === "open",
      version: this.#version,
      queuedBytes: this.#outbox.bytes,
      sent: this.#accepted - this.#lost - this.#outbox.length,
      dropped: this.#refused + this.#lost,
      connections: this.#connections,
    };
  }

  /**
   * Sends a frame as soon as the peer accepts it. Without a connection, the frame is dropped and only counted: it would
   * be outdated when there is a connection. While a connection is being made, only a few frames can wait.
   *
   * @param frame The frame.
   * @param since The version that introduced its type of message.
   * @returns `false` if the queue is full, or the peer does not know the type. `true` also without a connection.
   */
  send(frame: Uint8Array, since: number): boolean {
    // The peer refuses a log that has entries and belongs to no cluster. A node that has just joined must send its
    // hello again.
    if (this.#phase === "open" && this.#said!.origin.cluster === undefined && this.#isOutdated()) {
      this.#reconnect(this.#socket!);
    }
    const isConnected = this.#phase === "open";
    if (!(isConnected || this.#canWait(frame)) || !this.knows(since) || !this.#outbox.push(frame)) {
      this.#refused++;
      return !isConnected;
    }
    this.#accepted++;
    // All messages of one turn of the event loop share one write.
    if (!this.#isPumping) {
      this.#isPumping = true;
      queueMicrotask(() => this.#pump());
    }
    return true;
  }

  /** Whether a frame can wait for the connection in progress. */
  #canWait(frame: Uint8Array): boolean {
    return this.#phase === "connecting" && this.#outbox.bytes + frame.byteLength <= CONNECTING_BYTES_MAX;
  }

  /**
   * Whether the peer knows messages of a type. Without a connection, only the types of the minimum version are certain.
   *
   * @param since The version that introduced the type.
   */
  knows(since: number): boolean {
    return since <= Math.max(this.#version, this.#options.protocol.versions.least);
  }

  /** Reconnects at once, because the peer has just called. */
  wake(): void {
    if (this.#phase === "waiting") this.#connect();
  }

  /** Closes the connection if the peer's certificate is revoked. A later attempt may find a new certificate. */
  endRevoked(tls: TransportTls): void {
    const socket = this.#socket;
    if (this.#phase === "open" && isWithRevoked(socket, tls)) this.#fail(socket!, REVOKED);
  }

  /**
   * Closes the connection permanently.
   *
   * @returns A promise that resolves when it is closed.
   */
  async close(): Promise<void> {
    this.#phase = "closed";
    clearTimeout(this.#timer);
    this.#lost += this.#outbox.length;
    this.#outbox.clear();
    const socket = this.#socket;
    if (socket === undefined || socket.closed) return;
    await new Promise((resolve) => socket.on("close", resolve).destroy());
  }

  #connect(): void {
    clearTimeout(this.#timer);
    this.#phase = "connecting";
    const { host, port } = this.#address;
    const { tls, timeout } = this.#options;
    const socket: Socket = tls === undefined ? connectTcp({ host, port }) : connectTls({
      ...{ host, port },
      ...{ ca: asText(tls.ca), cert: asText(tls.cert), key: asText(tls.key) },
      minVersion: "TLSv1.3",
      // The host name is not checked. The node's name is checked before anything is sent.
      checkServerIdentity: () => undefined,
    });
    this.#socket = socket;
    this.#timer = setTimeout(() => this.#fail(socket, `it did not answer for ${timeout} ms`), timeout);
    socket.setNoDelay(true);
    socket.on(tls === undefined ? "connect" : "secureConnect", () => this.#sayHello(socket));
    const reader = new StreamReader();
    socket.on("data", (chunk) => {
      reader.push(chunk);
      if (this.#phase !== "open") this.#readHello(socket, reader);
      if (this.#phase === "open") this.#readAnswers(socket, reader);
    });
    socket.on("drain", () => {
      if (this.#socket !== socket) return;
      this.#isBlocked = false;
      this.#pump();
    });
    socket.on("error", (error) => this.#fail(socket, error.message));
    socket.on("end", () => this.#fail(socket, "the peer closed the connection"));
    socket.on("close", () => this.#fail(socket, "the connection was closed"));
  }

  #sayHello(socket: Socket): void {
    const wrong = this.#whatIsWrong(socket);
    if (wrong !== undefined) return this.#fail(socket, wrong);
    this.#said = this.#hello();
    socket.write(encodeHello(this.#said));
  }

  #whatIsWrong(socket: Socket): string | undefined {
    const { tls } = this.#options;
    return tls === undefined ? undefined : whatIsWrongWith(socket as TLSSocket, this.#peer, tls);
  }

  #readHello(socket: Socket, reader: StreamReader): void {
    if (this.#socket !== socket) return;
    if (!canBeHello(reader.peek(Math.min(reader.bytes, HELLO_BYTES)))) return this.#fail(socket, "it sent no hello");
    if (reader.bytes < HELLO_BYTES) return;
    try {
      const hello = decodeHello(reader.take(HELLO_BYTES));
      if (hello.from !== this.#peer) return this.#fail(socket, `it is node ${hello.from}`);
      if (hello.to !== this.#options.id) return this.#fail(socket, `it expects node ${hello.to}`);
      // The peer's certificate may have been revoked since this node sent its hello.
      const apart = this.#whatIsWrong(socket) ?? whatSeparates(this.#said!, hello);
      if (apart !== undefined) return this.#fail(socket, apart);
      this.#version = negotiate(this.#said!.versions, hello.versions)!;
    } catch (error) {
      return this.#fail(socket, (error as Error).message);
    }
    this.#phase = "open";
    this.#openedAt = performance.now();
    this.#unanswered = 0;
    this.#connections++;
    this.#pingLater(socket);
    this.#options.onEvent({ type: "connected", peer: this.#peer, direction: "out" });
    this.#pump();
  }

  #readAnswers(socket: Socket, reader: StreamReader): void {
    if (this.#socket !== socket) return;
    this.#unanswered = 0;
    if (reader.take(reader.bytes).some((byte) => byte !== ANSWER[0])) {
      this.#fail(socket, "the peer sent unexpected data");
    }
  }

  /** Counts pings instead of time: a suspended process has read nothing, even if answers have arrived. */
  #pingLater(socket: Socket): void {
    const { timeout } = this.#options;
    const pause = Math.min(PING_MS, timeout / 4);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#isOutdated()) return this.#reconnect(socket);
      if (this.#unanswered * pause >= timeout) return this.#fail(socket, `the peer did not answer for ${timeout} ms`);
      this.#unanswered++;
      // A blocked socket has unsent data. A ping after it would arrive no earlier, or could end in the middle of a
      // message.
      if (!this.#isBlocked) this.#isBlocked = !socket.write(PING);
      this.#pingLater(socket);
    }, pause);
  }

  /** Reconnects at once. The new connection's hello has the log's cluster. */
  #reconnect(socket: Socket): void {
    this.#fail(socket, "this node's log belongs to a cluster now");
    this.wake();
  }

  /** Whether the log's identity has changed since the hello: the log may have joined a cluster. */
  #isOutdated(): boolean {
    const { cluster, incarnation } = this.#hello().origin;
    return cluster !== this.#said!.origin.cluster || incarnation !== this.#said!.origin.incarnation;
  }

  /** Writes until the socket is full. */
  #pump(): void {
    this.#isPumping = false;
    const socket = this.#socket;
    if (this.#phase !== "open" || this.#isBlocked || socket === undefined) return;
    for (let chunk = this.#outbox.take(); chunk !== undefined; chunk = this.#outbox.take()) {
      if (write(socket, chunk)) continue;
      this.#isBlocked = true;
      break;
    }
  }

  /**
   * Ends the connection or the attempt. Waiting messages are dropped, because they would be outdated on the next
   * connection.
   */
  #fail(socket: Socket, reason: string): void {
    if (this.#socket !== socket) return;
    this.#socket = undefined;
    this.#isBlocked = false;
    this.#version = 0;
    clearTimeout(this.#timer);
    socket.destroy();
    if (this.#phase === "closed") return;
    const [least, most] = this.#options.reconnectDelay;
    // A connection that ends early counts as a failed attempt.
    if (this.#phase === "open" && performance.now() - this.#openedAt >= most) this.#failures = 0;
    this.#phase = "waiting";
    this.#lost += this.#outbox.length;
    this.#outbox.clear();
    const delay = Math.min(least * 2 ** this.#failures++, most);
    this.#timer = setTimeout(() => this.#connect(), delay * (0.5 + Math.random() / 2));
    // This must be last: the event's receiver may close this connection.
    this.#options.onEvent({ type: "disconnected", peer: this.#peer, direction: "out", reason });
  }
}

/**
 * Writes a chunk, and frees the large frame that ends in it once everything up to there is written.
 *
 * @returns Whether the socket accepts more data.
 */
function write(socket: Socket, { bytes, frame }: OutboxChunk): boolean {
  if (frame === undefined) return socket.write(bytes);
  return socket.write(bytes, (error) => {
    // After a failure, the system may still read from the buffer.
    if (!error) free(frame);
  });
}
