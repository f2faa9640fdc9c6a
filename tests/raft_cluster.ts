/**
 * Nodes that receive messages at once, unless the test changes that.
 *
 * @module
 */

import { type Action, type Message, type RaftConfig, type RaftEvent, RaftNode } from "../src/raft/mod.ts";
import type { Index, NodeId, RaftLog } from "../src/api/types.ts";
import { MemoryLog } from "../src/api/memory_log.ts";
import { originOf } from "../src/raft/origin.ts";

/** A message in flight. */
export interface Letter {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly message: Message;
}

/** Nodes that receive messages at once, unless the test changes that. */
export class Cluster {
  readonly nodes: Map<NodeId, RaftNode> = new Map();
  /** The commands that each node's application got, by index. */
  readonly applied: Map<NodeId, Map<Index, string>> = new Map();
  /** All actions of nodes except messages, in order. */
  readonly done: { readonly node: NodeId; readonly action: Action }[] = [];
  /** Every message that was sent. */
  readonly sent: Letter[] = [];
  /** Whether a message is delivered. */
  passes: (letter: Letter) => boolean = () => true;
  readonly #config: Partial<RaftConfig>;
  #underWay: Letter[] = [];

  constructor(members: readonly NodeId[], config: Partial<RaftConfig> = {}) {
    this.#config = config;
    for (const id of members) this.start(id, members.filter((peer) => peer !== id));
  }

  /** Starts a node on an existing or a new log. */
  start(id: NodeId, peers: readonly NodeId[], log: RaftLog = new MemoryLog()): RaftNode {
    return this.#add(RaftNode.withLog({ ...this.#config, id, peers }, log));
  }

  /** Starts a node that waits until it is added. */
  join(id: NodeId, log: RaftLog = new MemoryLog()): RaftNode {
    return this.#add(RaftNode.withLog({ ...this.#config, id, joining: true }, log));
  }

  #add(node: RaftNode): RaftNode {
    const { id } = node;
    this.nodes.set(id, node);
    this.applied.set(id, new Map());
    return node;
  }

  node(id: NodeId): RaftNode {
    return this.nodes.get(id)!;
  }

  /** Steps a node with an event, and delivers the resulting messages. */
  step(id: NodeId, event: RaftEvent): Action[] {
    const actions = this.node(id).step(event);
    this.#carryOut(id, actions);
    for (let letter = this.#underWay.shift(); letter !== undefined; letter = this.#underWay.shift()) {
      const { from, to, message } = letter;
      const origin = originOf(this.node(from).log);
      const node = this.nodes.get(to);
      if (node === undefined) continue;
      this.#carryOut(to, node.step({ type: "message", message, ...origin === undefined ? {} : { origin } }));
    }
    return actions;
  }

  /** Ticks all nodes, or some of them. */
  tick(count = 1, ids: readonly NodeId[] = [...this.nodes.keys()]): void {
    for (let i = 0; i < count; i++) for (const id of ids) this.step(id, { type: "tick" });
  }

  /** Ticks all nodes except leaders, and delivers only this node's vote requests, until it leads. */
  elect(id: NodeId): RaftNode {
    const { passes } = this;
    this.passes = (letter) => passes(letter) && (letter.message.type !== "preVote" || letter.from === id);
    for (let ticks = 0; !this.node(id).isLeader; ticks++) {
      if (ticks > 100) throw new Error(`node ${id} does not win an election`);
      this.tick(1, [...this.nodes.keys()].filter((other) => !this.node(other).isLeader));
    }
    this.passes = passes;
    return this.node(id);
  }

  propose(id: NodeId, text: string): Action[] {
    return this.step(id, { type: "propose", command: new TextEncoder().encode(text) });
  }

  /** Copies an action with its data. A snapshot is read at once, because the log may replace it later. */
  read(action: Action): Action {
    return { ...action };
  }

  #carryOut(from: NodeId, actions: readonly Action[]): void {
    for (const action of actions) {
      if (action.type === "send") {
        const letter = { from, to: action.to, message: action.message };
        this.sent.push(letter);
        if (this.passes(letter)) this.#underWay.push(letter);
        continue;
      }
      if (action.type === "apply") {
        this.applied.get(from)!.set(action.index, new TextDecoder().decode(action.command));
      }
      this.done.push({ node: from, action: this.read(action) });
    }
  }
}
