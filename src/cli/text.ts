/**
 * Formats numbers, names and bytes for people.
 *
 * @module
 */

import type { Damage } from "../api/report.ts";
import { TERM_UNKNOWN } from "../format/numbers.ts";
import type { HardState, Index, Term } from "../api/types.ts";
import { grouped } from "./terminal.ts";

/** The length of the part of a command that is shown, in characters. */
const PREVIEW_LENGTH_MAX = 100;

/** 1 entry, 2 entries. */
export function counted(count: number, one: string, many: string): string {
  return `${grouped(count)} ${count === 1 ? one : many}`;
}

/** A size: 912 bytes, 4.1 KiB, 64.0 MiB. */
export function sized(bytes: number): string {
  if (bytes < 1024) return counted(bytes, "byte", "bytes");
  const units = ["KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  let value = bytes / 1024;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value.toFixed(1)} ${units[unit]}`;
}

/** Index 5, indexes 5 to 8. */
export function indexes(first: Index, last: Index): string {
  return first === last ? `index ${first}` : `indexes ${first} to ${last}`;
}

/** A term; of an entry whose header is lost: `?`. */
export function termText(term: Term): string {
  return term === TERM_UNKNOWN ? "?" : String(term);
}

/** The last part of a path. */
export function nameOf(path: string): string {
  return path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
}

/**
 * The line that recommends the next step, after each verdict.
 *
 * @param next The advice.
 * @returns The line.
 */
export function nextLine({ text }: { readonly text: string }): string {
  return `Next: ${text}`;
}

/** Term and vote. */
export function hardStateText({ term, votedFor }: HardState): string {
  return `term ${term}, ${votedFor === null ? "no vote" : `voted for node ${votedFor}`}`;
}

/** Describes a damaged place: its contents, its position, and the reason. */
export function damageText({ kind, path, offset, bytes, firstIndex, lastIndex, reason }: Damage): string {
  const what = firstIndex === undefined
    ? kind
    : lastIndex === undefined
    ? `${kind}, from index ${firstIndex} on`
    : kind === "snapshot"
    ? `snapshot at index ${firstIndex}`
    : `${kind === "entries" ? "" : `${kind}, `}${indexes(firstIndex, lastIndex)}`;
  const size = bytes > 0 ? `, ${counted(bytes, "byte", "bytes")}` : "";
  return `${what}: ${nameOf(path)} at byte ${offset}${size} (${reason})`;
}

/** Control and format characters, and separators of lines and paragraphs. A terminal executes or hides them. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
/** The same without the line feed. */
const INVISIBLE_IN_LINES = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** Escapes a character as JSON does: `\u202e`, and two escapes beyond U+FFFF. */
function escaped(character: string): string {
  return Array.from(
    { length: character.length },
    (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`,
  ).join("");
}

/** Escapes invisible characters except line feeds: text that is safe to print. */
export function harmless(text: string): string {
  return text.replace(INVISIBLE_IN_LINES, escaped);
}

/** Escapes line feeds too: for a path, and for a message with paths in it. */
export function oneLine(text: string): string {
  return text.replace(INVISIBLE, escaped);
}

/**
 * A value as JSON that is safe to print. All JSON that the program prints comes from here.
 *
 * @param value The value.
 * @param indent Spaces by which to indent each level; without it, the JSON is one line.
 * @returns JSON. The escapes are within strings, and do not change the value.
 */
export function jsonText(value: unknown, indent?: number): string {
  // The only line feeds are those of the indentation: `JSON.stringify` escapes the others.
  return harmless(JSON.stringify(value, undefined, indent));
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The beginning of some bytes, in one line: as text if they are UTF-8, in hexadecimal otherwise. */
export function preview(bytes: Uint8Array): string {
  // A character has at most four bytes, and the limit may cut one.
  const part = bytes.subarray(0, PREVIEW_LENGTH_MAX * 4);
  const isWhole = part.length === bytes.length;
  for (let cut = 0; cut < (isWhole ? 1 : 4); cut++) {
    try {
      const characters = [...utf8.decode(part.subarray(0, part.length - cut))];
      if (/(?!\s)\p{Cc}/u.test(characters.join(""))) break;
      const shown = characters.slice(0, PREVIEW_LENGTH_MAX);
      return jsonText(shown.join("")) + (isWhole && shown.length === characters.length ? "" : "...");
    } catch {
      // Not UTF-8, or the last character is cut.
    }
  }
  const shown = bytes.subarray(0, PREVIEW_LENGTH_MAX / 2);
  return `${hexadecimal(shown)}${shown.length < bytes.length ? "..." : ""}`;
}

/** All bytes, in one line: as text if they are UTF-8, in hexadecimal otherwise. */
export function wholeText(bytes: Uint8Array): string {
  const text = textOf(bytes);
  return text === undefined ? hexadecimal(bytes) : jsonText(text);
}

/** Bytes as text, a byte order mark included; `undefined` if they are not UTF-8. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

function hexadecimal(bytes: Uint8Array): string {
  return `0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/**
 * Formats a table. Each column is as wide as its longest cell.
 *
 * @param rows The rows. The first one is the header.
 * @param right The right-aligned columns.
 * @returns The lines.
 */
export function table(rows: readonly (readonly string[])[], right: ReadonlySet<number>): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row.map((cell, column) => right.has(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!))
      .join("  ").trimEnd()
  );
}
