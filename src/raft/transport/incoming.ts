/**
 * The connections that carry messages from peers.
 *
 * @module
 */

import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type SecureContextOptions, type TLSSocket } from "node:tls";
import { WalLogError } from "../../api/errors.ts";
import type { NodeId } from "../../api/types.ts";
import { free } from "../../io/free.ts";
import { decodeMessage } from "../codec/decode.ts";
import { isPiece, senderOf } from "../messages.ts";
import { Backlog } from "./backlog.ts";
import {
  ANSWER,
  canBeHello,
  decodeHello,
  encodeHello,
  type Hello,
  HELLO_BYTES,
  PING_MS,
  whatSeparates,
} from "./framing.ts";
import { Handshakes, type Stranger } from "./handshakes.ts";
import { OWN_BUFFER_BYTES_MIN, StreamReader } from "./stream_reader.ts";
import type { Origin } from "../origin.ts";
import { asText } from "./certificates.ts";
import { isWithRevoked, NOT_OF_THIS_CLUSTER, REVOKED, whatIsWrongWith } from "./identity.ts";
import type { Address, CheckedTcpOptions, TransportTls } from "./tcp_options.ts";
import type { Receive } from "./transport.ts";

/** The maximum number of connections without a hello. */
const STRANGERS_MAX = 64;
const TOO_MANY_STRANGERS = "too many callers without a hello";
/** The maximum number of connected peers. */
const PEERS_MAX = 256;
/** The maximum number of peers without a known address, without TLS. Any caller can invent such peers. */
const UNKNOWN_PEERS_MAX = 8;
/** The maximum size of all unfinished messages of such peers, besides one of the maximum size. In bytes. */
const UNKNOWN_BYTES = 1024 * 1024;
/** The interval in which data other than pings is answered. In milliseconds. */
const ANSWER_MS = 100;
/** The minimum number of missing pings before a connection is closed, whatever the timeout: the caller may be busy. */
const MISSING_PINGS_MIN = 4;

/** A connection and its state. */
interface Incoming {
  readonly socket: Socket;
  readonly reader: StreamReader;
  /** Before the hello: the time limit for it. After the hello: the regular check for silence. */
  timer: ReturnType<typeof setTimeout>;
  /** The number of consecutive checks without data. */
  silences: number;
  answeredAt: number;
  /** The caller; `undefined` before its hello. */
  peer: NodeId | undefined;
  /** The identity of the peer's log; `undefined` before its hello. */
  origin: Origin | undefined;
  /** Whether reading is paused because too many messages are unprocessed. */
  isPaused: boolean;
  isClosed: boolean;
}

/** Returns the options of a TLS context. */
function contextOf({ ca, cert, key }: TransportTls): SecureContextOptions {
  return { ca: asText(ca), cert: asText(cert), key: asText(key), minVersion: "TLSv1.3" };
}

/** Listens, identifies callers, and delivers their messages. */
export class IncomingConnections {
  readonly #options: CheckedTcpOptions;
  readonly #hello: (to: NodeId) => Required<Hello>;
  readonly #receive: Receive;
  readonly #isKnown: (peer: NodeId) => boolean;
  readonly #onPeer: (peer: NodeId) => void;
  readonly #server: Server;
  #setContext: (tls: TransportTls) => void = () => {};
  /** Settled when the server listens, or has failed. */
  #listening: Promise<void> = Promise.resolve();
  readonly #handshakes: Handshakes = new Handshakes();
  readonly #all = new Set<Incoming>();
  readonly #byPeer = new Map<NodeId, Incoming>();
  readonly #backlogs = new Map<NodeId, Backlog>();

