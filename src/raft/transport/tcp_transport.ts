/**
 * Carries messages over TCP, with or without TLS.
 *
 * @module
 */

import { WalLogError } from "../../api/errors.ts";
import type { NodeId } from "../../api/types.ts";
import { encodeBehind } from "../codec/encode.ts";
import { type Message, senderOf } from "../messages.ts";
import type { Origin } from "../origin.ts";
import { clusterDigest, FRAME_LENGTH_BYTES, type Hello } from "./framing.ts";
import { IncomingConnections } from "./incoming.ts";
import { Outgoing, type PeerStats } from "./outgoing.ts";
import {
  type Address,
  checkAddress,
  type CheckedTcpOptions,
  checkId,
  checkTcpOptions,
  checkTls,
} from "./tcp_options.ts";
import type { TcpTransportOptions, TransportTls } from "./tcp_options.ts";
import type { RaftTransport, Receive } from "./transport.ts";

/**
 * Carries a node's messages over TCP. A node sends to each peer on one connection, and receives from it on another one.
 * When a connection ends, the node reconnects after a pause, or as soon as the peer calls. Each failure makes the pause
 * longer.
 *
 * If a connected peer does not accept data, messages to it wait, up to `maxQueueBytes`. Later messages are dropped. A
 * peer that neither accepts nor answers anything for `timeout` loses its connection and all waiting messages. Messages
 * to a peer without a connection are dropped. Raft repeats the messages that matter.
 *
 * With `tls`, a node refuses callers without a certificate of the cluster's authority before they can send anything. It
 * sends nothing to a peer without such a certificate, or with the certificate of another node. A caller must be the
 * node that its certificate names. All nodes must have the same cluster name. A node accepts only messages whose sender
 * is the caller.
 *
 * If {@link TcpTransport.start} gets the log's identity, nodes whose logs belong to different clusters refuse each
 * other, even if their clusters have the same name. The receiver then learns the identity of the sender's log.
 *
 * At most 256 peers can be connected to a node at once. Without `tls`, at most 8 of them can have no known address.
 * Deno needs `--allow-net`.
 *
 * @example Two nodes on the loopback interface.
 * ```ts
 * import { type Message, TcpTransport } from "@wallog/wallog/raft";
 * import assert from "node:assert/strict";
 *
 * const listen = { host: "127.0.0.1", port: 0 };
 * const one = new TcpTransport({ id: 1n, cluster: "example", listen });
 * const two = new TcpTransport({ id: 2n, cluster: "example", listen });
 * await one.start(() => {});
 * const arrived = new Promise<Message>((resolve) => void two.start(resolve).then(() => one.setPeer(2n, two.address!)));
 * while (one.stats().get(2n)?.isConnected !== true) await new Promise((resolve) => setTimeout(resolve, 5));
 * one.send(2n, { type: "timeoutNow", term: 7, leader: 1n });
 * assert.deepEqual(await arrived, { type: "timeoutNow", term: 7, leader: 1n });
 * await one.close();
 * await two.close();
 * ```
 */
export class TcpTransport implements RaftTransport {
  readonly #options: CheckedTcpOptions;
  readonly #cluster: Uint8Array;
  readonly #addresses: Map<NodeId, Address> = new Map();
  readonly #outgoing: Map<NodeId, Outgoing> = new Map();
  #identity: (() => Origin) | undefined;
  #incoming: IncomingConnections | undefined;
  #address: Address | undefined;
  #isClosed = false;

  /**
   * Makes a transport. It opens no connection before {@link TcpTransport.start}.
   *
   * @param options The transport's options.
   * @throws {WalLogError} `INVALID_ARGUMENT`, also for invalid certificates, or a key that does not belong to the
   * certificate.
   */
  constructor(options: TcpTransportOptions) {
    this.#options = checkTcpOptions(options);
    this.#cluster = clusterDigest(this.#options.cluster);
    for (const [id, address] of options.peers ?? []) this.setPeer(id, address);
  }

  /** The id of the node. */
  get id(): NodeId {
    return this.#options.id;
  }

  /** The address on which it listens; `undefined` while it does not. */
  get address(): Address | undefined {
    return this.#address;
  }

