/**
 * Frees memory without waiting for garbage collection.
 *
 * @module
 */

/**
 * Frees the buffer of an array at once. Otherwise, V8 first lets about 64 MiB of unused buffers pile up, so a transfer of
 * many buffers would need that much more memory.
 *
 * @param bytes An array. Nothing may use its buffer any more: the array, and all others on the buffer, are empty afterwards.
 */
export function free(bytes: Uint8Array): void {
  (bytes.buffer as ArrayBuffer).transfer(0);
}
