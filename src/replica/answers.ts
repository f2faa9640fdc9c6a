/**
 * Encodes answers as bytes, to keep them for commands that are proposed again.
 *
 * ```text
 * u8 0                 undefined
 * u8 1   UTF-8         a JSON value
 * u8 2   bytes         bytes
 * ```
 *
 * @module
 */

import { isBytes } from "../api/taken.ts";

const NOTHING = 0;
const JSON_VALUE = 1;
const BYTES = 2;

/** The largest answer that is kept, in bytes. */
const ANSWER_BYTES_MAX = 1024 * 1024;

function tagged(tag: number, bytes: Uint8Array): Uint8Array {
  const answer = new Uint8Array(1 + bytes.length);
  answer[0] = tag;
  answer.set(bytes, 1);
  return answer;
}

/**
 * Encodes an answer.
 *
 * @param answer The answer.
 * @returns Its bytes; `undefined` if it cannot be kept, because it is too large or not a JSON value.
 */
export function encodeAnswer(answer: unknown): Uint8Array | undefined {
  if (answer === undefined) return new Uint8Array([NOTHING]);
  const encoded = isBytes(answer) ? tagged(BYTES, answer) : encodeJson(answer);
  return encoded !== undefined && encoded.length <= ANSWER_BYTES_MAX ? encoded : undefined;
}

function encodeJson(answer: unknown): Uint8Array | undefined {
  let text: string | undefined;
  try {
    text = JSON.stringify(answer);
  } catch {
    // A bigint or a circular reference.
  }
  return text === undefined ? undefined : tagged(JSON_VALUE, new TextEncoder().encode(text));
}

/**
 * Decodes an answer.
 *
 * @param bytes Its bytes.
 * @returns The answer.
 */
export function decodeAnswer(bytes: Uint8Array): unknown {
  if (bytes[0] === NOTHING) return undefined;
  const rest = bytes.slice(1);
  return bytes[0] === BYTES ? rest : JSON.parse(new TextDecoder().decode(rest));
}
