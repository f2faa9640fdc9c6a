/**
 * A node of a Raft cluster.
 *
 * @module
 */

import { MemoryLog } from "../memory_log.ts";
import type { Index, NodeId, RaftLog, Term } from "../types.ts";
import { checkConfig } from "./config.ts";
import { RaftState } from "./state.ts";
import { stepEvent } from "./step.ts";
import type { Action, RaftConfig, RaftEvent, Role } from "./types.ts";

/** A node of a Raft cluster. */
export class RaftNode {
  readonly #state: RaftState;

  constructor(config: RaftConfig) {
    this.#state = new RaftState(checkConfig(config), (arguments[1] ?? new MemoryLog()) as RaftLog);
  }

  static withLog(config: RaftConfig, log: RaftLog): RaftNode {
    return new (RaftNode as unknown as new (config: RaftConfig, log: RaftLog) => RaftNode)(config, log);
  }

  get id(): NodeId {
    return this.#state.id;
  }
  get role(): Role {
    return this.#state.role;
  }
  get isLeader(): boolean {
    return this.role === "leader";
  }
  get term(): Term {
    return this.#state.term;
  }
  get leader(): NodeId | null {
    return this.#state.leader;
  }
  get commitIndex(): Index {
    return this.#state.commitIndex;
  }
  get lastApplied(): Index {
    return this.#state.lastApplied;
  }
  get members(): readonly NodeId[] {
    return this.#state.members;
  }
  get log(): RaftLog {
    return this.#state.log;
  }

  step(event: RaftEvent): Action[] {
    const s = this.#state;
    s.actions = [];
    stepEvent(s, event);
    return s.actions;
  }
}
