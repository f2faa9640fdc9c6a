/**
 * Decodes messages. `format.ts` defines the format.
 *
 * @module
 */

import type { Index, LogEntry, NodeId, Snapshot, Term } from "../../api/types.ts";
import { META_BYTES_MAX } from "../../format/snapshot_header.ts";
import type {
  AppendEntries,
  AppendEntriesReply,
  InstallSnapshot,
  InstallSnapshotReply,
  Message,
  ProposalRefusal,
  RepairReply,
} from "../messages.ts";
import {
  FLAG,
  FLAG_2,
  FLAG_3,
  FLAGS_KNOWN,
  MESSAGE_ENTRIES_MAX,
  MESSAGE_IDS_MAX,
  MESSAGE_VERSION,
  REFUSALS,
  TYPES,
} from "./format.ts";
import { ID_BYTES, WireReader } from "./wire.ts";

/** The minimum size of an entry in `appendEntries`: term and size. In bytes. */
const TAIL_BYTES_MIN = 2;
/** The minimum size of an entry in `repairReply`. In bytes. */
const GAP_AND_TAIL_BYTES_MIN = 3;

/**
 * Decodes a message from untrusted bytes.
 *
 * @param bytes Exactly one message.
 * @returns The message. Commands and snapshot data share their memory with `bytes`, which must not change any more.
 * @throws {WalLogError} `ENCODING` if the bytes are not a message, or if this library does not know its version.
 */
export function decodeMessage(bytes: Uint8Array): Message {
  const reader = new WireReader(bytes);
  const version = reader.byte();
  if (version !== MESSAGE_VERSION) throw reader.error(`expected version ${MESSAGE_VERSION}, found ${version}`);
  const typeByte = reader.byte();
  const type = TYPES[typeByte - 1];
  if (type === undefined) throw reader.error(`unknown type ${typeByte}`);
  const flags = reader.byte();
  if ((flags & ~FLAGS_KNOWN[type]) !== 0) throw reader.error(`unknown flags ${flags} of ${type}`);
  const message = readFields(reader, type, flags, reader.number(), reader.id());
  if (reader.left > 0) throw reader.error(`${reader.left} more follow`);
  return message;
}

function readFields(reader: WireReader, type: Message["type"], flags: number, term: Term, sender: NodeId): Message {
  const flag = (flags & FLAG) !== 0;
  switch (type) {
    case "preVote":
      return { type, term, candidate: sender, lastLogIndex: reader.number(), lastLogTerm: reader.number() };
    case "requestVote": {
      const [lastLogIndex, lastLogTerm] = [reader.number(), reader.number()];
      return { type, term, candidate: sender, lastLogIndex, lastLogTerm, force: flag };
    }
    case "preVoteReply":
    case "requestVoteReply":
      return { type, term, voteGranted: flag, from: sender };
    case "appendEntries":
      return readAppendEntries(reader, flag, term, sender);
    case "appendEntriesReply":
      return readAppendEntriesReply(reader, flags, term, sender);
    case "installSnapshot":
      return readInstallSnapshot(reader, flags, term, sender);
    case "installSnapshotReply": {
      const reply: InstallSnapshotReply = { type, term, from: sender, lastIndex: reader.number() };
      return flag ? { ...reply, nextOffset: reader.number() } : reply;
    }
    case "timeoutNow":
      return { type, term, leader: sender };
    case "repairRequest":
      return { type, term, from: sender, request: reader.number(), first: reader.number(), last: reader.number() };
    case "repairReply":
      return readRepairReply(reader, flag, term, sender);
    case "snapshotRequest":
      return {
        ...{ type, term, from: sender, request: reader.number(), least: reader.number(), leastTerm: reader.number() },
        ...{ index: reader.number(), offset: reader.number() },
      };
    case "snapshotReply": {
      const request = reader.number();
      const piece = readSnapshot(reader, true, flag, (flags & FLAG_2) !== 0);
      return { type, term, from: sender, request, snapshot: piece.snapshot, offset: piece.offset!, done: flag };
    }
    case "readRequest":
      return { type, term, from: sender, request: reader.number() };
    case "readReply":
      return { type, term, from: sender, request: reader.number(), index: reader.number(), isRefused: flag };
    case "proposeRequest": {
      const [session, request] = [reader.number(), reader.number()];
      return { type, term, from: sender, session, request, command: reader.raw(reader.count(1, "bytes of a command")) };
    }
    case "proposeReply": {
      const [request, index] = [reader.number(), reader.number()];
      return { type, term, from: sender, request, index, refusal: readRefusal(reader) };
    }
  }
}

