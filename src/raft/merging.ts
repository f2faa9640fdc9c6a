/**
 * Merges the messages of steps that share a flush. For each node, contiguous entries go into one message, and only the
 * last of several acknowledgements is sent. So many proposals under one flush need one message instead of one each.
 *
 * @module
 */

import type { LogEntry, NodeId } from "../api/types.ts";
import type { CheckedConfig } from "./config.ts";
import type { AppendEntries, AppendEntriesReply, Message } from "./messages.ts";
import { bytesOf } from "./replication.ts";
import type { Action, SendAction } from "./actions.ts";

/** The limits on a message. */
type Bounds = Pick<CheckedConfig, "maxBatch" | "maxBatchBytes">;

/**
 * The last message to a node so far. The next message merges only with this one, so that the order of messages is kept.
 */
interface LastSend {
  /** The actions of its step. */
  readonly actions: Action[];
  readonly at: number;
  /** Its entries and the bytes of their commands, after a message was merged into it. */
  entries?: LogEntry[];
  bytes?: number;
}

/**
 * Merges messages of steps. A merged message takes the place of its first part. All writes of the steps are durable,
 * because otherwise no message would be sent. Only messages of the same term are merged, so the merged message has the
 * same meaning.
 *
 * @param steps The actions of each step, in the order of the steps. Messages that are merged into an earlier one are
 * removed.
 * @param bounds The limits on a message.
 */
export function mergeSends(steps: readonly Action[][], bounds: Bounds): void {
  if (steps.length < 2) return;
  const last = new Map<NodeId, LastSend>();
  for (const actions of steps) {
    let kept = 0;
    for (const action of actions) {
      if (action.type === "send") {
        const before = last.get(action.to);
        if (before !== undefined && mergeInto(before, action.message, bounds)) continue;
        last.set(action.to, { actions, at: kept });
      }
      actions[kept++] = action;
    }
    actions.length = kept;
  }
}

/** Whether an action sends a leader's entries, or a heartbeat. */
function isAppend(action: Action): action is SendAction & { readonly message: AppendEntries } {
  return action.type === "send" && action.message.type === "appendEntries";
}

/** Whether an action sends a heartbeat. */
export function isHeartbeat(action: Action): boolean {
  return isAppend(action) && action.message.entries.length === 0;
}

/** Whether an action requests another event from the application. */
function isHint({ type }: Action): boolean {
  return type === "snapshot" || type === "moreToApply";
}

/**
 * Adds actions to those of an earlier step. If they apply commands, the step's own hints are removed: they describe the
 * state before those commands, and the node returns them again.
 *
 * @param actions The actions of the step. They are changed.
 * @param more The actions to add.
 */
export function addActions(actions: Action[], more: readonly Action[]): void {
  const isChanged = more.some(({ type }) => type === "apply" || type === "restoreSnapshot");
  const kept = isChanged ? actions.filter((action) => !isHint(action)) : actions.slice();
  actions.splice(0, actions.length, ...kept, ...more);
}

/** Whether an action sends a leader's entries, a heartbeat, or a piece of a snapshot. */
function isOfLeader(action: Action): action is SendAction {
  return isAppend(action) || (action.type === "send" && action.message.type === "installSnapshot");
}

/**
 * Removes the actions that send a leader's entries, heartbeats and snapshots. A heartbeat must not overtake pieces of a
 * snapshot, because its answer shows which pieces were lost.
 *
 * @param steps The actions of each step.
 * @returns The removed actions, in order.
 */
export function takeAhead(steps: readonly Action[][]): SendAction[] {
  const taken = steps.flatMap((actions) => actions.filter(isOfLeader));
  if (taken.length === 0) return taken;
  for (const actions of steps) actions.splice(0, actions.length, ...actions.filter((action) => !isOfLeader(action)));
  return taken;
}

/** Merges a message into the one before it, if possible. Returns whether it did. */
function mergeInto(before: LastSend, message: Message, bounds: Bounds): boolean {
  const { actions, at } = before;
  const { to, message: first } = actions[at] as SendAction;
  let merged: Message | undefined;
  if (first.type === "appendEntries" && message.type === "appendEntries") {
    merged = mergeEntries(before, first, message, bounds);
  } else if (first.type === "appendEntriesReply" && message.type === "appendEntriesReply") {
    merged = mergeReplies(first, message);
  }
  if (merged === undefined) return false;
  actions[at] = { type: "send", to, message: merged };
  return true;
}

function mergeEntries(
  before: LastSend,
  first: AppendEntries,
  second: AppendEntries,
  { maxBatch, maxBatchBytes }: Bounds,
): AppendEntries | undefined {
  const count = first.entries.length;
  const follows = second.term === first.term && second.prevLogIndex === first.prevLogIndex + count;
  if (!follows || count + second.entries.length > maxBatch) return undefined;
  // From the first merge on, this is the node's own list, which can grow: no other code has it yet.
  const entries = before.entries ?? [...first.entries];
  const bytes = (before.bytes ?? bytesOf(entries)) + bytesOf(second.entries);
  if (bytes > maxBatchBytes && count > 0 && second.entries.length > 0) return undefined;
  for (const entry of second.entries) entries.push(entry);
  before.entries = entries;
  before.bytes = bytes;
  return { ...first, ...second, prevLogIndex: first.prevLogIndex, prevLogTerm: first.prevLogTerm, entries };
}

/** Merges two acknowledgements of a term if the second one includes the first. */
function mergeReplies(first: AppendEntriesReply, second: AppendEntriesReply): AppendEntriesReply | undefined {
  const saysAsMuch = first.success && second.success && second.term === first.term &&
    second.matchIndex >= first.matchIndex && (second.round ?? 0) >= (first.round ?? 0);
  return saysAsMuch ? second : undefined;
}
