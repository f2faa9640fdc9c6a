/**
 * The encoding of a command in the log, with its id if it has one.
 *
 * ```text
 * u8 kind 0   command
 * u8 kind 1   u8 size, client (UTF-8)   u64 sequence   command
 * ```
 *
 * Integers are little-endian. All replicas must read a command the same way, so a replica that finds another kind
 * stops.
 *
 * @module
 */

import { WalLogError } from "../api/errors.ts";

/** Identifies a command, so that it is applied once, however often it is proposed. */
export interface CommandId {
  /** The client: a name that no other client uses, such as a UUID made when it starts. At most 255 bytes of UTF-8. */
  readonly client: string;
  /**
   * The number of the command: higher for each new command of the client. A client proposes a command only after the
   * answer to the previous one, because a lower number than the last one is refused.
   */
  readonly sequence: number;
}

/** A command with its id. */
export interface IdentifiedCommand {
  /** `undefined` if it has none. */
  readonly id: CommandId | undefined;
  readonly command: Uint8Array<ArrayBuffer>;
}

const PLAIN = 0;
const IDENTIFIED = 1;
const CLIENT_BYTES_MAX = 255;
const SEQUENCE_BYTES = 8;

/** The most bytes that {@link encodeCommand} adds to a command. */
export const COMMAND_HEAD_BYTES_MAX: number = 2 + CLIENT_BYTES_MAX + SEQUENCE_BYTES;

/**
 * Encodes a command.
 *
 * @param command The command. It is copied.
 * @param id Its id.
 * @returns The entry's bytes.
 * @throws {WalLogError} `INVALID_ARGUMENT`.
 */
export function encodeCommand(command: Uint8Array, id?: CommandId): Uint8Array<ArrayBuffer> {
  if (id === undefined) {
    const bytes = new Uint8Array(1 + command.length);
    bytes.set(command, 1);
    return bytes;
  }
  const { sequence } = id;
  const client = encodeClient(id.client);
  if (!Number.isSafeInteger(sequence) || sequence < 0) {
    throw invalid(`id.sequence must be a whole number of 0 or more, found ${String(sequence)}`);
  }
  const at = 2 + client.length;
  const bytes = new Uint8Array(at + SEQUENCE_BYTES + command.length);
  bytes[0] = IDENTIFIED;
  bytes[1] = client.length;
  bytes.set(client, 2);
  new DataView(bytes.buffer).setBigUint64(at, BigInt(sequence), true);
  bytes.set(command, at + SEQUENCE_BYTES);
  return bytes;
}

function encodeClient(client: string): Uint8Array {
  if (typeof client !== "string") throw invalid(`id.client must be a string, found ${typeof client}`);
  // Names that differ only in lone surrogates would have the same bytes.
  if (!client.isWellFormed()) throw invalid("id.client has half of a surrogate pair");
  const bytes = new TextEncoder().encode(client);
  if (bytes.length > 0 && bytes.length <= CLIENT_BYTES_MAX) return bytes;
  throw invalid(`id.client must have 1 to ${CLIENT_BYTES_MAX} bytes of UTF-8, found ${bytes.length}`);
}

/**
 * Decodes the name of a client.
 *
 * @param bytes The name's bytes.
 * @returns The name, as it was encoded: no byte order mark is removed.
 */
export function decodeClient(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

/**
 * Decodes an entry.
 *
 * @param bytes The entry's bytes.
 * @returns The command, which shares their memory, and its id.
 * @throws {WalLogError} `UNSUPPORTED_VERSION`.
 */
export function decodeCommand(bytes: Uint8Array<ArrayBuffer>): IdentifiedCommand {
  if (bytes[0] === PLAIN) return { id: undefined, command: bytes.subarray(1) };
  const at = 2 + (bytes[1] ?? 0);
  if (bytes[0] !== IDENTIFIED || bytes.length < at + SEQUENCE_BYTES) {
    throw new WalLogError(
      "UNSUPPORTED_VERSION",
      `Cannot read a command of kind ${bytes[0]}, ${bytes.length} bytes: no replica of this version wrote it`,
    );
  }
  const client = decodeClient(bytes.subarray(2, at));
  const sequence = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(at, true));
  return { id: { client, sequence }, command: bytes.subarray(at + SEQUENCE_BYTES) };
}

function invalid(reason: string): WalLogError {
  return new WalLogError("INVALID_ARGUMENT", `Cannot propose a command: ${reason}`);
}
