/**
 * Checks a configuration and fills in the defaults.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";
import { checkNames } from "../api/option_names.ts";
import type { NodeId } from "../api/types.ts";
import { ENTRY_BYTES_MAX, MESSAGE_BYTES_MAX_DEFAULT, MESSAGE_ENTRIES_MAX } from "./codec/format.ts";
import type { RaftConfig } from "./raft_config.ts";

const ID_MAX = 2n ** 64n - 1n;

/** A complete configuration. */
export type CheckedConfig =
  & Readonly<Required<Omit<RaftConfig, "sendAhead">>>
  & Pick<RaftConfig, "sendAhead">;

/**
 * The default limit on messages in flight to a node. Each proposal counts as one message, even if a flush merges
 * several.
 */
const INFLIGHT_MESSAGES_DEFAULT = 1024;
/** The default limit on bytes in flight to a node: 40 MiB a second at a round trip of 100 ms. */
const INFLIGHT_BYTES_DEFAULT = 4 * 1024 * 1024;

/** Space in a message for its fields and for hundreds of members. */
const MESSAGE_RESERVE_BYTES = 4096;
/** The default limit on the commands that a step returns: a few milliseconds of reading. */
const APPLY_BYTES_DEFAULT = 4 * 1024 * 1024;

/** The default limit on a snapshot, and so on the data that another node can make this one store. */
const SNAPSHOT_BYTES_DEFAULT = 1024 * 1024 * 1024;

/** The default limit on the commands kept after a snapshot: five seconds of a link of 100 Mbit/s. */
const TRAILING_BYTES_DEFAULT = 64 * 1024 * 1024;

/**
 * Whether a leader waits for answers before it sends more. Without flow control, it sends as the recorded traces do.
 *
 * @param config The configuration.
 * @returns Whether the number of messages in flight to a node is limited.
 */
export function hasFlowControl({ maxInflightMessages }: CheckedConfig): boolean {
  return maxInflightMessages !== Infinity;
}

/**
 * Whether a value can be a node's id.
 *
 * @param id Anything.
 * @returns Whether it is an unsigned 64-bit number.
 */
export function isNodeId(id: unknown): id is NodeId {
  return typeof id === "bigint" && id >= 0n && id <= ID_MAX;
}

/** The maximum length of an address. In UTF-16 code units. */
const ADDRESS_LENGTH_MAX = 1024;
/** The reason in the error for an invalid address. */
export const NO_ADDRESS: string = `addresses must be strings of 1 to ${ADDRESS_LENGTH_MAX} characters`;

/** Whether a value is a valid address. */
export function isAddress(address: unknown): address is string {
  return typeof address === "string" && address.length > 0 && address.length <= ADDRESS_LENGTH_MAX;
}

/**
 * Returns the maximum size of a command in a message.
 *
 * @param config The configuration.
 * @returns Its size in bytes.
 */
export function entryBytesMax({ maxMessageBytes }: Pick<CheckedConfig, "maxMessageBytes">): number {
  return dataBytesMax({ maxMessageBytes }) - ENTRY_BYTES_MAX;
}

/**
 * Returns the maximum size of the data in a message.
 *
 * @param config The configuration.
 * @returns Its size in bytes.
 */
export function dataBytesMax({ maxMessageBytes }: Pick<CheckedConfig, "maxMessageBytes">): number {
  return maxMessageBytes - MESSAGE_RESERVE_BYTES;
}

/** Lowers the other limits so that no message is larger than `maxMessageBytes`. */
function fitMessages(config: CheckedConfig): CheckedConfig {
  const data = dataBytesMax(config);
  const batch = data - config.maxBatch * ENTRY_BYTES_MAX;
  if (batch < 1) {
    throw invalid(
      `maxMessageBytes must be above ${config.maxMessageBytes - batch} for a maxBatch of ${config.maxBatch}, found ` +
        `${config.maxMessageBytes}`,
    );
  }
  const { maxBatchBytes, snapshotChunkBytes } = config;
  return {
    ...config,
    maxBatchBytes: Math.min(maxBatchBytes, batch),
    snapshotChunkBytes: Math.min(snapshotChunkBytes, data),
  };
}

/**
 * Checks a configuration, and fills in the defaults.
 *
 * @param config The application's configuration.
 * @returns The complete configuration, with limits that keep messages below `maxMessageBytes`.
 * @throws {WalLogError} `INVALID_ARGUMENT`.
 */
