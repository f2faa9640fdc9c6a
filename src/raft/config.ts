/**
 * Checks a configuration and fills in what was left out.
 *
 * @module
 */

import { WalLogError } from "../errors.ts";
import { checkNames } from "../option_names.ts";
import type { NodeId } from "../types.ts";
import { MESSAGE_ENTRIES_MAX } from "./codec/format.ts";
import type { RaftConfig } from "./types.ts";

const ID_MAX = 2n ** 64n - 1n;

/** A configuration with nothing left out. */
export type CheckedConfig = Readonly<Required<RaftConfig>>;

/**
 * Whether a value can be a node's id.
 *
 * @param id Anything.
 * @returns Whether it is an unsigned 64-bit number.
 */
export function isNodeId(id: unknown): id is NodeId {
  return typeof id === "bigint" && id >= 0n && id <= ID_MAX;
}

/**
 * Checks a configuration.
 *
 * @param config What the application gave.
 * @returns The same, complete.
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
    snapshotThreshold: config.snapshotThreshold ?? 0,
    snapshotChunkBytes: config.snapshotChunkBytes ?? 0,
    seed: config.seed ?? config.id,
    checkQuorum: config.checkQuorum ?? false,
    noOp: config.noOp ?? false,
    finishRemoval: config.finishRemoval ?? false,
    transferTimeout: config.transferTimeout ?? 0,
  };
  checkNames("Cannot make a node", config, Object.keys(checked));
  if (!Array.isArray(checked.electionTimeout) || checked.electionTimeout.length !== 2) {
    throw invalid("electionTimeout must be an array of two numbers");
  }
  const [minimum, maximum] = checked.electionTimeout;
  if (!Array.isArray(checked.peers)) throw invalid("peers must be an array");
  for (const id of [checked.id, ...checked.peers]) {
    if (!isNodeId(id)) throw invalid(`ids must be bigints from 0 to 2^64 - 1, found ${String(id)}`);
  }
  if (typeof checked.seed !== "bigint") throw invalid(`seed must be a bigint, found ${String(checked.seed)}`);
  requireWhole("electionTimeout[0]", minimum, 1);
  requireWhole("electionTimeout[1]", maximum, minimum);
  requireWhole("heartbeatInterval", checked.heartbeatInterval, 1, maximum);
  requireWhole("maxBatch", checked.maxBatch, 1, MESSAGE_ENTRIES_MAX);
  requireWhole("snapshotThreshold", checked.snapshotThreshold, 0);
  requireWhole("snapshotChunkBytes", checked.snapshotChunkBytes, 0);
  requireWhole("transferTimeout", checked.transferTimeout, 0);
  for (const name of ["joining", "checkQuorum", "noOp", "finishRemoval"] as const) {
    if (typeof checked[name] !== "boolean") throw invalid(`${name} must be a boolean, found ${String(checked[name])}`);
  }
  if (!(typeof checked.maxBatchBytes === "number" && checked.maxBatchBytes >= 0)) {
    throw invalid(`maxBatchBytes must be a number of 0 or more, found ${String(checked.maxBatchBytes)}`);
  }
  return checked;
}

function requireWhole(name: string, value: number, least: number, most: number = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  const range = most === Number.MAX_SAFE_INTEGER ? `of ${least} or more` : `from ${least} to ${most}`;
  throw invalid(`${name} must be a whole number ${range}, found ${String(value)}`);
}

function invalid(reason: string): WalLogError {
  return new WalLogError("INVALID_ARGUMENT", `Cannot make a node: ${reason}`);
}
