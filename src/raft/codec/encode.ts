/**
 * Encodes messages. `format.ts` defines the format.
 *
 * @module
 */

import type { LogEntry, NodeId, Term } from "../../api/types.ts";
import { META_BYTES_MAX } from "../../format/snapshot_header.ts";
import type { AppendEntries, InstallSnapshot, Message, RepairReply, SnapshotReply } from "../messages.ts";
import { senderOf } from "../messages.ts";
import {
  ENTRY_BYTES_MAX,
  FLAG,
  FLAG_2,
  FLAG_3,
  MESSAGE_ENTRIES_MAX,
  MESSAGE_IDS_MAX,
  MESSAGE_VERSION,
  NUMBER_BYTES_MAX,
  REFUSALS,
  TYPES,
} from "./format.ts";
import { checkNumber, encodingError, ID_BYTES, WireWriter } from "./wire.ts";

const NO_META = new Uint8Array();

/** The maximum size of version, type, flags, term, sender, and the at most six numbers of a type. */
const FIXED_BYTES_MAX = 3 + NUMBER_BYTES_MAX + ID_BYTES + 6 * NUMBER_BYTES_MAX;

/**
 * Encodes a message.
 *
 * @param message Any message that a `RaftNode` sends.
 * @returns Its bytes, which share no memory with it.
 * @throws {WalLogError} `ENCODING` if the message is not well-formed, or has more than 65,536 entries or ids.
 *
 * @example
 * ```ts
 * import { decodeMessage, encodeMessage } from "@wallog/wallog/raft";
 * import assert from "node:assert/strict";
 *
 * const bytes = encodeMessage({ type: "timeoutNow", term: 7, leader: 3n });
 * assert.equal(bytes.length, 12);
 * assert.deepEqual(decodeMessage(bytes), { type: "timeoutNow", term: 7, leader: 3n });
 * ```
 */
export function encodeMessage(message: Message): Uint8Array<ArrayBuffer> {
  return encodeBehind(0, message);
}

/**
 * Encodes a message after reserved space for the transport.
 *
 * @param room The number of bytes to reserve before the message.
 * @param message The message.
 * @returns The reserved space, filled with zeros, and the message.
 * @throws {WalLogError} As {@link encodeMessage}.
 */
export function encodeBehind(room: number, message: Message): Uint8Array<ArrayBuffer> {
  const type = TYPES.indexOf(message.type) + 1;
  if (type === 0) throw encodingError(`Cannot encode a message: unknown type ${String(message.type)}`);
  const writer = new WireWriter(room, FIXED_BYTES_MAX + payloadBytesMax(message));
  writer.byte(MESSAGE_VERSION);
  writer.byte(type);
  writer.byte(flagsOf(message));
  writer.number(message.term, "the term");
  writer.id(senderOf(message));
  writeFields(writer, message);
  return writer.written;
}

/** The maximum size of a message's lists and data. In bytes. */
function payloadBytesMax(message: Message): number {
  switch (message.type) {
    case "appendEntries":
      return entriesBytesMax(message.entries);
    case "installSnapshot":
    case "snapshotReply":
      return idsBytesMax(message.snapshot.config) + message.snapshot.data.byteLength + NUMBER_BYTES_MAX +
        metaOf(message).byteLength;
    case "proposeRequest":
      return NUMBER_BYTES_MAX + message.command.byteLength;
    case "repairReply":
      return idsBytesMax(message.members) + entriesBytesMax(message.entries);
    default:
      return 0;
  }
}

function idsBytesMax(ids: readonly NodeId[]): number {
  if (ids.length > MESSAGE_IDS_MAX) {
    throw encodingError(`Cannot encode a message: at most ${MESSAGE_IDS_MAX} ids are allowed, found ${ids.length}`);
  }
  return NUMBER_BYTES_MAX + ids.length * ID_BYTES;
}

function entriesBytesMax(entries: readonly LogEntry[]): number {
  if (entries.length > MESSAGE_ENTRIES_MAX) {
    throw encodingError(
      `Cannot encode a message: at most ${MESSAGE_ENTRIES_MAX} entries are allowed, found ${entries.length} (maxBatch)`,
    );
  }
  return entries.reduce((sum, { command }) => sum + ENTRY_BYTES_MAX + command.byteLength, NUMBER_BYTES_MAX);
}

/**
 * Returns the meta that a message carries. The receiver needs it with the first piece, to begin writing the snapshot.
 */
function metaOf({ snapshot: { meta }, offset, done }: InstallSnapshot | SnapshotReply): Uint8Array {
  return meta === undefined || (done === false && offset !== 0) ? NO_META : meta;
}

function flagsOf(message: Message): number {
  switch (message.type) {
    case "preVoteReply":
    case "requestVoteReply":
      return message.voteGranted ? FLAG : 0;
    case "requestVote":
      return message.force ? FLAG : 0;
    case "appendEntries":
      return message.round !== undefined ? FLAG : 0;
    case "appendEntriesReply":
      return (message.success ? FLAG : 0) | (message.round !== undefined ? FLAG_2 : 0) |
        (message.rejectedIndex !== undefined ? FLAG_3 : 0);
    case "installSnapshot":
      return (message.offset !== undefined ? FLAG : 0) | (message.done ? FLAG_2 : 0) |
        (metaOf(message).byteLength > 0 ? FLAG_3 : 0);
    case "installSnapshotReply":
      return message.nextOffset !== undefined ? FLAG : 0;
    case "repairReply":
      return message.leads ? FLAG : 0;
    case "snapshotReply":
      return (message.done ? FLAG : 0) | (metaOf(message).byteLength > 0 ? FLAG_2 : 0);
    case "readReply":
      return message.isRefused ? FLAG : 0;
    default:
      return 0;
  }
}

