/**
 * The encoding of messages. This file defines their format. `wire.ts` defines numbers and ids.
 *
 * ```text
 * u8 version: 1   u8 type   u8 flags   number term   id sender   and then
 *
 *  type                      flags                    fields
 *   1  preVote                                        number lastLogIndex, number lastLogTerm
 *   2  preVoteReply          1 voteGranted
 *   3  requestVote           1 force                  number lastLogIndex, number lastLogTerm
 *   4  requestVoteReply      1 voteGranted
 *   5  appendEntries         1 there is a round       number prevLogIndex, number prevLogTerm, number leaderCommit,
 *                                                     [number round], number count, count x (tail of an entry)
 *   6  appendEntriesReply    1 success                number matchIndex, number conflictIndex, number conflictTerm,
 *                            2 there is a round       [number round], [number rejectedIndex]
 *                            4 there is a rejectedIndex
 *   7  installSnapshot       1 it is a piece          number index, number term, number count, count x (id),
 *                            2 it is the last piece   [number offset], [number size, meta], the rest is data
 *                            4 there is meta
 *   8  installSnapshotReply  1 there is a nextOffset  number lastIndex, [number nextOffset]
 *   9  timeoutNow
 *  10  repairRequest                                  number request, number first, number last
 *  11  repairReply           1 leads                  number request, number commitIndex, number lastIndex,
 *                                                     number count, count x (id), number prevTerm,
 *                                                     number count, count x (number gap, tail of an entry)
 *  12  snapshotRequest                                number request, number least, number leastTerm, number index,
 *                                                     number offset
 *  13  snapshotReply         1 it is the last piece   number request, number index, number term, number count,
 *                            2 there is meta          count x (id), number offset, [number size, meta],
 *                                                     the rest is data
 *  14  readRequest                                    number request
 *  15  readReply             1 refused                number request, number index
 *  16  proposeRequest                                 number session, number request, number size, command
 *  17  proposeReply                                   number request, number index, number refusal: 0 none, 1 NOT_LEADER,
 *                                                     2 OVERLOADED, 3 ENTRY_TOO_LARGE, 4 NO_SPACE
 *
 * tail of an entry: number term - term of the entry before it, number 2 x size + (1 if it is a configuration), command
 * gap: index - index of the entry before it - 1
 * ```
 *
 * Bytes are a message if and only if
 *  1. the version and the type are known, and no flag is set that the type does not have,
 *  2. every field is there, a number in as few bytes as possible and at most 2^53 - 1,
 *  3. no index or term comes to more than that,
 *  4. there are at most 65,536 entries,
 *  5. there are at most 65,536 ids in a list,
 *  6. a refusal is known,
 *  7. there is at most 1 MiB of meta, and none in a piece that is neither the first nor the last, and
 *  8. no bytes follow.
 *
 * So each message has exactly one encoding, and a decoded message is well-formed: the entries of `appendEntries` follow
 * `prevLogIndex` without a gap, those of `repairReply` are in order, and terms never decrease.
 *
 * @module
 */

import type { Message, ProposalRefusal } from "../messages.ts";

/** The version of the format that this library writes. It reads no other. */
export const MESSAGE_VERSION = 1;

/** The default limit on a message: the largest entry that a log accepts, and 64 KiB. In bytes. */
export const MESSAGE_BYTES_MAX_DEFAULT: number = 64 * 1024 * 1024 + 64 * 1024;

/**
 * The maximum number of entries in a message. An empty one takes two bytes, and about 200 bytes in memory after
 * decoding.
 */
export const MESSAGE_ENTRIES_MAX = 65_536;

/** The maximum size of a number, in bytes: 8 groups of 7 bits hold 53 bits. */
export const NUMBER_BYTES_MAX = 8;
/** The maximum size of the gap, term and size of an entry, in bytes. */
export const ENTRY_BYTES_MAX: number = 3 * NUMBER_BYTES_MAX;

/** The maximum number of ids in a list. The file of a snapshot has the same limit. */
export const MESSAGE_IDS_MAX = 65_536;

/** Types by their numbers, from 1 on. */
export const TYPES = [
  "preVote",
  "preVoteReply",
  "requestVote",
  "requestVoteReply",
  "appendEntries",
  "appendEntriesReply",
  "installSnapshot",
  "installSnapshotReply",
  "timeoutNow",
  "repairRequest",
  "repairReply",
  "snapshotRequest",
  "snapshotReply",
  "readRequest",
  "readReply",
  "proposeRequest",
  "proposeReply",
] as const satisfies readonly Message["type"][];

/**
 * The version of the transport's protocol that introduced each type. A peer with an earlier version does not know the
 * type, and would end the connection. Add a new type at the end of the list, with the next version.
 */
export const SINCE: Readonly<Record<Message["type"], number>> = {
  preVote: 1,
  preVoteReply: 1,
  requestVote: 1,
  requestVoteReply: 1,
  appendEntries: 1,
  appendEntriesReply: 1,
  installSnapshot: 1,
  installSnapshotReply: 1,
  timeoutNow: 1,
  repairRequest: 1,
  repairReply: 1,
  snapshotRequest: 1,
  snapshotReply: 1,
  readRequest: 1,
  readReply: 1,
  proposeRequest: 1,
  proposeReply: 1,
};

/** Refusals of a proposal by their numbers. */
export const REFUSALS: readonly (ProposalRefusal | null)[] = [
  null,
  "NOT_LEADER",
  "OVERLOADED",
  "ENTRY_TOO_LARGE",
  "NO_SPACE",
];

/** The flag of types that have one. */
export const FLAG = 1;
/** The second flag of types that have two. */
export const FLAG_2 = 2;
/** The third flag of types that have three. */
export const FLAG_3 = 4;
/** The flags of each type. */
export const FLAGS_KNOWN: Readonly<Record<Message["type"], number>> = {
  preVote: 0,
  preVoteReply: FLAG,
  requestVote: FLAG,
  requestVoteReply: FLAG,
  appendEntries: FLAG,
  appendEntriesReply: FLAG | FLAG_2 | FLAG_3,
  installSnapshot: FLAG | FLAG_2 | FLAG_3,
  installSnapshotReply: FLAG,
  timeoutNow: 0,
  repairRequest: 0,
  repairReply: FLAG,
  snapshotRequest: 0,
  snapshotReply: FLAG | FLAG_2,
  readRequest: 0,
  readReply: FLAG,
  proposeRequest: 0,
  proposeReply: 0,
};
