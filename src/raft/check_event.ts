/**
 * Validates events at run time, before they change anything. The types only hold at compile time: a message may come
 * from a transport that does not use `decodeMessage`, or from a program in another language.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { isBytes } from "../api/taken.ts";
import type { LogEntry } from "../api/types.ts";
import { checkEntry } from "../api/validate.ts";
import { checkSnapshot } from "../api/validate_snapshot.ts";
import { isAddress, isNodeId, NO_ADDRESS } from "./config.ts";
import { checkOrigin } from "./origin.ts";
import { type Message, senderOf } from "./messages.ts";
import type { RaftEvent } from "./types.ts";

/** The terms, indexes and positions in each message. A question mark marks an optional one. */
const NUMBERS: Readonly<Record<Message["type"], readonly string[]>> = {
  preVote: ["term", "lastLogIndex", "lastLogTerm"],
  preVoteReply: ["term"],
  requestVote: ["term", "lastLogIndex", "lastLogTerm"],
  requestVoteReply: ["term"],
  appendEntries: ["term", "prevLogIndex", "prevLogTerm", "leaderCommit", "round?"],
  appendEntriesReply: ["term", "matchIndex", "conflictIndex", "conflictTerm", "round?", "rejectedIndex?"],
  installSnapshot: ["term", "offset?"],
  installSnapshotReply: ["term", "lastIndex", "nextOffset?"],
  timeoutNow: ["term"],
  repairRequest: ["term", "request", "first", "last"],
  repairReply: ["term", "request", "commitIndex", "lastIndex", "prevTerm"],
  snapshotRequest: ["term", "request", "least", "leastTerm", "index", "offset"],
  snapshotReply: ["term", "request", "offset"],
  readRequest: ["term", "request"],
  readReply: ["term", "request", "index"],
  proposeRequest: ["term", "session", "request"],
  proposeReply: ["term", "request", "index"],
};

/**
 * Refuses a value that is not an event.
 *
 * @param event Anything.
 * @throws {WalLogError} `INVALID_ARGUMENT`.
 */
export function checkEvent(event: RaftEvent): void {
  requireObject(event, "an event");
  switch (event.type) {
    case "tick":
    case "applyMore":
    case "heartbeat":
      return;
    case "message":
      checkOrigin(event.origin);
      return checkMessage(event.message);
    case "propose":
      return requireBytes(event.command, "a command");
    case "snapshot":
      requireNumber(event.index, "a snapshot's index");
      return isTarget(event.data) ? undefined : requireBytes(event.data, "a snapshot's data");
    case "addServer":
    case "addLearner":
    case "removeServer":
    case "replaceServer":
      requireId(event.id, `the id of ${event.type}`);
      if (event.type === "replaceServer") requireId(event.by, "by of replaceServer");
      if ("address" in event && event.address !== undefined && !isAddress(event.address)) throw invalid(NO_ADDRESS);
      return;
    case "transferLeadership":
      return requireId(event.target, "the target of transferLeadership");
    case "readIndex":
      return;
    default:
      throw invalid(`unknown event type ${show((event as { type: unknown }).type)}`);
  }
}

/** Whether a snapshot's data was already written to the log. */
function isTarget(data: unknown): boolean {
  return typeof data === "object" && data !== null && "install" in data && typeof data.install === "function";
}

function checkMessage(message: Message): void {
  requireObject(message, "a message");
  const numbers = Object.hasOwn(NUMBERS, message.type) ? NUMBERS[message.type] : undefined;
  if (numbers === undefined) throw invalid(`unknown message type ${show(message.type)}`);
  const fields = message as unknown as Readonly<Record<string, unknown>>;
  for (const field of numbers) {
    const name = field.replace("?", "");
    if (name !== field && fields[name] === undefined) continue;
    requireNumber(fields[name], `${name} of ${message.type}`);
  }
  requireId(senderOf(message), `the sender of ${message.type}`);
  if (message.type === "installSnapshot" || message.type === "snapshotReply") {
    requireObject(message.snapshot, "a snapshot");
    requireNumber(message.snapshot.index, "a snapshot's index");
    // A snapshot at index 0 is answered, but never installed.
    if (message.snapshot.index > 0) checkSnapshot(message.snapshot);
  }
  if (message.type === "proposeRequest") return requireBytes(message.command, "a command");
  if (message.type !== "appendEntries" && message.type !== "repairReply") return;
  if (!Array.isArray(message.entries)) throw invalid(`the entries of ${message.type} must be an array`);
  for (const entry of message.entries as readonly LogEntry[]) requireObject(entry, "an entry");
  if (message.type === "appendEntries") return;
  let term = message.prevTerm;
  for (const entry of message.entries) {
    requireNumber(entry.index, "an entry's index");
    // The sender's log may hold entries that are larger than the present limit.
    checkEntry(entry, entry.index, term, Infinity);
    term = entry.term;
  }
  if (!Array.isArray(message.members)) throw invalid("the members of repairReply must be an array");
  for (const id of message.members) requireId(id, "a member");
}

function requireObject(value: unknown, what: string): void {
  if (typeof value !== "object" || value === null) throw invalid(`${what} must be an object, found ${show(value)}`);
}

function requireNumber(value: unknown, what: string): void {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return;
  throw invalid(`${what} must be a safe integer from 0 on, found ${show(value)}`);
}

function requireId(value: unknown, what: string): void {
  if (!isNodeId(value)) throw invalid(`${what} must be a bigint from 0 to 2^64 - 1, found ${show(value)}`);
}

function requireBytes(value: unknown, what: string): void {
  if (!isBytes(value)) throw invalid(`${what} must be a Uint8Array, found ${show(value)}`);
}

/** Formats a value for an error message, in at most 40 characters. */
function show(value: unknown): string {
  return typeof value === "object" && value !== null ? "an object" : String(value).slice(0, 40);
}

function invalid(reason: string): WalLogError {
  return new WalLogError("INVALID_ARGUMENT", `Cannot step: ${reason}`);
}
