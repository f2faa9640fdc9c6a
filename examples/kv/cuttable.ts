/**
 * A transport that can be cut, to see what a cluster does when the network fails.
 *
 * @module
 */

import { type Message, type RaftTransport, type Receive, senderOf } from "../../src/raft/mod.ts";

/** Carries messages, but for those to and from nodes that it is told to be cut off from. */
export class CuttableTransport implements RaftTransport {
  /** The nodes with which no messages are exchanged. */
  cutOff: ReadonlySet<bigint> = new Set();
  readonly #transport: RaftTransport;

  /** @param transport Carries what gets through. */
  constructor(transport: RaftTransport) {
    this.#transport = transport;
  }

  get id(): bigint {
    return this.#transport.id;
  }

  start(receive: Receive): Promise<void> {
    return this.#transport.start((message) => this.cutOff.has(senderOf(message)) ? undefined : receive(message));
  }

  send(to: bigint, message: Message): void {
    if (!this.cutOff.has(to)) this.#transport.send(to, message);
  }

  close(): Promise<void> {
    return this.#transport.close();
  }
}
