/**
 * A pool of WebAssembly instances. Each has its own memory of some MiB, and takes gigabytes of address space. So an
 * idle log holds none.
 *
 * @module
 */

import { Codec } from "./codec.ts";

/** The most idle instances to keep for the next log that needs one. */
const IDLE_MAX = 2;
/** An instance with more memory than this is not kept. In bytes. */
const IDLE_BYTES_MAX = 4 * 1024 * 1024;

let shared: Codec | undefined;
const idle: Codec[] = [];

/**
 * The instance that all logs of the thread share. A caller must finish with it before other code runs.
 *
 * @returns The instance.
 */
export function sharedCodec(): Codec {
  return shared ??= new Codec();
}

/**
 * An instance for a single user that keeps data in its memory while other code runs.
 *
 * @returns The instance. Return it once with {@link returnCodec}.
 */
export function leaseCodec(): Codec {
  return idle.pop() ?? new Codec();
}

/**
 * Returns an instance to the pool.
 *
 * @param codec The instance. The caller must not use it afterwards.
 */
export function returnCodec(codec: Codec): void {
  if (idle.length >= IDLE_MAX || codec.bytes.length > IDLE_BYTES_MAX) return;
  codec.clearTables();
  idle.push(codec);
}
