/**
 * The reports about refused nodes and lost members, so that each is made only once.
 *
 * @module
 */

import type { NodeId } from "../api/types.ts";

/** The maximum number of remembered nodes. An outsider can invent any number of ids. */
const NODES_MAX = 256;
/** The maximum number of remembered reasons for each node. An outsider can invent any number of clusters. */
const REASONS_MAX = 16;

/** The reported reasons for each node. The oldest are forgotten first. */
export class Told {
  readonly #reasons: Map<NodeId, Set<string>> = new Map();

  /**
   * Records a reason.
   *
   * @param id The node.
   * @param reason The reason.
   * @returns Whether the reason is new.
   */
  add(id: NodeId, reason: string): boolean {
    let reasons = this.#reasons.get(id);
    if (reasons === undefined) {
      if (this.#reasons.size === NODES_MAX) this.#reasons.delete(this.#reasons.keys().next().value!);
      this.#reasons.set(id, reasons = new Set());
    }
    if (reasons.has(reason)) return false;
    if (reasons.size === REASONS_MAX) reasons.delete(reasons.values().next().value!);
    reasons.add(reason);
    return true;
  }

  /** Forgets a node. */
  forget(id: NodeId): void {
    this.#reasons.delete(id);
  }
}
