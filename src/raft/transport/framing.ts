/**
 * The bytes on a connection. A connection carries messages in one direction, from the node that made it:
 *
 * ```text
 * both directions, first   hello, 92 bytes
 *    0  8 bytes "WALLOGRT"
 *    8  u16 the minimum protocol version that the sender supports: 1
 *   10  u16 the maximum: 1
 *   12  u64 the sender
 *   20  u64 the receiver
 *   28  32 bytes SHA-256 of the cluster's name, as UTF-8
 *   60  16 bytes the cluster that the sender's log belongs to; zeros if there is none, or it is unknown
 *   76  16 bytes the log's incarnation; zeros if it is unknown
 *
 * then, from the caller (the node that made the connection), frames
 *    0  u32 length
 *    4  a message; a ping has none, and the length 0
 *
 * and from the called node, after its hello, answers
 *    0  u8 0
 * ```
 *
 * All integers are little-endian. Both nodes use the maximum version that both support. The hello is the same in all
 * versions. A node sends no message of a type that a later version introduced.
 *
 * The called node sends its hello after it has accepted the caller's hello, and with TLS, its certificate. It also
 * sends its hello to a caller of another cluster, or without a common version, and then closes the connection. So both
 * sides know the reason. Other data gets no answer.
 *
 * A network can fail silently, and TCP then takes a while to notice that it works again. So both sides monitor the
 * connection. The caller sends a ping at least every `PING_MS`. The called node answers each ping. It also answers
 * other data from time to time, because a ping may be queued after a long message.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { NodeId } from "../../api/types.ts";
import { type Origin, otherCluster, UUID_BYTES, uuidBytes, uuidText } from "../origin.ts";
import { SINCE } from "../codec/format.ts";
import { encodingError } from "../codec/wire.ts";
import type { Message } from "../messages.ts";

/** The size of a hello. In bytes. */
export const HELLO_BYTES = 92;
/** The size of a frame's length, which precedes the message. In bytes. */
export const FRAME_LENGTH_BYTES = 4;

/** The maximum time between two pings. In milliseconds. */
export const PING_MS = 500;
/** A frame without a message. */
export const PING: Uint8Array = new Uint8Array(FRAME_LENGTH_BYTES);
/** The answer to a ping. */
export const ANSWER: Uint8Array = Uint8Array.of(0);

/** A range of protocol versions. */
export interface Versions {
  /** The minimum version. */
  readonly least: number;
  /** The maximum version. */
  readonly greatest: number;
}

/** The versions that this library supports. */
export const VERSIONS: Versions = { least: 1, greatest: 1 };

/** A node's protocol. */
export interface Protocol {
  /** The supported versions. */
  readonly versions: Versions;
  /** The version that introduced each type of message. */
  readonly since: Readonly<Record<Message["type"], number>>;
}

/** This library's protocol. */
export const PROTOCOL: Protocol = { versions: VERSIONS, since: SINCE };
const NO_ORIGIN: Origin = { cluster: undefined, incarnation: undefined };
/** The offset of the log's identity in a hello. */
const ORIGIN_AT = 60;
const MAGIC = new TextEncoder().encode("WALLOGRT");

/** The first data on a connection. */
export interface Hello {
  /** The sender. */
  readonly from: NodeId;
  /** The receiver. */
  readonly to: NodeId;
  /** SHA-256 of the cluster's name. */
  readonly cluster: Uint8Array;
  /** The identity of the sender's log. Default: unknown. */
  readonly origin?: Origin;
  /** The versions that the sender supports. Default: those of this library. */
  readonly versions?: Versions;
}

/** Returns the digest of a cluster's name for a hello. */
export function clusterDigest(name: string): Uint8Array {
  return new Uint8Array(createHash("sha256").update(name).digest());
}

/** Whether two digests of clusters are equal. */
export function isSameCluster(one: Uint8Array, other: Uint8Array): boolean {
  return one.every((byte, at) => byte === other[at]);
}

/** Encodes a hello. */
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
 * Whether the first bytes of a connection can be the beginning of a hello. If not, the connection is closed at once.
 *
 * @param start The first bytes of a connection.
 */
export function canBeHello(start: Uint8Array): boolean {
  return MAGIC.subarray(0, start.length).every((byte, at) => byte === start[at]);
}

/**
 * Decodes a hello.
 *
 * @param bytes Exactly as many bytes as a hello has.
 * @returns The hello.
 * @throws {WalLogError} `ENCODING` if it is not a hello.
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
 * Returns the protocol version that two nodes use.
 *
 * @param own The one node's versions.
 * @param theirs The other node's versions.
 * @returns The maximum version that both support; `undefined` if there is none.
 */
export function negotiate(own: Versions, theirs: Versions): number | undefined {
  const version = Math.min(own.greatest, theirs.greatest);
  return version >= own.least && version >= theirs.least ? version : undefined;
}

/**
 * Compares two hellos. Both sides get the same result.
 *
 * @param own The one node's hello.
 * @param theirs The other node's hello.
 * @returns The reason why they must not communicate; `undefined` if there is none.
 */
export function whatSeparates(own: Required<Hello>, theirs: Required<Hello>): string | undefined {
  if (!isSameCluster(own.cluster, theirs.cluster)) return "it is of another cluster";
  if (negotiate(own.versions, theirs.versions) === undefined) {
    const show = ({ least, greatest }: Versions) => `${least} to ${greatest}`;
    return `it supports protocol versions ${show(theirs.versions)}, and this node ${show(own.versions)}`;
  }
  return otherCluster(own.origin, theirs.origin);
}
