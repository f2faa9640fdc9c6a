/** Bytes of messages, which are decoded or refused. */

import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { WalLogError } from "../mod.ts";
import { decodeMessage, encodeMessage, type Message } from "../src/raft/mod.ts";

/** Messages tried of each property. */
export const RUNS = 1000;
/** Arrays of bytes that no encoder wrote. */
export const MUTANTS = 20_000;

export const BIG_ID = 2n ** 64n - 2n;
export const ENTRIES = [
  { term: 6, index: 41, kind: "normal", command: Uint8Array.of(1, 2, 3) },
  { term: 7, index: 42, kind: "config", command: Uint8Array.of(255) },
  { term: 7, index: 43, kind: "normal", command: new Uint8Array() },
] as const;
export const SNAPSHOT = { index: 300, term: 4, config: [1n, BIG_ID], data: Uint8Array.of(9, 8) };

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

export function fromHex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));
}

/** The message that bytes are; `undefined` if they are none, and say so as they should. */
export function decodedOr(bytes: Uint8Array): Message | undefined {
  try {
    return decodeMessage(bytes);
  } catch (error) {
    assert.ok(error instanceof WalLogError && error.code === "ENCODING", `${error} for ${hex(bytes)}`);
    return undefined;
  }
}

export function isRefused(bytes: Uint8Array, message: RegExp): void {
  assert.throws(() => decodeMessage(bytes), (error) => {
    assert.ok(error instanceof WalLogError, String(error));
    assert.equal(error.code, "ENCODING");
    assert.match(error.message, message);
    return true;
  });
}

export function isNotWritten(message: Message, reason: RegExp): void {
  assert.throws(() => encodeMessage(message), (error) => {
    assert.ok(error instanceof WalLogError, String(error));
    assert.equal(error.code, "ENCODING");
    assert.match(error.message, reason);
    return true;
  });
}
