/**
 * Members that have lost entries which they acknowledged, as the configuration records them.
 *
 * Their votes and acknowledgements do not count, but they get the log. So they learn from the configuration in it that
 * they are lost, and neither vote nor ask for votes any more, even with nodes that do not know it.
 *
 * @module
 */

import type { NodeId } from "../api/types.ts";
import type { RaftState } from "./state.ts";

/** Stands for the incarnation of a member that must be removed: none of its logs can be trusted. */
export const LOST = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/** Whether a member is recorded as behind, or will be. */
export function isBehind({ config, lost, membership }: RaftState, id: NodeId): boolean {
  return config.strictMembership && (lost.has(id) || membership.latest.incarnations?.get(id) === LOST);
}