function readAppendEntries(reader: WireReader, hasRound: boolean, term: Term, leader: NodeId): AppendEntries {
  const [prevLogIndex, prevLogTerm, leaderCommit] = [reader.number(), reader.number(), reader.number()];
  const round = hasRound ? { round: reader.number() } : {};
  const entries: LogEntry[] = [];
  const count = readEntryCount(reader, TAIL_BYTES_MIN);
  let before = { index: prevLogIndex, term: prevLogTerm };
  while (entries.length < count) entries.push(before = readTail(reader, before.index + 1, before.term));
  return { type: "appendEntries", term, leader, prevLogIndex, prevLogTerm, entries, leaderCommit, ...round };
}

function readAppendEntriesReply(reader: WireReader, flags: number, term: Term, from: NodeId): AppendEntriesReply {
  const [matchIndex, conflictIndex, conflictTerm] = [reader.number(), reader.number(), reader.number()];
  const round = (flags & FLAG_2) !== 0 ? { round: reader.number() } : {};
  const rejected = (flags & FLAG_3) !== 0 ? { rejectedIndex: reader.number() } : {};
  const success = (flags & FLAG) !== 0;
  const reply = { type: "appendEntriesReply", term, success, from, matchIndex, conflictIndex, conflictTerm } as const;
  return { ...reply, ...round, ...rejected };
}

function readInstallSnapshot(reader: WireReader, flags: number, term: Term, leader: NodeId): InstallSnapshot {
  const isPiece = (flags & FLAG) !== 0;
  const done = (flags & FLAG_2) !== 0;
  const { snapshot, offset } = readSnapshot(reader, isPiece, !isPiece || done, (flags & FLAG_3) !== 0);
  if (done && !isPiece) throw reader.error("a whole snapshot is flagged as the last piece");
  return { type: "installSnapshot", term, leader, snapshot, ...isPiece ? { offset: offset!, done } : {} };
}

/** Reads a snapshot, or a piece of one. Only a whole snapshot, the first and the last piece can have meta. */
function readSnapshot(
  reader: WireReader,
  isPiece: boolean,
  isLast: boolean,
  hasMeta: boolean,
): { snapshot: Snapshot; offset: number | undefined } {
  const place = { index: reader.number(), term: reader.number(), config: readIds(reader) };
  const offset = isPiece ? reader.number() : undefined;
  const meta = hasMeta ? { meta: readMeta(reader, isLast || offset === 0) } : {};
  return { snapshot: { ...place, ...meta, data: reader.raw(reader.left) }, offset };
}

function readMeta(reader: WireReader, isAllowed: boolean): Uint8Array<ArrayBuffer> {
  const size = reader.count(1, "bytes of meta");
  if (size === 0 || size > META_BYTES_MAX) throw reader.error(`meta has ${size} bytes, not 1 to ${META_BYTES_MAX}`);
  if (!isAllowed) throw reader.error("a piece that is neither the first nor the last has meta");
  return reader.raw(size);
}

function readRepairReply(reader: WireReader, leads: boolean, term: Term, from: NodeId): RepairReply {
  const [request, commitIndex, lastIndex] = [reader.number(), reader.number(), reader.number()];
  const members = readIds(reader);
  const prevTerm = reader.number();
  const entries: LogEntry[] = [];
  const count = readEntryCount(reader, GAP_AND_TAIL_BYTES_MIN);
  let before = { index: 0, term: prevTerm };
  while (entries.length < count) {
    entries.push(before = readTail(reader, before.index + 1 + reader.number(), before.term));
  }
  return { type: "repairReply", term, from, request, leads, commitIndex, lastIndex, members, prevTerm, entries };
}

function readIds(reader: WireReader): NodeId[] {
  const count = reader.count(ID_BYTES, "ids");
  if (count > MESSAGE_IDS_MAX) throw reader.error(`${count} ids are more than ${MESSAGE_IDS_MAX}`);
  return Array.from({ length: count }, () => reader.id());
}

function readRefusal(reader: WireReader): ProposalRefusal | null {
  const number = reader.number();
  const refusal = REFUSALS[number];
  if (refusal === undefined) throw reader.error(`unknown refusal ${number}`);
  return refusal;
}

function readEntryCount(reader: WireReader, bytesEach: number): number {
  const count = reader.count(bytesEach, "entries");
  if (count > MESSAGE_ENTRIES_MAX) throw reader.error(`${count} entries are more than ${MESSAGE_ENTRIES_MAX}`);
  return count;
}

/** Reads the rest of an entry with a known index. */
function readTail(reader: WireReader, index: Index, termBefore: Term): LogEntry {
  const term = termBefore + reader.number();
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(term)) {
    throw reader.error("an entry's index or term is beyond 2^53 - 1");
  }
  const size = reader.number();
  const kind = size % 2 === 1 ? "config" : "normal";
  return { term, index, kind, command: reader.raw(Math.floor(size / 2)) };
}
