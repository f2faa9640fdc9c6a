/**
 * Nodes on links with a delay and a bandwidth, in simulated time. Nothing here is random, and no real time passes.
 *
 * @module
 */

import {
  type Action,
  encodeMessage,
  type Message,
  type RaftConfig,
  type RaftEvent,
  RaftNode,
} from "../src/raft/mod.ts";
import { MemoryLog } from "../src/api/memory_log.ts";
import type { Index, NodeId } from "../src/api/types.ts";

/** The properties of all links. */
export interface LinkOptions {
  /** The time that a byte takes from one end to the other. In milliseconds. */
  readonly delay: number;
  /** The bandwidth of a link. In bytes a millisecond. */
  readonly bandwidth: number;
  /** The duration of a tick. In milliseconds. */
  readonly tick: number;
}

/** A message that arrives. */
interface Arrival {
  readonly at: number;
  readonly from: NodeId;
  readonly to: NodeId;
  readonly message: Message;
}

/** One direction between two nodes. Messages arrive in order, each after the one before it was transmitted. */
class Link {
  /** The time until which the link is busy with earlier messages. */
  busyUntil = 0;
  /** The number of bytes sent. */
  bytes = 0;
  isCut = false;
}

/** A cluster on links. */
export class LinkedCluster {
  /** The time. In milliseconds. */
  now = 0;
  readonly nodes: Map<NodeId, RaftNode> = new Map();
  /** Called with each action other than a message. */
  done: (node: NodeId, action: Action) => void = () => {};
  /** Whether a message is delivered. */
  passes: (from: NodeId, to: NodeId, message: Message) => boolean = () => true;
  readonly #options: LinkOptions;
  readonly #links: Map<string, Link> = new Map();
  /** Messages in flight, by time of arrival. */
  #underWay: Arrival[] = [];

  constructor(ids: readonly NodeId[], config: Partial<RaftConfig>, options: LinkOptions) {
    this.#options = options;
    for (const id of ids) {
      const peers = ids.filter((peer) => peer !== id);
      this.nodes.set(id, RaftNode.withLog({ ...config, id, peers }, new MemoryLog()));
    }
  }

  /** Returns the link from one node to another. */
  link(from: NodeId, to: NodeId): Link {
    const name = `${from}>${to}`;
    const link = this.#links.get(name) ?? new Link();
    this.#links.set(name, link);
    return link;
  }

  /** Cuts the links of two nodes, and loses all messages on them, or restores the links. */
  setCut(one: NodeId, other: NodeId, isCut: boolean): void {
    this.link(one, other).isCut = this.link(other, one).isCut = isCut;
    if (!isCut) return;
    const ends = new Set([one, other]);
    this.#underWay = this.#underWay.filter(({ from, to }) => !(ends.has(from) && ends.has(to)));
  }

  /** The leader of the latest term. */
  get leader(): RaftNode | undefined {
    return [...this.nodes.values()].filter(({ isLeader }) => isLeader).sort((a, b) => b.term - a.term)[0];
  }

  /** The last applied index of a node. */
  applied(id: NodeId): Index {
    return this.nodes.get(id)!.lastApplied;
  }

  /** Steps a node with an event. */
  step(id: NodeId, event: RaftEvent): void {
    for (const action of this.nodes.get(id)!.step(event)) {
      if (action.type === "send") this.#send(id, action.to, action.message);
      else this.done(id, action);
    }
  }

  #send(from: NodeId, to: NodeId, message: Message): void {
    const link = this.link(from, to);
    if (link.isCut || !this.passes(from, to, message)) return;
    const { byteLength } = encodeMessage(message);
    link.bytes += byteLength;
    link.busyUntil = Math.max(this.now, link.busyUntil) + byteLength / this.#options.bandwidth;
    const arrival = { at: link.busyUntil + this.#options.delay, from, to, message };
    const place = this.#underWay.findLastIndex(({ at }) => at <= arrival.at) + 1;
    this.#underWay.splice(place, 0, arrival);
  }

  /** Runs for some milliseconds. Calls `each` in every millisecond. */
  run(milliseconds: number, each: () => void = () => {}): void {
    const end = this.now + milliseconds;
    while (this.now < end) {
      this.now++;
      while (this.#underWay.length > 0 && this.#underWay[0]!.at <= this.now) {
        const { to, message } = this.#underWay.shift()!;
        this.step(to, { type: "message", message });
      }
      if (this.now % this.#options.tick === 0) { for (const id of this.nodes.keys()) this.step(id, { type: "tick" }); }
      each();
    }
  }

  /** Runs until a node leads. */
  elect(): RaftNode {
    while (this.leader === undefined) this.run(1);
    // The other nodes learn of the leader.
    this.run(500);
    return this.leader;
  }
}
