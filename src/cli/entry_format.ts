/**
 * The formats in which `wal-log dump` prints entries.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import type { LogEntry } from "../api/types.ts";
import { choiceOption, type Context, UsageError } from "./command.ts";
import { decode } from "./decoder.ts";
import type { Hole } from "./read_around.ts";
import { indexes, jsonText, preview, textOf, wholeText } from "./text.ts";

/** Text or bytes for the output. */
export type Written = string | Uint8Array;

/** A format of entries. */
export interface Format {
  readonly isJson: boolean;
  entry(entry: LogEntry): Written | Promise<Written>;
  /** Formats a hole; `undefined` if the format has no way to show one. */
  hole(hole: Hole): string | undefined;
}

/** The options that select a format. */
export const FORMAT_OPTIONS = {
  format: {
    type: "string",
    short: "f",
    value: "FORMAT",
    choices: ["text", "json", "raw"],
    help: "text (the default), json or raw",
  },
  utf8: { type: "boolean", help: "Print whole commands, as text" },
  "json-commands": { type: "boolean", help: "In JSON: print commands that are JSON as JSON" },
  decode: { type: "string", value: "COMMAND", help: "Print what this command makes of each command" },
} as const;

/**
 * An entry for programs.
 *
 * @param entry The entry.
 * @returns Its fields, with the command in base64.
 */
export function entryJson(entry: LogEntry): Readonly<Record<string, unknown>> {
  return { ...headOf(entry), command: base64(entry.command) };
}

function headOf({ index, term, kind, command }: LogEntry): Readonly<Record<string, unknown>> {
  return { index, term, kind, bytes: command.length };
}

function base64({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("base64");
}

/** The field that holds a command: `value` if it is JSON, `text` if it is text, `command` in base64 otherwise. */
function fieldOf(bytes: Uint8Array, isText: boolean, isJson: boolean): Readonly<Record<string, unknown>> {
  const text = textOf(bytes);
  if (isJson && text !== undefined) {
    try {
      return { value: JSON.parse(text) };
    } catch {
      // Not JSON.
    }
  }
  return isText && text !== undefined ? { text } : { command: base64(bytes) };
}

/**
 * The format that the options of `dump` select.
 *
 * @param context The command.
 * @returns The format.
 * @throws {UsageError} If the options exclude each other.
 */
export function formatOf(context: Context): Format {
  const { options } = context;
  const kind = options.json === true ? "json" : choiceOption(context, "format", ["text", "json", "raw"]);
  const [isText, isJson] = [options.utf8 === true, options["json-commands"] === true];
  const { decode: program } = options;
  if (isJson && kind !== "json") throw new UsageError("--json-commands needs --json or --format json");
  if (isText && kind === "raw") throw new UsageError("--utf8 excludes --format raw");
  const selected = ["utf8", "json-commands", "decode"].find((name) => options[name] !== undefined);
  if (options.frames === true && selected !== undefined) throw new UsageError(`--${selected} excludes --frames`);
  // A decoder makes commands readable, so its output is shown whole.
  const isWhole = isText || program !== undefined;
  const make = {
    json: (entry: LogEntry, bytes: Uint8Array) => jsonText({ ...headOf(entry), ...fieldOf(bytes, isWhole, isJson) }),
    text: (entry: LogEntry, bytes: Uint8Array) => textLine(entry, isWhole ? wholeText(bytes) : preview(bytes)),
    raw: (_: LogEntry, bytes: Uint8Array) => bytes,
  }[kind];
  return {
    isJson: kind === "json",
    entry: typeof program === "string"
      ? async (entry) => make(entry, await decode(program, entry))
      : (entry) => make(entry, entry.command),
    hole: HOLES[kind],
  };
}

function textLine({ index, term, kind, command }: LogEntry, shown: string): string {
  return `${String(index).padStart(8)}  ${String(term).padStart(4)}  ${kind}  ${
    String(command.length).padStart(6)
  }  ${shown}`;
}

const HOLES: Readonly<Record<"json" | "text" | "raw", Format["hole"]>> = {
  json: ({ first, last, reason }) => jsonText({ damaged: true, firstIndex: first, lastIndex: last, reason }),
  text: ({ first, last, reason }) => `${String(first).padStart(8)}  damaged: ${indexes(first, last)}; ${reason}`,
  raw: () => undefined,
};
