/**
 * WebAssembly instances are for logs at work. Each has its own memory of some MiB, and takes gigabytes of address space. So
 * a log at rest holds none.
 *
 * @module
 */

import { Codec } from "./codec.ts";

/** How many instances are kept for the next log that needs one. */
const IDLE_MAX = 2;
/** An instance with more memory than this is not kept. In bytes. */
const IDLE_BYTES_MAX = 4 * 1024 * 1024;

let shared: Codec | undefined;
const idle: Codec[] = [];

/**
 * The instance that all logs of the thread share. Whoever uses it must be done with it before anybody else runs.
 *
 * @returns The instance.
 */
export function sharedCodec(): Codec {
  return shared ??= new Codec();
}

/**
 * An instance for one user, who keeps something in its memory while others run.
 *
 * @returns The instance, to be given back once with {@link returnCodec}.
 */
export function leaseCodec(): Codec {
  return idle.pop() ?? new Codec();
}

/**
 * Gives an instance back.
 *
 * @param codec The instance. Its memory is another user's from now on.
 */
export function returnCodec(codec: Codec): void {
  if (idle.length >= IDLE_MAX || codec.bytes.length > IDLE_BYTES_MAX) return;
  codec.clearTables();
  idle.push(codec);
}