  /**
   * Listens, and connects to all peers.
   *
   * @param receive Called with each message, and with the identity of its sender's log if the sender has one.
   * @param identity The identity of the node's log, `() => log.identity`. It is called for each new connection, and
   * from time to time. Peers get the identity. A peer with a log of another cluster is refused.
   * @returns A promise that resolves when the transport listens. It rejects with `IO` if it cannot listen, and with
   * `INVALID_ARGUMENT` for certificates that the runtime rejects.
   * @throws {WalLogError} `CLOSED`, also if it is closed during the start; `INVALID_ARGUMENT` if it was already
   * started, unless that start failed.
   */
  async start(receive: Receive, identity?: () => Origin): Promise<void> {
    if (this.#isClosed) throw new WalLogError("CLOSED", "Cannot start the transport: it was closed");
    if (this.#incoming !== undefined) {
      throw new WalLogError("INVALID_ARGUMENT", "Cannot start the transport: it was started before");
    }
    this.#identity = identity;
    const incoming = this.#makeIncoming(receive);
    this.#incoming = incoming;
    try {
      this.#address = await incoming.listen();
    } catch (error) {
      this.#incoming = undefined;
      throw error;
    }
    if (this.#isClosed) {
      this.#address = undefined;
      throw new WalLogError("CLOSED", "Cannot start the transport: it was closed meanwhile");
    }
    for (const [id, address] of this.#addresses) this.#connect(id, address);
  }

  #makeIncoming(receive: Receive): IncomingConnections {
    try {
      const onPeer = (peer: NodeId) => this.#outgoing.get(peer)?.wake();
      const tell: Receive = this.#identity === undefined ? (message) => receive(message) : receive;
      const isKnown = (peer: NodeId) => this.#addresses.has(peer);
      return new IncomingConnections(this.#options, (to) => this.#hello(to), tell, isKnown, onPeer);
    } catch (cause) {
      const reason = (cause as Error).message;
      throw new WalLogError("INVALID_ARGUMENT", `Cannot start the transport: ${reason}`, { cause });
    }
  }

  /**
   * Sets or changes the address of a peer.
   *
   * @param id The peer. The node's own id is ignored, so that all nodes can use the same list.
   * @param address The address on which it listens.
   * @throws {WalLogError} `INVALID_ARGUMENT`.
   */
  setPeer(id: NodeId, address: Address): void {
    checkId(id);
    checkAddress(address, 1);
    const before = this.#addresses.get(id);
    if (id === this.id || (before?.host === address.host && before.port === address.port)) return;
    this.removePeer(id);
    this.#addresses.set(id, address);
    if (this.#address !== undefined && !this.#isClosed) this.#connect(id, address);
  }

  /**
   * Closes the connection to a peer. The peer can still connect to this node.
   *
   * @param id The peer.
   */
  removePeer(id: NodeId): void {
    this.#addresses.delete(id);
    void this.#outgoing.get(id)?.close();
    this.#outgoing.delete(id);
  }

  /**
   * Replaces the certificates, the key and the list of revoked certificates for all new connections. Existing
   * connections stay, except to nodes whose certificate is revoked. If this fails, nothing has changed.
   *
   * @param tls The new values. Without `nodeName` or `revoked`, the present values stay.
   * @throws {WalLogError} `INVALID_ARGUMENT` for invalid certificates, a key that does not belong to the certificate,
   * or a transport without TLS; `CLOSED`.
   */
  reload(tls: TransportTls): void {
    const attempt = "Cannot reload the certificates";
    if (this.#isClosed) throw new WalLogError("CLOSED", `${attempt}: the transport was closed`);
    if (this.#options.tls === undefined) {
      throw new WalLogError("INVALID_ARGUMENT", `${attempt}: the transport was made without tls`);
    }
    checkTls(attempt, tls);
    const next = { ...this.#options.tls, ...tls };
    try {
      this.#incoming?.reload(next);
    } catch (cause) {
      throw new WalLogError("INVALID_ARGUMENT", `${attempt}: ${(cause as Error).message}`, { cause });
    }
    this.#options.tls = next;
    this.#incoming?.endRevoked(next);
    for (const outgoing of [...this.#outgoing.values()]) outgoing.endRevoked(next);
  }

  /**
   * Sends or queues a message. The message is dropped if the queue is full, if it is too large, or if the receiver's
   * address is unknown; `onEvent` reports these cases. Messages to a node without a connection are also dropped, and
   * only counted: `onEvent` has already reported the end of the connection.
   *
   * @param to The receiver.
   * @param message The message.
   */
  send(to: NodeId, message: Message): void {
    if (this.#isClosed) return;
    const reason = this.#trySend(to, message);
    if (reason !== undefined) this.#options.onEvent({ type: "dropped", peer: to, message: message.type, reason });
  }

  /** Sends or queues a message. Returns the reason if it was dropped; `undefined` otherwise. */
  #trySend(to: NodeId, message: Message): string | undefined {
    if (this.#address === undefined) return "the transport was not started";
    if (senderOf(message) !== this.id) return `it is from node ${senderOf(message)}`;
    const outgoing = this.#outgoing.get(to);
    if (outgoing === undefined) return "the node's address is unknown";
    let frame: Uint8Array;
    try {
      frame = encodeBehind(FRAME_LENGTH_BYTES, message);
    } catch (error) {
      if (error instanceof WalLogError && error.code === "ENCODING") return error.message;
      throw error;
    }
    const length = frame.byteLength - FRAME_LENGTH_BYTES;
    if (length > this.#options.maxMessageBytes) {
      return `it has ${length} bytes, at most ${this.#options.maxMessageBytes} are allowed (maxMessageBytes)`;
    }
    new DataView(frame.buffer).setUint32(0, length, true);
    const since = this.#options.protocol.since[message.type];
    if (outgoing.send(frame, since)) return undefined;
    if (outgoing.knows(since)) return "the send queue is full";
    return `the peer uses protocol version ${outgoing.stats.version}, which has no ${message.type}`;
  }

  /**
   * Returns the state of the connection to each peer.
   *
   * @returns The present counts, by peer.
   */
  stats(): ReadonlyMap<NodeId, PeerStats> {
    return new Map([...this.#outgoing].map(([id, outgoing]) => [id, outgoing.stats]));
  }

  /**
   * Whether messages can be sent to a peer at the moment.
   *
   * @param id The peer.
   */
  isConnected(id: NodeId): boolean {
    return this.#outgoing.get(id)?.stats.isConnected === true;
  }

  /**
   * Closes all connections, and stops listening.
   *
   * @returns A promise that resolves when everything is closed.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#address = undefined;
    await Promise.all([this.#incoming?.close(), ...[...this.#outgoing.values()].map((outgoing) => outgoing.close())]);
  }

  #connect(id: NodeId, address: Address): void {
    this.#outgoing.set(id, new Outgoing(id, address, this.#options, () => this.#hello(id)));
  }

  /** Makes the hello to a peer. */
  #hello(to: NodeId): Required<Hello> {
    const { cluster, incarnation } = this.#identity?.() ?? { cluster: undefined, incarnation: undefined };
    return {
      from: this.id,
      to,
      cluster: this.#cluster,
      origin: { cluster, incarnation },
      versions: this.#options.protocol.versions,
    };
  }
}
