/**
 * The bytes on a connection. A connection carries messages one way, from the node that made it:
 *
 * ```text
 * both ways, first     hello, 92 bytes
 *    0  8 bytes "WALLOGRT"
 *    8  u16 the least version of the protocol that the node speaks: 1
 *   10  u16 the greatest: 1
 *   12  u64 the node that speaks
 *   20  u64 the node that it speaks to
 *   28  32 bytes SHA-256 of the cluster's name, as UTF-8
 *   60  16 bytes the cluster that the node's log belongs to; zeros if none, or if it is not said
 *   76  16 bytes the log's incarnation; zeros if it is not said
 *
 * then, from the node that made the connection, frames
 *    0  u32 length
 *    4  a message; a ping has none, and the length 0
 *
 * and from the one that was called, after its hello, answers
 *    0  u8 0
 * ```
 *
 * All integers are little-endian. Both speak the greatest version that both know. The hello is the same in all versions. A
 * node sends no message of a type that came with a later version.
 *
 * The one that was called says its hello when it has found that of the caller to be right, with TLS by the certificate
 * too. It also says it to a caller of another cluster, or with no version in common, and then ends the connection: so both
 * sides know why. Who says something else is not answered.
 *
 * The network can fall silent without either side being told, and TCP then takes a while to notice that it is back: so
 * both listen for signs of life. The caller pings every `PING_MS` or more often. Each ping is answered; so is whatever
 * arrives, now and then, for a ping may stand behind a message that takes its time.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { NodeId } from "../../api/types.ts";
import { type Origin, otherCluster, UUID_BYTES, uuidBytes, uuidText } from "../origin.ts";
import { SINCE } from "../codec/format.ts";
import { encodingError } from "../codec/wire.ts";
import type { Message } from "../messages.ts";

/** Size of a hello. */
export const HELLO_BYTES = 92;
/** Size of a frame's length, which stands in front of the message. */
export const FRAME_LENGTH_BYTES = 4;

/** The longest that a caller says nothing. In milliseconds. */
export const PING_MS = 500;
/** A frame without a message. */
export const PING: Uint8Array = new Uint8Array(FRAME_LENGTH_BYTES);
/** What comes back. */
export const ANSWER: Uint8Array = Uint8Array.of(0);

/** Versions of the protocol, from the least to the greatest. */
export interface Versions {
  /** The least. */
  readonly least: number;
  /** The greatest. */
  readonly greatest: number;
}

/** The versions that this library speaks. */
export const VERSIONS: Versions = { least: 1, greatest: 1 };

/** What a node speaks. */
export interface Protocol {
  /** The versions. */
  readonly versions: Versions;
  /** The version that brought each type of message. */
  readonly since: Readonly<Record<Message["type"], number>>;
}

/** What this library speaks. */
export const PROTOCOL: Protocol = { versions: VERSIONS, since: SINCE };
const NO_ORIGIN: Origin = { cluster: undefined, incarnation: undefined };
/** Where a hello says what the node's log is. */
const ORIGIN_AT = 60;
const MAGIC = new TextEncoder().encode("WALLOGRT");

/** What is said first. */
export interface Hello {
  /** The node that speaks. */
  readonly from: NodeId;
  /** The node that it speaks to. */
  readonly to: NodeId;
  /** SHA-256 of the cluster's name. */
  readonly cluster: Uint8Array;
  /** What its log is. Default: nothing is said. */
  readonly origin?: Origin;
  /** The versions that it speaks. Default: those of this library. */
  readonly versions?: Versions;
}

/** What stands for a cluster's name in a hello. */
export function clusterDigest(name: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(name).digest());
}

/** Whether two clusters are the same. */
export function isSameCluster(one: Uint8Array, other: Uint8Array): boolean {
  return one.every((byte, at) => byte === other[at]);
}

/** A hello as bytes. */
export function encodeHello({ from, to, cluster, origin = NO_ORIGIN, versions = VERSIONS }: Hello): Uint8Array {
  const bytes = new Uint8Array(HELLO_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint16(8, versions.least, true);
  view.setUint16(10, versions.greatest, true);
  view.setBigUint64(12, from, true);
  view.setBigUint64(20, to, true);
  bytes.set(cluster, 28);
  bytes.set(uuidBytes(origin.cluster), ORIGIN_AT);
  bytes.set(uuidBytes(origin.incarnation), ORIGIN_AT + UUID_BYTES);
  return bytes;
}

/**
 * Whether what has arrived so far can still become a hello: who says something else need not be waited for.
 *
 * @param start The first bytes of a connection.
 */
export function canBeHello(start: Uint8Array): boolean {
  return MAGIC.subarray(0, start.length).every((byte, at) => byte === start[at]);
}

/**
 * Reads a hello.
 *
 * @param bytes As many as a hello has.
 * @returns What it says.
 * @throws {WalLogError} `ENCODING` if it is none.
 */
export function decodeHello(bytes: Uint8Array): Required<Hello> {
  if (!canBeHello(bytes)) throw encodingError("Cannot read a hello: it does not begin like one");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const uuid = (at: number) => uuidText(bytes.subarray(at, at + UUID_BYTES));
  return {
    versions: { least: view.getUint16(8, true), greatest: view.getUint16(10, true) },
    from: view.getBigUint64(12, true),
    to: view.getBigUint64(20, true),
    cluster: bytes.slice(28, ORIGIN_AT),
    origin: { cluster: uuid(ORIGIN_AT), incarnation: uuid(ORIGIN_AT + UUID_BYTES) },
  };
}

/**
 * The version in which two nodes speak.
 *
 * @param own The versions of the one.
 * @param theirs The versions of the other.
 * @returns The greatest that both know; `undefined` if there is none.
 */
export function negotiate(own: Versions, theirs: Versions): number | undefined {
  const version = Math.min(own.greatest, theirs.greatest);
  return version >= own.least && version >= theirs.least ? version : undefined;
}

/**
 * Why a node does not belong to the other's cluster, or cannot speak to it. Both sides come to the same answer.
 *
 * @param own What the one says.
 * @param theirs What the other says.
 * @returns The reason; `undefined` if there is none.
 */
export function whatSeparates(own: Required<Hello>, theirs: Required<Hello>): string | undefined {
  if (!isSameCluster(own.cluster, theirs.cluster)) return "it is of another cluster";
  if (negotiate(own.versions, theirs.versions) === undefined) {
    const show = ({ least, greatest }: Versions) => `${least} to ${greatest}`;
    return `it speaks the versions ${show(theirs.versions)} of the protocol, and this node ${show(own.versions)}`;
  }
  return otherCluster(own.origin, theirs.origin);
}