export function checkConfig(config: RaftConfig): CheckedConfig {
  if (typeof config !== "object" || config === null) throw invalid("expected a configuration");
  const checked: CheckedConfig = {
    id: config.id,
    peers: config.peers ?? [],
    joining: config.joining ?? false,
    electionTimeout: config.electionTimeout ?? [10, 20],
    heartbeatInterval: config.heartbeatInterval ?? 3,
    maxBatch: config.maxBatch ?? 64,
    maxBatchBytes: config.maxBatchBytes ?? Infinity,
    maxInflightMessages: config.maxInflightMessages ??
      (config.maxBatchBytes === undefined ? Infinity : INFLIGHT_MESSAGES_DEFAULT),
    maxInflightBytes: config.maxInflightBytes ?? INFLIGHT_BYTES_DEFAULT,
    maxMessageBytes: config.maxMessageBytes ?? MESSAGE_BYTES_MAX_DEFAULT,
    maxUncommittedBytes: config.maxUncommittedBytes ?? Infinity,
    maxApplyBytes: config.maxApplyBytes ?? APPLY_BYTES_DEFAULT,
    applied: config.applied ?? 0,
    snapshotThreshold: config.snapshotThreshold ?? 0,
    snapshotChunkBytes: config.snapshotChunkBytes ?? 0,
    maxSnapshotBytes: config.maxSnapshotBytes ?? SNAPSHOT_BYTES_DEFAULT,
    trailingEntries: config.trailingEntries ?? 0,
    trailingBytes: config.trailingBytes ?? TRAILING_BYTES_DEFAULT,
    seed: config.seed ?? config.id,
    checkQuorum: config.checkQuorum ?? false,
    addresses: config.addresses ?? new Map(),
    promoteLearners: config.promoteLearners ?? true,
    announceLeader: config.announceLeader ?? false,
    forwardReads: config.forwardReads ?? false,
    forwardProposals: config.forwardProposals ?? false,
    noOp: config.noOp ?? false,
    finishRemoval: config.finishRemoval ?? false,
    transferTimeout: config.transferTimeout ?? (config.checkQuorum === true ? config.electionTimeout?.[0] ?? 10 : 0),
    strictMembership: config.strictMembership ?? config.checkQuorum ?? false,
    sendAhead: config.sendAhead,
  };
  checkNames("Cannot make a node", config, Object.keys(checked));
  requireValid(checked);
  return fitMessages(checked);
}

/** Limits in bytes, which may be infinite. */
const BYTE_BOUNDS = [
  "maxBatchBytes",
  "maxInflightBytes",
  "maxUncommittedBytes",
  "maxApplyBytes",
  "maxSnapshotBytes",
  "trailingBytes",
] as const;

/** Boolean options. */
const SWITCHES = [
  "joining",
  "checkQuorum",
  "promoteLearners",
  "announceLeader",
  "forwardReads",
  "forwardProposals",
  "noOp",
  "finishRemoval",
  "strictMembership",
] as const;

/** Rejects values out of their range. */
function requireValid(checked: CheckedConfig): void {
  if (!Array.isArray(checked.electionTimeout) || checked.electionTimeout.length !== 2) {
    throw invalid("electionTimeout must be an array of two numbers");
  }
  const [minimum, maximum] = checked.electionTimeout;
  if (!Array.isArray(checked.peers)) throw invalid("peers must be an array");
  for (const id of [checked.id, ...checked.peers]) {
    if (!isNodeId(id)) throw invalid(`ids must be bigints from 0 to 2^64 - 1, found ${String(id)}`);
  }
  if (!(checked.addresses instanceof Map)) throw invalid("addresses must be a Map from ids to strings");
  for (const address of checked.addresses.values()) if (!isAddress(address)) throw invalid(NO_ADDRESS);
  if (typeof checked.seed !== "bigint") throw invalid(`seed must be a bigint, found ${String(checked.seed)}`);
  requireWhole("electionTimeout[0]", minimum, 1);
  requireWhole("electionTimeout[1]", maximum, minimum);
  requireWhole("heartbeatInterval", checked.heartbeatInterval, 1, maximum);
  requireWhole("maxBatch", checked.maxBatch, 1, MESSAGE_ENTRIES_MAX);
  if (hasFlowControl(checked)) requireWhole("maxInflightMessages", checked.maxInflightMessages, 1);
  requireWhole("maxMessageBytes", checked.maxMessageBytes, 1);
  requireWhole("applied", checked.applied, 0);
  requireWhole("snapshotThreshold", checked.snapshotThreshold, 0);
  requireWhole("snapshotChunkBytes", checked.snapshotChunkBytes, 0);
  requireWhole("trailingEntries", checked.trailingEntries, 0);
  requireWhole("transferTimeout", checked.transferTimeout, 0);
  for (const name of SWITCHES) {
    if (typeof checked[name] !== "boolean") throw invalid(`${name} must be a boolean, found ${String(checked[name])}`);
  }
  for (const name of BYTE_BOUNDS) {
    if (typeof checked[name] === "number" && checked[name] >= 0) continue;
    throw invalid(`${name} must be a number of 0 or more, found ${String(checked[name])}`);
  }
  if (checked.sendAhead !== undefined && typeof checked.sendAhead !== "function") {
    throw invalid(`sendAhead must be a function, found ${String(checked.sendAhead)}`);
  }
  if (checked.maxApplyBytes === 0) throw invalid("maxApplyBytes must be above 0, or nothing would be applied");
}

function requireWhole(name: string, value: number, least: number, most: number = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  const range = most === Number.MAX_SAFE_INTEGER ? `of ${least} or more` : `from ${least} to ${most}`;
  throw invalid(`${name} must be a whole number ${range}, found ${String(value)}`);
}

function invalid(reason: string): WalLogError {
  return new WalLogError("INVALID_ARGUMENT", `Cannot make a node: ${reason}`);
}
