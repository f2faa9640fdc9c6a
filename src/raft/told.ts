/**
 * Remembers the reports about refused nodes and lost members, so that the application gets each of them once.
 *
 * @module
 */

import type { NodeId } from "../api/types.ts";

/** Nodes that are remembered. A stranger can make up any number of ids. */
const NODES_MAX = 256;
/** Reasons that are remembered of each node. A stranger can name any number of clusters. */
const REASONS_MAX = 16;

/** Nodes and the reasons that were given for each. The oldest are forgotten first. */
export class Told {
  readonly #reasons: Map<NodeId, Set<string>> = new Map();

  /**
   * Remembers a reason.
   *
   * @param id The node.
   * @param reason The reason.
   * @returns Whether it is a new one.
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