  /**
   * Makes a server that does not listen yet.
   *
   * @param options The transport's options.
   * @param hello Returns the transport's hello to a peer.
   * @param receive Called with each message.
   * @param isKnown Whether the address of a peer is known.
   * @param onPeer Called when a peer has connected.
   */
  constructor(
    options: CheckedTcpOptions,
    hello: (to: NodeId) => Required<Hello>,
    receive: Receive,
    isKnown: (peer: NodeId) => boolean,
    onPeer: (peer: NodeId) => void,
  ) {
    this.#options = options;
    this.#hello = hello;
    this.#receive = receive;
    this.#isKnown = isKnown;
    this.#onPeer = onPeer;
    const { tls } = options;
    if (tls === undefined) this.#server = createTcpServer((socket) => this.#accept(socket));
    else {
      const server = createTlsServer(
        { ...contextOf(tls), requestCert: true, rejectUnauthorized: true },
        (socket) => this.#accept(socket),
      );
      this.#server = server;
      this.#setContext = (tls) => server.setSecureContext(contextOf(tls));
      this.#server.on("connection", (socket: Socket) => {
        this.#makeRoom();
        this.#handshakes.begin(socket, options.timeout);
      });
      this.#server.on("tlsClientError", (error: Error, socket: TLSSocket) => this.#refuse(socket, error.message));
    }
  }

  /**
   * Starts to listen.
   *
   * @returns The address, with the actual port.
   * @throws {WalLogError} `IO` if it cannot listen.
   */
  listen(): Promise<Address> {
    const { host, port } = this.#options.listen;
    const server = this.#server;
    const listening = new Promise<Address>((resolve, reject) => {
      server.on("error", (cause) => {
        reject(new WalLogError("IO", `Cannot listen on ${host}, port ${port}: ${cause.message}`, { cause }));
      });
      server.listen(port, host, () => {
        const address = server.address();
        resolve({ host, port: typeof address === "object" && address !== null ? address.port : port });
      });
    });
    this.#listening = listening.then(() => {}, () => {});
    return listening;
  }

  /** Uses other certificates and authorities for new connections. */
  reload(tls: TransportTls): void {
    this.#setContext(tls);
  }

  /** Closes the connections of callers whose certificate is revoked. */
  endRevoked(tls: TransportTls): void {
    for (const connection of [...this.#all]) if (isWithRevoked(connection.socket, tls)) this.#end(connection, REVOKED);
  }

  /** Closes all connections, and stops listening. */
  async close(): Promise<void> {
    this.#handshakes.close();
    for (const connection of this.#all) this.#end(connection, "the transport is closed");
    // A server that is closed during the lookup of its host still starts to listen afterwards.
    await this.#listening;
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  /**
   * Closes a connection without a hello if there are too many. It closes the oldest connection from the address that
   * has most of them, so that a caller that connects again and again blocks no others.
   */
  #makeRoom(): void {
    const silent = [...this.#all].filter(({ peer }) => peer === undefined).map((connection): Stranger => ({
      address: connection.socket.remoteAddress,
      sendAway: (reason) => this.#end(connection, reason),
    }));
    const strangers = [...this.#handshakes.callers, ...silent];
    if (strangers.length < STRANGERS_MAX) return;
    const byAddress = Map.groupBy(strangers, ({ address }) => address);
    const [most] = [...byAddress.values()].sort((a, b) => b.length - a.length);
    most![0]!.sendAway(TOO_MANY_STRANGERS);
  }

  #accept(socket: Socket): void {
    const { tls, timeout } = this.#options;
    if (tls !== undefined) this.#handshakes.end(socket);
    if (tls !== undefined && !(socket as TLSSocket).authorized) return this.#refuse(socket, NOT_OF_THIS_CLUSTER);
    this.#makeRoom();
    const connection: Incoming = {
      socket,
      reader: new StreamReader(),
      timer: setTimeout(() => this.#end(connection, `it sent no hello for ${timeout} ms`), timeout),
      silences: 0,
      answeredAt: 0,
      peer: undefined,
      origin: undefined,
      isPaused: false,
      isClosed: false,
    };
    this.#all.add(connection);
    socket.setNoDelay(true);
    socket.on("data", (chunk) => {
      connection.silences = 0;
      connection.reader.push(chunk);
      this.#read(connection);
      if (connection.reader.bytes > UNKNOWN_BYTES) this.#boundUnknown();
      if (performance.now() - connection.answeredAt >= ANSWER_MS) this.#answer(connection);
    });
    socket.on("error", (error) => this.#end(connection, error.message));
    socket.on("end", () => this.#end(connection, "the peer closed the connection"));
    socket.on("close", () => this.#end(connection, "the connection was closed"));
  }

  #read(connection: Incoming): void {
    try {
      if (connection.peer === undefined) this.#readHello(connection);
      while (connection.peer !== undefined && !connection.isClosed && !connection.isPaused) {
        const bytes = connection.reader.takeFrame(this.#options.maxMessageBytes);
        if (bytes === undefined) return;
        if (bytes.byteLength === 0) this.#answer(connection);
        else this.#deliver(connection, connection.peer, bytes);
      }
    } catch (error) {
      if (!(error instanceof WalLogError && error.code === "ENCODING")) throw error;
      this.#end(connection, error.message);
    }
  }

  #readHello(connection: Incoming): void {
    const { reader, socket } = connection;
    if (!canBeHello(reader.peek(Math.min(reader.bytes, HELLO_BYTES)))) return this.#end(connection, "it sent no hello");
    if (reader.bytes < HELLO_BYTES) return;
    const hello = decodeHello(reader.take(HELLO_BYTES));
    const own = this.#hello(hello.from);
    const wrong = this.#whatIsWrong(hello, socket);
    if (wrong !== undefined) return this.#end(connection, wrong);
    const { from } = hello;
    const apart = whatSeparates(own, hello);
    if (apart !== undefined) return this.#end(connection, apart, encodeHello(own));
    clearTimeout(connection.timer);
    // The peer has reconnected, so the earlier connection has failed.
    const earlier = this.#byPeer.get(from);
    if (earlier !== undefined) this.#end(earlier, "the peer has reconnected");
    // The event's receiver may close the transport.
    if (connection.isClosed) return;
    connection.peer = from;
    connection.origin = hello.origin;
    this.#byPeer.set(from, connection);
    // The node may not have processed the messages of the earlier connection.
    if (this.#backlogs.get(from)?.isFull) this.#pause(connection);
    socket.write(encodeHello(own));
    connection.answeredAt = performance.now();
    connection.timer = setInterval(() => this.#listenFor(connection), PING_MS);
    this.#options.onEvent({ type: "connected", peer: from, direction: "in" });
    this.#onPeer(from);
  }

  /** Closes a silent connection. A paused connection is not silent. */
  #listenFor(connection: Incoming): void {
    if (connection.isPaused) connection.silences = 0;
    const silence = connection.silences++ * PING_MS;
    if (silence >= Math.max(this.#options.timeout, MISSING_PINGS_MIN * PING_MS)) {
      this.#end(connection, `it was silent for ${silence} ms`);
    }
  }

  /** Sends an answer, so that the caller knows that the connection works. A queued answer also serves this time. */
  #answer(connection: Incoming): void {
    if (connection.peer === undefined || connection.isClosed || connection.socket.writableLength > 0) return;
    connection.answeredAt = performance.now();
    connection.socket.write(ANSWER);
  }

  #whatIsWrong({ from, to }: Hello, socket: Socket): string | undefined {
    const { tls } = this.#options;
    if (to !== this.#options.id) return `it called node ${to}`;
    if (from === this.#options.id) return "it claims to be this node";
    if (this.#byPeer.size >= PEERS_MAX && !this.#byPeer.has(from)) return "too many peers are connected";
    if (tls !== undefined) return whatIsWrongWith(socket as TLSSocket, from, tls);
    return this.#hasRoomFor(from) ? undefined : "too many peers without a known address are connected";
  }

  /** Whether a peer without a certificate may connect. */
  #hasRoomFor(peer: NodeId): boolean {
    if (this.#isKnown(peer) || this.#byPeer.has(peer)) return true;
    return [...this.#byPeer.keys()].filter((id) => !this.#isKnown(id)).length < UNKNOWN_PEERS_MAX;
  }

  /**
   * Limits the memory of peers without a known address, which anyone can invent. If they hold more than one message of
   * the maximum size, the connection of the one that holds most is closed.
   */
  #boundUnknown(): void {
    if (this.#options.tls !== undefined) return;
    const unknown = [...this.#byPeer].filter(([peer]) => !this.#isKnown(peer)).map(([, connection]) => connection);
    const held = unknown.reduce((sum, { reader }) => sum + reader.bytes, 0);
    if (held <= this.#options.maxMessageBytes + UNKNOWN_BYTES) return;
    const [most] = unknown.sort((a, b) => b.reader.bytes - a.reader.bytes);
    this.#end(most!, "too many bytes of incomplete messages are buffered");
  }

  #deliver(connection: Incoming, peer: NodeId, bytes: Uint8Array): void {
    const message = decodeMessage(bytes);
    if (senderOf(message) !== peer) return this.#end(connection, `it sent a message of node ${senderOf(message)}`);
    const finished = this.#receive(message, connection.origin);
    if (finished === undefined) return;
    const backlog = this.#backlogs.get(peer) ?? new Backlog();
    this.#backlogs.set(peer, backlog);
    const finish = backlog.add(message, bytes.byteLength);
    if (backlog.isFull) this.#pause(connection);
    void finished.then(() => {
      finish();
      if (isPiece(message) && bytes.byteLength >= OWN_BUFFER_BYTES_MIN) free(bytes);
      if (backlog.isEmpty) this.#backlogs.delete(peer);
      const current = this.#byPeer.get(peer);
      if (current?.isPaused && !backlog.isFull) this.#resume(current);
    });
  }

  #pause(connection: Incoming): void {
    connection.isPaused = true;
    connection.socket.pause();
  }

  #resume(connection: Incoming): void {
    connection.isPaused = false;
    this.#read(connection);
    if (!connection.isPaused && !connection.isClosed) connection.socket.resume();
  }

  /** Closes a connection without a peer, after a last message that the other end may ignore. */
  #refuse(socket: Socket, reason: string, lastWord?: Uint8Array): void {
    const remote = socket.remoteAddress ?? "an unknown address";
    socket.on("error", () => {});
    if (lastWord === undefined) socket.destroy();
    else socket.end(lastWord, () => socket.destroy());
    this.#options.onEvent({ type: "refused", remote, reason });
  }

  #end(connection: Incoming, reason: string, lastWord?: Uint8Array): void {
    if (connection.isClosed) return;
    connection.isClosed = true;
    clearTimeout(connection.timer);
    this.#all.delete(connection);
    const { peer, socket } = connection;
    if (peer === undefined) return this.#refuse(socket, reason, lastWord);
    if (this.#byPeer.get(peer) === connection) this.#byPeer.delete(peer);
    socket.destroy();
    this.#options.onEvent({ type: "disconnected", peer, direction: "in", reason });
  }
}
