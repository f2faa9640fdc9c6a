/**
 * Reads the lines of `dump --json` back into entries.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { Index, LogEntry, Term } from "../api/types.ts";
import { textOf } from "./text.ts";

/** The size of one read, in bytes. */
const BLOCK_BYTES = 256 * 1024;
/** The longest line, in bytes. Longer ones do not fit in a string. */
const LINE_BYTES_MAX = 384 * 1024 * 1024;

/** A line of a file. */
export interface Line {
  /** Its number, from 1. */
  readonly number: number;
  /** Offset of its first byte. */
  readonly offset: number;
  /** Its bytes, without the line feed. */
  readonly bytes: Uint8Array;
  /** Whether it ends with a line feed. Only the last one may not. */
  readonly isEnded: boolean;
}

/**
 * Reads a file line by line.
 *
 * @param path The file.
 * @returns Its lines. A line that is too long is cut off, and is the last.
 */
export function* linesOf(path: string): Generator<Line> {
  const file = openSync(path, "r");
  try {
    let [number, offset] = [1, 0];
    let parts: Uint8Array[] = [];
    let gathered = 0;
    const take = (isEnded: boolean): Line => {
      const line = { number: number++, offset, bytes: Buffer.concat(parts), isEnded };
      offset += line.bytes.length + 1;
      parts = [];
      gathered = 0;
      return line;
    };
    for (;;) {
      const block = new Uint8Array(BLOCK_BYTES);
      const count = readSync(file, block, 0, block.length, null);
      if (count === 0) break;
      let from = 0;
      for (let end = block.indexOf(10); end >= 0 && end < count; end = block.indexOf(10, from)) {
        parts.push(block.subarray(from, end));
        yield take(true);
        from = end + 1;
      }
      parts.push(block.subarray(from, count));
      gathered += count - from;
      if (gathered > LINE_BYTES_MAX) break;
    }
    // A line that is too long was not cut short.
    if (gathered > 0) yield take(gathered > LINE_BYTES_MAX);
  } finally {
    closeSync(file);
  }
}

/** The size of a file in bytes. */
export function bytesOf(path: string): number {
  const file = openSync(path, "r");
  try {
    return fstatSync(file).size;
  } finally {
    closeSync(file);
  }
}

/** The reason that a line is no entry if it was cut short. */
export const NOT_JSON = "not a line of JSON";

/** An entry without its command. */
export interface Place {
  readonly index: Index;
  readonly term: Term;
}

/**
 * Reads an entry.
 *
 * @param line The line.
 * @param last The entry before it; `undefined` if it is the first.
 * @returns The entry; or the reason that the line is none, or does not continue the log.
 */
export function parseEntry({ bytes }: Line, last: Place | undefined): LogEntry | string {
  let found: unknown;
  try {
    found = JSON.parse(textOf(bytes) ?? "");
  } catch {
    return NOT_JSON;
  }
  if (typeof found !== "object" || found === null || Array.isArray(found)) return "not a JSON object";
  const fields = found as Readonly<Record<string, unknown>>;
  if (fields.damaged === true) return `a hole, from index ${fields.firstIndex} on`;
  if (fields.error !== undefined) return "the error that ended the dump";
  if (fields.unconfirmed === true) return "an unconfirmed entry: a lost frame may have truncated it";
  const { index, term, kind } = fields;
  if (!Number.isSafeInteger(index) || (index as number) < 1) return "no valid index";
  if (!Number.isSafeInteger(term) || (term as number) < 0) return "no valid term";
  if (kind !== "normal" && kind !== "config") return 'the kind is neither "normal" nor "config"';
  if (last !== undefined && index !== last.index + 1) return `index ${index} after index ${last.index}`;
  if (last !== undefined && (term as number) < last.term) return `term ${term} after term ${last.term}`;
  const command = commandOf(fields);
  if (typeof command === "string") return command;
  if (fields.bytes !== undefined && fields.bytes !== command.length) {
    return `"bytes" is ${fields.bytes}, and the command has ${command.length}`;
  }
  return { index: index as number, term: term as number, kind, command };
}

/** The bytes of a command; or the reason that they are unknown. */
function commandOf({ command, text, value }: Readonly<Record<string, unknown>>): Uint8Array<ArrayBuffer> | string {
  if (typeof command === "string") {
    const bytes = Buffer.from(command, "base64");
    return bytes.toString("base64") === command ? new Uint8Array(bytes) : "the command is not base64";
  }
  if (typeof text === "string") {
    const bytes = new TextEncoder().encode(text);
    return textOf(bytes) === text ? bytes : "the text has half a surrogate pair, which UTF-8 cannot hold";
  }
  return value === undefined ? "no command" : "the bytes of the command are unknown: dump without --json-commands";
}
