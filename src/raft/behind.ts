/**
 * Members that have lost acknowledged entries, according to the configuration.
 *
 * Their votes and acknowledgements do not count, but they still get the log. So they learn from its configuration that
 * they are lost, and neither vote nor request votes any more, even with nodes that do not know of the loss.
 *
 * @module
 */

import type { NodeId } from "../api/types.ts";
import type { RaftState } from "./state.ts";

/** Replaces the incarnation of a member that must be removed: none of its logs can be trusted. */
export const LOST = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/** Whether the configuration records a member as lost, or will record it. */
export function isBehind({ config, lost, membership }: RaftState, id: NodeId): boolean {
  return config.strictMembership && (lost.has(id) || membership.latest.incarnations?.get(id) === LOST);
}
