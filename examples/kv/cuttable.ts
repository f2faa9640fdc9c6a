/**
 * A transport that can be cut, to see what a cluster does when the network fails.
 *
 * @module
 */

import {
  type Address,
  type Message,
  type Origin,
  type Receive,
  senderOf,
  type TcpTransport,
} from "../../src/raft/mod.ts";
import type { ReplicaTransport } from "../../src/replica/mod.ts";

/** Carries messages, but for those to and from nodes that it is told to be cut off from. */
export class CuttableTransport implements ReplicaTransport {
  /** The nodes with which no messages are exchanged. */
  cutOff: ReadonlySet<bigint> = new Set();
  readonly #transport: TcpTransport;

  /** @param transport Carries what gets through. */
  constructor(transport: TcpTransport) {
    this.#transport = transport;
  }

  get id(): bigint {
    return this.#transport.id;
  }

  start(receive: Receive, identity?: () => Origin): Promise<void> {
    const filter: Receive = (message, origin) =>
      this.cutOff.has(senderOf(message)) ? undefined : receive(message, origin);
    return this.#transport.start(filter, identity);
  }

  setPeer(id: bigint, address: Address): void {
    this.#transport.setPeer(id, address);
  }

  send(to: bigint, message: Message): void {
    if (!this.cutOff.has(to)) this.#transport.send(to, message);
  }

  close(): Promise<void> {
    return this.#transport.close();
  }
}
