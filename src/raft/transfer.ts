/**
 * Leadership transfer (dissertation 3.10). With `transferTimeout`, the leader rejects requests until the target leads
 * or the time limit has passed, even after it has sent `timeoutNow`: a new entry could only delay the target.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import type { NodeId } from "../api/types.ts";
import { hasFlowControl } from "./config.ts";
import { requireLeader } from "./reconfiguration.ts";
import { sendNext, sendPending } from "./replication.ts";
import { isBehind } from "./behind.ts";
import type { RaftState } from "./state.ts";

/** Starts a leadership transfer at the application's request. */
export function transferLeadership(s: RaftState, target: NodeId): void {
  if (s.config.transferTimeout > 0) requireTransferable(s, target);
  const progress = s.progress.get(target);
  if (s.role !== "leader" || progress === undefined || !s.members.includes(target) || isBehind(s, target)) return;
  if (progress.match === s.log.lastIndex) return handOver(s, target);
  s.transfer = { target, since: s.now };
  if (hasFlowControl(s.config)) sendPending(s, target);
  else sendNext(s, target);
}

/** Rejects a transfer that cannot begin. */
function requireTransferable(s: RaftState, target: NodeId): void {
  const attempt = `transfer leadership to node ${target}`;
  requireLeader(s, attempt);
  if (target !== s.id && s.members.includes(target) && !isBehind(s, target)) return;
  const found = target === s.id
    ? "it is already the leader"
    : isBehind(s, target)
    ? "it has lost its log"
    : "it is not a voting member";
  throw new WalLogError("INVALID_ARGUMENT", `Cannot ${attempt}: ${found}`);
}

/** Sends `timeoutNow` to a node that has all entries. */
export function handOver(s: RaftState, to: NodeId): void {
  const { transfer, config: { transferTimeout } } = s;
  s.transfer = transferTimeout > 0 ? transfer ?? { target: to, since: s.now } : null;
  s.send(to, { type: "timeoutNow", term: s.term, leader: s.id });
}

/** Cancels a transfer that has reached its time limit. */
export function onTransferTick(s: RaftState): void {
  const { transfer, config: { transferTimeout } } = s;
  if (transfer === null || transferTimeout === 0 || s.now - transfer.since < transferTimeout) return;
  s.transfer = null;
  s.actions.push({ type: "transferFailed", target: transfer.target });
}
