/**
 * The interface of transports, which carry messages between nodes.
 *
 * @module
 */

import type { NodeId } from "../../api/types.ts";
import type { Message } from "../messages.ts";
import type { Origin } from "../origin.ts";

/**
 * Receives a message. `origin` is the identity of its sender's log, if the transport knows it: pass it on as
 * `MessageEvent.origin`. The message counts as unprocessed until the returned promise is settled. While a peer has too
 * many unprocessed messages, a transport may stop reading from it. After the promise is settled, `TcpTransport` frees
 * the data of a message with a piece of a snapshot (`offset`), so the data is then empty. The function must neither
 * throw nor reject.
 */
export type Receive = (message: Message, origin?: Origin) => void | PromiseLike<unknown>;

/**
 * Carries a node's messages. Raft tolerates lost, reordered and duplicated messages, so a transport may do all of
 * these. But it must not change a message or its sender.
 */
export interface RaftTransport {
  /** The id of the node. */
  readonly id: NodeId;

  /**
   * Starts to receive messages. Called once.
   *
   * @param receive Called with each message, in the order of arrival.
   * @param identity The identity of the node's log, `() => log.identity`, called repeatedly. Peers get it, and
   * `receive` gets the identity of the sender's log. Without it, neither happens.
   * @returns A promise that resolves when messages can arrive.
   */
  start(receive: Receive, identity?: () => Origin): Promise<void>;

  /**
   * Sends a message, or drops it. It neither waits nor throws, whatever the state of the network.
   *
   * @param to The receiver.
   * @param message The message, which must not change any more.
   */
  send(to: NodeId, message: Message): void;

  /**
   * Stops sending and receiving. Messages in flight may be lost.
   *
   * @returns A promise that resolves when everything is closed.
   */
  close(): Promise<void>;
}
