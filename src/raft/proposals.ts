/**
 * Processes proposals on the leader.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { entryBytesMax } from "./config.ts";
import { requireLeader } from "./reconfiguration.ts";
import { appendOwn, replicate } from "./replication.ts";
import { ACTION_BYTES, type RaftState } from "./state.ts";

/**
 * Appends a command to the leader's log, and replicates it.
 *
 * @param s The leader.
 * @param command The command.
 * @param taken Called when the command is in the log, and before it can be committed.
 */
export function propose(s: RaftState, command: Uint8Array, taken: () => void = () => {}): void {
  requireLeader(s, "propose a command");
  requireFitsMessage(s, command);
  requireRoom(s, command);
  appendOwn(s, "normal", command);
  s.proposed = { index: s.log.lastIndex, term: s.term };
  taken();
  s.uncommitted.add(s.log.lastIndex, command.byteLength + ACTION_BYTES);
  replicate(s);
}

/** Rejects a command that does not fit into a message: no follower could get it, or any entry after it. */
export function requireFitsMessage({ config }: RaftState, { byteLength }: Uint8Array): void {
  const most = entryBytesMax(config);
  if (byteLength <= most) return;
  throw new WalLogError(
    "ENTRY_TOO_LARGE",
    `Cannot propose a command of ${byteLength} bytes: a message carries at most ${most} (maxMessageBytes)`,
  );
}

/** Rejects a command while too many are uncommitted. A single one may have any size. */
function requireRoom({ config, uncommitted, id }: RaftState, { byteLength }: Uint8Array): void {
  const bytes = uncommitted.bytes + byteLength + ACTION_BYTES;
  if (uncommitted.count === 0 || bytes <= config.maxUncommittedBytes) return;
  throw new WalLogError(
    "OVERLOADED",
    `Cannot propose a command: ${uncommitted.count} commands of ${uncommitted.bytes} bytes are uncommitted, at most ` +
      `${config.maxUncommittedBytes} bytes are allowed (maxUncommittedBytes); try again later`,
    { leader: id },
  );
}
