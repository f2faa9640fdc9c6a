/**
 * The ids of a log for callers, and the founding of a cluster.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { Durability } from "../write/durability.ts";
import { WalLogError } from "./errors.ts";
import { ID_BYTES, type Identity } from "../format/identity.ts";
import type { LiveState } from "../log/live_state.ts";
import type { Opened } from "../recovery/open.ts";
import { writeIdentity } from "../recovery/identity.ts";
import { isBytes } from "./taken.ts";
import { invalid, show } from "./validate.ts";

const UUID_TEXT = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** The ids of a log, of its incarnation and of its cluster. Each is written as a UUID, in lower case. */
export interface LogIdentity {
  /** The log's UUID; all zeros if the log is opened for reading only and does not exist yet. */
  readonly log: string;
  /**
   * Random. A log gets a new one when it may not be the log that its peers know: when it is a copy, when `wal-log repair`
   * has cut entries, when its file `IDENTITY` was missing or damaged, and when it has lost all its segments. A peer must not apply
   * its knowledge of one incarnation to another. A copy of the files made by other means (`cp`, `rsync`, an image of
   * the disk) keeps the incarnation.
   *
   * `undefined` if the log is opened for reading only, and `IDENTITY` is missing or damaged.
   */
  readonly incarnation: string | undefined;
  /** The cluster that the log belongs to, as given to `WalLog.foundCluster`; `undefined` if it belongs to none. */
  readonly cluster: string | undefined;
}

/**
 * The ids of a log as text.
 *
 * @param uuid The log's UUID.
 * @param identity The contents of `IDENTITY`; `undefined` if unknown.
 * @returns The ids. Frozen.
 */
export function showIdentity(uuid: Uint8Array, identity: Identity | undefined): LogIdentity {
  const cluster = identity === undefined || isZero(identity.cluster) ? undefined : textOf(identity.cluster);
  const incarnation = identity === undefined ? undefined : textOf(identity.incarnation);
  return Object.freeze({ log: textOf(uuid), incarnation, cluster });
}

/**
 * Sets the cluster that a log belongs to.
 *
 * @param opened The log.
 * @param state The log's state in memory.
 * @param durability Writes the log.
 * @param id The cluster's id, as the caller gives it.
 * @throws {WalLogError} As `WalLog.foundCluster`.
 */
export function foundCluster(
  { fileSystem, folder, codec }: Opened,
  state: LiveState,
  durability: Durability,
  id: Uint8Array | string,
): void {
  const cluster = takeId(id);
  durability.requireWriter("found the cluster");
  // A log that is open for writing has an identity.
  const identity = state.identity!;
  // Reading the id does not prove that it is durable. But opening the log after a crash has flushed the folder.
  if (textOf(identity.cluster) === textOf(cluster)) return;
  if (!isZero(identity.cluster)) {
    throw invalid(
      `Cannot found the cluster ${textOf(cluster)}: the log at ${folder} belongs to ${textOf(identity.cluster)}`,
    );
  }
  const founded = { ...identity, cluster };
  try {
    writeIdentity(fileSystem, folder, founded, (bytes, seed) => codec.hash(bytes, seed));
  } catch (error) {
    throw error instanceof WalLogError && error.code === "NO_SPACE"
      ? error
      : durability.fail("found the cluster", error);
  }
  state.identity = founded;
}

/** Checks a cluster's id, and copies it. */
function takeId(id: Uint8Array | string): Uint8Array {
  const expected = "Cannot found the cluster: expected a UUID, or its 16 bytes";
  let bytes: Uint8Array;
  if (typeof id === "string" && UUID_TEXT.test(id)) bytes = new Uint8Array(Buffer.from(id.replaceAll("-", ""), "hex"));
  else if (isBytes(id)) bytes = new Uint8Array(id);
  else throw invalid(`${expected}, found ${show(id)}`);
  if (bytes.length !== ID_BYTES) throw invalid(`${expected}, found ${bytes.length} bytes`);
  if (isZero(bytes)) throw invalid(`${expected}, found zeros, which stand for no cluster`);
  return bytes;
}

function isZero(id: Uint8Array): boolean {
  return id.every((byte) => byte === 0);
}

function textOf(id: Uint8Array): string {
  return Buffer.from(id).toString("hex").replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