function writeFields(writer: WireWriter, message: Message): void {
  switch (message.type) {
    case "preVote":
    case "requestVote":
      writer.number(message.lastLogIndex, "lastLogIndex");
      return writer.number(message.lastLogTerm, "lastLogTerm");
    case "appendEntries":
      return writeAppendEntries(writer, message);
    case "appendEntriesReply":
      writer.number(message.matchIndex, "matchIndex");
      writer.number(message.conflictIndex, "conflictIndex");
      writer.number(message.conflictTerm, "conflictTerm");
      if (message.round !== undefined) writer.number(message.round, "round");
      if (message.rejectedIndex !== undefined) writer.number(message.rejectedIndex, "rejectedIndex");
      return;
    case "installSnapshot":
      return writeInstallSnapshot(writer, message);
    case "installSnapshotReply":
      writer.number(message.lastIndex, "lastIndex");
      if (message.nextOffset !== undefined) writer.number(message.nextOffset, "nextOffset");
      return;
    case "repairRequest":
      writer.number(message.request, "request");
      writer.number(message.first, "first");
      return writer.number(message.last, "last");
    case "repairReply":
      return writeRepairReply(writer, message);
    case "snapshotRequest":
      writer.number(message.request, "request");
      writer.number(message.least, "least");
      writer.number(message.leastTerm, "leastTerm");
      writer.number(message.index, "index");
      return writer.number(message.offset, "offset");
    case "snapshotReply":
      writer.number(message.request, "request");
      return writeSnapshot(writer, message);
    case "readRequest":
      return writer.number(message.request, "request");
    case "readReply":
      writer.number(message.request, "request");
      return writer.number(message.index, "index");
    case "proposeRequest":
      writer.number(message.session, "session");
      writer.number(message.request, "request");
      writer.number(message.command.byteLength, "the size of the command");
      return writer.raw(message.command);
    case "proposeReply":
      writer.number(message.request, "request");
      writer.number(message.index, "index");
      return writer.number(REFUSALS.indexOf(message.refusal), "the refusal");
  }
}

function writeAppendEntries(writer: WireWriter, message: AppendEntries): void {
  const { prevLogIndex, prevLogTerm, leaderCommit, round, entries } = message;
  writer.number(prevLogIndex, "prevLogIndex");
  writer.number(prevLogTerm, "prevLogTerm");
  writer.number(leaderCommit, "leaderCommit");
  if (round !== undefined) writer.number(round, "round");
  writer.number(entries.length, "the number of entries");
  let before = { index: prevLogIndex, term: prevLogTerm };
  for (const entry of entries) {
    if (entry.index !== before.index + 1) {
      throw encodingError(
        `Cannot encode a message: the entry after index ${before.index} must be ${
          before.index + 1
        }, found ${entry.index}`,
      );
    }
    writeTail(writer, before.term, entry);
    before = entry;
  }
}

/** The fields of an entry that its position does not imply. */
function writeTail(writer: WireWriter, termBefore: Term, { index, term, kind, command }: LogEntry): void {
  checkNumber(index, "an entry's index");
  checkNumber(term, `the term of entry ${index}`);
  writer.number(term - termBefore, `the term of entry ${index} less the previous term`);
  if (kind !== "normal" && kind !== "config") {
    throw encodingError(`Cannot encode a message: entry ${index} has the unknown kind ${String(kind)}`);
  }
  writer.number(command.byteLength * 2 + (kind === "config" ? 1 : 0), "an entry's size");
  writer.raw(command);
}

function writeInstallSnapshot(writer: WireWriter, message: InstallSnapshot): void {
  const { offset, done } = message;
  if ((offset === undefined) !== (done === undefined)) {
    throw encodingError("Cannot encode a message: a snapshot piece has offset and done, a whole snapshot has neither");
  }
  writeSnapshot(writer, message);
}

/** Writes a snapshot, or a piece of one. */
function writeSnapshot(writer: WireWriter, message: InstallSnapshot | SnapshotReply): void {
  const { snapshot, offset } = message;
  const meta = metaOf(message);
  if (meta.byteLength > META_BYTES_MAX) {
    throw encodingError(
      `Cannot encode a message: at most ${META_BYTES_MAX} bytes of meta are allowed, found ${meta.byteLength}`,
    );
  }
  writer.number(snapshot.index, "the snapshot's index");
  writer.number(snapshot.term, "the snapshot's term");
  writer.ids(snapshot.config);
  if (offset !== undefined) writer.number(offset, "offset");
  if (meta.byteLength > 0) {
    writer.number(meta.byteLength, "the size of meta");
    writer.raw(meta);
  }
  writer.raw(snapshot.data);
}

function writeRepairReply(writer: WireWriter, message: RepairReply): void {
  writer.number(message.request, "request");
  writer.number(message.commitIndex, "commitIndex");
  writer.number(message.lastIndex, "lastIndex");
  writer.ids(message.members);
  writer.number(message.prevTerm, "prevTerm");
  writer.number(message.entries.length, "the number of entries");
  let before = { index: 0, term: message.prevTerm };
  for (const entry of message.entries) {
    writer.number(entry.index - before.index - 1, `the gap before entry ${entry.index}`);
    writeTail(writer, before.term, entry);
    before = entry;
  }
}
