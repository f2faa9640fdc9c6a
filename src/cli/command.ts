/**
 * The definition of a command, and the parsing of its arguments.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { WalLogError } from "../api/errors.ts";
import type { HardState, Index, Term } from "../api/types.ts";
import type { Output } from "./output.ts";

/** The exit codes of the program. */
export const EXIT = {
  /** All is well. */
  clean: 0,
  /** Bytes at the end did not survive a crash; they were never acknowledged as durable. */
  torn: 1,
  /** Data that was durable is damaged. */
  corrupt: 2,
  /** The command failed: something cannot be read or written. */
  unreadable: 3,
  /** The arguments are wrong. */
  usage: 64,
  /** A bug in this program. */
  internal: 70,
  /** Interrupted. */
  interrupted: 130,
} as const;

/** An option of a command. */
export interface Option {
  readonly type: "string" | "boolean";
  readonly short?: string;
  /** The placeholder for the value in the help: `INDEX`. */
  readonly value?: string;
  /** All values, if there are a few. */
  readonly choices?: readonly string[];
  readonly help: string;
}

/** The parsed arguments of a command. */
export interface Arguments {
  /** The arguments without a name, as many as the command has {@link Command.operands}. */
  readonly operands: readonly string[];
  /** The options. */
  readonly options: Readonly<Record<string, string | boolean | undefined>>;
}

/** The arguments of a command, and its output. */
export interface Context extends Arguments {
  /** Standard output; with `--json`, lines for people, which become part of the document. */
  readonly out: Output;
  /** Adds fields to the document of `--json`. */
  result(fields: Readonly<Record<string, unknown>>): void;
  /** Writes a message to standard error that is not part of the result. */
  note(text: string): void;
  /** Aborted when the program is to end. */
  readonly signal: AbortSignal;
}

/** A command. */
export interface Command {
  readonly name: string;
  /** One line. */
  readonly summary: string;
  /** The arguments without a name, for the help: `DIR`. */
  readonly operands: readonly string[];
  readonly options: Readonly<Record<string, Option>>;
  /** The rest of the help. */
  readonly help: string;
  /**
   * Whether it writes files. When such a command is interrupted, it removes its unfinished files and ends itself. The
   * operating system ends other commands.
   */
  readonly writes?: boolean | ((args: Arguments) => boolean);
  /** Whether `--json` streams one object per line, instead of one document at the end. */
  readonly streams?: boolean | ((words: readonly string[]) => boolean);
  /** Runs the command. Returns the exit code. */
  run(context: Context): Promise<number>;
}

/** Wrong arguments, explained in one line. */
export class UsageError extends Error {}

/** An interruption of a command that leaves something behind. The message says what, and what to do. */
export class Interrupted extends Error {}

/** The option of every command. */
export const HELP: Option = { type: "boolean", short: "h", help: "Show this" };
/** The option of every command that does not write its own document. */
export const JSON_OPTION: Option = { type: "boolean", help: "Print JSON, see docs/CLI.md" };

/**
 * Parses a command's arguments.
 *
 * @param command The command.
 * @param args The words after its name.
 * @returns The arguments; `undefined` if help was requested.
 * @throws {UsageError} If they are invalid.
 */
export function readArguments(command: Command, args: readonly string[]): Arguments | undefined {
  const options = Object.fromEntries(
    Object.entries({ ...command.options, json: JSON_OPTION, help: HELP }).map((
      [name, { type, short }],
    ) => [name, short === undefined ? { type } : { type, short }]),
  );
  let parsed;
  try {
    parsed = parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    // Keep the first sentence. The runtimes add different hints after it.
    throw new UsageError((error as Error).message.split(/\.? To specify|\n/)[0]);
  }
  const { values, positionals } = parsed;
  if (values.help === true) return undefined;
  const missing = command.operands[positionals.length];
  if (missing !== undefined) throw new UsageError(`${missing} is missing`);
  const extra = positionals[command.operands.length];
  if (extra !== undefined) throw new UsageError(`too many arguments: ${JSON.stringify(extra)}`);
  const empty = positionals.indexOf("");
  if (empty >= 0) throw new UsageError(`${command.operands[empty]} is empty`);
  return { operands: positionals, options: values as Arguments["options"] };
}

/**
 * A hard state for programs.
 *
 * @param hardState The hard state.
 * @returns Its fields; the vote is a string, because it has 64 bits.
 */
export function hardStateJson(
  { term, votedFor }: HardState,
): { readonly term: Term; readonly votedFor: string | null } {
  return { term, votedFor: votedFor === null ? null : String(votedFor) };
}

/**
 * An option that is an index.
 *
 * @param args The arguments.
 * @param name The option.
 * @returns The index; `undefined` if the option was not given.
 */
export function indexOption({ options }: Arguments, name: string): Index | undefined {
  const text = options[name];
  if (text === undefined) return undefined;
  const index = typeof text === "string" && /^\d+$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(index)) return index;
  throw new UsageError(`--${name} takes an index, found ${JSON.stringify(text)}`);
}

const UNITS: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/**
 * An option that is a number of bytes: `4096`, `64K`, `256M`, `1G`.
 *
 * @param args The arguments.
 * @param name The option.
 * @param otherwise The default.
 * @param min The minimum.
 * @param max The maximum.
 * @returns The number of bytes.
 */
export function bytesOption(
  { options }: Arguments,
  name: string,
  otherwise: number,
  min: number,
  max: number,
): number {
  const text = options[name];
  if (text === undefined) return otherwise;
  const [, number, unit] = /^(\d{1,15})([KMG]?)(?:i?B)?$/i.exec(String(text)) ?? [];
  const bytes = Number(number) * UNITS[unit?.toUpperCase() ?? ""]!;
  if (bytes >= min && bytes <= max) return bytes;
  throw new UsageError(
    `--${name} takes a number of bytes from ${min} to ${max}, like 64K or 1G, found ${JSON.stringify(text)}`,
  );
}

/**
 * An option that is one of a few words.
 *
 * @param args The arguments.
 * @param name The option.
 * @param choices The words. The first one is the default.
 * @returns The word.
 */
export function choiceOption<Choice extends string>(
  { options }: Arguments,
  name: string,
  choices: readonly [Choice, ...Choice[]],
): Choice {
  return choiceOf(`--${name}`, options[name] ?? choices[0], choices);
}

/**
 * Checks that a value is one of a few words.
 *
 * @param what The name of the value, for the message.
 * @param text The value.
 * @param choices The words.
 * @returns The word.
 */
export function choiceOf<Choice extends string>(
  what: string,
  text: string | boolean,
  choices: readonly Choice[],
): Choice {
  const found = choices.find((choice) => choice === text);
  if (found !== undefined) return found;
  throw new UsageError(`${what} is one of ${choices.join(", ")}, found ${JSON.stringify(text)}`);
}

/**
 * The exit code for an error.
 *
 * @param error The error.
 * @returns The code; `undefined` for an unexpected error, which is a bug.
 */
export function exitCodeOf(error: unknown): number | undefined {
  if (error instanceof UsageError) return EXIT.usage;
  if (error instanceof WalLogError) return error.code === "CORRUPT" ? EXIT.corrupt : EXIT.unreadable;
  // Deno's error for a missing permission, which its message names.
  if (error instanceof Error && error.name === "NotCapable") return EXIT.unreadable;
  // An error of the operating system.
  if (error instanceof Error && "code" in error && typeof error.code === "string" && "syscall" in error) {
    return EXIT.unreadable;
  }
  return undefined;
}
