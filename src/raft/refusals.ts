/**
 * Reports refused messages to the application.
 *
 * @module
 */

import type { NodeId } from "../api/types.ts";
import type { RaftState } from "./state.ts";

/**
 * Informs the application that a node's message is refused, once for each reason.
 *
 * @param s The node.
 * @param from The sender.
 * @param reason The reason.
 */
export function refuse(s: RaftState, from: NodeId, reason: string): void {
  if (s.told.add(from, reason)) s.actions.push({ type: "refused", from, reason });
}
