/**
 * Messages over TCP, with TLS or without.
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
 * When a connection ends, the node makes it again after a pause, or as soon as the peer calls. Pauses grow.
 *
 * Messages wait while a connected peer does not take them, up to `maxQueueBytes`. Later ones are dropped. A peer that
 * neither takes nor answers anything for `timeout` loses its connection and all messages that wait. Messages to a peer
 * that is not connected are dropped. Raft repeats the ones that matter.
 *
 * With `tls`, a node refuses callers without a certificate of the cluster's authority, before they can send anything. It
 * sends nothing to a peer without such a certificate, or with that of another node. A caller must be the node that its
 * certificate names. All nodes must name the same cluster. A node takes messages only from the node that the caller is.
 *
 * If {@link TcpTransport.start} gets the log's identity, nodes with logs of different clusters refuse each other, even if
 * their clusters have the same name. The receiver then learns which log a message comes from.
 *
 * At most 256 peers can be connected to a node at once. Without `tls`, at most 8 of them can have no known address. In
 * Deno, it needs `--allow-net`.
 *
 * @example Two nodes on the loopback.
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
   * Makes a transport; nothing is opened before {@link TcpTransport.start}.
   *
   * @param options How it is to work.
   * @throws {WalLogError} `INVALID_ARGUMENT`, also for certificates that are none, or a key that is not the certificate's.
   */
  constructor(options: TcpTransportOptions) {
    this.#options = checkTcpOptions(options);
    this.#cluster = clusterDigest(this.#options.cluster);
    for (const [id, address] of options.peers ?? []) this.setPeer(id, address);
  }

  /** The node whose messages it carries. */
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
   * @param receive Told each message, and with `identity`, which log it comes from.
   * @param identity The identity of the node's log, `() => log.identity`, asked for whenever a connection is made, and from
   * time to time. Peers learn it, and a peer with a log of another cluster is refused.
   * @returns When it listens. Rejects with `IO` if it cannot, and with `INVALID_ARGUMENT` for certificates that the runtime
   *   refuses.
   * @throws {WalLogError} `CLOSED`, also if it is closed meanwhile; `INVALID_ARGUMENT` if it was started before, unless
   *   that failed.
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
   * Says where a peer listens, or that it does so elsewhere.
   *
   * @param id The peer. The node's own id is passed over, so that all nodes can be given the same list.
   * @param address Where it listens.
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
   * Ends the connection to a peer; it can still call.
   *
   * @param id The peer.
   */
  removePeer(id: NodeId): void {
    this.#addresses.delete(id);
    void this.#outgoing.get(id)?.close();
    this.#outgoing.delete(id);
  }

  /**
   * Replaces the certificates, the key and the list of revoked certificates, for all connections made from now on. Those
   * that exist stay, except for those with nodes whose certificate is revoked: they end. If this fails, nothing has changed.
   *
   * @param tls The new ones. Without `nodeName` or `revoked`, the present ones stay.
   * @throws {WalLogError} `INVALID_ARGUMENT` for certificates that are none, a key that is not the certificate's, or a
   * transport without TLS; `CLOSED`.
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
   * Sends a message, or lets it wait, or drops it: if there is no room, if it is too large, or if nobody has said where
   * the node is. Of these, the options' `onEvent` is told. Messages to a node that is not connected are dropped too, and
   * only counted: `onEvent` was told when the connection ended.
   *
   * @param to The node that is to get it.
   * @param message The message.
   */
  send(to: NodeId, message: Message): void {
    if (this.#isClosed) return;
    const reason = this.#trySend(to, message);
    if (reason !== undefined) this.#options.onEvent({ type: "dropped", peer: to, message: message.type, reason });
  }

  /** Why a message was not sent; `undefined` if it was. */
  #trySend(to: NodeId, message: Message): string | undefined {
    if (this.#address === undefined) return "the transport was not started";
    if (senderOf(message) !== this.id) return `it is from node ${senderOf(message)}`;
    const outgoing = this.#outgoing.get(to);
    if (outgoing === undefined) return "nobody has said where the node is";
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
    if (outgoing.knows(since)) return "too much waits to be sent";
    return `the peer speaks version ${outgoing.stats.version} of the protocol, which has no ${message.type}`;
  }

  /**
   * The state of the connections to each peer.
   *
   * @returns The counts so far, by peer.
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
   * Ends all connections, and listening.
   *
   * @returns When nothing is open any more.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#address = undefined;
    await Promise.all([this.#incoming?.close(), ...[...this.#outgoing.values()].map((outgoing) => outgoing.close())]);
  }

  #connect(id: NodeId, address: Address): void {
    this.#outgoing.set(id, new Outgoing(id, address, this.#options, () => this.#hello(id)));
  }

  /** The first message to a peer. */
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
