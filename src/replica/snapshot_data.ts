/**
 * The data of a replica's snapshot: the table of clients, and the state machine's bytes.
 *
 * ```text
 * 0   8 bytes "WALLOGRS"
 * 8   u32 version 1
 * 12  u32 size of the table
 * 16  the table (`Clients.encode`), and then the state machine's bytes
 * ```
 *
 * Integers are little-endian. Reads and writes block, so streams pause between two pieces to let other tasks run.
 *
 * @module
 */

import { setImmediate as nextTurn } from "node:timers/promises";
import { WalLogError } from "../api/errors.ts";
import type { SnapshotSource, SnapshotStream, SnapshotTarget } from "../api/types.ts";
import { Clients } from "./clients.ts";

const MAGIC = new TextEncoder().encode("WALLOGRS");
const VERSION = 1;
const HEAD_BYTES = 16;
/** Bytes read or written without a pause. */
const PIECE_BYTES = 256 * 1024;

/**
 * The head of a snapshot.
 *
 * @param clients The table of clients.
 * @returns The bytes before those of the state machine.
 */
export function encodeHead(clients: Clients): Uint8Array {
  const table = clients.encode();
  const head = new Uint8Array(HEAD_BYTES + table.length);
  const view = new DataView(head.buffer);
  head.set(MAGIC);
  view.setUint32(8, VERSION, true);
  view.setUint32(12, table.length, true);
  head.set(table, HEAD_BYTES);
  return head;
}

/** The head of a snapshot, and where the state machine's bytes begin. */
export interface SnapshotHead {
  readonly clients: Clients;
  readonly offset: number;
}

/**
 * Reads the head of a snapshot.
 *
 * @param source The snapshot.
 * @returns Its head.
 * @throws {WalLogError} `UNSUPPORTED_VERSION` if the snapshot is not one of a replica of this version; `CORRUPT`, `IO`.
 */
export function readHead(source: SnapshotSource): SnapshotHead {
  const head = source.read(0, HEAD_BYTES);
  const view = new DataView(head.buffer);
  if (head.length < HEAD_BYTES || MAGIC.some((byte, at) => byte !== head[at]) || view.getUint32(8, true) !== VERSION) {
    throw new WalLogError(
      "UNSUPPORTED_VERSION",
      `Cannot restore the snapshot at index ${source.index}: no replica of this version wrote it`,
    );
  }
  const size = view.getUint32(12, true);
  return { clients: Clients.decode(source.read(HEAD_BYTES, size)), offset: HEAD_BYTES + size };
}

/**
 * The state machine's bytes of a snapshot.
 *
 * @param source The snapshot.
 * @param offset The offset at which they begin.
 * @returns A stream that reads on demand.
 */
export function streamFrom(source: SnapshotSource, offset: number): SnapshotStream {
  let at = offset;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      await nextTurn();
      const piece = source.read(at, PIECE_BYTES);
      at += piece.length;
      if (piece.length > 0) controller.enqueue(piece);
      else controller.close();
    },
  }, { highWaterMark: 0 }) as SnapshotStream;
}

/** A stream into a snapshot. */
export interface TargetStream {
  readonly stream: WritableStream<Uint8Array>;
  /** Resolves when all bytes are written. Rejects if the stream is still locked. */
  readonly finish: () => Promise<void>;
}

/**
 * A stream of the state machine's bytes.
 *
 * @param target The snapshot. Its head was written.
 * @param maxBytes The largest snapshot, in bytes.
 * @returns The stream.
 */
export function streamTo(target: SnapshotTarget, maxBytes: number): TargetStream {
  let isClosed = false;
  const stream = new WritableStream<Uint8Array>({
    async write(chunk) {
      for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
        const piece = chunk.subarray(at, at + PIECE_BYTES);
        if (target.dataBytes + piece.length > maxBytes) {
          throw new WalLogError(
            "INVALID_ARGUMENT",
            `Cannot write the snapshot at index ${target.index}: it is larger than ${maxBytes} bytes (maxSnapshotBytes)`,
          );
        }
        target.write(piece);
        await nextTurn();
      }
    },
    close() {
      isClosed = true;
    },
  }, { highWaterMark: 1 });
  const finish = async () => {
    if (isClosed) return;
    if (stream.locked) {
      throw new WalLogError(
        "INVALID_ARGUMENT",
        "Cannot finish a snapshot: the state machine's snapshot() has neither closed the stream nor released its lock",
      );
    }
    await stream.close();
  };
  return { stream, finish };
}
