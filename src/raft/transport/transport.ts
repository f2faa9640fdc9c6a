/**
 * How messages get from node to node: the seam behind which there is a network.
 *
 * @module
 */

import type { NodeId } from "../../api/types.ts";
import type { Message } from "../messages.ts";
import type { Origin } from "../origin.ts";

/**
 * Takes a message that has arrived. `origin` is the log that it comes from, if the transport knows: pass it on as
 * `MessageEvent.origin`. As long as what it returns is not settled, the message counts as unfinished, and a
 * transport may read no more of that peer's while too many are. Once it is settled, `TcpTransport` frees the data of a
 * message with a piece of a snapshot (`offset`): the data is empty then. It must neither throw nor reject.
 */
export type Receive = (message: Message, origin?: Origin) => void | PromiseLike<unknown>;

/**
 * Carries a node's messages. Raft takes it that messages get lost, overtaken and doubled, and so a transport may do all
 * of that; but what it delivers must be what was sent, and by whom it says.
 */
export interface RaftTransport {
  /** The node whose messages it carries. */
  readonly id: NodeId;

  /**
   * Begins to receive. Called once.
   *
   * @param receive Told each message, in the order in which they arrive.
   * @param identity The identity of the node's log, `() => log.identity`, asked for again and again: peers are told, and
   * `receive` is told that of the sender's. Without it, neither is.
   * @returns When messages can arrive.
   */
  start(receive: Receive, identity?: () => Origin): Promise<void>;

  /**
   * Sends a message, or drops it. Neither waits nor throws, whatever the network is like.
   *
   * @param to The node that is to get it.
   * @param message The message, which must not change any more.
   */
  send(to: NodeId, message: Message): void;

  /**
   * Ends sending and receiving. What is on its way may get lost.
   *
   * @returns When nothing is open any more.
   */
  close(): Promise<void>;
}
