/**
 * A network in one process, for tests.
 *
 * @module
 */

import { setImmediate } from "node:timers";
import { WalLogError } from "../../api/errors.ts";
import type { NodeId } from "../../api/types.ts";
import { decodeMessage } from "../codec/decode.ts";
import { encodeMessage } from "../codec/encode.ts";
import { type Message, senderOf } from "../messages.ts";
import type { Origin } from "../origin.ts";
import type { RaftTransport, Receive } from "./transport.ts";

/** The network of {@link MemoryTransport}s. */
export class MemoryNetwork {
  /** Whether the network delivers a message. Default: it delivers all messages. */
  passes: (from: NodeId, to: NodeId, message: Message) => boolean = () => true;
  /** The receivers of the messages to each node. */
  readonly receivers: Map<NodeId, Receive> = new Map();
}

/**
 * Carries a node's messages within a process. They arrive in order, in a later turn of the event loop, as copies that
 * were encoded and decoded.
 *
 * @example
 * ```ts
 * import { MemoryNetwork, MemoryTransport, type Message } from "@wallog/wallog/raft";
 * import assert from "node:assert/strict";
 *
 * const network = new MemoryNetwork();
 * const [one, two] = [new MemoryTransport(1n, network), new MemoryTransport(2n, network)];
 * const arrived = new Promise<Message>((resolve) => two.start(resolve));
 * one.send(2n, { type: "timeoutNow", term: 7, leader: 1n });
 * assert.deepEqual(await arrived, { type: "timeoutNow", term: 7, leader: 1n });
 * ```
 */
export class MemoryTransport implements RaftTransport {
  /** The node whose messages it carries. */
  readonly id: NodeId;
  readonly #network: MemoryNetwork;
  #identity: (() => Origin) | undefined;
  #receive: Receive | undefined;
  #isClosed = false;

  /**
   * Makes a transport.
   *
   * @param id The node whose messages it carries.
   * @param network The network, the same for all nodes.
   */
  constructor(id: NodeId, network: MemoryNetwork) {
    this.id = id;
    this.#network = network;
  }

  /**
   * Starts to receive messages.
   *
   * @param receive Called with each message.
   * @param identity The identity of the node's log, `() => log.identity`. Receivers of its messages get it.
   * @returns A resolved promise.
   * @throws {WalLogError} `CLOSED`.
   */
  start(receive: Receive, identity?: () => Origin): Promise<void> {
    if (this.#isClosed) return Promise.reject(new WalLogError("CLOSED", "Cannot start the transport: it was closed"));
    this.#receive = receive;
    this.#identity = identity;
    this.#network.receivers.set(this.id, receive);
    return Promise.resolve();
  }

  /**
   * Sends a message, if the network delivers it and its receiver has started.
   *
   * @param to The receiver.
   * @param message The message.
   * @throws {WalLogError} `ENCODING` if it is not well-formed. `INVALID_ARGUMENT` if its sender is another node: no
   * test should send such a message.
   */
  send(to: NodeId, message: Message): void {
    if (senderOf(message) !== this.id) {
      throw new WalLogError("INVALID_ARGUMENT", `Cannot send as node ${this.id}: it is from node ${senderOf(message)}`);
    }
    const { receivers, passes } = this.#network;
    if (this.#isClosed || !passes(this.id, to, message)) return;
    const bytes = encodeMessage(message);
    const origin = this.#identity?.();
    setImmediate(() => void receivers.get(to)?.(decodeMessage(bytes), origin));
  }

  /**
   * Whether a node has started.
   *
   * @param id The node.
   */
  isConnected(id: NodeId): boolean {
    return this.#network.receivers.has(id);
  }

  /**
   * Stops sending and receiving.
   *
   * @returns A resolved promise.
   */
  close(): Promise<void> {
    this.#isClosed = true;
    const { receivers } = this.#network;
    if (receivers.get(this.id) === this.#receive) receivers.delete(this.id);
    return Promise.resolve();
  }
}
